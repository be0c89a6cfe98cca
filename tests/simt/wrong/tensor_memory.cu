// Blocks that do not wait for their products in tensor memory, do not fence them off from what comes before
// or behind, read what they may not, or do not give it back. Matrix A, of 64 rows, is the first 8 KB of
// shared memory, B the next; an mbarrier and the address in tensor memory follow.

#include "kernels/cuda/platform.cuh"
#include "kernels/cuda/stream.cuh"
#include "tests/simt/wrong/wrong.h"

namespace signet::test {
namespace {

namespace ptx = cuda::ptx;
using simt::Fault;

constexpr unsigned kMatrices = 16 << 10, kBytes = kMatrices + 32, kColumns = 64;

/// bf16 times bf16 with sums in float, of 64 rows and columns.
constexpr uint32_t kBf16 = 1u << 4 | 1u << 7 | 1u << 10 | 64u / 8 << 17 | 64u / 16 << 24;

uint32_t* tile() {
  return cuda::dynamic_shared<uint32_t>();
}
uint64_t* finished() {
  return reinterpret_cast<uint64_t*>(tile() + kMatrices / 4);
}
uint32_t* address() {
  return tile() + kMatrices / 4 + 4;
}

uint64_t descriptor(const uint32_t* begin) {
  return ptx::shared_address(begin) / 16 | uint64_t(1) << 16 | uint64_t(64) << 32 | uint64_t(1) << 46 |
         uint64_t(2) << 61;
}
/// Where the sums are to be, and the matrices.
struct Operands {
  uint32_t d = *address();
  uint64_t a = descriptor(tile()), b = descriptor(tile() + kMatrices / 8);
};

/// Fills both matrices; they can be multiplied after a fence and a barrier.
void fill() {
  for (unsigned i = threadIdx.x; i < kMatrices / 4; i += blockDim.x) tile()[i] = 0x3F803F80;  // ones
}

void allocate() {
  if (threadIdx.x < 32) ptx::tcgen05_alloc(address(), kColumns);
}
void make_barrier() {
  if (threadIdx.x == 0) ptx::mbarrier_init(finished(), 1);
}

/// All that comes before a product that is right.
void begin() {
  allocate();
  make_barrier();
  fill();
  ptx::fence_proxy_async();
  __syncthreads();
  ptx::tcgen05_fence_after();
}

void start(bool add = false) {
  const Operands m;
  ptx::tcgen05_mma_bf16(m.d, m.a, m.b, kBf16, add);
}

/// By one thread.
void multiply() {
  if (threadIdx.x != 0) return;
  start();
  ptx::tcgen05_commit(finished());
}

void wait(int parity = 0) {
  ptx::mbarrier_wait(finished(), parity);
  ptx::tcgen05_fence_after();
}

uint32_t quarter() {
  return *address() + (threadIdx.x / 32 * 32 << 16);
}

void keep(float* data, const float (&sums)[32]) {
  for (int i = 0; i < 4; ++i) data[threadIdx.x + 128 * i] = sums[i];
}

void read(float* data) {
  float sums[32];
  ptx::tcgen05_ld(sums, quarter());
  ptx::tcgen05_wait_ld(sums);
  keep(data, sums);
}

/// All that comes behind a product that is right.
void end() {
  ptx::tcgen05_fence_before();
  __syncthreads();
  if (threadIdx.x < 32) ptx::tcgen05_dealloc(*address(), kColumns);
}
void finish(float* data) {
  wait();
  read(data);
  end();
}

__global__ void sums_not_waited_for(float* data) {
  begin();
  multiply();
  __syncthreads();
  ptx::tcgen05_fence_after();
  float sums[32];
  ptx::tcgen05_ld(sums, quarter());  // caught: sums_not_waited_for
  ptx::tcgen05_wait_ld(sums);
  keep(data, sums);
  end();
}

// The phase before the first has ended, as mbarriers count.
__global__ void wait_for_the_wrong_phase(float* data) {
  begin();
  multiply();
  wait(1);
  float sums[32];
  ptx::tcgen05_ld(sums, quarter());  // caught: wait_for_the_wrong_phase
  ptx::tcgen05_wait_ld(sums);
  keep(data, sums);
  end();
}

__global__ void product_behind_the_commit(float* data) {
  begin();
  if (threadIdx.x == 0) {
    start();
    ptx::tcgen05_commit(finished());
    start(true);
  }
  wait();
  __syncthreads();
  ptx::tcgen05_fence_after();
  float sums[32];
  ptx::tcgen05_ld(sums, quarter());  // caught: product_behind_the_commit
  ptx::tcgen05_wait_ld(sums);
  keep(data, sums);
  end();
}

__global__ void commit_by_another_thread(float* data) {
  begin();
  if (threadIdx.x == 0) start();
  __syncthreads();
  if (threadIdx.x == 1) ptx::tcgen05_commit(finished());
  wait();
  float sums[32];
  ptx::tcgen05_ld(sums, quarter());  // caught: commit_by_another_thread
  ptx::tcgen05_wait_ld(sums);
  keep(data, sums);
  end();
}

__global__ void product_never_committed(float* data) {
  begin();
  if (threadIdx.x == 0) start();
  ptx::mbarrier_wait(finished(), 0);  // caught: product_never_committed
  ptx::tcgen05_fence_after();
  read(data);
  end();
}

__global__ void no_fence_behind_the_wait(float* data) {
  begin();
  multiply();
  ptx::mbarrier_wait(finished(), 0);
  float sums[32];
  ptx::tcgen05_ld(sums, quarter());  // caught: no_fence_behind_the_wait
  ptx::tcgen05_wait_ld(sums);
  keep(data, sums);
  end();
}

__global__ void no_fence_behind_the_barrier(float* data) {
  begin();
  __syncthreads();
  if (threadIdx.x == 0) {
    const Operands m;
    ptx::tcgen05_mma_bf16(m.d, m.a, m.b, kBf16, false);  // caught: no_fence_behind_the_barrier
    ptx::tcgen05_commit(finished());
  }
  finish(data);
}

__global__ void loads_not_waited_for(float* data) {
  begin();
  multiply();
  wait();
  float sums[32];
  ptx::tcgen05_ld(sums, quarter());
  data[threadIdx.x] = sums[5];  // caught: loads_not_waited_for
  ptx::tcgen05_wait_ld(sums);
  end();
}

__global__ void no_fence_behind_the_loads(float* data) {
  begin();
  multiply();
  wait();
  read(data);
  __syncthreads();
  if (threadIdx.x < 32) ptx::tcgen05_dealloc(*address(), kColumns);  // caught: no_fence_behind_the_loads
}

__global__ void no_barrier_behind_the_loads(float* data) {
  begin();
  multiply();
  wait();
  float sums[32];
  ptx::tcgen05_ld(sums, quarter());  // caught: no_barrier_behind_the_loads
  ptx::tcgen05_wait_ld(sums);
  keep(data, sums);
  ptx::tcgen05_fence_before();
  if (threadIdx.x < 32) ptx::tcgen05_dealloc(*address(), kColumns);  // caught: no_barrier_behind_the_loads
}

__global__ void sums_overwritten_while_read(float* data) {
  begin();
  multiply();
  wait();
  __syncthreads();
  ptx::tcgen05_fence_after();
  float sums[32];
  ptx::tcgen05_ld(sums, quarter());  // caught: sums_overwritten_while_read
  ptx::tcgen05_wait_ld(sums);
  keep(data, sums);
  ptx::tcgen05_fence_before();
  if (threadIdx.x == 0) {
    const Operands m;
    ptx::tcgen05_mma_bf16(m.d, m.a, m.b, kBf16, false);  // caught: sums_overwritten_while_read
    ptx::tcgen05_commit(finished());
  }
  wait(1);
  end();
}

__global__ void given_back_while_multiplied(float* data) {
  begin();
  multiply();
  keep(data, {});
  __syncthreads();
  if (threadIdx.x < 32) ptx::tcgen05_dealloc(*address(), kColumns);  // caught: given_back_while_multiplied
}

__global__ void stage_overwritten(float* data) {
  begin();
  multiply();
  __syncthreads();
  if (threadIdx.x == 9) tile()[kMatrices / 8] = 0;  // caught: stage_overwritten
  finish(data);
}

__global__ void stage_overwritten_by_a_copy(float* data) {
  begin();
  multiply();
  __syncthreads();
  if (threadIdx.x == 9) ptx::cp_async_16(tile(), data);  // caught: stage_overwritten_by_a_copy
  ptx::cp_async_commit();
  finish(data);
}

// What one thread has been told the others have not.
__global__ void stage_overwritten_by_who_did_not_wait(float* data) {
  begin();
  multiply();
  __syncthreads();
  if (threadIdx.x != 9) ptx::mbarrier_wait(finished(), 0);
  if (threadIdx.x == 9) tile()[kMatrices / 8] = 0;  // caught: stage_overwritten_by_who_did_not_wait
  finish(data);
}

__global__ void no_fence_behind_the_writes(float* data) {
  allocate();
  make_barrier();
  ptx::fence_proxy_async();
  fill();
  __syncthreads();
  ptx::tcgen05_fence_after();
  if (threadIdx.x == 0) {
    const Operands m;
    ptx::tcgen05_mma_bf16(m.d, m.a, m.b, kBf16, false);  // caught: no_fence_behind_the_writes
    ptx::tcgen05_commit(finished());
  }
  finish(data);
}

__global__ void product_of_unfinished_copies(float* data) {
  begin();
  if (threadIdx.x < 32) ptx::cp_async_16(tile() + 4 * threadIdx.x, data);
  ptx::cp_async_commit();
  __syncthreads();
  ptx::tcgen05_fence_after();
  if (threadIdx.x == 0) {
    const Operands m;
    ptx::tcgen05_mma_bf16(m.d, m.a, m.b, kBf16, false);  // caught: product_of_unfinished_copies
    ptx::tcgen05_commit(finished());
  }
  ptx::cp_async_wait<0>();
  finish(data);
}

__global__ void no_fence_behind_the_mbarrier(float* data) {
  allocate();
  fill();
  ptx::fence_proxy_async();
  make_barrier();
  __syncthreads();
  ptx::tcgen05_fence_after();
  if (threadIdx.x == 0) {
    start();
    ptx::tcgen05_commit(finished());  // caught: no_fence_behind_the_mbarrier
  }
  finish(data);
}

__global__ void adds_to_nothing(float* data) {
  begin();
  if (threadIdx.x == 0) {
    const Operands m;
    ptx::tcgen05_mma_bf16(m.d, m.a, m.b, kBf16, true);  // caught: adds_to_nothing
    ptx::tcgen05_commit(finished());
  }
  finish(data);
}

__global__ void lanes_of_another_warp(float* data) {
  begin();
  multiply();
  wait();
  float sums[32];
  ptx::tcgen05_ld(sums, *address());  // caught: lanes_of_another_warp
  ptx::tcgen05_wait_ld(sums);
  keep(data, sums);
  end();
}

__global__ void an_address_for_each_lane(float* data) {
  begin();
  multiply();
  wait();
  float sums[32];
  ptx::tcgen05_ld(sums, quarter() + (threadIdx.x % 32 << 16));  // caught: an_address_for_each_lane
  ptx::tcgen05_wait_ld(sums);
  keep(data, sums);
  end();
}

// 64 rows take half of a warp's lanes.
__global__ void lanes_without_a_row(float* data) {
  begin();
  multiply();
  wait();
  float sums[32];
  ptx::tcgen05_ld(sums, quarter() + (16 << 16));  // caught: lanes_without_a_row
  ptx::tcgen05_wait_ld(sums);
  keep(data, sums);
  end();
}

__global__ void columns_of_another_block(float* data) {
  begin();
  multiply();
  wait();
  float sums[32];
  ptx::tcgen05_ld(sums, quarter() + kColumns / 2);  // caught: columns_of_another_block
  ptx::tcgen05_wait_ld(sums);
  keep(data, sums);
  end();
}

__global__ void product_beside_the_columns(float* data) {
  begin();
  if (threadIdx.x == 0) {
    const Operands m;
    ptx::tcgen05_mma_bf16(m.d + 8, m.a, m.b, kBf16, false);  // caught: product_beside_the_columns
    ptx::tcgen05_commit(finished());
  }
  finish(data);
}

__global__ void never_given_back(float* data) {
  if (threadIdx.x < 32) ptx::tcgen05_alloc(address(), kColumns);  // caught: never_given_back
  make_barrier();
  fill();
  ptx::fence_proxy_async();
  __syncthreads();
  ptx::tcgen05_fence_after();
  multiply();
  wait();
  read(data);
}

__global__ void half_given_back(float* data) {
  begin();
  multiply();
  wait();
  read(data);
  ptx::tcgen05_fence_before();
  __syncthreads();
  if (threadIdx.x < 32) ptx::tcgen05_dealloc(*address(), kColumns / 2);  // caught: half_given_back
}

__global__ void given_back_by_another_warp(float* data) {
  begin();
  multiply();
  wait();
  read(data);
  ptx::tcgen05_fence_before();
  __syncthreads();
  if (threadIdx.x >= 96) ptx::tcgen05_dealloc(*address(), kColumns);  // caught: given_back_by_another_warp
}

__global__ void columns_in_sixteens(float*) {
  if (threadIdx.x < 32) ptx::tcgen05_alloc(address(), 48);  // caught: columns_in_sixteens
  __syncthreads();
  if (threadIdx.x < 32) ptx::tcgen05_dealloc(*address(), 48);
}

__global__ void more_columns_than_there_are(float*) {
  if (threadIdx.x < 32) {
    ptx::tcgen05_alloc(address(), 512);
    ptx::tcgen05_alloc(address() + 1, 32);  // caught: more_columns_than_there_are
  }
}

__global__ void allocated_behind_relinquish(float*) {
  if (threadIdx.x < 32) {
    ptx::tcgen05_relinquish();
    ptx::tcgen05_alloc(address(), kColumns);  // caught: allocated_behind_relinquish
  }
  __syncthreads();
  if (threadIdx.x < 32) ptx::tcgen05_dealloc(*address(), kColumns);
}

__global__ void allocated_by_half_a_warp(float* data) {
  if (threadIdx.x < 16) ptx::tcgen05_alloc(address(), kColumns);  // caught: allocated_by_half_a_warp
  keep(data, {});
}

__global__ void descriptor_of_wgmma(float* data) {
  begin();
  if (threadIdx.x == 0) {
    const Operands m;
    ptx::tcgen05_mma_bf16(m.d, m.a - (uint64_t(1) << 46), m.b, kBf16, false);  // caught: descriptor_of_wgmma
    ptx::tcgen05_commit(finished());
  }
  finish(data);
}

__global__ void lines_of_64_bytes(float* data) {
  begin();
  if (threadIdx.x == 0) {
    const Operands m;
    ptx::tcgen05_mma_bf16(m.d, m.a, m.b + (uint64_t(2) << 61), kBf16, false);  // caught: lines_of_64_bytes
    ptx::tcgen05_commit(finished());
  }
  finish(data);
}

__global__ void matrix_beyond_shared_memory(float* data) {
  begin();
  if (threadIdx.x == 0) {
    const Operands m;
    ptx::tcgen05_mma_bf16(m.d, m.a, m.b + 1024, kBf16, false);  // caught: matrix_beyond_shared_memory
    ptx::tcgen05_commit(finished());
  }
  finish(data);
}

__global__ void sums_in_half(float* data) {
  begin();
  if (threadIdx.x == 0) {
    const Operands m;
    ptx::tcgen05_mma_bf16(m.d, m.a, m.b, kBf16 & ~(3u << 4), false);  // caught: sums_in_half
    ptx::tcgen05_commit(finished());
  }
  finish(data);
}

__global__ void a_negated_matrix(float* data) {
  begin();
  if (threadIdx.x == 0) {
    const Operands m;
    ptx::tcgen05_mma_bf16(m.d, m.a, m.b, kBf16 | 1u << 13, false);  // caught: a_negated_matrix
    ptx::tcgen05_commit(finished());
  }
  finish(data);
}

__global__ void ninety_six_rows(float* data) {
  begin();
  if (threadIdx.x == 0) {
    const Operands m;
    ptx::tcgen05_mma_bf16(m.d, m.a, m.b, kBf16 + (2u << 24), false);  // caught: ninety_six_rows
    ptx::tcgen05_commit(finished());
  }
  finish(data);
}

__global__ void no_mbarrier_was_made(float*) {
  if (threadIdx.x == 0) *finished() = 1;
  __syncthreads();
  ptx::mbarrier_wait(finished(), 1);  // caught: no_mbarrier_was_made
}

__global__ void mbarrier_made_twice(float*) {
  make_barrier();
  if (threadIdx.x == 0) ptx::mbarrier_init(finished(), 1);  // caught: mbarrier_made_twice
}

__global__ void mbarrier_between_two_words(float*) {
  auto* between = reinterpret_cast<uint64_t*>(address() + 1);
  if (threadIdx.x == 0) ptx::mbarrier_init(between, 1);  // caught: mbarrier_between_two_words
}

// What is right: stages overwritten by whoever was told, by the mbarrier or by who waited for it; two
// products in a phase, sums read and overwritten, columns given back and taken again.
__global__ void products_in_tensor_memory(float* data) {
  for (int round = 0; round < 2; ++round) {
    allocate();
    if (round == 0) make_barrier();
    fill();
    ptx::fence_proxy_async();
    __syncthreads();
    ptx::tcgen05_fence_after();
    if (threadIdx.x == 64) {
      start();
      start(true);
      ptx::tcgen05_commit(finished());
    }
    wait(0);
    for (unsigned i = threadIdx.x; i < kMatrices / 4; i += blockDim.x) tile()[i] = 0;
    read(data);
    ptx::tcgen05_fence_before();
    ptx::fence_proxy_async();
    __syncthreads();
    ptx::tcgen05_fence_after();
    multiply();
    if (threadIdx.x == 96) ptx::mbarrier_wait(finished(), 1);
    __syncthreads();
    ptx::tcgen05_fence_after();
    tile()[threadIdx.x] = 0;
    read(data);
    end();
    __syncthreads();
  }
}

template <auto kKernel>
void run(float* data) {
  cuda::launch(kKernel, 1, 128, kBytes, cuda::current_stream(), data);
}

}  // namespace

std::span<const WrongKernel> wrong_tensor_memory() {
  static const WrongKernel all[] = {
      {"sums_not_waited_for", Fault::unfinished_product, run<sums_not_waited_for>},
      {"wait_for_the_wrong_phase", Fault::unfinished_product, run<wait_for_the_wrong_phase>,
       Fault::unwritten},
      {"product_behind_the_commit", Fault::unfinished_product, run<product_behind_the_commit>},
      {"commit_by_another_thread", Fault::unfinished_product, run<commit_by_another_thread>},
      {"product_never_committed", Fault::barrier, run<product_never_committed>},
      {"no_fence_behind_the_wait", Fault::unfenced_product, run<no_fence_behind_the_wait>},
      {"no_fence_behind_the_barrier", Fault::unfenced_product, run<no_fence_behind_the_barrier>},
      {"loads_not_waited_for", Fault::unfinished_product, run<loads_not_waited_for>},
      {"no_fence_behind_the_loads", Fault::unfinished_product, run<no_fence_behind_the_loads>},
      {"no_barrier_behind_the_loads", Fault::unfinished_product, run<no_barrier_behind_the_loads>,
       Fault::out_of_bounds},
      {"sums_overwritten_while_read", Fault::unfinished_product, run<sums_overwritten_while_read>},
      {"given_back_while_multiplied", Fault::unfinished_product, run<given_back_while_multiplied>},
      {"stage_overwritten", Fault::unfinished_product, run<stage_overwritten>},
      {"stage_overwritten_by_a_copy", Fault::unfinished_product, run<stage_overwritten_by_a_copy>},
      {"stage_overwritten_by_who_did_not_wait", Fault::unfinished_product,
       run<stage_overwritten_by_who_did_not_wait>},
      {"no_fence_behind_the_writes", Fault::unfenced_product, run<no_fence_behind_the_writes>},
      {"product_of_unfinished_copies", Fault::unfinished_copy, run<product_of_unfinished_copies>},
      {"no_fence_behind_the_mbarrier", Fault::unfenced_product, run<no_fence_behind_the_mbarrier>},
      {"adds_to_nothing", Fault::unwritten, run<adds_to_nothing>},
      {"lanes_of_another_warp", Fault::out_of_bounds, run<lanes_of_another_warp>},
      {"an_address_for_each_lane", Fault::warp, run<an_address_for_each_lane>},
      {"lanes_without_a_row", Fault::unwritten, run<lanes_without_a_row>},
      {"columns_of_another_block", Fault::out_of_bounds, run<columns_of_another_block>},
      {"product_beside_the_columns", Fault::out_of_bounds, run<product_beside_the_columns>},
      {"never_given_back", Fault::tensor_memory, run<never_given_back>},
      {"half_given_back", Fault::tensor_memory, run<half_given_back>},
      {"given_back_by_another_warp", Fault::tensor_memory, run<given_back_by_another_warp>},
      {"columns_in_sixteens", Fault::tensor_memory, run<columns_in_sixteens>},
      {"more_columns_than_there_are", Fault::tensor_memory, run<more_columns_than_there_are>},
      {"allocated_behind_relinquish", Fault::tensor_memory, run<allocated_behind_relinquish>},
      {"allocated_by_half_a_warp", Fault::warp, run<allocated_by_half_a_warp>},
      {"descriptor_of_wgmma", Fault::unmodelled, run<descriptor_of_wgmma>},
      {"lines_of_64_bytes", Fault::unmodelled, run<lines_of_64_bytes>},
      {"matrix_beyond_shared_memory", Fault::out_of_bounds, run<matrix_beyond_shared_memory>},
      {"sums_in_half", Fault::unmodelled, run<sums_in_half>},
      {"a_negated_matrix", Fault::unmodelled, run<a_negated_matrix>},
      {"ninety_six_rows", Fault::unmodelled, run<ninety_six_rows>},
      {"no_mbarrier_was_made", Fault::unwritten, run<no_mbarrier_was_made>},
      {"mbarrier_made_twice", Fault::unmodelled, run<mbarrier_made_twice>},
      {"mbarrier_between_two_words", Fault::misaligned, run<mbarrier_between_two_words>},
  };
  return all;
}

std::span<const WrongKernel> right_tensor_memory() {
  static const WrongKernel all[] = {
      {"products_in_tensor_memory", Fault::stopped, run<products_in_tensor_memory>}};
  return all;
}

}  // namespace signet::test
