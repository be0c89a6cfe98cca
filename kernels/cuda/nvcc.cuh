#pragma once
// The real device: launching, and the instructions that CUDA C++ has no names for, as inline PTX. Numbers of
// sections refer to the PTX ISA 9.0. kernels/simt/simt.h supplies the same names on a CPU.

#include <cuda_runtime.h>

#include <cstdint>
#include <utility>

#include "kernels/bf16.h"
#include "kernels/cuda/runtime.h"

namespace signet::cuda {

/// Whether kernels/simt stands in for a device.
inline constexpr bool kSimulated = false;

/// Throws std::runtime_error naming the call, file and line unless `status` is cudaSuccess.
void check(cudaError_t status, const char* call, const char* file, int line);
#define SIGNET_CUDA_CHECK(call) ::signet::cuda::check((call), #call, __FILE__, __LINE__)

/// Runs kernel(arguments...) for grid * block threads on `stream`, with `shared_bytes` of dynamic shared
/// memory (see dynamic_shared). Throws if the launch is refused. An empty grid runs nothing.
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
            Arguments&&... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  constexpr size_t kUsual = 48 << 10;  // more has to be asked for
  if (shared_bytes > kUsual) {
    SIGNET_CUDA_CHECK(
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, int(shared_bytes)));
  }
  kernel<<<grid, block, shared_bytes, stream>>>(
      static_cast<Parameters>(std::forward<Arguments>(arguments))...);
  SIGNET_CUDA_CHECK(cudaGetLastError());
}

/// The block's dynamic shared memory, aligned to 1024 bytes.
template <class T>
__device__ T* dynamic_shared() {
  extern __shared__ __align__(1024) unsigned char dynamic_shared_bytes[];
  return reinterpret_cast<T*>(dynamic_shared_bytes);
}

namespace ptx {

/// The address of shared memory among the block's own, as instructions take it.
__device__ inline uint32_t shared_address(const void* pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

/// Starts copying 16 bytes (both addresses aligned to 16) from global to shared memory, or writes zeros where
/// `valid` is false; `from` is then not read. The bytes are there for this thread after cp_async_wait, for
/// the block after a barrier besides. sm_75 copies at once (9.7.9.25.3).
__device__ inline void cp_async_16(void* to, const void* from, bool valid = true) {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from),
               "r"(valid ? 16 : 0)
               : "memory");
#else
  *static_cast<int4*>(to) = valid ? *static_cast<const int4*>(from) : make_int4(0, 0, 0, 0);
#endif
}

/// The same for 4 bytes, aligned to 4.
__device__ inline void cp_async_4(void* to, const void* from, bool valid = true) {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(to)), "l"(from),
               "r"(valid ? 4 : 0)
               : "memory");
#else
  *static_cast<int*>(to) = valid ? *static_cast<const int*>(from) : 0;
#endif
}

/// Closes a group of this thread's copies.
__device__ inline void cp_async_commit() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

/// Waits until at most `kPending` of this thread's latest groups are unfinished.
template <int kPending>
__device__ void cp_async_wait() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
#endif
}

/// What this thread has written to shared memory, cp_async that it has waited for included, can be read by
/// products of threads that it meets at a barrier afterwards, if these read past the path of loads and
/// stores: wgmma and tcgen05.mma (9.7.13.4). Before sm_90 there are none.
__device__ inline void fence_proxy_async() {
#if __CUDA_ARCH__ >= 900
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
}

/// Four floats to global memory, aligned to 16 bytes, as one access: nvcc splits a structure's assignment
/// where a thread has many of them at once.
__device__ inline void store_four(float* to, const float (&values)[4]) {
  asm volatile("st.global.v4.f32 [%0], {%1, %2, %3, %4};" ::"l"(__cvta_generic_to_global(to)), "f"(values[0]),
               "f"(values[1]), "f"(values[2]), "f"(values[3])
               : "memory");
}

/// Loads four 8x8 matrices of 16-bit elements. Lane 8 i + r gives the address of row r (16 bytes, aligned) of
/// matrix i; lane l receives in d[i] the 32 bits at row l / 4, elements 2 (l % 4) and the next (9.7.14.5.15).
__device__ inline void ldmatrix_x4(uint32_t (&d)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
               : "r"(shared_address(row))
               : "memory");
}

/// The same, each matrix transposed: lane l receives elements [2 (l % 4)][l / 4] and the one below.
__device__ inline void ldmatrix_x4_transposed(uint32_t (&d)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
               : "r"(shared_address(row))
               : "memory");
}

/// The float rounded to TF32 (10 bits of mantissa, to nearest, ties away from zero), as its bits.
__device__ inline uint32_t to_tf32(float value) {
#if __CUDA_ARCH__ >= 800
  uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
  return bits;
#else
  __trap();  // no tensor cores for TF32 before sm_80: the host never launches such a kernel there
  return __float_as_uint(value);
#endif
}

/// Two floats rounded to bf16 (to nearest even): `low` in the lower half. NaN stays NaN.
__device__ inline uint32_t pack_bf16(float low, float high) {
#if __CUDA_ARCH__ >= 800
  uint32_t bits;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
  return bits;
#else
  return uint32_t(BFloat16(high).bits) << 16 | BFloat16(low).bits;
#endif
}

/// d[16x8] += a[16x8] b[8x8] in TF32, sums in float (9.7.14.5.5). With g = lane / 4 and t = lane % 4: a =
/// {(g, t), (g+8, t), (g, t+4), (g+8, t+4)}, b = {(t, g), (t+4, g)}, d = {(g, 2t), (g, 2t+1), (g+8, 2t),
/// (g+8, 2t+1)}.
__device__ inline void mma_tf32_16x8x8(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  __trap();
#endif
}

/// d[16x8] += a[16x16] b[16x8] in bf16, sums in float (9.7.14.5.8). Each register holds two neighbours along
/// k: a = {(g, 2t), (g+8, 2t), (g, 2t+8), (g+8, 2t+8)}, b = {(2t, g), (2t+8, g)}, d as for TF32.
__device__ inline void mma_bf16_16x8x16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  __trap();
#endif
}

}  // namespace ptx
}  // namespace signet::cuda

#include "kernels/cuda/nvcc_tcgen05.cuh"
#include "kernels/cuda/nvcc_wgmma.cuh"
