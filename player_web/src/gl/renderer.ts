/** Draws sorted splats with WebGL2. Knows nothing of files, time or people. */

import type { View } from "./camera.js";
import { type PackedFrame, shTexels } from "./pack.js";
import { COPY_FRAGMENT, COPY_VERTEX, FRAGMENT, TEXTURE_WIDTH, VERTEX } from "./shaders.js";

const NEAR = 0.01;
const FAR = 1e10;

interface Resources {
  draw: WebGLProgram;
  copy: WebGLProgram;
  uniforms: Map<string, WebGLUniformLocation | null>;
  splats: WebGLTexture;
  harmonics: WebGLTexture;
  indices: WebGLBuffer;
  vao: WebGLVertexArrayObject;
  software: boolean;
  /** A 16-bit target: hundreds of layers in 8 bits would add up their roundings. Null where there is none. */
  target: { framebuffer: WebGLFramebuffer; texture: WebGLTexture; width: number; height: number } | null;
}

export class Renderer {
  private readonly gl: WebGL2RenderingContext;
  private resources: Resources | null = null;
  private frame: PackedFrame | null = null;
  private harmonics: Float32Array<ArrayBuffer> | null = null;
  private order: Uint32Array<ArrayBuffer> = new Uint32Array(0);
  compensated = false;
  /** Told after the context came back and everything was uploaded again. */
  onrestored: (() => void) | null = null;

  constructor(private readonly canvas: HTMLCanvasElement) {
    const gl = canvas.getContext("webgl2", { antialias: false, depth: false, premultipliedAlpha: true });
    if (gl === null) throw new Error("This browser offers no WebGL 2, which this player draws with.");
    this.gl = gl;
    canvas.addEventListener("webglcontextlost", (event) => {
      event.preventDefault();
      this.resources = null;
    });
    canvas.addEventListener("webglcontextrestored", () => {
      this.resources = build(gl);
      this.uploadAll();
      this.onrestored?.();
    });
    this.resources = build(gl);
  }

  /** A frame and its order, published together. `order`: six vertex numbers a splat, back to front. */
  show(frame: PackedFrame, order: Uint32Array<ArrayBuffer>): void {
    this.frame = frame;
    if (frame.harmonics !== null) this.harmonics = frame.harmonics;
    this.order = order;
    if (this.resources === null) return;
    upload(this.gl, this.resources.splats, frame.splats);
    if (frame.harmonics !== null) upload(this.gl, this.resources.harmonics, frame.harmonics);
    this.uploadOrder();
  }

  /** Another order of the frame that is shown. */
  reorder(order: Uint32Array<ArrayBuffer>): void {
    this.order = order;
    this.uploadOrder();
  }

  private uploadOrder(): void {
    const { gl, resources } = this;
    if (resources === null) return;
    gl.bindVertexArray(resources.vao);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, this.order, gl.DYNAMIC_DRAW);
  }

  private uploadAll(): void {
    if (this.resources === null || this.frame === null) return;
    upload(this.gl, this.resources.splats, this.frame.splats);
    if (this.harmonics !== null) upload(this.gl, this.resources.harmonics, this.harmonics);
    this.uploadOrder();
  }

  /**
   * Draw the frame as seen from `view`. `hurried`: where a processor does the graphics card's work, 8 bits must do,
   * which are two to three times as fast there.
   */
  draw(view: View, hurried = false): void {
    const { gl, resources, canvas } = this;
    if (resources === null) return;
    const { width, height } = canvas;
    const target = hurried && resources.software ? null : this.target(resources, width, height);
    gl.bindFramebuffer(gl.FRAMEBUFFER, target);
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    if (this.frame !== null && this.order.length > 0) this.drawSplats(resources, this.frame, view);
    if (target !== null) this.copy(resources);
  }

  private drawSplats(resources: Resources, frame: PackedFrame, view: View): void {
    const { gl } = this;
    const { width, height } = this.canvas;
    const at = (name: string) => resources.uniforms.get(name) ?? null;
    gl.useProgram(resources.draw);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, resources.splats);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, resources.harmonics);
    const focal = (0.5 * height) / Math.tan(0.5 * view.fov);
    gl.uniform1i(at("splats"), 0);
    gl.uniform1i(at("harmonics"), 1);
    gl.uniformMatrix3fv(at("rotation"), true, view.rotation as number[]);
    gl.uniform3fv(at("translation"), view.translation);
    gl.uniform3fv(at("eye"), view.eye);
    gl.uniform2f(at("focal"), focal, focal);
    gl.uniform2f(at("size"), width, height);
    gl.uniform2f(at("depths"), NEAR, FAR);
    gl.uniform1i(at("compensated"), this.compensated ? 1 : 0);
    const shCount = this.harmonics === null ? 1 : frame.shCount;
    gl.uniform1i(at("shCount"), shCount);
    gl.uniform1i(at("shTexels"), Math.max(1, shTexels(shCount)));
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.bindVertexArray(resources.vao);
    gl.drawElements(gl.TRIANGLES, this.order.length, gl.UNSIGNED_INT, 0);
    gl.disable(gl.BLEND);
  }

  private copy(resources: Resources): void {
    const { gl } = this;
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.useProgram(resources.copy);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, resources.target!.texture);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  /** The 16-bit framebuffer in the canvas's size. */
  private target(resources: Resources, width: number, height: number): WebGLFramebuffer | null {
    const { gl } = this;
    const { target } = resources;
    if (target === null) return null;
    if (target.width !== width || target.height !== height) {
      gl.bindTexture(gl.TEXTURE_2D, target.texture);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA16F, width, height, 0, gl.RGBA, gl.HALF_FLOAT, null);
      Object.assign(target, { width, height });
    }
    return target.framebuffer;
  }

  /** Frees what the graphics card holds. */
  close(): void {
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
    this.frame = null;
    this.harmonics = null;
  }
}

