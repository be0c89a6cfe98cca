// Vectors of activations, for each target: bfloat16 is widened as it is loaded and rounded as it is stored.
// And products of pairs of bfloat16, for processors that have them (AVX512-BF16): a float's place then holds
// two neighbours of the sum over k, the first in its lower half.

#if defined(SIGNET_CPU_BF16_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef SIGNET_CPU_BF16_INL
#undef SIGNET_CPU_BF16_INL
#else
#define SIGNET_CPU_BF16_INL
#endif

#include <cstdint>

#include "kernels/cpu/activations.h"
#include "kernels/cpu/matrix_unit.h"
#include "kernels/cpu/microkernel-inl.h"

HWY_BEFORE_NAMESPACE();
namespace signet::cpu {
namespace HWY_NAMESPACE {

/// What the tile of registers multiplies.
template <class act>
constexpr Operand kOperand = kPerSlot<act> == 1 ? Operand::floats : Operand::pairs;

HWY_INLINE Vector load(const float* from) {
  return hn::LoadU(Lanes(), from);
}
HWY_INLINE void store(Vector v, float* to) {
  hn::StoreU(v, Lanes(), to);
}

#if HWY_TARGET == HWY_AVX3
HWY_INLINE Vector load(const BFloat16* from) {
  const hn::RebindToUnsigned<Lanes> words;
  const hn::Rebind<uint16_t, Lanes> halves;
  const auto bits = hn::PromoteTo(words, hn::LoadU(halves, reinterpret_cast<const uint16_t*>(from)));
  return hn::BitCast(Lanes(), hn::ShiftLeft<16>(bits));
}

// In assembly, because Highway's AVX3 does not include these instructions; who calls has asked for them
// (has_bf16_products). They round to the nearest and take subnormal numbers for zero.
HWY_INLINE void store(Vector v, BFloat16* to) {
  hn::Vec<hn::Rebind<uint16_t, Lanes>> rounded;
  asm("vcvtneps2bf16 %1, %0" : "=v"(rounded.raw) : "v"(v.raw));
  hn::StoreU(rounded, hn::Rebind<uint16_t, Lanes>(), reinterpret_cast<uint16_t*>(to));
}

/// Pairs of a number of `first` and the one of `second` in the same lane.
HWY_INLINE Vector make_pairs(Vector first, Vector second) {
  alignas(64) static constexpr uint16_t kInterleaved[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                            21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                            11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  __m512i halves;
  asm("vcvtne2ps2bf16 %1, %2, %0" : "=v"(halves) : "v"(first.raw), "v"(second.raw));
  return Vector{_mm512_castsi512_ps(_mm512_permutexvar_epi16(_mm512_load_si512(kInterleaved), halves))};
}
#endif

/// Lends the calling thread the matrix unit, if there is one and it multiplies what `act` is multiplied as.
template <class act>
class UnitSession {
 public:
  HWY_INLINE UnitSession() : unit_(kOperand<act> == Operand::pairs ? matrix_unit() : nullptr) {
    if (unit_) unit_->begin(kTileRows);
  }
  HWY_INLINE ~UnitSession() {
    if (unit_) unit_->end();
  }
  UnitSession(const UnitSession&) = delete;
  UnitSession& operator=(const UnitSession&) = delete;

 private:
  const MatrixUnit* unit_;
};

/// multiply_tile of panels by row. Within a UnitSession the matrix unit makes pairs' products, of kTileRows
/// rows whatever M is: its sums have an order of their own, and all rows are to have the same. What is left
/// of k it leaves to the vectors.
template <class act, int M, int V, int kWidth, int kRowPitch>
void multiply_rows(float* HWY_RESTRICT c, const float* HWY_RESTRICT a, const float* HWY_RESTRICT b, int64_t k,
                   bool accumulate, const float* ahead) {
  if constexpr (kOperand<act> == Operand::pairs) {
    if (const MatrixUnit* unit = matrix_unit()) {
      const int64_t whole = k / kUnitDepth * kUnitDepth;
      if (whole > 0) {
        unit->multiply({.c = c,
                        .a = a,
                        .b = b,
                        .c_pitch = kWidth,
                        .a_pitch = kRowPitch,
                        .b_pitch = kWidth,
                        .columns = int64_t{V} * kLanes,
                        .k = whole,
                        .accumulate = accumulate});
        if (whole == k) return;
      }
      return multiply_tile<kTileRows, V, Panel::by_row, kWidth, kRowPitch, Operand::pairs>(
          c, a + whole, b + whole * kWidth, k - whole, accumulate || whole > 0, ahead);
    }
  }
  multiply_tile<M, V, Panel::by_row, kWidth, kRowPitch, kOperand<act>>(c, a, b, k, accumulate, ahead);
}

}  // namespace HWY_NAMESPACE
}  // namespace signet::cpu
HWY_AFTER_NAMESPACE();

#endif
