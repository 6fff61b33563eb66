// All planes of a video payload in one pass: values quantised to levels and laid into luma pictures, and back.
// One block of threads for each 16 x 16 block of a tile, one thread a place: values are read and written in a row, bytes
// change places in shared memory.
#include "gs_device.h"
#include "gs_pack.h"

namespace {

// planes (tiles,): the plane of each tile, -1 for none; wanted (planes, N).
__global__ void __launch_bounds__(gs::BLOCK_CELLS)
    pack(gs::Atlas atlas, gs::Levels levels, const int32_t* planes, const double* wanted, uint8_t* pictures) {
  __shared__ alignas(4) uint8_t cells[gs::BLOCK_CELLS];
  const int64_t tile = blockIdx.x / atlas.tile_blocks(), block = blockIdx.x % atlas.tile_blocks();
  const int n = static_cast<int>(threadIdx.x);
  const int64_t place = block * gs::BLOCK_CELLS + n;
  const int64_t plane = planes[tile];
  cells[gs::cell_in_block(n)] = plane >= 0 && place < atlas.slots
                                    ? gs::level_of(wanted[plane * atlas.slots + place], levels)
                                    : static_cast<uint8_t>(levels.zero);
  __syncthreads();
  if (n < gs::BLOCK_CELLS / 4) {
    const int64_t at = gs::block_at(atlas, tile, block) + n / 4 * atlas.pitch() + n % 4 * 4;
    *reinterpret_cast<uint32_t*>(pictures + at) = reinterpret_cast<const uint32_t*>(cells)[n];
  }
}

// The inverse: out (planes, N), levels around zero.
__global__ void __launch_bounds__(gs::BLOCK_CELLS)
    unpack(gs::Atlas atlas, gs::Levels levels, const int32_t* planes, const uint8_t* pictures, int64_t* out) {
  __shared__ alignas(4) uint8_t cells[gs::BLOCK_CELLS];
  const int64_t tile = blockIdx.x / atlas.tile_blocks(), block = blockIdx.x % atlas.tile_blocks();
  const int n = static_cast<int>(threadIdx.x);
  const int64_t place = block * gs::BLOCK_CELLS + n;
  const int64_t plane = planes[tile];
  if (plane < 0) return;
  if (n < gs::BLOCK_CELLS / 4) {
    const int64_t at = gs::block_at(atlas, tile, block) + n / 4 * atlas.pitch() + n % 4 * 4;
    reinterpret_cast<uint32_t*>(cells)[n] = *reinterpret_cast<const uint32_t*>(pictures + at);
  }
  __syncthreads();
  if (place < atlas.slots) out[plane * atlas.slots + place] = cells[gs::cell_in_block(n)] - levels.zero;
}

}  // namespace

// Host arrays: tiles (planes,) of each plane; wanted (planes, N); out: pictures. times: none, or two floats:
// milliseconds of the pass and of a copy on the device of as many bytes as it reads and writes.
extern "C" int gs_pack(const gs::Atlas* atlas, const gs::Levels* levels, int64_t planes, const int64_t* tiles,
                       const double* wanted, uint8_t* pictures, float* times) {
  return gs::guarded([&] {
    const size_t values = static_cast<size_t>(planes * atlas->slots);
    const gs::Buffer<double> wanted_(wanted, values);
    gs::Buffer<uint8_t> pictures_(static_cast<size_t>(atlas->pictures * atlas->picture_bytes()));
    const std::vector<int32_t> of_tiles = gs::planes_of_tiles(*atlas, planes, tiles);
    const gs::Buffer<int32_t> planes_(of_tiles.data(), of_tiles.size());
    const int64_t guard = atlas->guard * atlas->pitch();
    const auto pass = [&] {
      gs::check(cudaMemset2D(pictures_.get() + atlas->picture_bytes() - guard,
                             static_cast<size_t>(atlas->picture_bytes()), levels->zero, static_cast<size_t>(guard),
                             static_cast<size_t>(atlas->pictures)));
      pack<<<static_cast<unsigned>(atlas->tiles() * atlas->tile_blocks()), gs::BLOCK_CELLS>>>(
          *atlas, *levels, planes_.get(), wanted_.get(), pictures_.get());
      gs::check(cudaGetLastError());
    };
    pass();
    if (times) gs::time_beside_copy(pass, values * sizeof(double) + pictures_.count(), times);
    pictures_.to(pictures);
  });
}

extern "C" int gs_unpack(const gs::Atlas* atlas, const gs::Levels* levels, int64_t planes, const int64_t* tiles,
                         const uint8_t* pictures, int64_t* out, float* times) {
  return gs::guarded([&] {
    const size_t values = static_cast<size_t>(planes * atlas->slots);
    const gs::Buffer<uint8_t> pictures_(pictures, static_cast<size_t>(atlas->pictures * atlas->picture_bytes()));
    gs::Buffer<int64_t> out_(values);
    const std::vector<int32_t> of_tiles = gs::planes_of_tiles(*atlas, planes, tiles);
    const gs::Buffer<int32_t> planes_(of_tiles.data(), of_tiles.size());
    const auto pass = [&] {
      unpack<<<static_cast<unsigned>(atlas->tiles() * atlas->tile_blocks()), gs::BLOCK_CELLS>>>(
          *atlas, *levels, planes_.get(), pictures_.get(), out_.get());
      gs::check(cudaGetLastError());
    };
    pass();
    if (times) gs::time_beside_copy(pass, values * (sizeof(int64_t) + 1), times);
    out_.to(out);
  });
}
