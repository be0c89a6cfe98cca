// Two threads at the same memory, one of them writing, and nothing that orders the two.

#include "kernels/cuda/platform.cuh"
#include "kernels/cuda/stream.cuh"
#include "tests/simt/wrong/wrong.h"

namespace signet::test {
namespace {

using simt::Fault;

__global__ void no_barrier_after_the_write(float* data) {
  __shared__ float tile[64];
  tile[threadIdx.x] = data[threadIdx.x];       // caught: no_barrier_after_the_write
  data[threadIdx.x] = tile[threadIdx.x ^ 32];  // caught: no_barrier_after_the_write
}

__global__ void no_barrier_before_the_next_write(float* data, int rounds) {
  __shared__ float tile[64];
  for (int i = 0; i < rounds; ++i) {
    tile[threadIdx.x] = data[64 * i + int(threadIdx.x)];  // caught: no_barrier_before_the_next_write
    __syncthreads();
    data[64 * i + int(threadIdx.x)] = tile[63 - threadIdx.x];  // caught: no_barrier_before_the_next_write
  }
}

__global__ void two_write_one_place(float* data) {
  __shared__ float tile[32];
  tile[threadIdx.x / 2] = data[threadIdx.x];  // caught: two_write_one_place
  __syncthreads();
  data[threadIdx.x] = tile[threadIdx.x / 2];
}

__global__ void all_write_the_flag(float* data) {
  __shared__ int flag;
  if (data[threadIdx.x] == 0) flag = 1;  // caught: all_write_the_flag
  __syncthreads();
  data[threadIdx.x] = float(flag);
}

__global__ void warp_barrier_for_two_warps(float* data) {
  __shared__ float tile[64];
  tile[threadIdx.x] = data[threadIdx.x];  // caught: warp_barrier_for_two_warps
  __syncwarp();
  data[threadIdx.x] = tile[threadIdx.x ^ 32];  // caught: warp_barrier_for_two_warps
}

__global__ void warp_without_its_barrier(float* data) {
  __shared__ float tile[32];
  tile[threadIdx.x] = data[threadIdx.x];       // caught: warp_without_its_barrier
  data[threadIdx.x] = tile[31 - threadIdx.x];  // caught: warp_without_its_barrier
}

__global__ void shuffles_are_no_barrier(float* data) {
  __shared__ float tile[32];
  const float x = data[threadIdx.x];
  tile[threadIdx.x] = x;  // caught: shuffles_are_no_barrier
  const float y = __shfl_xor_sync(0xFFFFFFFFu, x, 1);
  data[threadIdx.x] = y + tile[31 - threadIdx.x];  // caught: shuffles_are_no_barrier
}

__global__ void half_of_the_warp_meets(float* data) {
  __shared__ float tile[32];
  tile[threadIdx.x] = data[threadIdx.x];  // caught: half_of_the_warp_meets
  __syncwarp(threadIdx.x < 16 ? 0x0000FFFFu : 0xFFFF0000u);
  data[threadIdx.x] = tile[threadIdx.x ^ 16];  // caught: half_of_the_warp_meets
}

__global__ void sum_without_atomics(float* data) {
  __shared__ float sum;
  if (threadIdx.x == 0) sum = 0;
  __syncthreads();
  sum += data[threadIdx.x];  // caught: sum_without_atomics
  __syncthreads();
  if (threadIdx.x == 0) data[0] = sum;
}

__global__ void atomic_beside_plain(float* data) {
  __shared__ int count;
  if (threadIdx.x == 0) count = 0;
  __syncthreads();
  if (threadIdx.x != 5) {
    atomicAdd(&count, 1);  // caught: atomic_beside_plain
  } else {
    data[0] = float(count);  // caught: atomic_beside_plain
  }
}

__global__ void last_step_of_a_tree(float* data) {
  __shared__ float sums[64];
  sums[threadIdx.x] = data[threadIdx.x];
  for (unsigned half = 32; half > 0; half /= 2) {
    if (half != 1) __syncthreads();
    if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];  // caught: last_step_of_a_tree
  }
  if (threadIdx.x == 0) data[0] = sums[0];
}

__global__ void blocks_write_one_place(float* data) {
  if (threadIdx.x == 0) data[0] = float(blockIdx.x);  // caught: blocks_write_one_place
}

__global__ void block_reads_its_neighbour(float* data) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  const float left = i > 0 ? data[i - 1] : 0;  // caught: block_reads_its_neighbour
  __syncthreads();
  data[i] = left;  // caught: block_reads_its_neighbour
}

__global__ void global_without_a_barrier(float* data) {
  data[threadIdx.x] = 1;                   // caught: global_without_a_barrier
  const float x = data[threadIdx.x ^ 33];  // caught: global_without_a_barrier
  __syncthreads();
  data[512 + threadIdx.x] = x;
}

__global__ void sum_over_blocks_without_atomics(float* data) {
  if (threadIdx.x == 0) data[0] += 1;  // caught: sum_over_blocks_without_atomics
}

