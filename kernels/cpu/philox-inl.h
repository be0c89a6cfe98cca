// Philox for many counters at once, for each target (see targets.h): the draws of kernels/philox.h, in order.

#if defined(SIGNET_CPU_PHILOX_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef SIGNET_CPU_PHILOX_INL
#undef SIGNET_CPU_PHILOX_INL
#else
#define SIGNET_CPU_PHILOX_INL
#endif

#include <cstdint>

#include "kernels/philox.h"

HWY_BEFORE_NAMESPACE();
namespace signet::cpu {
namespace HWY_NAMESPACE {

constexpr int64_t kPhiloxDraws = 64;

// bits[kPhiloxDraws] = the words numbered first, first + 1, ...; first is a multiple of 4.
HWY_INLINE void philox_draws(uint32_t* HWY_RESTRICT bits, PhiloxKey key, uint64_t first) {
  constexpr int kCounters = int(kPhiloxDraws / 4);
  uint32_t c0[kCounters], c1[kCounters], c2[kCounters], c3[kCounters];
  for (int i = 0; i < kCounters; ++i) {
    const uint64_t index = first / 4 + uint64_t(i);
    c0[i] = uint32_t(index);
    c1[i] = uint32_t(index >> 32);
    c2[i] = uint32_t(key.stream);
    c3[i] = uint32_t(key.stream >> 32);
  }
  uint32_t k0 = uint32_t(key.seed), k1 = uint32_t(key.seed >> 32);
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < kCounters; ++i) {
      const uint64_t p0 = uint64_t{0xD2511F53u} * c0[i];
      const uint64_t p1 = uint64_t{0xCD9E8D57u} * c2[i];
      c0[i] = uint32_t(p1 >> 32) ^ c1[i] ^ k0;
      c1[i] = uint32_t(p1);
      c2[i] = uint32_t(p0 >> 32) ^ c3[i] ^ k1;
      c3[i] = uint32_t(p0);
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  for (int i = 0; i < kCounters; ++i) {
    bits[4 * i] = c0[i];
    bits[4 * i + 1] = c1[i];
    bits[4 * i + 2] = c2[i];
    bits[4 * i + 3] = c3[i];
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace signet::cpu
HWY_AFTER_NAMESPACE();

#endif
