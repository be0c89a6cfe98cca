// Philox for many counters at once, for each target (see targets.h): the draws of kernels/philox.h, in order.

#if defined(SIGNET_CPU_PHILOX_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef SIGNET_CPU_PHILOX_INL
#undef SIGNET_CPU_PHILOX_INL
#else
#define SIGNET_CPU_PHILOX_INL
#endif

#include <algorithm>
#include <cstdint>

#include "kernels/philox.h"

HWY_BEFORE_NAMESPACE();
namespace signet::cpu {
namespace HWY_NAMESPACE {

constexpr int64_t kPhiloxDraws = 64;

#if HWY_TARGET != HWY_SCALAR
using PhiloxLanes = hwy::HWY_NAMESPACE::CappedTag<uint32_t, kPhiloxDraws / 4>;
using PhiloxVector = hwy::HWY_NAMESPACE::Vec<PhiloxLanes>;

// The high and the low words of a * b.
HWY_INLINE void multiply_words(PhiloxVector& high, PhiloxVector& low, PhiloxVector a, PhiloxVector b) {
  namespace hn = hwy::HWY_NAMESPACE;
  const PhiloxLanes d;
  const auto even = hn::MulEven(a, b), odd = hn::MulEven(hn::DupOdd(a), b);
  high = hn::OddEven(hn::BitCast(d, odd), hn::BitCast(d, hn::ShiftRight<32>(even)));
  low = hn::OddEven(hn::BitCast(d, hn::ShiftLeft<32>(odd)), hn::BitCast(d, even));
}
#endif

// bits[kPhiloxDraws] = the words numbered first, first + 1, ...; first is a multiple of
// kPhiloxDraws.
HWY_INLINE void philox_draws(uint32_t* HWY_RESTRICT bits, PhiloxKey key, uint64_t first) {
#if HWY_TARGET == HWY_SCALAR
  for (int64_t i = 0; i < kPhiloxDraws; i += 4) {
    uint32_t words[4];
    philox_words(words, key, (first + uint64_t(i)) / 4);
    std::copy_n(words, 4, bits + i);
  }
#else
  namespace hn = hwy::HWY_NAMESPACE;
  const PhiloxLanes d;
  const auto lanes = int64_t(hn::Lanes(d));
  for (int64_t i = 0; i < kPhiloxDraws; i += 4 * lanes) {
    const uint64_t counter = (first + uint64_t(i)) / 4;
    PhiloxVector c0 = hn::Iota(d, uint32_t(counter));
    PhiloxVector c1 = hn::Set(d, uint32_t(counter >> 32));  // c0 begins at a multiple of its lanes: no carry
    PhiloxVector c2 = hn::Set(d, uint32_t(key.stream)), c3 = hn::Set(d, uint32_t(key.stream >> 32));
    uint32_t k0 = uint32_t(key.seed), k1 = uint32_t(key.seed >> 32);
    for (int round = 0; round < 10; ++round) {
      PhiloxVector high0, low0, high1, low1;
      multiply_words(high0, low0, c0, hn::Set(d, 0xD2511F53u));
      multiply_words(high1, low1, c2, hn::Set(d, 0xCD9E8D57u));
      c0 = hn::Xor3(high1, c1, hn::Set(d, k0));
      c1 = low1;
      c2 = hn::Xor3(high0, c3, hn::Set(d, k1));
      c3 = low0;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    hn::StoreInterleaved4(c0, c1, c2, c3, d, bits + i);
  }
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace signet::cpu
HWY_AFTER_NAMESPACE();

#endif
