#pragma once
// Reductions whose order is fixed by the shape of the block alone, so that the same input gives the same
// bits.
//
// Values are numbers, or structs for which the caller overloads shuffle_xor beside the struct. `op` takes two
// values and gives one. Nothing here waits for another block: sums over a grid write one partial result a
// block to cuda::workspace, and a second launch adds those up.

#include "kernels/cuda/platform.cuh"

namespace signet::cuda {

constexpr int kWarpSize = 32;
constexpr unsigned kFullWarp = 0xFFFFFFFFu;

/// The value of the lane whose number differs in the bits of `mask`. All 32 lanes call it.
template <class T>
__device__ __forceinline__ T shuffle_xor(T value, int mask) {
  return __shfl_xor_sync(kFullWarp, value, mask);
}

struct Plus {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};

/// The greater of two floats; of a number and NaN, the number.
struct Maximum {
  __device__ float operator()(float a, float b) const { return fmaxf(a, b); }
};

/// The values of the warp's 32 lanes combined as a balanced tree, for every lane. All 32 lanes call it. The
/// lanes agree to the bit where op(a, b) and op(b, a) do; otherwise take lane 0's.
template <class T, class Op>
__device__ __forceinline__ T warp_reduce(T value, Op op) {
  for (int mask = kWarpSize / 2; mask > 0; mask /= 2) value = op(value, shuffle_xor(value, mask));
  return value;
}

template <class T>
__device__ __forceinline__ T warp_sum(T value) {
  return warp_reduce(value, Plus());
}

/// The values of the whole block, for every thread, the same bits in each: a tree in each warp, then the
/// warps in their order. For blocks of one dimension, kThreads long, a multiple of 32. All threads call it.
/// It may be called again at once: it starts and ends with what it needs of barriers.
template <int kThreads, class T, class Op>
__device__ T block_reduce(T value, Op op) {
  static_assert(kThreads % kWarpSize == 0 && kThreads <= 1024, "whole warps, and no more than a block has");
  constexpr int kWarps = kThreads / kWarpSize;
  __shared__ T of_warp[kWarps];
  const T mine = warp_reduce(value, op);
  __syncthreads();  // an earlier call's results have been read
  if (threadIdx.x % kWarpSize == 0) of_warp[threadIdx.x / kWarpSize] = mine;
  __syncthreads();
  T total = of_warp[0];
  for (int warp = 1; warp < kWarps; ++warp) total = op(total, of_warp[warp]);
  return total;
}

template <int kThreads, class T>
__device__ T block_sum(T value) {
  return block_reduce<kThreads>(value, Plus());
}

/// For blocks of kColumns x kRows threads (x, y), kRows a power of two: the values of the kRows threads with
/// the same threadIdx.x combined as a balanced tree. The result is that of the threads with threadIdx.y = 0;
/// the others' return values mean nothing. All threads call it; it may be called again at once.
template <int kColumns, int kRows, class T, class Op>
__device__ T reduce_over_y(T value, Op op) {
  static_assert((kRows & (kRows - 1)) == 0, "the tree halves the rows");
  __shared__ T values[kRows][kColumns];
  const int x = int(threadIdx.x), y = int(threadIdx.y);
  __syncthreads();  // an earlier call's results have been read
  values[y][x] = value;
  for (int half = kRows / 2; half > 0; half /= 2) {
    __syncthreads();
    if (y < half) {
      value = op(value, values[y + half][x]);
      values[y][x] = value;
    }
  }
  return value;
}

}  // namespace signet::cuda
