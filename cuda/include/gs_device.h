// For .cu files only: device memory that frees itself, and CUDA errors that become a return code.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

namespace gs {

inline void check(cudaError_t code) {
  if (code != cudaSuccess) throw code;
}

template <typename T>
class Buffer {
 public:
  explicit Buffer(size_t count) : count_(count) { check(cudaMalloc(&data_, (count ? count : 1) * sizeof(T))); }
  Buffer(const T* host, size_t count) : Buffer(count) {
    check(cudaMemcpy(data_, host, count * sizeof(T), cudaMemcpyHostToDevice));
  }
  ~Buffer() { cudaFree(data_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  T* get() const { return data_; }
  size_t count() const { return count_; }
  void zero() { check(cudaMemset(data_, 0, count_ * sizeof(T))); }
  void from(const T* host, size_t count) {
    check(cudaMemcpy(data_, host, count * sizeof(T), cudaMemcpyHostToDevice));
  }
  void to(T* host) const { check(cudaMemcpy(host, data_, count_ * sizeof(T), cudaMemcpyDeviceToHost)); }

 private:
  T* data_ = nullptr;
  size_t count_;
};

inline unsigned blocks(int64_t items, int threads) { return static_cast<unsigned>((items + threads - 1) / threads); }

// Runs the body of an entry point; 0, or the CUDA error that ended it.
template <typename Body>
int guarded(Body body) {
  try {
    body();
    check(cudaGetLastError());
    check(cudaDeviceSynchronize());
  } catch (cudaError_t code) {
    cudaGetLastError();  // forgotten, so that the next call starts clean
    return static_cast<int>(code);
  } catch (...) {  // the host's own memory
    return static_cast<int>(cudaErrorMemoryAllocation);
  }
  return 0;
}

class Stopwatch {
 public:
  Stopwatch() {
    check(cudaEventCreate(&start_));
    check(cudaEventCreate(&stop_));
  }
  ~Stopwatch() {
    cudaEventDestroy(start_);
    cudaEventDestroy(stop_);
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

  // Milliseconds of one of `rounds` runs.
  template <typename Body>
  float time(Body body, int rounds) {
    check(cudaEventRecord(start_));
    for (int i = 0; i < rounds; i++) body();
    check(cudaEventRecord(stop_));
    check(cudaEventSynchronize(stop_));
    float out = 0;
    check(cudaEventElapsedTime(&out, start_, stop_));
    return out / static_cast<float>(rounds);
  }

 private:
  cudaEvent_t start_, stop_;
};

// times: milliseconds of `body`, which reads and writes `bytes` in all, and of a device copy that does (the floor).
template <typename Body>
void time_beside_copy(Body body, size_t bytes, float* times) {
  constexpr int ROUNDS = 20;
  const Buffer<unsigned char> from(bytes / 2), to(bytes / 2);
  const auto copy = [&] { check(cudaMemcpyAsync(to.get(), from.get(), bytes / 2, cudaMemcpyDeviceToDevice)); };
  Stopwatch watch;
  copy();
  times[0] = watch.time(body, ROUNDS);
  times[1] = watch.time(copy, ROUNDS);
}

}  // namespace gs

extern "C" const char* gs_error(int code) { return cudaGetErrorString(static_cast<cudaError_t>(code)); }
