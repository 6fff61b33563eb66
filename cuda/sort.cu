// The self-organising sort. Blur: one thread a line and feature, sums in the order of the CPU. The shuffles of all rounds
// of a radius depend on the seed alone, so they are drawn side by side, one thread a window; then each round gives its
// groups of four their best order, one thread a group.
#include <vector>

#include "gs_device.h"
#include "gs_sort.h"

namespace {

constexpr int THREADS = 256;
constexpr int SCAN = 1024;

// Of a window of a round: where its cells begin (a multiple of four), and how many numbers were drawn before.
struct Window {
  int64_t start;
  uint64_t drawn;
};

__device__ int64_t whole_groups(int64_t cells) { return (cells + gs::GROUP - 1) / gs::GROUP * gs::GROUP; }

// One block. drawn: numbers drawn so far, moved on by a round; out: the round's windows, and `at` of each.
__global__ void __launch_bounds__(SCAN)
    plan_round(gs::Grid grid, int64_t size, uint64_t seed, uint64_t* drawn, gs::Windows* out, Window* at) {
  __shared__ int64_t starts[SCAN], draws[SCAN];
  const int thread = static_cast<int>(threadIdx.x);
  const uint64_t before = *drawn;
  const gs::Windows windows{size, gs::random_at(seed, before, size), gs::random_at(seed, before + 1, size)};
  const int64_t count = windows.count(grid), each = (count + SCAN - 1) / SCAN;
  const int64_t first = thread * each, last = first + each < count ? first + each : count;
  int64_t cells = 0, numbers = 0;
  for (int64_t w = first; w < last; w++) {
    const int64_t n = gs::cells_in(grid, gs::rect_of(grid, windows, w));
    cells += whole_groups(n);
    numbers += n > 0 ? n - 1 : 0;
  }
  starts[thread] = cells;
  draws[thread] = numbers;
  __syncthreads();
  for (int step = 1; step < SCAN; step *= 2) {  // inclusive sums
    const int64_t more = thread >= step ? starts[thread - step] : 0, drew = thread >= step ? draws[thread - step] : 0;
    __syncthreads();
    starts[thread] += more;
    draws[thread] += drew;
    __syncthreads();
  }
  cells = starts[thread] - cells;
  numbers = draws[thread] - numbers;
  for (int64_t w = first; w < last; w++) {
    const int64_t n = gs::cells_in(grid, gs::rect_of(grid, windows, w));
    at[w] = Window{cells, before + 2 + static_cast<uint64_t>(numbers)};
    cells += whole_groups(n);
    numbers += n > 0 ? n - 1 : 0;
  }
  if (thread == SCAN - 1) {
    *out = windows;
    *drawn = before + 2 + static_cast<uint64_t>(draws[thread]);
  }
}

// cells (rounds, room): the shuffled cells of each window; -1 before.
__global__ void shuffle(gs::Grid grid, const int64_t* slot, uint64_t seed, const gs::Windows* rounds, const Window* at,
                        int64_t most, int64_t room, int32_t* cells) {
  const int64_t w = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x, r = blockIdx.y;
  const gs::Windows windows = rounds[r];
  if (w >= windows.count(grid)) return;
  const Window here = at[r * most + w];
  gs::shuffled_cells(grid, gs::rect_of(grid, windows, w), slot, seed, here.drawn, cells + r * room + here.start);
}

__global__ void arrange(const int32_t* cells, int64_t groups, int64_t features, const int8_t* orders,
                        const float* target, float* values, int64_t* slot) {
  const int64_t g = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (g >= groups || cells[gs::GROUP * g + gs::GROUP - 1] < 0) return;  // a window's last cells, fewer than four
  gs::arrange(cells + gs::GROUP * g, features, orders, target, values, slot);
}

__global__ void box_rows(gs::Grid grid, int64_t features, int64_t radius, const float* source, float* out) {
  const int64_t line = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (line >= grid.height * features) return;
  const int64_t at = line / features * grid.width * features + line % features;
  gs::box_line(source + at, out + at, grid.width, features, radius);
}

__global__ void box_columns(gs::Grid grid, int64_t features, int64_t radius, const float* source, float* out) {
  const int64_t line = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (line >= grid.width * features) return;
  gs::box_line(source + line, out + line, grid.height, grid.width * features, radius);
}

__global__ void divide(int64_t count, int64_t features, const float* weight, const float* mask, float* sums) {
  const int64_t at = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (at < count) sums[at] = gs::mean_of(sums[at], weight[at / features], mask[at / features]);
}

struct Blur {
  gs::Grid grid;
  int64_t features;
  const float* mask;
  float *once, *weight;