__global__ void same_byte(float* data) {
  __shared__ unsigned char bytes[64];
  bytes[threadIdx.x / 2] = static_cast<unsigned char>(data[0]);  // caught: same_byte
  __syncthreads();
  data[threadIdx.x] = bytes[threadIdx.x / 2];
}

__global__ void every_byte_its_own(float* data) {
  __shared__ unsigned char bytes[64];
  bytes[threadIdx.x] = static_cast<unsigned char>(data[threadIdx.x]);
  __syncthreads();
  data[threadIdx.x] = bytes[63 - threadIdx.x];
}

__global__ void warps_at_their_own_barriers(float* data) {
  __shared__ float tile[64];
  const unsigned first = threadIdx.x / 32 * 32;
  for (int i = 0; i < 3; ++i) {
    tile[threadIdx.x] = data[threadIdx.x];
    __syncwarp();
    data[threadIdx.x] = tile[first + 31 - threadIdx.x % 32];
    __syncwarp();
  }
  if (threadIdx.x % 32 < 16) {
    tile[threadIdx.x] = 1;
    __syncwarp(0x0000FFFFu);
    data[threadIdx.x] = tile[threadIdx.x ^ 1];
  }
}

__global__ void count_by_atomics(float* data) {
  __shared__ int count;
  if (threadIdx.x == 0) count = 0;
  __syncthreads();
  atomicAdd(&count, 1);
  __syncthreads();
  if (threadIdx.x == 0) data[0] = float(count);
}

__global__ void all_read_one(float* data) {
  const float x = data[0];
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i > 0) data[i] = x;
}

__global__ void copies_in_turn(float* data) {
  __shared__ __align__(16) float tile[2][128];
  const auto copy = [&](int stage) {
    cuda::ptx::cp_async_16(&tile[stage % 2][4 * threadIdx.x], data + 128 * stage + 4 * threadIdx.x);
    cuda::ptx::cp_async_commit();
  };
  copy(0);
  float sum = 0;
  for (int stage = 0; stage < 3; ++stage) {
    copy(stage + 1);
    cuda::ptx::cp_async_wait<1>();
    __syncthreads();
    sum += tile[stage % 2][127 - threadIdx.x];
    __syncthreads();
  }
  cuda::ptx::cp_async_wait<0>();
  data[512 + threadIdx.x] = sum;
}

template <auto kKernel, unsigned kBlocks, unsigned kThreads>
void run(float* data) {
  cuda::launch(kKernel, kBlocks, kThreads, 0, cuda::current_stream(), data);
}

}  // namespace

std::span<const WrongKernel> wrong_races() {
  static const WrongKernel all[] = {
      {"no_barrier_after_the_write", Fault::shared_race, run<no_barrier_after_the_write, 1, 64>,
       Fault::unwritten},
      {"no_barrier_before_the_next_write", Fault::shared_race,
       [](float* d) {
         cuda::launch(no_barrier_before_the_next_write, 1, 64, 0, cuda::current_stream(), d, 4);
       }},
      {"two_write_one_place", Fault::shared_race, run<two_write_one_place, 1, 64>},
      {"all_write_the_flag", Fault::shared_race, run<all_write_the_flag, 1, 64>},
      {"warp_barrier_for_two_warps", Fault::shared_race, run<warp_barrier_for_two_warps, 1, 64>,
       Fault::unwritten},
      {"warp_without_its_barrier", Fault::shared_race, run<warp_without_its_barrier, 1, 32>,
       Fault::unwritten},
      {"shuffles_are_no_barrier", Fault::shared_race, run<shuffles_are_no_barrier, 1, 32>, Fault::unwritten},
      {"half_of_the_warp_meets", Fault::shared_race, run<half_of_the_warp_meets, 1, 32>, Fault::unwritten},
      {"sum_without_atomics", Fault::shared_race, run<sum_without_atomics, 1, 64>},
      {"atomic_beside_plain", Fault::shared_race, run<atomic_beside_plain, 1, 64>},
      {"last_step_of_a_tree", Fault::shared_race, run<last_step_of_a_tree, 1, 64>},
      {"blocks_write_one_place", Fault::global_race, run<blocks_write_one_place, 4, 32>},
      {"block_reads_its_neighbour", Fault::global_race, run<block_reads_its_neighbour, 4, 64>},
      {"global_without_a_barrier", Fault::global_race, run<global_without_a_barrier, 1, 64>},
      {"sum_over_blocks_without_atomics", Fault::global_race, run<sum_over_blocks_without_atomics, 4, 32>},
      {"same_byte", Fault::shared_race, run<same_byte, 1, 64>},
  };
  return all;
}

std::span<const WrongKernel> right_kernels() {
  static const WrongKernel all[] = {
      {"every_byte_its_own", {}, run<every_byte_its_own, 1, 64>},
      {"warps_at_their_own_barriers", {}, run<warps_at_their_own_barriers, 1, 64>},
      {"count_by_atomics", {}, run<count_by_atomics, 1, 64>},
      {"all_read_one", {}, run<all_read_one, 4, 64>},
      {"copies_in_turn", {}, run<copies_in_turn, 1, 32>},
  };
  return all;
}

}  // namespace signet::test
