// The arithmetic of cuda/include on the CPU: the entry points of cuda/*.cu as plain loops around the shared functions.
#include "gs_pack.h"
#include "gs_sensitivity.h"
#include "gs_sort.h"

extern "C" {

// As gs_sensitivity of cuda/sensitivity.cu, the lists cut into pieces of `most` entries.
void host_sensitivity(int64_t gaussians, int64_t tiles, int width, int height, const double* limits,
                      const int64_t* starts, const int32_t* members, const double* mean, const double* conic,
                      const double* opacity, const double* fade, const double* color, double* sums,
                      int32_t* foreground, int64_t most) {
  const gs::Scene scene{mean, conic, opacity, fade, color};
  const gs::Thresholds limit{limits[0], limits[1], limits[2]};
  const int tiles_x = (width + gs::TILE - 1) / gs::TILE;
  std::vector<int64_t> offsets;
  std::vector<int32_t> entries;
  for (int64_t first = 0, last; first < tiles; first = last) {
    last = gs::piece_end(starts, tiles, first, most);
    std::vector<double> partial(static_cast<size_t>(starts[last] - starts[first]) * gs::TERMS, 0.0);
    for (int64_t tile = first; tile < last; tile++) {
      foreground[tile] = 0;
      for (int at = 0; at < gs::TILE * gs::TILE; at++) {
        const int x = static_cast<int>(tile % tiles_x) * gs::TILE + at % gs::TILE;
        const int y = static_cast<int>(tile / tiles_x) * gs::TILE + at / gs::TILE;
        if (x >= width || y >= height) continue;
        gs::Hit hit;
        gs::Pixel end = gs::pixel_at(x, y), pixel = end;
        for (int64_t k = starts[tile]; k < starts[tile + 1] && !end.done; k++)
          gs::blend(scene, limit, members[k], end, hit);
        foreground[tile] += 1.0 - end.t > limit.min_alpha;
        for (int64_t k = starts[tile]; k < starts[tile + 1] && !pixel.done; k++) {
          double terms[gs::TERMS];
          if (!gs::blend(scene, limit, members[k], pixel, hit)) continue;
          gs::terms_of(scene, limit, members[k], pixel, end, hit, terms);
          for (int c = 0; c < gs::TERMS; c++)
            partial[static_cast<size_t>(k - starts[first]) * gs::TERMS + static_cast<size_t>(c)] += terms[c];
        }
      }
    }
    gs::invert(members + starts[first], starts[last] - starts[first], gaussians, offsets, entries);
    for (size_t i = 0; i < static_cast<size_t>(gaussians); i++)
      for (int64_t k = offsets[i]; k < offsets[i + 1]; k++)
        for (size_t c = 0; c < gs::TERMS; c++)
          sums[i * gs::TERMS + c] += partial[static_cast<size_t>(entries[static_cast<size_t>(k)]) * gs::TERMS + c];
  }
}

int gs_sensitivity(int64_t gaussians, int64_t tiles, int width, int height, const double* limits,
                   const int64_t* starts, const int32_t* members, const double* mean, const double* conic,
                   const double* opacity, const double* fade, const double* color, double* sums, int32_t* foreground) {
  host_sensitivity(gaussians, tiles, width, height, limits, starts, members, mean, conic, opacity, fade, color, sums,
                   foreground, 1 << 20);
  return 0;
}

int gs_pack(const gs::Atlas* atlas, const gs::Levels* levels, int64_t planes, const int64_t* tiles,
            const double* wanted, uint8_t* pictures, float* times) {
  if (times) times[0] = times[1] = 1.0f;
  const std::vector<int32_t> of_tiles = gs::planes_of_tiles(*atlas, planes, tiles);
  for (int64_t at = 0; at < atlas->pictures * atlas->picture_bytes(); at++)
    pictures[at] = static_cast<uint8_t>(levels->zero);
  for (int64_t tile = 0; tile < atlas->tiles(); tile++)
    for (int64_t place = 0; place < atlas->slots && of_tiles[static_cast<size_t>(tile)] >= 0; place++) {
      const int cell = gs::cell_in_block(static_cast<int>(place % gs::BLOCK_CELLS));
      const int64_t at = gs::block_at(*atlas, tile, place / gs::BLOCK_CELLS);
      pictures[at + cell / gs::BLOCK * atlas->pitch() + cell % gs::BLOCK] =
          gs::level_of(wanted[of_tiles[static_cast<size_t>(tile)] * atlas->slots + place], *levels);
    }
  return 0;
}

int gs_unpack(const gs::Atlas* atlas, const gs::Levels* levels, int64_t planes, const int64_t* tiles,
              const uint8_t* pictures, int64_t* out, float* times) {
  if (times) times[0] = times[1] = 1.0f;
  for (int64_t p = 0; p < planes; p++)
    for (int64_t place = 0; place < atlas->slots; place++) {
      const int cell = gs::cell_in_block(static_cast<int>(place % gs::BLOCK_CELLS));
      const int64_t at = gs::block_at(*atlas, tiles[p], place / gs::BLOCK_CELLS);
      out[p * atlas->slots + place] =
          pictures[at + cell / gs::BLOCK * atlas->pitch() + cell % gs::BLOCK] - levels->zero;
    }
  return 0;
}

int gs_sort(int64_t width, int64_t height, int64_t features, const float* mask, const int64_t* filled, int64_t steps,
            const int64_t* radii, int64_t rounds, uint64_t seed, const int8_t* orders, const float* values,
            int64_t* slot) {
  const gs::Grid grid{width, height, filled};
  const size_t cells = static_cast<size_t>(width * height), all = cells * static_cast<size_t>(features);
  std::vector<float> now(values, values + all), once(all), target(all), weight(cells);
  std::vector<int32_t> shuffled(cells);
  uint64_t drawn = 0;
  const auto box = [&](int64_t channels, int64_t radius, const float* source, float* out) {
    for (int64_t y = 0; y < height; y++)
      for (int64_t f = 0; f < channels; f++) {
        const int64_t at = y * width * channels + f;
        gs::box_line(source + at, once.data() + at, width, channels, radius);
      }
    for (int64_t line = 0; line < width * channels; line++)
      gs::box_line(once.data() + line, out + line, height, width * channels, radius);
  };
  for (int64_t step = 0; step < steps; step++) {
    const int64_t radius = radii[2 * step], window = radii[2 * step + 1];
    box(1, radius, mask, weight.data());
    for (int64_t r = 0; r < rounds; r++) {
      for (const float* source : {static_cast<const float*>(now.data()), static_cast<const float*>(target.data())}) {
        box(features, radius, source, target.data());
        for (size_t at = 0; at < all; at++) {
          const size_t cell = at / static_cast<size_t>(features);
          target[at] = gs::mean_of(target[at], weight[cell], mask[cell]);
        }
      }
      const gs::Windows windows{window, gs::random_at(seed, drawn, window), gs::random_at(seed, drawn + 1, window)};
      drawn += 2;
      // From the last to the first: neither their order nor the numbers' must matter.
      std::vector<uint64_t> starts;
      for (int64_t w = 0; w < windows.count(grid); w++) {
        starts.push_back(drawn);
        const int64_t n = gs::cells_in(grid, gs::rect_of(grid, windows, w));
        drawn += static_cast<uint64_t>(n > 0 ? n - 1 : 0);
      }
      for (int64_t w = windows.count(grid) - 1; w >= 0; w--) {
        const gs::Rect rect = gs::rect_of(grid, windows, w);
        gs::shuffled_cells(grid, rect, slot, seed, starts[static_cast<size_t>(w)], shuffled.data());
        for (int64_t g = gs::cells_in(grid, rect) / gs::GROUP - 1; g >= 0; g--)
          gs::arrange(shuffled.data() + gs::GROUP * g, features, orders, target.data(), now.data(), slot);
      }
    }
  }
  return 0;
}

}  // extern "C"
