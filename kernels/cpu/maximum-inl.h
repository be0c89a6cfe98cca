// The maximum of a window and where it stands, for each target.

#if defined(SIGNET_CPU_MAXIMUM_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef SIGNET_CPU_MAXIMUM_INL
#undef SIGNET_CPU_MAXIMUM_INL
#else
#define SIGNET_CPU_MAXIMUM_INL
#endif

#include <cstdint>

#include "kernels/cpu/microkernel-inl.h"

HWY_BEFORE_NAMESPACE();
namespace signet::cpu {
namespace HWY_NAMESPACE {

/// Of kLanes channels, by the rules of maxpool_forward: the first of equals wins, NaN over all.
struct Maximum {
  using Places = hn::RebindToSigned<Lanes>;

  HWY_INLINE Maximum(Vector first, int32_t here) : value(first), place(hn::Set(Places(), here)) {}

  HWY_INLINE void take(Vector other, int32_t here) {
    const auto greater = hn::Or(hn::Gt(other, value), hn::IsNaN(other));
    value = hn::IfThenElse(greater, other, value);
    place = hn::IfThenElse(hn::RebindMask(Places(), greater), hn::Set(Places(), here), place);
  }

  /// ReLU: where the maximum is 0 or less, and not NaN, 0 and no place.
  HWY_INLINE void cut() {
    const auto below = hn::Le(value, hn::Zero(Lanes()));
    value = hn::IfThenZeroElse(below, value);
    place = hn::IfThenElse(hn::RebindMask(Places(), below), hn::Set(Places(), -1), place);
  }

  HWY_INLINE void store_place(int32_t* to) const { hn::StoreU(place, Places(), to); }
  /// Of places up to 3; none is 255.
  HWY_INLINE void store_place(uint8_t* to) const {
    const hn::RebindToUnsigned<Places> words;
    const hn::Rebind<uint8_t, Places> bytes;
    hn::StoreU(hn::TruncateTo(bytes, hn::BitCast(words, place)), bytes, to);
  }

  Vector value;
  hn::Vec<Places> place;
};

/// kLanes gradients of windows where the window's place is `own`, else 0.
HWY_INLINE Vector won_by(Vector gradients, const uint8_t* places, int32_t own) {
  const hn::RebindToSigned<Lanes> words;
  const auto place = hn::PromoteTo(words, hn::LoadU(hn::Rebind<uint8_t, Lanes>(), places));
  return hn::IfThenElseZero(hn::RebindMask(Lanes(), hn::Eq(place, hn::Set(words, own))), gradients);
}

}  // namespace HWY_NAMESPACE
}  // namespace signet::cpu
HWY_AFTER_NAMESPACE();

#endif
