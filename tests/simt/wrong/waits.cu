// Threads that wait for others who do not come, or do not wait for what they use.

#include "kernels/cuda/platform.cuh"
#include "kernels/cuda/stream.cuh"
#include "tests/simt/wrong/wrong.h"

namespace signet::test {
namespace {

using simt::Fault;

__global__ void barrier_in_a_branch(float* data) {
  if (threadIdx.x < 48) {
    data[threadIdx.x] = 1;
    __syncthreads();  // caught: barrier_in_a_branch
  }
}

__global__ void return_before_the_barrier(float* data, unsigned n) {
  if (threadIdx.x >= n) return;
  data[threadIdx.x] = 1;
  __syncthreads();  // caught: return_before_the_barrier
  data[threadIdx.x] += data[0];
}

__global__ void two_different_barriers(float* data) {
  if (threadIdx.x < 32) {
    data[threadIdx.x] = 1;
    __syncthreads();  // caught: two_different_barriers
  } else {
    data[threadIdx.x] = 2;
    __syncthreads();  // caught: two_different_barriers
  }
}

__global__ void barrier_in_a_loop_of_unequal_length(float* data) {
  for (unsigned i = 0; i <= threadIdx.x / 32; ++i) {
    data[64 * i + threadIdx.x] = 1;
    __syncthreads();  // caught: barrier_in_a_loop_of_unequal_length
  }
}

__global__ void shuffle_in_a_branch(float* data) {
  float x = data[threadIdx.x];
  if (threadIdx.x < 16) x += __shfl_xor_sync(0xFFFFFFFFu, x, 1);  // caught: shuffle_in_a_branch
  data[threadIdx.x] = x;
}

__global__ void mask_without_the_caller(float* data) {
  float x = data[threadIdx.x];
  x += __shfl_xor_sync(0x0000FFFFu, x, 1);  // caught: mask_without_the_caller
  data[threadIdx.x] = x;
}

__global__ void shuffle_after_return(float* data, unsigned n) {
  if (threadIdx.x >= n) return;
  data[threadIdx.x] += __shfl_down_sync(0xFFFFFFFFu, data[threadIdx.x], 1);  // caught: shuffle_after_return
}

__global__ void unequal_masks(float* data) {
  const unsigned mask = threadIdx.x == 3 ? 0xFFFFFFFFu : 0xFFFFFFF7u | 1u << threadIdx.x;
  data[threadIdx.x] += float(__ballot_sync(mask, 1));  // caught: unequal_masks
}

__global__ void lanes_that_the_block_does_not_have(float* data) {
  __syncwarp();  // caught: lanes_that_the_block_does_not_have
  data[threadIdx.x] = 1;
}

__global__ void two_different_shuffles(float* data) {
  float x = data[threadIdx.x];
  if (threadIdx.x % 2 == 0) {
    x += __shfl_sync(0xFFFFFFFFu, x, 0);  // caught: two_different_shuffles
  } else {
    x -= __shfl_sync(0xFFFFFFFFu, x, 1);  // caught: two_different_shuffles
  }
  data[threadIdx.x] = x;
}

__global__ void warp_at_two_barriers(float* data) {
  if (threadIdx.x % 2 == 0) {
    __syncthreads();
  } else {
    __syncwarp();  // caught: warp_at_two_barriers
  }
  data[threadIdx.x] = 1;
}

__global__ void copy_not_waited_for(float* data) {
  __shared__ __align__(16) float tile[128];
  cuda::ptx::cp_async_16(tile + 4 * threadIdx.x, data + 4 * threadIdx.x);
  cuda::ptx::cp_async_commit();
  data[threadIdx.x] = tile[4 * threadIdx.x];  // caught: copy_not_waited_for
}

__global__ void copy_of_another_not_waited_for(float* data) {
  __shared__ __align__(16) float tile[128];
  cuda::ptx::cp_async_16(tile + 4 * threadIdx.x, data + 4 * threadIdx.x);
  cuda::ptx::cp_async_commit();
  if (threadIdx.x != 0) cuda::ptx::cp_async_wait<0>();
  __syncthreads();
  data[512 + threadIdx.x] = tile[127 - threadIdx.x] + tile[0];  // caught: copy_of_another_not_waited_for
}

__global__ void one_group_too_few(float* data) {
  __shared__ __align__(16) float tile[2][128];
  for (int i = 0; i < 2; ++i) {
    cuda::ptx::cp_async_16(&tile[i][4 * threadIdx.x], data + 128 * i + 4 * threadIdx.x);
    cuda::ptx::cp_async_commit();
  }
  cuda::ptx::cp_async_wait<1>();
  __syncthreads();
  data[512 + threadIdx.x] = tile[0][threadIdx.x] + tile[1][threadIdx.x];  // caught: one_group_too_few
}

__global__ void copy_not_committed(float* data) {
  __shared__ __align__(16) float tile[128];
  cuda::ptx::cp_async_16(tile + 4 * threadIdx.x, data + 4 * threadIdx.x);
  cuda::ptx::cp_async_wait<0>();
  data[512 + threadIdx.x] = tile[4 * threadIdx.x];  // caught: copy_not_committed
}

__global__ void write_under_a_copy(float* data) {
  __shared__ __align__(16) float tile[128];
  cuda::ptx::cp_async_16(tile + 4 * threadIdx.x, data + 4 * threadIdx.x);
  cuda::ptx::cp_async_commit();
  tile[4 * threadIdx.x + 3] = 0;  // caught: write_under_a_copy
  cuda::ptx::cp_async_wait<0>();
}

__global__ void copy_waited_for_but_no_barrier(float* data) {
  __shared__ __align__(16) float tile[256];
  cuda::ptx::cp_async_16(tile + 4 * threadIdx.x,
                         data + 4 * threadIdx.x);  // caught: copy_waited_for_but_no_barrier
  cuda::ptx::cp_async_commit();
  __syncthreads();
  cuda::ptx::cp_async_wait<0>();
  if (threadIdx.x == 0) __syncwarp(1);
  data[512 + threadIdx.x] = tile[255 - threadIdx.x];  // caught: copy_waited_for_but_no_barrier
}

__global__ void matrix_of_unfinished_copies(float* data) {
  __shared__ __align__(16) float tile[128];
  cuda::ptx::cp_async_16(tile + 4 * threadIdx.x, data + 4 * threadIdx.x);
  cuda::ptx::cp_async_commit();
  uint32_t d[4];
  cuda::ptx::ldmatrix_x4(d, tile + 4 * threadIdx.x);  // caught: matrix_of_unfinished_copies
  data[512 + threadIdx.x] = float(d[0]);
}

__global__ void trapped(float* data) {
  if (data[threadIdx.x] == 0) __trap();  // caught: trapped
}

template <auto kKernel, unsigned kThreads>
void run(float* data) {
  cuda::launch(kKernel, 1, kThreads, 0, cuda::current_stream(), data);
}

}  // namespace

std::span<const WrongKernel> wrong_waits() {
  static const WrongKernel all[] = {
      {"barrier_in_a_branch", Fault::barrier, run<barrier_in_a_branch, 64>},
      {"return_before_the_barrier", Fault::barrier,
       [](float* d) { cuda::launch(return_before_the_barrier, 1, 64, 0, cuda::current_stream(), d, 50u); }},
      {"two_different_barriers", Fault::barrier, run<two_different_barriers, 64>},
      {"barrier_in_a_loop_of_unequal_length", Fault::barrier, run<barrier_in_a_loop_of_unequal_length, 64>},
      {"shuffle_in_a_branch", Fault::warp, run<shuffle_in_a_branch, 32>},
      {"mask_without_the_caller", Fault::warp, run<mask_without_the_caller, 32>},
      {"shuffle_after_return", Fault::warp,
       [](float* d) { cuda::launch(shuffle_after_return, 1, 32, 0, cuda::current_stream(), d, 31u); }},
      {"unequal_masks", Fault::warp, run<unequal_masks, 32>},
      {"lanes_that_the_block_does_not_have", Fault::warp, run<lanes_that_the_block_does_not_have, 20>},
      {"two_different_shuffles", Fault::warp, run<two_different_shuffles, 32>},
      {"warp_at_two_barriers", Fault::warp, run<warp_at_two_barriers, 32>},
      {"copy_not_waited_for", Fault::unfinished_copy, run<copy_not_waited_for, 32>},
      {"copy_of_another_not_waited_for", Fault::unfinished_copy, run<copy_of_another_not_waited_for, 32>},
      {"one_group_too_few", Fault::unfinished_copy, run<one_group_too_few, 32>},
      {"copy_not_committed", Fault::unfinished_copy, run<copy_not_committed, 32>},
      {"write_under_a_copy", Fault::unfinished_copy, run<write_under_a_copy, 32>},
      {"copy_waited_for_but_no_barrier", Fault::shared_race, run<copy_waited_for_but_no_barrier, 64>,
       Fault::unfinished_copy},
      {"matrix_of_unfinished_copies", Fault::unfinished_copy, run<matrix_of_unfinished_copies, 32>},
      {"trapped", Fault::stopped, run<trapped, 32>},
  };
  return all;
}

}  // namespace signet::test
