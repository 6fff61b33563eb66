/**
 * Splatting as the CPU renderer does it: perspective by the projection's Jacobian at the centre (Zwicker et al., "EWA
 * splatting", 2002), 0.3 square pixels of dilation, opacities cut at 1/255 and clamped at 0.99.
 */

export const TEXELS = 4; // of a splat: mean and opacity, quaternion, scales, colour
export const TEXTURE_WIDTH = 2048;

export const VERTEX = `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2D;
uniform sampler2D splats;
uniform sampler2D harmonics;
uniform mat3 rotation;
uniform vec3 translation;
uniform vec3 eye;
uniform vec2 focal;
uniform vec2 size;
uniform vec2 depths;
uniform bool compensated;
uniform int shCount;
uniform int shTexels;
out vec2 offset;
flat out vec4 colour;

vec4 part(int splat, int k) {
  int perRow = ${TEXTURE_WIDTH / TEXELS};
  return texelFetch(splats, ivec2((splat % perRow) * ${TEXELS} + k, splat / perRow), 0);
}

vec3 sh(int splat, int k) {
  int perRow = ${TEXTURE_WIDTH} / shTexels;
  int first = (splat % perRow) * shTexels;
  int row = splat / perRow;
  int at = 3 * (k - 1);
  vec4 a = texelFetch(harmonics, ivec2(first + at / 4, row), 0);
  int shift = at % 4;
  if (shift == 0) return a.xyz;
  if (shift == 1) return a.yzw;
  vec4 b = texelFetch(harmonics, ivec2(first + at / 4 + 1, row), 0);
  return shift == 2 ? vec3(a.zw, b.x) : vec3(a.w, b.xy);
}

vec3 shaded(int splat, vec3 base, vec3 dir) {
  vec3 c = 0.28209479 * base;
  float x = dir.x, y = dir.y, z = dir.z;
  if (shCount > 1) {
    c += 0.48860251 * (-y * sh(splat, 1) + z * sh(splat, 2) - x * sh(splat, 3));
  }
  if (shCount > 4) {
    float xx = x * x, yy = y * y, zz = z * z;
    c += 1.09254843 * x * y * sh(splat, 4) - 1.09254843 * y * z * sh(splat, 5)
      + (0.94617470 * zz - 0.31539157) * sh(splat, 6) - 1.09254843 * x * z * sh(splat, 7)
      + 0.54627422 * (xx - yy) * sh(splat, 8);
    if (shCount > 9) {
      c += -0.59004359 * y * (3.0 * xx - yy) * sh(splat, 9) + 2.89061144 * x * y * z * sh(splat, 10)
        + y * (0.45704580 - 2.28522900 * zz) * sh(splat, 11) + z * (1.86588166 * zz - 1.11952900) * sh(splat, 12)
        + x * (0.45704580 - 2.28522900 * zz) * sh(splat, 13) + 1.44530572 * z * (xx - yy) * sh(splat, 14)
        - 0.59004359 * x * (xx - 3.0 * yy) * sh(splat, 15);
    }
  }
  return max(c + 0.5, 0.0);
}

void main() {
  gl_Position = vec4(0.0, 0.0, 2.0, 1.0); // outside: culled unless all below goes well
  int splat = gl_VertexID >> 2;
  vec4 place = part(splat, 0);
  vec3 p = rotation * place.xyz + translation;
  if (p.z < depths.x || p.z > depths.y) return;
  vec4 q = part(splat, 1);
  vec3 s = part(splat, 2).xyz;
  mat3 turn = mat3(
    1.0 - 2.0 * (q.z * q.z + q.w * q.w), 2.0 * (q.y * q.z + q.x * q.w), 2.0 * (q.y * q.w - q.x * q.z),
    2.0 * (q.y * q.z - q.x * q.w), 1.0 - 2.0 * (q.y * q.y + q.w * q.w), 2.0 * (q.z * q.w + q.x * q.y),
    2.0 * (q.y * q.w + q.x * q.z), 2.0 * (q.z * q.w - q.x * q.y), 1.0 - 2.0 * (q.y * q.y + q.z * q.z));
  mat3 m = rotation * mat3(turn[0] * s.x, turn[1] * s.y, turn[2] * s.z);
  vec2 limit = 0.5 * size / focal + 0.15 * size / focal;
  vec2 t = p.z * clamp(p.xy / p.z, -limit, limit);
  // rows of J times m, so that the covariance is a sum of squares
  vec3 ju = (focal.x / p.z) * vec3(m[0].x, m[1].x, m[2].x) - (focal.x * t.x / (p.z * p.z)) * vec3(m[0].z, m[1].z, m[2].z);
  vec3 jv = (focal.y / p.z) * vec3(m[0].y, m[1].y, m[2].y) - (focal.y * t.y / (p.z * p.z)) * vec3(m[0].z, m[1].z, m[2].z);
  float uu = dot(ju, ju), uv = dot(ju, jv), vv = dot(jv, jv);
  float before = max(uu * vv - uv * uv, 0.0);
  uu += 0.3;
  vv += 0.3;
  float after = uu * vv - uv * uv;
  if (!(after > 0.0)) return;
  float opacity = place.w;
  if (compensated) opacity *= sqrt(max(0.000025, before / after));
  if (opacity < 1.0 / 255.0) return;
  float reach = min(3.33, sqrt(2.0 * log(255.0 * opacity)));
  float middle = 0.5 * (uu + vv);
  float apart = length(vec2(0.5 * (uu - vv), uv));
  float l1 = middle + apart;
  float l2 = max(after / l1, 1e-6);
  // the major axis by half the angle: no division that could fail for a circle
  float angle = 0.5 * atan(2.0 * uv, uu - vv);
  vec2 major = vec2(cos(angle), sin(angle));
  vec2 corner = vec2((gl_VertexID & 1) * 2 - 1, (gl_VertexID & 2) - 1);
  offset = corner * reach;
  vec2 pixel = focal * p.xy / p.z + 0.5 * size
    + sqrt(l1) * offset.x * major + sqrt(l2) * offset.y * vec2(-major.y, major.x);
  colour = vec4(shaded(splat, part(splat, 3).rgb, normalize(place.xyz - eye)), opacity);
  gl_Position = vec4(2.0 * pixel.x / size.x - 1.0, 1.0 - 2.0 * pixel.y / size.y, 0.0, 1.0);
}`;

export const FRAGMENT = `#version 300 es
precision highp float;
in vec2 offset;
flat in vec4 colour;
out vec4 result;
void main() {
  float alpha = min(0.99, colour.a * exp(-0.5 * dot(offset, offset)));
  if (alpha < 1.0 / 255.0) discard;
  result = vec4(colour.rgb * alpha, alpha);
}`;

/** From the 16-bit picture to the canvas. */
export const COPY_VERTEX = `#version 300 es
void main() {
  gl_Position = vec4(vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0, 0.0, 1.0);
}`;

export const COPY_FRAGMENT = `#version 300 es
precision highp float;
precision highp sampler2D;
uniform sampler2D picture;
out vec4 result;
void main() {
  result = clamp(texelFetch(picture, ivec2(gl_FragCoord.xy), 0), 0.0, 1.0);
}`;
