#pragma once
// The real device: products that four warps, a warpgroup, start together and the tensor cores of sm_90 make
// beside them, as inline PTX (PTX ISA 9.0, 9.7.15). Only code for sm_90a has these instructions; elsewhere
// they trap, and the host never launches a kernel that would come to one. Included by nvcc.cuh;
// kernels/simt/wgmma.h supplies the same names on a CPU.

#include <cstdint>

namespace signet::cuda {

/// Whether the program has code for sm_90a (cmake/SignetCuda.cmake).
#ifdef SIGNET_CUDA_SM_90A
inline constexpr bool kBuiltForSm90a = true;
#else
inline constexpr bool kBuiltForSm90a = false;
#endif

namespace ptx {

/// Whether the architecture that is being compiled for has them.
#if defined(__CUDA_ARCH__) && !defined(__CUDA_ARCH_FEAT_SM90_ALL)
inline constexpr bool kHasWgmma = false;
#else
inline constexpr bool kHasWgmma = true;
#endif

#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#define SIGNET_SM_90A(...) asm volatile(__VA_ARGS__)
#else
#define SIGNET_SM_90A(...) __trap()
#endif

// Sums that an instruction reads and writes, eight registers a time.
#define SIGNET_SUMS_8(i)                                                                      \
  "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), \
      "+f"(d[i + 6]), "+f"(d[i + 7])
#define SIGNET_SUMS_32 SIGNET_SUMS_8(0), SIGNET_SUMS_8(8), SIGNET_SUMS_8(16), SIGNET_SUMS_8(24)
#define SIGNET_SUMS_64 \
  SIGNET_SUMS_32, SIGNET_SUMS_8(32), SIGNET_SUMS_8(40), SIGNET_SUMS_8(48), SIGNET_SUMS_8(56)

/// Before the first wgmma, and between what else a thread does with its sums and wgmma.
__device__ __forceinline__ void wgmma_fence(float (&d)[64]) {
  SIGNET_SM_90A("wgmma.fence.sync.aligned;" : SIGNET_SUMS_64::"memory");
}
__device__ __forceinline__ void wgmma_fence(float (&d)[32]) {
  SIGNET_SM_90A("wgmma.fence.sync.aligned;" : SIGNET_SUMS_32::"memory");
}

/// Starts d[64x128] += a[64x16] b[16x128] in bf16, sums in float, by the 128 threads of a warpgroup. a and b
/// are descriptors of matrices in shared memory (swizzled_tile.cuh), the same for all; steps of k lie side
/// by side, or rows of a (columns of b) do if it is `turned`. Warp w has rows 16 w .. 16 w + 15; with g =
/// lane / 4 and t = lane % 4, d[4 j ..] = {(g, 8j+2t), (g, 8j+2t+1), (g+8, 8j+2t), (g+8, 8j+2t+1)}. Until
/// wgmma_wait neither the sums nor the matrices may be touched.
template <bool kTurnedA, bool kTurnedB>
__device__ __forceinline__ void wgmma_bf16(float (&d)[64], uint64_t a, uint64_t b) {
  SIGNET_SM_90A(
      "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 "
      "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
      "%64, %65, 1, 1, 1, %66, %67;"
      : SIGNET_SUMS_64
      : "l"(a), "l"(b), "n"(int(kTurnedA)), "n"(int(kTurnedB)));
}

/// The same for d[64x64] and b[16x64].
template <bool kTurnedA, bool kTurnedB>
__device__ __forceinline__ void wgmma_bf16(float (&d)[32], uint64_t a, uint64_t b) {
  SIGNET_SM_90A(
      "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 "
      "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, "
      "%32, %33, 1, 1, 1, %34, %35;"
      : SIGNET_SUMS_32
      : "l"(a), "l"(b), "n"(int(kTurnedA)), "n"(int(kTurnedB)));
}

/// Closes a group of the products that this warp has started.
__device__ inline void wgmma_commit() {
  SIGNET_SM_90A("wgmma.commit_group.sync.aligned;" ::: "memory");
}

/// Waits until at most `kPending` of this warp's latest groups are unfinished. The sums pass through the
/// instruction so that the compiler uses none of them before it.
template <int kPending>
__device__ __forceinline__ void wgmma_wait(float (&d)[64]) {
  SIGNET_SM_90A("wgmma.wait_group.sync.aligned %64;" : SIGNET_SUMS_64 : "n"(kPending) : "memory");
}
template <int kPending>
__device__ __forceinline__ void wgmma_wait(float (&d)[32]) {
  SIGNET_SM_90A("wgmma.wait_group.sync.aligned %32;" : SIGNET_SUMS_32 : "n"(kPending) : "memory");
}

#undef SIGNET_SUMS_64
#undef SIGNET_SUMS_32
#undef SIGNET_SUMS_8
#undef SIGNET_SM_90A

}  // namespace ptx
}  // namespace signet::cuda
