#pragma once
// The instructions that kernels/cuda/nvcc.cuh writes as inline PTX, with the same names and meanings (stated
// there), and the fragment layouts of the PTX ISA.

#include <cstdint>

#include "kernels/simt/block.h"
#include "kernels/simt/shared_matrix.h"

namespace signet::simt {

void copy_async(void* to, const void* from, unsigned bytes, Site site, const void* caller);
void commit_copies();
/// Finishes all but the latest `pending` groups of the current thread.
void wait_copies(unsigned pending, Site site);
void fence_proxy_async(Site site);
void load_matrices(uint32_t (&d)[4], const void* row, bool transposed, Site site, const void* caller);
void multiply_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], Site site);
void multiply_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], Site site);
uint32_t round_to_tf32(float value);
uint32_t round_to_bf16_pair(float low, float high);

/// An address inside the kernel, to find this line again.
[[gnu::noinline]] const void* return_address();

}  // namespace signet::simt

namespace signet::cuda::ptx {

#define SIGNET_SIMT_PTX [[gnu::always_inline]] inline
#define SIGNET_SIMT_SITE const char *file = __builtin_FILE(), int line = __builtin_LINE()

SIGNET_SIMT_PTX uint32_t shared_address(const void* pointer) {
  return simt::shared_address(pointer);
}
SIGNET_SIMT_PTX void cp_async_16(void* to, const void* from, bool valid = true, SIGNET_SIMT_SITE) {
  simt::copy_async(to, valid ? from : nullptr, 16, {file, line}, simt::return_address());
}
SIGNET_SIMT_PTX void cp_async_4(void* to, const void* from, bool valid = true, SIGNET_SIMT_SITE) {
  simt::copy_async(to, valid ? from : nullptr, 4, {file, line}, simt::return_address());
}
SIGNET_SIMT_PTX void cp_async_commit() {
  simt::commit_copies();
}
template <int kPending>
SIGNET_SIMT_PTX void cp_async_wait(SIGNET_SIMT_SITE) {
  static_assert(kPending >= 0);
  simt::wait_copies(kPending, {file, line});
}
SIGNET_SIMT_PTX void fence_proxy_async(SIGNET_SIMT_SITE) {
  simt::fence_proxy_async({file, line});
}
SIGNET_SIMT_PTX void store_four(float* to, const float (&values)[4]) {
  struct alignas(16) Four {
    float v[4];
  };
  *reinterpret_cast<Four*>(to) = {values[0], values[1], values[2], values[3]};
}
SIGNET_SIMT_PTX void ldmatrix_x4(uint32_t (&d)[4], const void* row, SIGNET_SIMT_SITE) {
  simt::load_matrices(d, row, false, {file, line}, simt::return_address());
}
SIGNET_SIMT_PTX void ldmatrix_x4_transposed(uint32_t (&d)[4], const void* row, SIGNET_SIMT_SITE) {
  simt::load_matrices(d, row, true, {file, line}, simt::return_address());
}
SIGNET_SIMT_PTX uint32_t to_tf32(float value) {
  return simt::round_to_tf32(value);
}
SIGNET_SIMT_PTX uint32_t pack_bf16(float low, float high) {
  return simt::round_to_bf16_pair(low, high);
}
SIGNET_SIMT_PTX void mma_tf32_16x8x8(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                                     SIGNET_SIMT_SITE) {
  simt::multiply_tf32(d, a, b, {file, line});
}
SIGNET_SIMT_PTX void mma_bf16_16x8x16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                                      SIGNET_SIMT_SITE) {
  simt::multiply_bf16(d, a, b, {file, line});
}

#undef SIGNET_SIMT_PTX
#undef SIGNET_SIMT_SITE

}  // namespace signet::cuda::ptx
