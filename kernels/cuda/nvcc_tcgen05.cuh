#pragma once
// The real device: products that one thread starts for its block and the tensor cores of sm_100 make beside
// it, with their sums in tensor memory, as inline PTX (PTX ISA 9.0, 9.7.16), and the mbarrier that tells of
// their end. Only code for sm_100a has these instructions; elsewhere they trap, and the host never launches a
// kernel that would come to one. Included by nvcc.cuh; kernels/simt/tcgen05.h supplies the same names on a
// CPU.

#include <cstdint>

namespace signet::cuda {

/// Whether the program has code for sm_100a (cmake/SignetCuda.cmake).
#ifdef SIGNET_CUDA_SM_100A
inline constexpr bool kBuiltForSm100a = true;
#else
inline constexpr bool kBuiltForSm100a = false;
#endif

namespace ptx {

/// Whether the architecture that is being compiled for has them.
#if defined(__CUDA_ARCH__) && !defined(__CUDA_ARCH_FEAT_SM100_ALL)
inline constexpr bool kHasTcgen05 = false;
#else
inline constexpr bool kHasTcgen05 = true;
#endif

#ifdef __CUDA_ARCH_FEAT_SM100_ALL
#define SIGNET_SM_100A(...) asm volatile(__VA_ARGS__)
#else
#define SIGNET_SM_100A(...) __trap()
#endif

// Eight registers that an instruction writes, or that pass through it.
#define SIGNET_REGISTERS_8(mode, i)                                                           \
  mode(d[i]), mode(d[i + 1]), mode(d[i + 2]), mode(d[i + 3]), mode(d[i + 4]), mode(d[i + 5]), \
      mode(d[i + 6]), mode(d[i + 7])
#define SIGNET_REGISTERS_16(mode) SIGNET_REGISTERS_8(mode, 0), SIGNET_REGISTERS_8(mode, 8)
#define SIGNET_REGISTERS_32(mode) \
  SIGNET_REGISTERS_16(mode), SIGNET_REGISTERS_8(mode, 16), SIGNET_REGISTERS_8(mode, 24)

/// Takes `columns` columns of tensor memory (a power of two from 32 on) for the block and writes to shared
/// memory where they begin; waits until there are so many. One warp calls it, and nobody behind
/// tcgen05_relinquish. What is allocated must be given back before the block ends, by the same warp.
__device__ inline void tcgen05_alloc(uint32_t* to, int columns) {
  SIGNET_SM_100A(
      "tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [%0], %1;" ::"r"(shared_address(to)),
      "r"(columns)
      : "memory");
}

/// The block will allocate nothing more, so that others may.
__device__ inline void tcgen05_relinquish() {
  SIGNET_SM_100A("tcgen05.relinquish_alloc_permit.cta_group::1.sync.aligned;" ::: "memory");
}

__device__ inline void tcgen05_dealloc(uint32_t begin, int columns) {
  SIGNET_SM_100A("tcgen05.dealloc.cta_group::1.sync.aligned.b32 %0, %1;" ::"r"(begin), "r"(columns)
                 : "memory");
}

/// A barrier in shared memory (aligned to 8) whose phase ends when it has been arrived at `arrivals` times.
__device__ inline void mbarrier_init(uint64_t* barrier, int arrivals) {
  SIGNET_SM_100A("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(arrivals)
                 : "memory");
}

/// Waits for the end of the phase whose number is odd or even as `parity` is 1 or 0; the first is 0. The wait
/// must come before the end of the phase after that.
__device__ inline void mbarrier_wait(uint64_t* barrier, int parity) {
  uint32_t ended = 0;
  do {
    SIGNET_SM_100A(
        "{\n"
        ".reg .pred ended;\n"
        "mbarrier.try_wait.parity.shared::cta.b64 ended, [%1], %2;\n"
        "selp.b32 %0, 1, 0, ended;\n"
        "}"
        : "=r"(ended)
        : "r"(shared_address(barrier)), "r"(parity)
        : "memory");
  } while (ended == 0);
}

/// Whether the calling lane is the one that its warp chooses: true for one of them. All lanes call it. Of a
/// branch that one lane takes because of this the compiler knows as much, and writes its instructions for one
/// lane; for a branch by threadIdx it makes a loop over the lanes of each.
__device__ __forceinline__ bool elect_one() {
  uint32_t chosen = 0;
  SIGNET_SM_100A(
      "{\n"
      ".reg .pred chosen;\n"
      "elect.sync _|chosen, 0xFFFFFFFF;\n"
      "selp.b32 %0, 1, 0, chosen;\n"
      "}"
      : "=r"(chosen));
  return chosen != 0;
}

/// Starts d (+)= a b in bf16, sums in float in tensor memory from `d` on, the calling thread alone. a and b
/// are descriptors of matrices in shared memory (swizzled_tile.cuh), of which `instruction` tells the shape
/// (tcgen05_tile.cuh); d is overwritten unless `add`. Products into the same sums follow one another. Row r
/// is lane r, or lane r + r / 16 * 16 of 64 rows; column c is column c.
__device__ __forceinline__ void tcgen05_mma_bf16(uint32_t d, uint64_t a, uint64_t b, uint32_t instruction,
                                                 bool add) {
  SIGNET_SM_100A(
      "{\n"
      ".reg .pred add;\n"
      "setp.ne.u32 add, %4, 0;\n"
      "tcgen05.mma.cta_group::1.kind::f16 [%0], %1, %2, %3, add;\n"
      "}" ::"r"(d),
      "l"(a), "l"(b), "r"(instruction), "r"(uint32_t(add))
      : "memory");
}

/// Arrives at the barrier once all products that this thread has started are finished.
__device__ inline void tcgen05_commit(uint64_t* barrier) {
  SIGNET_SM_100A("tcgen05.commit.cta_group::1.mbarrier::arrive::one.shared::cluster.b64 [%0];" ::"r"(
                     shared_address(barrier))
                 : "memory");
}

/// Starts to read 16 lanes of tensor memory from `from` on, and 8 columns for each 4 registers: with g = lane
/// / 4 and t = lane % 4 of the thread, d[4 j ..] = {(g, 8j+2t), (g, 8j+2t+1), (g+8, 8j+2t), (g+8, 8j+2t+1)}.
/// Warp w of each four may read lanes 32 w .. 32 w + 31. All its lanes call it.
__device__ __forceinline__ void tcgen05_ld(float (&d)[32], uint32_t from) {
  SIGNET_SM_100A(
      "tcgen05.ld.sync.aligned.16x256b.x8.b32 "
      "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, [%32];"
      : SIGNET_REGISTERS_32("=f")
      : "r"(from)
      : "memory");
}
__device__ __forceinline__ void tcgen05_ld(float (&d)[16], uint32_t from) {
  SIGNET_SM_100A(
      "tcgen05.ld.sync.aligned.16x256b.x4.b32 "
      "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15}, [%16];"
      : SIGNET_REGISTERS_16("=f")
      : "r"(from)
      : "memory");
}

/// Waits for all that this thread has started to read. The registers pass through the instruction so that the
/// compiler uses none of them before it.
__device__ __forceinline__ void tcgen05_wait_ld(float (&d)[32]) {
  SIGNET_SM_100A("tcgen05.wait::ld.sync.aligned;" : SIGNET_REGISTERS_32("+f")::"memory");
}
__device__ __forceinline__ void tcgen05_wait_ld(float (&d)[16]) {
  SIGNET_SM_100A("tcgen05.wait::ld.sync.aligned;" : SIGNET_REGISTERS_16("+f")::"memory");
}

/// Between what this thread has done with tensor memory and a barrier, and between a barrier (or
/// mbarrier_wait) and what it does with tensor memory then: without it the hardware may move either past the
/// other.
__device__ inline void tcgen05_fence_before() {
  SIGNET_SM_100A("tcgen05.fence::before_thread_sync;" ::: "memory");
}
__device__ inline void tcgen05_fence_after() {
  SIGNET_SM_100A("tcgen05.fence::after_thread_sync;" ::: "memory");
}

#undef SIGNET_REGISTERS_32
#undef SIGNET_REGISTERS_16
#undef SIGNET_REGISTERS_8
#undef SIGNET_SM_100A

}  // namespace ptx
}  // namespace signet::cuda
