// The two ways between a row and many rows: copies of a row, and sums over rows, column by column.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/rows.cpp"
#include "kernels/cpu/targets.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <type_traits>

#include "kernels/cpu/activations.h"
#include "kernels/cpu/chunks.h"
#include "kernels/cpu/scratch.h"
#include "kernels/kernels.h"

HWY_BEFORE_NAMESPACE();
namespace signet::cpu {
namespace HWY_NAMESPACE {

// sums[cols] = the sum of x[rows, cols] over the rows, in double. A block of columns stays in registers.
template <class act>
HWY_INLINE void add_rows(double* HWY_RESTRICT sums, const act* HWY_RESTRICT x, int64_t rows, int64_t cols) {
  constexpr int64_t kBlock = 32;
  int64_t c = 0;
  for (; c + kBlock <= cols; c += kBlock) {
    double block[kBlock] = {};
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = 0; i < kBlock; ++i) block[i] += double(float(x[r * cols + c + i]));
    for (int64_t i = 0; i < kBlock; ++i) sums[c + i] = block[i];
  }
  for (; c < cols; ++c) {
    double sum = 0;
    for (int64_t r = 0; r < rows; ++r) sum += double(float(x[r * cols + c]));
    sums[c] = sum;
  }
}

void sum_rows_range(double* sums, const float* x, int64_t rows, int64_t cols) {
  add_rows(sums, x, rows, cols);
}
void sum_rows_range_bf16(double* sums, const BFloat16* x, int64_t rows, int64_t cols) {
  add_rows(sums, x, rows, cols);
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
void sum_rows(float* y, const act* x, int64_t rows, int64_t cols, Accumulate accumulate) {
  void (*kernel)(double*, const act*, int64_t, int64_t);
  if constexpr (std::is_same_v<act, float>) {
    kernel = HWY_DYNAMIC_DISPATCH(sum_rows_range);
  } else {
    kernel = HWY_DYNAMIC_DISPATCH(sum_rows_range_bf16);
  }
  constexpr int64_t kRows = 1024;
  const int64_t chunks = ceil_div(rows, kRows);
  double* partials = reinterpret_cast<double*>(scratch(Scratch::partials, 2 * chunks * cols));
  parallel_ranges(rows, kRows, [&](int64_t begin, int64_t end, int64_t chunk) {
    kernel(partials + chunk * cols, x + begin * cols, end - begin, cols);
  });
  for (int64_t c = 0; c < cols; ++c) {
    double sum = accumulate == Accumulate::yes ? double(y[c]) : 0;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) sum += partials[chunk * cols + c];
    y[c] = float(sum);
  }
}
SIGNET_INSTANTIATE_ACTIVATIONS(sum_rows);

}  // namespace signet::cpu
#endif
