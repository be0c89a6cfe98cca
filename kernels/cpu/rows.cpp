// The two ways between a row and many rows: copies of a row, and sums over rows, column by column.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/rows.cpp"
#include "kernels/cpu/targets.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <type_traits>

#include "kernels/cpu/activations.h"
#include "kernels/cpu/chunks.h"
#include "kernels/cpu/conv2d_pooled.h"
#include "kernels/cpu/microkernel-inl.h"
#include "kernels/cpu/scratch.h"
#include "kernels/kernels.h"

HWY_BEFORE_NAMESPACE();
namespace signet::cpu {
namespace HWY_NAMESPACE {

// A vector of doubles, and those of what becomes one.
using Doubles = hn::Rebind<double, hn::Half<Lanes>>;
using Floats = hn::Rebind<float, Doubles>;
using Places = hn::Rebind<int32_t, Doubles>;
constexpr int64_t kDoubles = hn::MaxLanes(Doubles());

HWY_INLINE hn::Vec<Floats> load_floats(const float* from) {
  return hn::LoadU(Floats(), from);
}
HWY_INLINE hn::Vec<Floats> load_floats(const BFloat16* from) {
  const hn::Rebind<uint16_t, Doubles> halves;
  const hn::Rebind<uint32_t, Doubles> words;
  const auto bits = hn::PromoteTo(words, hn::LoadU(halves, reinterpret_cast<const uint16_t*>(from)));
  return hn::BitCast(Floats(), hn::ShiftLeft<16>(bits));
}

// sums[cols] = the sum of x[rows, cols] over the rows, in double, of those with a place if kPlaced. A block
// of columns stays in registers.
template <bool kPlaced, class act>
HWY_INLINE void add_rows(double* HWY_RESTRICT sums, const act* HWY_RESTRICT x,
                         const uint8_t* HWY_RESTRICT places, int64_t rows, int64_t cols) {
  constexpr int64_t kVectors = 4, kBlock = kVectors * kDoubles;
  const Doubles t;
  int64_t c = 0;
  for (; c + kBlock <= cols; c += kBlock) {
    hn::Vec<Doubles> block[kVectors];
    for (auto& sum : block) sum = hn::Zero(t);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t i = 0; i < kVectors; ++i) {
        const int64_t at = r * cols + c + i * kDoubles;
        auto value = load_floats(x + at);
        if (kPlaced) {
          const auto place = hn::PromoteTo(Places(), hn::LoadU(hn::Rebind<uint8_t, Doubles>(), places + at));
          const auto nowhere = hn::Eq(place, hn::Set(Places(), kNowhere));
          value = hn::IfThenZeroElse(hn::RebindMask(Floats(), nowhere), value);
        }
        block[i] = hn::Add(block[i], hn::PromoteTo(t, value));
      }
    }
    for (int64_t i = 0; i < kVectors; ++i) hn::StoreU(block[i], t, sums + c + i * kDoubles);
  }
  for (; c < cols; ++c) {
    double sum = 0;
    for (int64_t r = 0; r < rows; ++r)
      if (!kPlaced || places[r * cols + c] != kNowhere) sum += double(float(x[r * cols + c]));
    sums[c] = sum;
  }
}

template <class act>
void sum_rows_range_of(double* sums, const act* x, const uint8_t* places, int64_t rows, int64_t cols) {
  places ? add_rows<true>(sums, x, places, rows, cols) : add_rows<false>(sums, x, places, rows, cols);
}
void sum_rows_range(double* sums, const float* x, const uint8_t* places, int64_t rows, int64_t cols) {
  sum_rows_range_of(sums, x, places, rows, cols);
}
void sum_rows_range_bf16(double* sums, const BFloat16* x, const uint8_t* places, int64_t rows, int64_t cols) {
  sum_rows_range_of(sums, x, places, rows, cols);
}

}  // namespace HWY_NAMESPACE
}  // namespace signet::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace signet::cpu {

HWY_EXPORT(sum_rows_range);
HWY_EXPORT(sum_rows_range_bf16);

void broadcast_rows(float* y, const float* x, int64_t rows, int64_t cols) {
  const int64_t grain = std::max<int64_t>(1, kElementGrain / std::max<int64_t>(1, cols));
  parallel_ranges(rows, grain, [&](int64_t begin, int64_t end, int64_t) {
    for (int64_t r = begin; r < end; ++r) std::copy_n(x, cols, y + r * cols);
  });
}

// Chunks of rows, each summed from its first row to its last, are added up in their order.
template <class act>
void sum_placed_rows(float* y, const act* x, const uint8_t* places, int64_t rows, int64_t cols,
                     Accumulate accumulate) {
  void (*kernel)(double*, const act*, const uint8_t*, int64_t, int64_t);
  if constexpr (std::is_same_v<act, float>) {
    kernel = HWY_DYNAMIC_DISPATCH(sum_rows_range);
  } else {
    kernel = HWY_DYNAMIC_DISPATCH(sum_rows_range_bf16);
  }
  constexpr int64_t kRows = 1024;
  const int64_t chunks = ceil_div(rows, kRows);
  double* partials = reinterpret_cast<double*>(scratch(Scratch::partials, 2 * chunks * cols));
  parallel_ranges(rows, kRows, [&](int64_t begin, int64_t end, int64_t chunk) {
    kernel(partials + chunk * cols, x + begin * cols, places ? places + begin * cols : nullptr, end - begin,
           cols);
  });
  for (int64_t c = 0; c < cols; ++c) {
    double sum = accumulate == Accumulate::yes ? double(y[c]) : 0;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) sum += partials[chunk * cols + c];
    y[c] = float(sum);
  }
}
SIGNET_INSTANTIATE_ACTIVATIONS(sum_placed_rows);

template <class act>
void sum_rows(float* y, const act* x, int64_t rows, int64_t cols, Accumulate accumulate) {
  sum_placed_rows(y, x, nullptr, rows, cols, accumulate);
}
SIGNET_INSTANTIATE_ACTIVATIONS(sum_rows);

}  // namespace signet::cpu
#endif
