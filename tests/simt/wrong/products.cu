// Warpgroups that do not wait for their products, do not fence them off from what comes before, or do not
// agree on them. Matrix A is the first 8 KB of shared memory, B the next.

#include "kernels/cuda/platform.cuh"
#include "kernels/cuda/stream.cuh"
#include "tests/simt/wrong/wrong.h"

namespace signet::test {
namespace {

namespace ptx = cuda::ptx;
using simt::Fault;

constexpr unsigned kBytes = 16 << 10;

uint64_t descriptor(const uint32_t* begin) {
  return ptx::shared_address(begin) / 16 | uint64_t(1) << 16 | uint64_t(64) << 32 | uint64_t(1) << 62;
}

/// The two descriptors, of rows of 64 steps each.
struct Operands {
  uint64_t a, b;
  explicit Operands(const uint32_t* tile) : a(descriptor(tile)), b(descriptor(tile + kBytes / 8)) {}
};

/// Fills both matrices; they can be multiplied after a fence and a barrier.
void fill(uint32_t* tile) {
  for (unsigned i = threadIdx.x; i < kBytes / 4; i += blockDim.x) tile[i] = 0x3F803F80;  // ones
}

/// Matrices that are ready.
uint32_t* ready_tile() {
  auto* tile = cuda::dynamic_shared<uint32_t>();
  fill(tile);
  ptx::fence_proxy_async();
  __syncthreads();
  return tile;
}

void keep(float* data, const float (&sums)[32]) {
  for (int i = 0; i < 4; ++i) data[threadIdx.x + 256 * i] = sums[i];
}

/// What follows a product that is right.
void finish(float* data, float (&sums)[32]) {
  ptx::wgmma_commit();
  ptx::wgmma_wait<0>(sums);
  keep(data, sums);
}

__global__ void sums_not_waited_for(float* data) {
  const Operands m(ready_tile());
  float sums[32] = {};
  ptx::wgmma_fence(sums);
  ptx::wgmma_bf16<false, false>(sums, m.a, m.b);
  ptx::wgmma_commit();
  data[threadIdx.x] = sums[5];  // caught: sums_not_waited_for
  ptx::wgmma_wait<0>(sums);
}

__global__ void product_not_committed(float* data) {
  const Operands m(ready_tile());
  float sums[32] = {};
  ptx::wgmma_fence(sums);
  ptx::wgmma_bf16<false, false>(sums, m.a, m.b);
  ptx::wgmma_wait<0>(sums);
  data[threadIdx.x] = sums[5];  // caught: product_not_committed
}

__global__ void one_product_too_few(float* data) {
  const Operands m(ready_tile());
  float sums[32] = {};
  ptx::wgmma_fence(sums);
  for (int i = 0; i < 2; ++i) {
    ptx::wgmma_bf16<false, false>(sums, m.a + uint64_t(2 * i), m.b + uint64_t(2 * i));
    ptx::wgmma_commit();
  }
  ptx::wgmma_wait<1>(sums);
  data[threadIdx.x] = sums[5];  // caught: one_product_too_few
}

__global__ void sums_changed_meanwhile(float* data) {
  const Operands m(ready_tile());
  float sums[32] = {};
  ptx::wgmma_fence(sums);
  ptx::wgmma_bf16<false, false>(sums, m.a, m.b);
  ptx::wgmma_commit();
  sums[7] = data[threadIdx.x];  // caught: sums_changed_meanwhile
  ptx::wgmma_wait<0>(sums);
  keep(data, sums);
}

__global__ void matrix_overwritten(float* data) {
  uint32_t* tile = ready_tile();
  const Operands m(tile);
  float sums[32] = {};
  ptx::wgmma_fence(sums);
  ptx::wgmma_bf16<false, false>(sums, m.a, m.b);
  ptx::wgmma_commit();
  __syncthreads();
  if (threadIdx.x == 9) tile[kBytes / 8] = 0;  // caught: matrix_overwritten
  __syncthreads();
  ptx::wgmma_wait<0>(sums);
  keep(data, sums);
}

__global__ void matrix_overwritten_by_a_copy(float* data) {
  uint32_t* tile = ready_tile();
  const Operands m(tile);
  float sums[32] = {};
  ptx::wgmma_fence(sums);
  ptx::wgmma_bf16<false, false>(sums, m.a, m.b);
  ptx::wgmma_commit();
  __syncthreads();
  if (threadIdx.x == 9) ptx::cp_async_16(tile, data);  // caught: matrix_overwritten_by_a_copy
  ptx::cp_async_commit();
  ptx::wgmma_wait<0>(sums);
  keep(data, sums);
}

// One's own waiting says nothing of the other warps.
__global__ void matrix_overwritten_without_a_barrier(float* data) {
  uint32_t* tile = ready_tile();
  const Operands m(tile);
  float sums[32] = {};
  ptx::wgmma_fence(sums);
  ptx::wgmma_bf16<false, false>(sums, m.a, m.b);
  ptx::wgmma_commit();
  ptx::wgmma_wait<0>(sums);
  if (threadIdx.x == 9) tile[kBytes / 8] = 0;  // caught: matrix_overwritten_without_a_barrier
  keep(data, sums);
}

__global__ void no_fence_behind_the_writes(float* data) {
  auto* tile = cuda::dynamic_shared<uint32_t>();
  fill(tile);
  __syncthreads();
  const Operands m(tile);
  float sums[32] = {};
  ptx::wgmma_fence(sums);
  ptx::wgmma_bf16<false, false>(sums, m.a, m.b);  // caught: no_fence_behind_the_writes
  finish(data, sums);
}

__global__ void fence_before_the_writes(float* data) {
  auto* tile = cuda::dynamic_shared<uint32_t>();
  ptx::fence_proxy_async();
  fill(tile);
  __syncthreads();
  const Operands m(tile);
  float sums[32] = {};
  ptx::wgmma_fence(sums);
  ptx::wgmma_bf16<false, false>(sums, m.a, m.b);  // caught: fence_before_the_writes
  finish(data, sums);
}

__global__ void fence_behind_the_barrier(float* data) {
  auto* tile = cuda::dynamic_shared<uint32_t>();
  fill(tile);
  __syncthreads();
  ptx::fence_proxy_async();
  const Operands m(tile);
  float sums[32] = {};
  ptx::wgmma_fence(sums);
  ptx::wgmma_bf16<false, false>(sums, m.a, m.b);  // caught: fence_behind_the_barrier
  finish(data, sums);
}

__global__ void fence_before_the_copies_arrive(float* data) {
  auto* tile = cuda::dynamic_shared<uint32_t>();
  fill(tile);
  __syncthreads();
  if (threadIdx.x < 32) ptx::cp_async_16(tile + 4 * threadIdx.x, data);
  ptx::cp_async_commit();
  ptx::fence_proxy_async();
  ptx::cp_async_wait<0>();
  __syncthreads();
  const Operands m(tile);
  float sums[32] = {};
  ptx::wgmma_fence(sums);
  ptx::wgmma_bf16<false, false>(sums, m.a, m.b);  // caught: fence_before_the_copies_arrive
  finish(data, sums);
}

__global__ void product_of_unfinished_copies(float* data) {
  auto* tile = ready_tile();
  if (threadIdx.x < 32) ptx::cp_async_16(tile + 4 * threadIdx.x, data);
  ptx::cp_async_commit();
  __syncthreads();
  const Operands m(tile);
  float sums[32] = {};
  ptx::wgmma_fence(sums);
  ptx::wgmma_bf16<false, false>(sums, m.a, m.b);  // caught: product_of_unfinished_copies
  ptx::wgmma_commit();
  ptx::wgmma_wait<0>(sums);
  ptx::cp_async_wait<0>();
  keep(data, sums);
}

__global__ void no_barrier_behind_the_fence(float* data) {
  auto* tile = ready_tile();
  __syncthreads();
  if (threadIdx.x == 100) tile[0] = 0;  // caught: no_barrier_behind_the_fence
  ptx::fence_proxy_async();
  const Operands m(tile);
  float sums[32] = {};
  ptx::wgmma_fence(sums);
  ptx::wgmma_bf16<false, false>(sums, m.a, m.b);  // caught: no_barrier_behind_the_fence
  finish(data, sums);
}

__global__ void sums_without_a_fence(float* data) {
  const Operands m(ready_tile());
  float sums[32] = {};
  ptx::wgmma_bf16<false, false>(sums, m.a, m.b);  // caught: sums_without_a_fence
  finish(data, sums);
}

__global__ void sums_scaled_without_a_fence(float* data) {
  const Operands m(ready_tile());
  float sums[32] = {};
  ptx::wgmma_fence(sums);
  for (int i = 0; i < 2; ++i) {
    ptx::wgmma_bf16<false, false>(sums, m.a, m.b);  // caught: sums_scaled_without_a_fence
    ptx::wgmma_commit();
    ptx::wgmma_wait<0>(sums);
    sums[3] *= 0.5f;
  }
  keep(data, sums);
}

__global__ void three_warps_of_four(float* data) {
  const Operands m(ready_tile());
  float sums[32] = {};
  if (threadIdx.x < 96) {
    ptx::wgmma_fence(sums);
    ptx::wgmma_bf16<false, false>(sums, m.a, m.b);  // caught: three_warps_of_four
    ptx::wgmma_commit();
    ptx::wgmma_wait<0>(sums);
  }
  keep(data, sums);
}

__global__ void half_a_warpgroup(float* data) {
  const Operands m(ready_tile());
  float sums[32] = {};
  ptx::wgmma_fence(sums);
  ptx::wgmma_bf16<false, false>(sums, m.a, m.b);  // caught: half_a_warpgroup
  finish(data, sums);
}

__global__ void other_rows_for_each_warp(float* data) {
  const Operands m(ready_tile());
  float sums[32] = {};
  ptx::wgmma_fence(sums);
  ptx::wgmma_bf16<false, false>(sums, m.a + threadIdx.x / 32 * 2, m.b);  // caught: other_rows_for_each_warp
  finish(data, sums);
}

__global__ void matrix_beyond_shared_memory(float* data) {
  const Operands m(ready_tile());
  float sums[32] = {};
  ptx::wgmma_fence(sums);
  ptx::wgmma_bf16<false, false>(sums, m.a, m.b + 64);  // caught: matrix_beyond_shared_memory
  finish(data, sums);
}

__global__ void lines_of_64_bytes(float* data) {
  const Operands m(ready_tile());
  float sums[32] = {};
  ptx::wgmma_fence(sums);
  ptx::wgmma_bf16<false, false>(sums, m.a, m.b + (uint64_t(1) << 62));  // caught: lines_of_64_bytes
  finish(data, sums);
}

__global__ void lines_that_are_not_aligned(float* data) {
  const Operands m(ready_tile());
  float sums[32] = {};
  ptx::wgmma_fence(sums);
  ptx::wgmma_bf16<false, false>(sums, m.a + 8, m.b);  // caught: lines_that_are_not_aligned
  finish(data, sums);
}

// What is right: sums scaled between fences, a matrix replaced between a wait and a fence, a group in flight
// while the other matrix is read.
__global__ void products_in_turn(float* data) {
  uint32_t* tile = ready_tile();
  const Operands m(tile);
  float sums[32] = {};
  for (int i = 0; i < 3; ++i) {
    ptx::wgmma_fence(sums);
    for (uint64_t step = 0; step < 4; ++step) {
      ptx::wgmma_bf16<false, false>(sums, m.a + 2 * step, m.b + 2 * step);
      ptx::wgmma_commit();
    }
    data[threadIdx.x] = float(tile[threadIdx.x]);
    ptx::wgmma_wait<1>(sums);
    ptx::wgmma_wait<0>(sums);
    __syncthreads();
    sums[3] *= 0.5f;
    fill(tile);
    __syncthreads();
    if (threadIdx.x < 32) ptx::cp_async_16(tile + 4 * threadIdx.x, data + 512);
    ptx::cp_async_commit();
    ptx::cp_async_wait<0>();
    ptx::fence_proxy_async();
    __syncthreads();
  }
  keep(data, sums);
}

template <auto kKernel, unsigned kThreads = 128>
void run(float* data) {
  cuda::launch(kKernel, 1, kThreads, kBytes, cuda::current_stream(), data);
}

}  // namespace

std::span<const WrongKernel> wrong_products() {
  static const WrongKernel all[] = {
      {"sums_not_waited_for", Fault::unfinished_product, run<sums_not_waited_for>},
      {"product_not_committed", Fault::unfinished_product, run<product_not_committed>},
      {"one_product_too_few", Fault::unfinished_product, run<one_product_too_few>},
      {"sums_changed_meanwhile", Fault::unfinished_product, run<sums_changed_meanwhile>},
      {"matrix_overwritten", Fault::unfinished_product, run<matrix_overwritten>},
      {"matrix_overwritten_by_a_copy", Fault::unfinished_product, run<matrix_overwritten_by_a_copy>},
      {"matrix_overwritten_without_a_barrier", Fault::unfinished_product,
       run<matrix_overwritten_without_a_barrier>, Fault::shared_race},
      {"no_fence_behind_the_writes", Fault::unfenced_product, run<no_fence_behind_the_writes>},
      {"fence_before_the_writes", Fault::unfenced_product, run<fence_before_the_writes>},
      {"fence_behind_the_barrier", Fault::unfenced_product, run<fence_behind_the_barrier>},
      {"fence_before_the_copies_arrive", Fault::unfenced_product, run<fence_before_the_copies_arrive>},
      {"product_of_unfinished_copies", Fault::unfinished_copy, run<product_of_unfinished_copies>},
      {"no_barrier_behind_the_fence", Fault::shared_race, run<no_barrier_behind_the_fence>,
       Fault::unfinished_product},
      {"sums_without_a_fence", Fault::unfenced_product, run<sums_without_a_fence>},
      {"sums_scaled_without_a_fence", Fault::unfenced_product, run<sums_scaled_without_a_fence>},
      {"three_warps_of_four", Fault::warp, run<three_warps_of_four>},
      {"half_a_warpgroup", Fault::warp, run<half_a_warpgroup, 64>},
      {"other_rows_for_each_warp", Fault::warp, run<other_rows_for_each_warp>},
      {"matrix_beyond_shared_memory", Fault::out_of_bounds, run<matrix_beyond_shared_memory>},
      {"lines_of_64_bytes", Fault::unmodelled, run<lines_of_64_bytes>},
      {"lines_that_are_not_aligned", Fault::unmodelled, run<lines_that_are_not_aligned>},
  };
  return all;
}

std::span<const WrongKernel> right_products() {
  static const WrongKernel all[] = {{"products_in_turn", Fault::stopped, run<products_in_turn>}};
  return all;
}

}  // namespace signet::test
