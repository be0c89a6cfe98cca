#pragma once
// Loops over n independent places, several at a time where the pointers allow it.
//
// A body is a struct of pointers and constants with a member template at<kWidth>(i) that treats the places
// i .. i + kWidth - 1; i is a multiple of kWidth, which is 1, or what makes 16 bytes. Moving 16 bytes an
// instruction keeps more bytes in flight for each thread, and memory is what these loops wait for.
//
// Numbers are floats between the load and the store, whatever memory holds.

#include <algorithm>
#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/cuda/platform.cuh"
#include "kernels/cuda/stream.cuh"

namespace signet::cuda {

__host__ __device__ constexpr int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

/// How many neighbours make 16 bytes, the widest access of a thread. Eight bfloat16 that are loaded take the
/// registers of four floats, and are widened only when they are used.
template <class T>
constexpr int kPackOf = 16 / int(sizeof(T));

/// kWidth neighbours in memory, aligned to their size, or to 16 bytes if that is less.
template <class T, int kWidth>
struct alignas(std::min(sizeof(T) * kWidth, size_t(16))) Pack {
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

/// Neighbours as floats.
template <int kWidth>
__device__ __forceinline__ Pack<float, kWidth> widen(const Pack<float, kWidth>& values) {
  return values;
}
template <int kWidth>
__device__ __forceinline__ Pack<float, kWidth> widen(const Pack<BFloat16, kWidth>& values) {
  Pack<float, kWidth> wide;
#pragma unroll
  for (int j = 0; j < kWidth; ++j) wide.v[j] = values.v[j];
  return wide;
}

template <int kWidth, class T>
__device__ __forceinline__ Pack<float, kWidth> load_floats(const T* from) {
  return widen(load<kWidth>(from));
}

/// The value as memory of type T would hold it.
template <class T>
__device__ __forceinline__ T rounded(float value) {
  return T(value);
}
template <>
__device__ __forceinline__ BFloat16 rounded<BFloat16>(float value) {
  BFloat16 narrow;
  narrow.bits = uint16_t(ptx::pack_bf16(value, 0));
  return narrow;
}

/// Floats rounded to what memory holds.
template <int kWidth>
__device__ __forceinline__ void store(BFloat16* to, const Pack<float, kWidth>& values) {
  Pack<BFloat16, kWidth> narrow;
  if constexpr (kWidth == 1) {
    narrow.v[0] = rounded<BFloat16>(values.v[0]);
  } else {
#pragma unroll
    for (int j = 0; j < kWidth; j += 2) {
      const uint32_t pair = ptx::pack_bf16(values.v[j], values.v[j + 1]);
      narrow.v[j].bits = uint16_t(pair);
      narrow.v[j + 1].bits = uint16_t(pair >> 16);
    }
  }
  store(to, narrow);
}

/// Whether every pointer may be read and written as packs of kWidth; a null pointer may.
template <int kWidth, class... T>
bool allow_packs_of(const T*... pointers) {
  return ((reinterpret_cast<uintptr_t>(pointers) % alignof(Pack<T, kWidth>) == 0) && ...);
}
template <class... T>
bool allow_packs(const T*... pointers) {
  return allow_packs_of<4>(pointers...);
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
  // The packs come first, then one item for each of the few places that are left.
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

/// The same; `packed` says that its pointers allow packs.
template <int kWidth = 4, class Body>
void for_each(int64_t n, bool packed, const Body& body) {
  if (packed) {
    for_each<kWidth>(n, body);
  } else {
    for_each<1>(n, body);
  }
}

}  // namespace signet::cuda
