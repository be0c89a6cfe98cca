#pragma once
// The instructions of tensor memory, and the mbarrier that goes with them, which
// kernels/cuda/nvcc_tcgen05.cuh writes as inline PTX, with the same names and meanings (stated there).
// Matrices and mbarriers lie in dynamic shared memory.

#include <cstdint>

#include "kernels/simt/ptx.h"

namespace signet::simt {

void allocate_tensor_memory(uint32_t* to, unsigned columns, Site site, const void* caller);
void relinquish_tensor_memory(Site site);
void release_tensor_memory(uint32_t begin, unsigned columns, Site site);
void begin_mbarrier(uint64_t* barrier, unsigned arrivals, Site site, const void* caller);
void wait_at_mbarrier(uint64_t* barrier, unsigned parity, Site site, const void* caller);
/// One lane of the warp, drawn anew each time.
bool elect_lane(Site site);
void start_tensor_product(uint32_t d, uint64_t a, uint64_t b, uint32_t instruction, bool add, Site site,
                          const void* caller);
void commit_tensor_products(uint64_t* barrier, Site site, const void* caller);
void load_tensor_memory(float* registers, unsigned count, uint32_t from, Site site);
void wait_for_tensor_loads(Site site);
void fence_before_thread_sync(Site site);
void fence_after_thread_sync(Site site);

}  // namespace signet::simt

namespace signet::cuda {

inline constexpr bool kBuiltForSm100a = true;

namespace ptx {

inline constexpr bool kHasTcgen05 = true;

#define SIGNET_SIMT_PTX [[gnu::always_inline]] inline
#define SIGNET_SIMT_SITE const char *file = __builtin_FILE(), int line = __builtin_LINE()

SIGNET_SIMT_PTX void tcgen05_alloc(uint32_t* to, int columns, SIGNET_SIMT_SITE) {
  simt::allocate_tensor_memory(to, unsigned(columns), {file, line}, simt::return_address());
}
SIGNET_SIMT_PTX void tcgen05_relinquish(SIGNET_SIMT_SITE) {
  simt::relinquish_tensor_memory({file, line});
}
SIGNET_SIMT_PTX void tcgen05_dealloc(uint32_t begin, int columns, SIGNET_SIMT_SITE) {
  simt::release_tensor_memory(begin, unsigned(columns), {file, line});
}
SIGNET_SIMT_PTX void mbarrier_init(uint64_t* barrier, int arrivals, SIGNET_SIMT_SITE) {
  simt::begin_mbarrier(barrier, unsigned(arrivals), {file, line}, simt::return_address());
}
SIGNET_SIMT_PTX void mbarrier_wait(uint64_t* barrier, int parity, SIGNET_SIMT_SITE) {
  simt::wait_at_mbarrier(barrier, unsigned(parity), {file, line}, simt::return_address());
}
SIGNET_SIMT_PTX bool elect_one(SIGNET_SIMT_SITE) {
  return simt::elect_lane({file, line});
}
SIGNET_SIMT_PTX void tcgen05_mma_bf16(uint32_t d, uint64_t a, uint64_t b, uint32_t instruction, bool add,
                                      SIGNET_SIMT_SITE) {
  simt::start_tensor_product(d, a, b, instruction, add, {file, line}, simt::return_address());
}
SIGNET_SIMT_PTX void tcgen05_commit(uint64_t* barrier, SIGNET_SIMT_SITE) {
  simt::commit_tensor_products(barrier, {file, line}, simt::return_address());
}
template <size_t kRegisters>
SIGNET_SIMT_PTX void tcgen05_ld(float (&d)[kRegisters], uint32_t from, SIGNET_SIMT_SITE) {
  static_assert(kRegisters == 16 || kRegisters == 32, "32 or 64 columns");
  simt::load_tensor_memory(d, kRegisters, from, {file, line});
}
template <size_t kRegisters>
SIGNET_SIMT_PTX void tcgen05_wait_ld(float (&)[kRegisters], SIGNET_SIMT_SITE) {
  simt::wait_for_tensor_loads({file, line});
}
SIGNET_SIMT_PTX void tcgen05_fence_before(SIGNET_SIMT_SITE) {
  simt::fence_before_thread_sync({file, line});
}
SIGNET_SIMT_PTX void tcgen05_fence_after(SIGNET_SIMT_SITE) {
  simt::fence_after_thread_sync({file, line});
}

#undef SIGNET_SIMT_PTX
#undef SIGNET_SIMT_SITE

}  // namespace ptx
}  // namespace signet::cuda
