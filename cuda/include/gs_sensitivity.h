// Sums of the sensitivity pass: the arithmetic of gscodec/render/moments.py `_accumulate`, in double.
#pragma once

#include <cmath>
#include <vector>

#include "gs_common.h"

namespace gs {

constexpr int TILE = 16;
constexpr int TERMS = 22;  // 21 moments (upper triangle of 6 x 6), then (alpha T)^2

// One view's Gaussians as `Projection` holds them: (N, 2), (N, 3), (N,), (N, 4), (N, 3).
struct Scene {
  const double *mean, *conic, *opacity, *fade, *color;
};

struct Thresholds {
  double min_alpha, max_alpha, min_left;
};

// A pixel's centre and what has been blended so far: transmittance and colour.
struct Pixel {
  double x, y, t, r, g, b;
  bool done;
};

struct Hit {
  double dx, dy, free, alpha, before;  // free: alpha before its cap; before: transmittance in front
};

GS_HD Pixel pixel_at(int x, int y) { return Pixel{x + 0.5, y + 0.5, 1.0, 0.0, 0.0, 0.0, false}; }

// Blend Gaussian i; false where it does not touch the pixel (done: nor does any behind it).
GS_HD bool blend(const Scene& s, const Thresholds& limit, int i, Pixel& p, Hit& h) {
  const double* c = s.conic + 3 * static_cast<int64_t>(i);
  h.dx = s.mean[2 * static_cast<int64_t>(i)] - p.x;
  h.dy = s.mean[2 * static_cast<int64_t>(i) + 1] - p.y;
  const double e = 0.5 * (c[0] * h.dx * h.dx + c[2] * h.dy * h.dy) + c[1] * h.dx * h.dy;
  if (e < 0) return false;
  h.free = s.opacity[i] * exp(-e);
  h.alpha = h.free < limit.max_alpha ? h.free : limit.max_alpha;
  if (h.alpha < limit.min_alpha) return false;
  const double left = p.t * (1 - h.alpha);
  if (left <= limit.min_left) {
    p.done = true;
    return false;
  }
  h.before = p.t;
  const double w = h.alpha * p.t;
  const double* color = s.color + 3 * static_cast<int64_t>(i);
  p.r += w * color[0];
  p.g += w * color[1];
  p.b += w * color[2];
  p.t = left;
  return true;
}

GS_HD double square(double v) { return v * v; }

// One pixel's share of Gaussian i's sums. `p`: with i blended; `end`: with all blended.
GS_HD void terms_of(const Scene& s, const Thresholds& limit, int i, const Pixel& p, const Pixel& end, const Hit& h,
                    double* out) {
  const double w = h.alpha * h.before;
  out[TERMS - 1] = w * w;
  if (!(h.free < limit.max_alpha)) {
    for (int n = 0; n < TERMS - 1; n++) out[n] = 0.0;
    return;
  }
  const double* color = s.color + 3 * static_cast<int64_t>(i);
  const double* c = s.conic + 3 * static_cast<int64_t>(i);
  const double* fade = s.fade + 4 * static_cast<int64_t>(i);
  // dC/dalpha: own colour against all that lies behind, over black and over white
  const double rest = 1.0 / (1 - h.alpha);
  const double dr = h.before * color[0] - (end.r - p.r) * rest;
  const double dg = h.before * color[1] - (end.g - p.g) * rest;
  const double db = h.before * color[2] - (end.b - p.b) * rest;
  const double white = end.t * rest;
  double e = 0.5 * (dr * dr + dg * dg + db * db);
  e += 0.5 * (square(dr - white) + square(dg - white) + square(db - white));
  e *= h.alpha * h.alpha;
  const double a = c[0] * h.dx + c[1] * h.dy, b = c[1] * h.dx + c[2] * h.dy;
  const double v[6] = {-a, -b, 0.5 * a * a + fade[0], a * b + fade[1], 0.5 * b * b + fade[2], fade[3]};
  int n = 0;
  for (int i0 = 0; i0 < 6; i0++)
    for (int i1 = i0; i1 < 6; i1++) out[n++] = e * v[i0] * v[i1];
}

// Where each Gaussian stands in a piece of the tiles' lists, in rising order: entries[offsets[i] .. offsets[i + 1]).
inline void invert(const int32_t* members, int64_t count, int64_t gaussians, std::vector<int64_t>& offsets,
                   std::vector<int32_t>& entries) {
  offsets.assign(static_cast<size_t>(gaussians) + 1, 0);
  entries.resize(static_cast<size_t>(count));
  for (int64_t k = 0; k < count; k++) offsets[static_cast<size_t>(members[k]) + 1]++;
  for (size_t i = 0; i < static_cast<size_t>(gaussians); i++) offsets[i + 1] += offsets[i];
  std::vector<int64_t> fill(offsets.begin(), offsets.end() - 1);
  for (int64_t k = 0; k < count; k++)
    entries[static_cast<size_t>(fill[static_cast<size_t>(members[k])]++)] = static_cast<int32_t>(k);
}

// The first tile behind `tile` whose lists no longer fit into `most` entries together with it; always moves on.
inline int64_t piece_end(const int64_t* starts, int64_t tiles, int64_t tile, int64_t most) {
  int64_t end = tile + 1;
  while (end < tiles && starts[end + 1] - starts[tile] <= most) end++;
  return end;
}

}  // namespace gs
