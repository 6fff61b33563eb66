// The self-organising sort: the arithmetic of gscodec/grid/selforganise.py, bit for bit. Its random numbers come from a
// counter, so a window's share of them is known without those before it being drawn; windows and groups are disjoint, so
// their order does not matter.
#pragma once

#include "gs_common.h"

namespace gs {

constexpr int GROUP = 4;
constexpr int ORDERS = 24;

// The n-th number (from 0) of splitmix64 with this seed, in 0 .. bound - 1.
GS_HD int64_t random_at(uint64_t seed, uint64_t n, int64_t bound) {
  uint64_t z = seed + (n + 1) * 0x9E3779B97F4A7C15ull;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  z = z ^ (z >> 31);
  return static_cast<int64_t>(z % static_cast<uint64_t>(bound));
}

// Sums of `count` values over windows of 2 radius + 1, cut at the ends; `stride` floats apart. As _box_rows.
GS_HD void box_line(const float* source, float* out, int64_t count, int64_t stride, int64_t radius) {
  constexpr int AHEAD = 16;  // loaded before they are summed: the GPU waits for memory once for all of them
  double total = 0.0;
  for (int64_t i = 0; i < radius && i < count; i++) total += source[i * stride];
  for (int64_t first = 0; first < count; first += AHEAD) {
    float enter[AHEAD], leave[AHEAD];
    for (int n = 0; n < AHEAD; n++) {
      const int64_t in = first + n + radius, gone = first + n - radius - 1;
      enter[n] = in < count ? source[in * stride] : 0.0f;
      leave[n] = gone >= 0 && gone < count ? source[gone * stride] : 0.0f;
    }
    for (int n = 0; n < AHEAD && first + n < count; n++) {
      if (first + n + radius < count) total += enter[n];
      if (first + n - radius - 1 >= 0) total -= leave[n];
      out[(first + n) * stride] = static_cast<float>(total);
    }
  }
}

// Mean of a cell from its sums; 0 on padding (mask 0).
GS_HD float mean_of(float sum, float weight, float mask) { return sum / (weight > 1.0f ? weight : 1.0f) * mask; }

struct Grid {
  int64_t width, height;
  const int64_t* filled;  // (height + 1, width + 1): cells with a slot above and left of a corner
};

// One pass: windows of `size` cells from (-oy, -ox) on.
struct Windows {
  int64_t size, oy, ox;

  GS_HD int64_t columns(const Grid& g) const { return (g.width + ox + size - 1) / size; }
  GS_HD int64_t rows(const Grid& g) const { return (g.height + oy + size - 1) / size; }
  GS_HD int64_t count(const Grid& g) const { return columns(g) * rows(g); }
};

// The most windows that a pass may have.
GS_HD int64_t most_windows(const Grid& g, int64_t size) {
  const Windows w{size, size - 1, size - 1};
  return w.count(g);
}

struct Rect {
  int64_t y0, y1, x0, x1;
};

GS_HD Rect rect_of(const Grid& g, const Windows& w, int64_t n) {
  const int64_t y = n / w.columns(g) * w.size - w.oy, x = n % w.columns(g) * w.size - w.ox;
  return Rect{y > 0 ? y : 0, y + w.size < g.height ? y + w.size : g.height, x > 0 ? x : 0,
              x + w.size < g.width ? x + w.size : g.width};
}

// Cells with a slot in a window.
GS_HD int64_t cells_in(const Grid& g, const Rect& r) {
  const int64_t pitch = g.width + 1;
  return g.filled[r.y1 * pitch + r.x1] - g.filled[r.y0 * pitch + r.x1] - g.filled[r.y1 * pitch + r.x0] +
         g.filled[r.y0 * pitch + r.x0];
}

// The window's cells with a slot (raster indices), shuffled with the random numbers from `drawn` on.
GS_HD void shuffled_cells(const Grid& g, const Rect& r, const int64_t* slot, uint64_t seed, uint64_t drawn,
                          int32_t* cells) {
  int64_t n = 0;
  for (int64_t y = r.y0; y < r.y1; y++)
    for (int64_t x = r.x0; x < r.x1; x++)
      if (slot[y * g.width + x] >= 0) cells[n++] = static_cast<int32_t>(y * g.width + x);
  for (int64_t i = n - 1; i > 0; i--) {
    const int64_t j = random_at(seed, drawn++, i + 1);
    const int32_t kept = cells[i];
    cells[i] = cells[j];
    cells[j] = kept;
  }
}

// Give four cells the best of their 24 orders against the target. As _arrange.
GS_HD void arrange(const int32_t* cells, int64_t features, const int8_t* orders, const float* target, float* grid,
                   int64_t* slot) {
  float gain[GROUP][GROUP];
  for (int i = 0; i < GROUP; i++)
    for (int j = 0; j < GROUP; j++) {
      float total = 0.0f;
      for (int64_t f = 0; f < features; f++) total += grid[cells[i] * features + f] * target[cells[j] * features + f];
      gain[i][j] = total;
    }
  int best = 0;
  float best_gain = gain[0][0] + gain[1][1] + gain[2][2] + gain[3][3];
  for (int o = 1; o < ORDERS; o++) {
    const int8_t* order = orders + GROUP * o;
    const float now = gain[order[0]][0] + gain[order[1]][1] + gain[order[2]][2] + gain[order[3]][3];
    if (now > best_gain) {
      best = o;
      best_gain = now;
    }
  }
  if (best == 0) return;
  const int8_t* order = orders + GROUP * best;
  int64_t old_slot[GROUP];
  for (int i = 0; i < GROUP; i++) old_slot[i] = slot[cells[i]];
  for (int j = 0; j < GROUP; j++) slot[cells[j]] = old_slot[order[j]];
  for (int64_t f = 0; f < features; f++) {
    float old[GROUP];
    for (int i = 0; i < GROUP; i++) old[i] = grid[cells[i] * features + f];
    for (int j = 0; j < GROUP; j++) grid[cells[j] * features + f] = old[order[j]];
  }
}

}  // namespace gs
