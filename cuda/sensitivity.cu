// Sensitivity sums of one view. One block a tile, one thread a pixel; every sum has a fixed order: pixels of a tile by a
// tree, tiles of a Gaussian in their order. No atomics, so a GPU gives the same bits each time.
#include "gs_device.h"
#include "gs_sensitivity.h"

namespace {

constexpr int THREADS = gs::TILE * gs::TILE;
constexpr int WARPS = THREADS / 32;
constexpr int64_t MOST_ENTRIES = 1 << 20;  // of the tiles' lists at once: 176 MiB of partial sums

// partial (entries, TERMS): sums over a tile's pixels for each entry of its list, from starts[first] on; zero before.
__global__ void __launch_bounds__(THREADS)
    tile_sums(gs::Scene scene, gs::Thresholds limit, const int64_t* starts, const int32_t* members, int64_t first,
              int width, int height, double* partial, int32_t* foreground) {
  __shared__ double warp_sums[WARPS][gs::TERMS];
  const int64_t tile = first + blockIdx.x;
  const int tiles_x = (width + gs::TILE - 1) / gs::TILE;
  const int thread = static_cast<int>(threadIdx.x), lane = thread % 32, warp = thread / 32;
  const int x = static_cast<int>(tile % tiles_x) * gs::TILE + thread % gs::TILE;
  const int y = static_cast<int>(tile / tiles_x) * gs::TILE + thread / gs::TILE;
  const bool inside = x < width && y < height;
  gs::Hit hit;

  gs::Pixel end = gs::pixel_at(x, y);
  end.done = !inside;
  for (int64_t k = starts[tile]; k < starts[tile + 1] && !end.done; k++) gs::blend(scene, limit, members[k], end, hit);
  const int seen = __syncthreads_count(inside && 1.0 - end.t > limit.min_alpha);
  if (thread == 0) foreground[tile] = seen;

  gs::Pixel pixel = gs::pixel_at(x, y);
  pixel.done = !inside;
  double terms[gs::TERMS];
  for (int64_t k = starts[tile]; k < starts[tile + 1]; k++) {
    const bool touched = !pixel.done && gs::blend(scene, limit, members[k], pixel, hit);
    if (k % 32 == 0 && __syncthreads_and(pixel.done)) break;
    if (!__syncthreads_or(touched)) continue;  // also: the last sums have been read
    if (touched) {
      gs::terms_of(scene, limit, members[k], pixel, end, hit, terms);
    } else {
      for (int c = 0; c < gs::TERMS; c++) terms[c] = 0.0;
    }
    const bool warp_touched = __any_sync(0xffffffffu, touched);
    for (int c = 0; c < gs::TERMS; c++) {
      double sum = terms[c];
      if (warp_touched)
        for (int step = 16; step > 0; step /= 2) sum += __shfl_down_sync(0xffffffffu, sum, step);
      if (lane == 0) warp_sums[warp][c] = sum;
    }
    __syncthreads();
    if (thread < gs::TERMS) {
      double sum = 0.0;
      for (int w = 0; w < WARPS; w++) sum += warp_sums[w][thread];
      partial[(k - starts[first]) * gs::TERMS + thread] = sum;
    }
  }
}

// sums (N, TERMS) += the partial sums of each Gaussian, in the order of the tiles.
__global__ void gaussian_sums(const int64_t* offsets, const int32_t* entries, const double* partial, int64_t count,
                              double* sums) {
  const int64_t at = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (at >= count * gs::TERMS) return;
  const int64_t i = at / gs::TERMS, c = at % gs::TERMS;
  double sum = sums[at];
  for (int64_t k = offsets[i]; k < offsets[i + 1]; k++) sum += partial[static_cast<int64_t>(entries[k]) * gs::TERMS + c];
  sums[at] = sum;
}

}  // namespace

// All arrays on the host, as in gscodec/render/cuda.py: limits (3,), starts (tiles + 1,), members (starts[tiles],),
// then the scene's; out: sums (N, TERMS), foreground (tiles,) pixels.
extern "C" int gs_sensitivity(int64_t gaussians, int64_t tiles, int width, int height, const double* limits,
                              const int64_t* starts, const int32_t* members, const double* mean, const double* conic,
                              const double* opacity, const double* fade, const double* color, double* sums,
                              int32_t* foreground) {
  return gs::guarded([&] {
    const size_t n = static_cast<size_t>(gaussians);
    gs::Buffer<double> mean_(mean, 2 * n), conic_(conic, 3 * n), opacity_(opacity, n), fade_(fade, 4 * n);
    gs::Buffer<double> color_(color, 3 * n), sums_(gs::TERMS * n);
    gs::Buffer<int64_t> starts_(starts, static_cast<size_t>(tiles) + 1), offsets_(n + 1);
    gs::Buffer<int32_t> members_(members, static_cast<size_t>(starts[tiles])), seen_(static_cast<size_t>(tiles));
    sums_.zero();
    int64_t most = 0;
    for (int64_t tile = 0, end; tile < tiles; tile = end) {
      end = gs::piece_end(starts, tiles, tile, MOST_ENTRIES);
      most = most > starts[end] - starts[tile] ? most : starts[end] - starts[tile];
    }
    gs::Buffer<double> partial_(static_cast<size_t>(most) * gs::TERMS);
    gs::Buffer<int32_t> entries_(static_cast<size_t>(most));
    const gs::Scene scene{mean_.get(), conic_.get(), opacity_.get(), fade_.get(), color_.get()};
    const gs::Thresholds limit{limits[0], limits[1], limits[2]};
    std::vector<int64_t> offsets;
    std::vector<int32_t> entries;
    for (int64_t tile = 0, end; tile < tiles; tile = end) {
      end = gs::piece_end(starts, tiles, tile, MOST_ENTRIES);
      partial_.zero();
      tile_sums<<<static_cast<unsigned>(end - tile), THREADS>>>(scene, limit, starts_.get(), members_.get(), tile, width,
                                                                height, partial_.get(), seen_.get());
      gs::check(cudaGetLastError());
      gs::invert(members + starts[tile], starts[end] - starts[tile], gaussians, offsets, entries);
      offsets_.from(offsets.data(), offsets.size());
      entries_.from(entries.data(), entries.size());
      if (gaussians > 0)
        gaussian_sums<<<gs::blocks(gaussians * gs::TERMS, 256), 256>>>(offsets_.get(), entries_.get(), partial_.get(),
                                                                       gaussians, sums_.get());
    }
    sums_.to(sums);
    seen_.to(foreground);
  });
}
