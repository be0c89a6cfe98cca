#pragma once
// Barriers, warp operations and fences, with CUDA's names. They are called with the line that they stand in,
// for reports.

#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/simt/block.h"

namespace signet::simt {

int block_barrier(Site site, BarrierVote vote, int value);
void warp_barrier(unsigned mask, Site site);
/// What lane `source` of the mask gave as `value`; all bits set if it is not in the mask.
uint64_t shuffle(unsigned mask, uint64_t value, unsigned source, Site site);
/// The lanes of the mask whose value is not zero.
unsigned ballot(unsigned mask, bool value, Site site);
unsigned lane_of_current_thread();
[[noreturn]] void trap(Site site);

template <class T>
[[gnu::always_inline]] inline T shuffle_value(unsigned mask, T value, unsigned source, Site site) {
  static_assert(std::is_trivially_copyable_v<T> && (sizeof(T) == 4 || sizeof(T) == 8));
  using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
  return std::bit_cast<T>(Bits(shuffle(mask, std::bit_cast<Bits>(value), source, site)));
}

}  // namespace signet::simt

// NOLINTBEGIN: the names are CUDA's.
#define SIGNET_SIMT_SITE_PARAMETERS const char *file = __builtin_FILE(), int line = __builtin_LINE()
#define SIGNET_SIMT_INLINE [[gnu::always_inline]] inline

SIGNET_SIMT_INLINE void __syncthreads(SIGNET_SIMT_SITE_PARAMETERS) {
  signet::simt::block_barrier({file, line}, signet::simt::BarrierVote::none, 0);
}
SIGNET_SIMT_INLINE int __syncthreads_count(int predicate, SIGNET_SIMT_SITE_PARAMETERS) {
  return signet::simt::block_barrier({file, line}, signet::simt::BarrierVote::count, predicate);
}
SIGNET_SIMT_INLINE int __syncthreads_and(int predicate, SIGNET_SIMT_SITE_PARAMETERS) {
  return signet::simt::block_barrier({file, line}, signet::simt::BarrierVote::all, predicate);
}
SIGNET_SIMT_INLINE int __syncthreads_or(int predicate, SIGNET_SIMT_SITE_PARAMETERS) {
  return signet::simt::block_barrier({file, line}, signet::simt::BarrierVote::any, predicate);
}
SIGNET_SIMT_INLINE void __syncwarp(unsigned mask = 0xFFFFFFFFu, SIGNET_SIMT_SITE_PARAMETERS) {
  signet::simt::warp_barrier(mask, {file, line});
}

SIGNET_SIMT_INLINE unsigned __ballot_sync(unsigned mask, int predicate, SIGNET_SIMT_SITE_PARAMETERS) {
  return signet::simt::ballot(mask, predicate != 0, {file, line});
}
SIGNET_SIMT_INLINE int __any_sync(unsigned mask, int predicate, SIGNET_SIMT_SITE_PARAMETERS) {
  return signet::simt::ballot(mask, predicate != 0, {file, line}) != 0;
}
SIGNET_SIMT_INLINE int __all_sync(unsigned mask, int predicate, SIGNET_SIMT_SITE_PARAMETERS) {
  return signet::simt::ballot(mask, predicate != 0, {file, line}) == mask;
}

// A shuffle stays inside segments of `width` lanes; a lane that would read beyond its own segment keeps its
// value. Across xor it may also read from a lower segment.
template <class T>
SIGNET_SIMT_INLINE T __shfl_sync(unsigned mask, T value, int source, int width = 32,
                                 SIGNET_SIMT_SITE_PARAMETERS) {
  const unsigned lane = signet::simt::lane_of_current_thread(), inside = unsigned(width) - 1;
  return signet::simt::shuffle_value(mask, value, (lane & ~inside) | (unsigned(source) & inside),
                                     {file, line});
}
template <class T>
SIGNET_SIMT_INLINE T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                                    SIGNET_SIMT_SITE_PARAMETERS) {
  const unsigned lane = signet::simt::lane_of_current_thread(), inside = unsigned(width) - 1;
  return signet::simt::shuffle_value(mask, value, (lane & inside) >= delta ? lane - delta : lane,
                                     {file, line});
}
template <class T>
SIGNET_SIMT_INLINE T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                                      SIGNET_SIMT_SITE_PARAMETERS) {
  const unsigned lane = signet::simt::lane_of_current_thread(), inside = unsigned(width) - 1;
  return signet::simt::shuffle_value(mask, value, (lane & inside) + delta <= inside ? lane + delta : lane,
                                     {file, line});
}
template <class T>
SIGNET_SIMT_INLINE T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32,
                                     SIGNET_SIMT_SITE_PARAMETERS) {
  const unsigned lane = signet::simt::lane_of_current_thread(), inside = unsigned(width) - 1;
  const unsigned source = lane ^ unsigned(lane_mask);
  return signet::simt::shuffle_value(mask, value, source <= (lane | inside) ? source : lane, {file, line});
}

void __threadfence();
void __threadfence_block();

SIGNET_SIMT_INLINE void __trap(SIGNET_SIMT_SITE_PARAMETERS) {
  signet::simt::trap({file, line});
}
// NOLINTEND
