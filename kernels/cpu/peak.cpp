// Enough chains of multiply-adds to cover their latency (4 cycles, two a cycle: 8), few enough for 16
// registers.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/peak.cpp"
#include "kernels/cpu/targets.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/cpu/microkernel-inl.h"
#include "kernels/cpu/peak.h"

HWY_BEFORE_NAMESPACE();
namespace signet::cpu {
namespace HWY_NAMESPACE {

constexpr int kChains = 12;

int64_t multiply_and_add_loop(int64_t steps) {
  const Lanes d;
  const auto factor = hn::Set(d, 0.5f), term = hn::Set(d, 1.0f);
  Vector sums[kChains];
  for (auto& sum : sums) sum = hn::Zero(d);
  for (int64_t step = 0; step < steps; ++step) {
#pragma GCC unroll 16
    for (auto& sum : sums) sum = hn::MulAdd(sum, factor, term);
  }
  auto total = sums[0];
  for (int i = 1; i < kChains; ++i) total = hn::Add(total, sums[i]);
  // All sums tend to 2. Said in a way that the compiler cannot see through, or it would drop the loop.
  const bool as_expected = hn::GetLane(total) <= 2 * kChains;
  return as_expected ? 2 * steps * kChains * kLanes : 0;
}

}  // namespace HWY_NAMESPACE
}  // namespace signet::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace signet::cpu {

HWY_EXPORT(multiply_and_add_loop);

int64_t multiply_and_add(int64_t steps) {
  return HWY_DYNAMIC_DISPATCH(multiply_and_add_loop)(steps);
}

}  // namespace signet::cpu
#endif
