#pragma once
// The instructions of a warpgroup that kernels/cuda/nvcc_wgmma.cuh writes as inline PTX, with the same names
// and meanings (stated there). Matrices lie in dynamic shared memory, in lines of 128 bytes.

#include <cstdint>

#include "kernels/simt/ptx.h"

namespace signet::simt {

void order_products(Site site);
/// The thread's part of it: `product` without its group. Waits for the warpgroup.
void start_product(PendingProduct product);
void commit_products(Site site);
/// Finishes all but the latest `pending` groups of the current thread.
void wait_products(unsigned pending, Site site);

}  // namespace signet::simt

namespace signet::cuda {

inline constexpr bool kBuiltForSm90a = true;

namespace ptx {

inline constexpr bool kHasWgmma = true;

#define SIGNET_SIMT_PTX [[gnu::always_inline]] inline
#define SIGNET_SIMT_SITE const char *file = __builtin_FILE(), int line = __builtin_LINE()

template <size_t kSums>
SIGNET_SIMT_PTX void wgmma_fence(float (&)[kSums], SIGNET_SIMT_SITE) {
  simt::order_products({file, line});
}
template <bool kTurnedA, bool kTurnedB, size_t kSums>
SIGNET_SIMT_PTX void wgmma_bf16(float (&d)[kSums], uint64_t a, uint64_t b, SIGNET_SIMT_SITE) {
  static_assert(kSums == 32 || kSums == 64, "64 or 128 columns");
  simt::start_product({.a = a,
                       .b = b,
                       .turned_a = kTurnedA,
                       .turned_b = kTurnedB,
                       .sums = d,
                       .columns = 2 * kSums,
                       .site = {file, line},
                       .caller = simt::return_address()});
}
SIGNET_SIMT_PTX void wgmma_commit(SIGNET_SIMT_SITE) {
  simt::commit_products({file, line});
}
template <int kPending, size_t kSums>
SIGNET_SIMT_PTX void wgmma_wait(float (&)[kSums], SIGNET_SIMT_SITE) {
  static_assert(kPending >= 0);
  simt::wait_products(kPending, {file, line});
}

#undef SIGNET_SIMT_PTX
#undef SIGNET_SIMT_SITE

}  // namespace ptx
}  // namespace signet::cuda