  void box(int64_t channels, int64_t radius, const float* source, float* out) const {
    box_rows<<<gs::blocks(grid.height * channels, THREADS), THREADS>>>(grid, channels, radius, source, once);
    box_columns<<<gs::blocks(grid.width * channels, THREADS), THREADS>>>(grid, channels, radius, once, out);
  }
  // target = values blurred twice; weight holds the mask's sums of this radius.
  void run(int64_t radius, const float* values, float* target) const {
    const int64_t count = grid.width * grid.height * features;
    for (const float* source : {values, static_cast<const float*>(target)}) {
      box(features, radius, source, target);
      divide<<<gs::blocks(count, THREADS), THREADS>>>(count, features, weight, mask, target);
    }
  }
};

}  // namespace

// Host arrays: mask (H, W) 1 where a slot lies; filled (H + 1, W + 1) its sums above and left; steps (steps, 2): blur
// radius, window; orders (24, 4); values (H, W, F); slot (H, W), -1 on padding, rearranged.
extern "C" int gs_sort(int64_t width, int64_t height, int64_t features, const float* mask, const int64_t* filled,
                       int64_t steps, const int64_t* radii, int64_t rounds, uint64_t seed, const int8_t* orders,
                       const float* values, int64_t* slot) {
  return gs::guarded([&] {
    const size_t cells = static_cast<size_t>(width * height), all = cells * static_cast<size_t>(features);
    const gs::Buffer<float> mask_(mask, cells), values_(values, all), once_(all), target_(all), weight_(cells);
    const gs::Buffer<int64_t> slot_(slot, cells), filled_(filled, static_cast<size_t>((width + 1) * (height + 1)));
    const gs::Buffer<int8_t> orders_(orders, gs::GROUP * gs::ORDERS);
    gs::Buffer<uint64_t> drawn_(1);
    const gs::Buffer<gs::Windows> rounds_(static_cast<size_t>(rounds));
    const gs::Grid grid{width, height, filled_.get()};
    const Blur blur{grid, features, mask_.get(), once_.get(), weight_.get()};
    drawn_.zero();
    for (int64_t step = 0; step < steps; step++) {
      const int64_t radius = radii[2 * step], window = radii[2 * step + 1];
      const int64_t most = gs::most_windows(grid, window);
      const int64_t room = static_cast<int64_t>(cells) + gs::GROUP * most;  // cells are whole blocks of 256
      const gs::Buffer<Window> at_(static_cast<size_t>(rounds * most));
      const gs::Buffer<int32_t> shuffled_(static_cast<size_t>(rounds * room));
      gs::check(cudaMemset(shuffled_.get(), 0xff, shuffled_.count() * sizeof(int32_t)));
      for (int64_t r = 0; r < rounds; r++)
        plan_round<<<1, SCAN>>>(grid, window, seed, drawn_.get(), rounds_.get() + r, at_.get() + r * most);
      shuffle<<<dim3(gs::blocks(most, 32), static_cast<unsigned>(rounds)), 32>>>(
          grid, slot_.get(), seed, rounds_.get(), at_.get(), most, room, shuffled_.get());
      blur.box(1, radius, mask_.get(), weight_.get());
      for (int64_t r = 0; r < rounds; r++) {
        blur.run(radius, values_.get(), target_.get());
        arrange<<<gs::blocks(room / gs::GROUP, THREADS), THREADS>>>(shuffled_.get() + r * room, room / gs::GROUP,
                                                                    features, orders_.get(), target_.get(),
                                                                    values_.get(), slot_.get());
      }
      gs::check(cudaGetLastError());
    }
    slot_.to(slot);
  });
}
