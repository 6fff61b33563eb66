// What kernels and their CPU tests share: the same arithmetic under nvcc and under g++.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define GS_HD __host__ __device__ __forceinline__
#else
#define GS_HD inline
#endif