function upload(gl: WebGL2RenderingContext, texture: WebGLTexture, data: Float32Array<ArrayBuffer>): void {
  gl.activeTexture(gl.TEXTURE0);
  gl.bindTexture(gl.TEXTURE_2D, texture);
  const rows = data.length / (4 * TEXTURE_WIDTH);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32F, TEXTURE_WIDTH, rows, 0, gl.RGBA, gl.FLOAT, data);
}

function build(gl: WebGL2RenderingContext): Resources {
  const draw = program(gl, VERTEX, FRAGMENT);
  const names = ["splats", "harmonics", "rotation", "translation", "eye", "focal", "size", "depths", "compensated"];
  const uniforms = new Map([...names, "shCount", "shTexels"].map((name) => [name, gl.getUniformLocation(draw, name)]));
  const vao = gl.createVertexArray();
  const indices = gl.createBuffer();
  gl.bindVertexArray(vao);
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, indices);
  const harmonics = dataTexture(gl);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32F, 1, 1, 0, gl.RGBA, gl.FLOAT, new Float32Array(4));
  return {
    draw,
    copy: program(gl, COPY_VERTEX, COPY_FRAGMENT),
    uniforms,
    splats: dataTexture(gl),
    harmonics,
    indices,
    vao,
    software: isSoftware(gl),
    target: halfFloatTarget(gl),
  };
}

function isSoftware(gl: WebGL2RenderingContext): boolean {
  const info = gl.getExtension("WEBGL_debug_renderer_info");
  const name = String(gl.getParameter(info?.UNMASKED_RENDERER_WEBGL ?? gl.RENDERER));
  return /swiftshader|llvmpipe|software|basic render/i.test(name);
}

function dataTexture(gl: WebGL2RenderingContext): WebGLTexture {
  const texture = gl.createTexture();
  gl.activeTexture(gl.TEXTURE0);
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  return texture;
}

function halfFloatTarget(gl: WebGL2RenderingContext): Resources["target"] {
  if (!gl.getExtension("EXT_color_buffer_float") && !gl.getExtension("EXT_color_buffer_half_float")) return null;
  const texture = dataTexture(gl);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA16F, 1, 1, 0, gl.RGBA, gl.HALF_FLOAT, null);
  const framebuffer = gl.createFramebuffer();
  gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
  const complete = gl.checkFramebufferStatus(gl.FRAMEBUFFER) === gl.FRAMEBUFFER_COMPLETE;
  gl.bindFramebuffer(gl.FRAMEBUFFER, null);
  return complete ? { framebuffer, texture, width: 1, height: 1 } : null;
}

function program(gl: WebGL2RenderingContext, vertex: string, fragment: string): WebGLProgram {
  const out = gl.createProgram();
  for (const [kind, source] of [
    [gl.VERTEX_SHADER, vertex],
    [gl.FRAGMENT_SHADER, fragment],
  ] as const) {
    const shader = gl.createShader(kind);
    if (shader === null) throw new Error("The graphics context was lost.");
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(out, shader);
  }
  gl.linkProgram(out);
  if (!gl.getProgramParameter(out, gl.LINK_STATUS) && !gl.isContextLost()) {
    const logs = (gl.getAttachedShaders(out) ?? []).map((shader) => gl.getShaderInfoLog(shader));
    throw new Error(
      `The graphics driver refuses the player's shaders: ${[gl.getProgramInfoLog(out), ...logs].join(" ")}`,
    );
  }
  return out;
}
