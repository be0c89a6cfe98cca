#pragma once
// Loops over n independent places, four at a time where the pointers allow it.
//
// A body is a struct of pointers and constants with a member template at<kWidth>(i) that treats the places
// i .. i + kWidth - 1; i is a multiple of kWidth, which is 1 or 4. Moving 16 bytes an instruction keeps more
// bytes in flight for each thread, and memory is what these loops wait for.

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/platform.cuh"
#include "kernels/cuda/stream.cuh"

namespace signet::cuda {

__host__ __device__ constexpr int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

/// kWidth neighbours in memory, aligned to their size: four floats are one access.
template <class T, int kWidth>
struct alignas(sizeof(T) * kWidth) Pack {
  T v[kWidth];
};

template <int kWidth, class T>
__device__ __forceinline__ Pack<T, kWidth> load(const T* from) {
  return *reinterpret_cast<const Pack<T, kWidth>*>(from);
}

template <int kWidth, class T>
__device__ __forceinline__ void store(T* to, const Pack<T, kWidth>& values) {
  *reinterpret_cast<Pack<T, kWidth>*>(to) = values;
}

/// Whether every pointer may be read and written as packs of four; a null pointer may.
template <class... T>
bool allow_packs(const T*... pointers) {
  return ((reinterpret_cast<uintptr_t>(pointers) % (4 * sizeof(T)) == 0) && ...);
}

/// The number of this thread in a grid of one dimension, and how many threads the grid has.
__device__ __forceinline__ int64_t thread_in_grid() {
  return int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ __forceinline__ int64_t threads_in_grid() {
  return int64_t(gridDim.x) * blockDim.x;
}

template <int kWidth, class Body>
__global__ void for_each_kernel(Body body, int64_t n) {
  // The packs come first, then one item for each of the up to three places that are left.
  const int64_t packs = n / kWidth, items = packs + n % kWidth;
  for (int64_t item = thread_in_grid(); item < items; item += threads_in_grid()) {
    if (item < packs) {
      body.template at<kWidth>(item * kWidth);
    } else {
      body.template at<1>(packs * kWidth + (item - packs));
    }
  }
}

/// Runs the body over [0, n), kWidth places at a time.
template <int kWidth, class Body>
void for_each(int64_t n, const Body& body) {
  constexpr int kThreads = 256;
  // Some waves of blocks for the largest device; beyond that each thread goes on to further items.
  constexpr int64_t kMostBlocks = 4096;
  const int64_t blocks = std::min(ceil_div(n / kWidth + n % kWidth, kThreads), kMostBlocks);
  launch(for_each_kernel<kWidth, Body>, dim3(unsigned(blocks)), dim3(kThreads), 0, current_stream(), body, n);
}

/// The same; `packed` says that its pointers allow packs of four.
template <class Body>
void for_each(int64_t n, bool packed, const Body& body) {
  if (packed) {
    for_each<4>(n, body);
  } else {
    for_each<1>(n, body);
  }
}

}  // namespace signet::cuda
