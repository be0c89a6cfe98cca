#pragma once
// CUDA C++ for the host compiler: what the sources of kernels/cuda and kernels/ladder use of it, executed on
// the CPU. nvcc.cuh supplies the same names on a real device.
//
// A kernel is a plain function, called once for each thread. Its __shared__ variables are thread-local to the
// host thread, which runs all threads of one block. In checked kernels (compiled with -fsanitize=thread)
// bytes that belong to nothing lie before each, so that an index that runs out of one array does not land in
// the next.

#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/simt/launch.h"
#include "kernels/simt/ptx.h"
#include "kernels/simt/runtime_api.h"
#include "kernels/simt/tcgen05.h"
#include "kernels/simt/vector_types.h"
#include "kernels/simt/warp.h"
#include "kernels/simt/wgmma.h"

namespace signet::cuda {

/// Whether kernels/simt stands in for a device.
inline constexpr bool kSimulated = true;

}  // namespace signet::cuda

// NOLINTBEGIN: the names are CUDA's.
#define __global__ __attribute__((noinline))
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))

#ifdef __SANITIZE_THREAD__
#define SIGNET_SIMT_PASTE(a, b) a##b
#define SIGNET_SIMT_GAP(number) SIGNET_SIMT_PASTE(shared_gap_, number)
#define __shared__                                                                              \
  static thread_local __attribute__((used, aligned(16))) char SIGNET_SIMT_GAP(__COUNTER__)[64]; \
  static thread_local __attribute__((aligned(16)))
#else
#define __shared__ static thread_local __attribute__((aligned(16)))
#endif

// Arithmetic with the rounding that the name says: the host's is to nearest even, and -ffp-contract=off keeps
// it from fusing what is written apart.
SIGNET_SIMT_INLINE float __fadd_rn(float a, float b) {
  return a + b;
}
SIGNET_SIMT_INLINE float __fsub_rn(float a, float b) {
  return a - b;
}
SIGNET_SIMT_INLINE float __fmul_rn(float a, float b) {
  return a * b;
}
SIGNET_SIMT_INLINE float __fdiv_rn(float a, float b) {
  return a / b;
}
SIGNET_SIMT_INLINE float __fmaf_rn(float a, float b, float c) {
  return __builtin_fmaf(a, b, c);
}
SIGNET_SIMT_INLINE float __fsqrt_rn(float a) {
  return __builtin_sqrtf(a);
}
SIGNET_SIMT_INLINE float __frcp_rn(float a) {
  return 1 / a;
}
SIGNET_SIMT_INLINE double __dadd_rn(double a, double b) {
  return a + b;
}
SIGNET_SIMT_INLINE double __dsub_rn(double a, double b) {
  return a - b;
}
SIGNET_SIMT_INLINE double __dmul_rn(double a, double b) {
  return a * b;
}
SIGNET_SIMT_INLINE double __ddiv_rn(double a, double b) {
  return a / b;
}
SIGNET_SIMT_INLINE double __fma_rn(double a, double b, double c) {
  return __builtin_fma(a, b, c);
}
SIGNET_SIMT_INLINE float rsqrtf(float a) {
  return 1 / __builtin_sqrtf(a);
}

SIGNET_SIMT_INLINE unsigned __float_as_uint(float value) {
  return std::bit_cast<unsigned>(value);
}
SIGNET_SIMT_INLINE int __float_as_int(float value) {
  return std::bit_cast<int>(value);
}
SIGNET_SIMT_INLINE float __uint_as_float(unsigned bits) {
  return std::bit_cast<float>(bits);
}
SIGNET_SIMT_INLINE float __int_as_float(int bits) {
  return std::bit_cast<float>(bits);
}
SIGNET_SIMT_INLINE unsigned __umulhi(unsigned a, unsigned b) {
  return unsigned(uint64_t{a} * b >> 32);
}
SIGNET_SIMT_INLINE int __popc(unsigned value) {
  return std::popcount(value);
}
SIGNET_SIMT_INLINE int __clz(int value) {
  return std::countl_zero(unsigned(value));
}
SIGNET_SIMT_INLINE int __ffs(int value) {
  return __builtin_ffs(value);
}
template <class T>
SIGNET_SIMT_INLINE T __ldg(const T* from) {
  return *from;
}

#define SIGNET_SIMT_MIN_MAX(type)                         \
  SIGNET_SIMT_INLINE constexpr type min(type a, type b) { \
    return b < a ? b : a;                                 \
  }                                                       \
  SIGNET_SIMT_INLINE constexpr type max(type a, type b) { \
    return a < b ? b : a;                                 \
  }
SIGNET_SIMT_MIN_MAX(int)
SIGNET_SIMT_MIN_MAX(unsigned)
SIGNET_SIMT_MIN_MAX(long)
SIGNET_SIMT_MIN_MAX(unsigned long)
SIGNET_SIMT_MIN_MAX(long long)
SIGNET_SIMT_MIN_MAX(unsigned long long)
#undef SIGNET_SIMT_MIN_MAX
// Of a number and NaN, the number.
SIGNET_SIMT_INLINE float min(float a, float b) {
  return fminf(a, b);
}
SIGNET_SIMT_INLINE float max(float a, float b) {
  return fmaxf(a, b);
}
SIGNET_SIMT_INLINE double min(double a, double b) {
  return fmin(a, b);
}
SIGNET_SIMT_INLINE double max(double a, double b) {
  return fmax(a, b);
}

// The unchecked kernels' blocks run on several host threads, so these are atomic for the host as well.
#define SIGNET_SIMT_ATOMIC(type)                                                                      \
  SIGNET_SIMT_INLINE type atomicAdd(type* address, type value) {                                      \
    return __atomic_fetch_add(address, value, __ATOMIC_RELAXED);                                      \
  }                                                                                                   \
  SIGNET_SIMT_INLINE type atomicExch(type* address, type value) {                                     \
    return __atomic_exchange_n(address, value, __ATOMIC_RELAXED);                                     \
  }                                                                                                   \
  SIGNET_SIMT_INLINE type atomicCAS(type* address, type compare, type value) {                        \
    __atomic_compare_exchange_n(address, &compare, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED); \
    return compare;                                                                                   \
  }
SIGNET_SIMT_ATOMIC(int)
SIGNET_SIMT_ATOMIC(unsigned)
SIGNET_SIMT_ATOMIC(unsigned long long)
#undef SIGNET_SIMT_ATOMIC
// NOLINTEND
