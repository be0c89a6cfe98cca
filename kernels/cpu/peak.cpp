// Enough chains of multiply-adds to cover their latency (4 cycles, two a cycle: 8), few enough for 16
// registers.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/peak.cpp"
#include "kernels/cpu/targets.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <cmath>

#include "kernels/cpu/bf16-inl.h"
#include "kernels/cpu/bf16_products.h"
#include "kernels/cpu/matrix_unit.h"
#include "kernels/cpu/peak.h"

HWY_BEFORE_NAMESPACE();
namespace signet::cpu {
namespace HWY_NAMESPACE {

constexpr int kChains = 12;

/// steps times sum = next(sum) in every chain; returns the operations, `each` a lane and call. The sums have
/// to stay finite.
template <class Next>
HWY_INLINE int64_t run_chains(int64_t steps, int64_t each, const Next& next) {
  Vector sums[kChains];
  for (auto& sum : sums) sum = hn::Zero(Lanes());
  for (int64_t step = 0; step < steps; ++step) {
#pragma GCC unroll 16
    for (auto& sum : sums) sum = next(sum);
  }
  auto total = sums[0];
  for (int i = 1; i < kChains; ++i) total = hn::Add(total, sums[i]);
  // Said in a way that the compiler cannot see through, or it would drop the loop.
  return std::isfinite(hn::GetLane(total)) ? each * steps * kChains * kLanes : 0;
}

int64_t multiply_and_add_loop(int64_t steps) {
  const auto factor = hn::Set(Lanes(), 0.5f), term = hn::Set(Lanes(), 1.0f);
  return run_chains(steps, 2, [&](Vector sum) HWY_ATTR { return hn::MulAdd(sum, factor, term); });
}

int64_t multiply_and_add_pairs_loop([[maybe_unused]] int64_t steps) {
#if HWY_TARGET == HWY_AVX3
  const auto small = hn::Set(Lanes(), 1e-6f);
  const auto factors = make_pairs(small, small);
  return run_chains(steps, 4,
                    [&](Vector sum) HWY_ATTR { return multiply_add<Operand::pairs>(factors, factors, sum); });
#else
  return 0;
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace signet::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace signet::cpu {

HWY_EXPORT(multiply_and_add_loop);
HWY_EXPORT(multiply_and_add_pairs_loop);

int64_t multiply_and_add(int64_t steps) {
  return HWY_DYNAMIC_DISPATCH(multiply_and_add_loop)(steps);
}

int64_t multiply_and_add_bf16(int64_t steps) {
  if (!has_bf16_products()) return multiply_and_add(steps);
  if (const MatrixUnit* unit = matrix_unit()) return unit->multiply_and_add(steps);
  return HWY_DYNAMIC_DISPATCH(multiply_and_add_pairs_loop)(steps);
}

}  // namespace signet::cpu
#endif
