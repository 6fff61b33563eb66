// Levels of planes to luma pictures and back: the arithmetic of gscodec/codec/payloads/atlas.py, bit for bit.
#pragma once

#include <cmath>
#include <vector>

#include "gs_common.h"

namespace gs {

constexpr int BLOCK = 16;  // cells a side; places run through a block in Z-order
constexpr int BLOCK_CELLS = BLOCK * BLOCK;

// As Atlas in Python: tiles of width x height cells, cols x rows to a picture, guard rows below them.
struct Atlas {
  int64_t slots;
  int32_t width, height, cols, rows, guard, pictures;

  GS_HD int64_t tiles() const { return static_cast<int64_t>(cols) * rows * pictures; }
  GS_HD int64_t tile_blocks() const { return static_cast<int64_t>(width / BLOCK) * (height / BLOCK); }
  GS_HD int64_t pitch() const { return static_cast<int64_t>(cols) * width; }
  GS_HD int64_t picture_bytes() const { return pitch() * (static_cast<int64_t>(rows) * height + guard); }
};

struct Levels {
  int32_t low, zero, high;
};

// Nearest level, ties to even as numpy rounds.
GS_HD uint8_t level_of(double wanted, const Levels& l) {
  const double level = rint(wanted + l.zero);
  return static_cast<uint8_t>(level < l.low ? l.low : level > l.high ? l.high : level);
}

// Cell y * 16 + x of the n-th place of a block.
GS_HD int cell_in_block(int n) {
  int x = 0, y = 0;
  for (int b = 0; b < 4; b++) {
    x |= ((n >> (2 * b)) & 1) << b;
    y |= ((n >> (2 * b + 1)) & 1) << b;
  }
  return y * BLOCK + x;
}

// Byte offset in the pictures of the first cell of a tile's block; blocks run in snake rows.
GS_HD int64_t block_at(const Atlas& a, int64_t tile, int64_t block) {
  const int64_t columns = a.width / BLOCK, on_picture = tile % (static_cast<int64_t>(a.cols) * a.rows);
  const int64_t row = block / columns, turned = block % columns;
  const int64_t column = row % 2 ? columns - 1 - turned : turned;
  const int64_t y = on_picture / a.cols * a.height + row * BLOCK, x = on_picture % a.cols * a.width + column * BLOCK;
  return tile / (static_cast<int64_t>(a.cols) * a.rows) * a.picture_bytes() + y * a.pitch() + x;
}

// The plane of each tile, -1 where it has none; tiles (planes,): the tile of each plane.
inline std::vector<int32_t> planes_of_tiles(const Atlas& a, int64_t planes, const int64_t* tiles) {
  std::vector<int32_t> out(static_cast<size_t>(a.tiles()), -1);
  for (int64_t p = 0; p < planes; p++) out[static_cast<size_t>(tiles[p])] = static_cast<int32_t>(p);
  return out;
}

}  // namespace gs
