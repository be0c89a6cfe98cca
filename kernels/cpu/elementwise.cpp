// Elementwise kernels: memory-bound loops, vectorised by the compiler for each target and cut into chunks.
//
// The loops carry `ivdep`, which promises only that iterations are independent of each other: an output may
// still be exactly one of its inputs.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/elementwise.cpp"
#include "kernels/cpu/targets.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/cpu/chunks.h"
#include "kernels/cpu/philox-inl.h"
#include "kernels/cpu/scratch.h"
#include "kernels/kernels.h"

HWY_BEFORE_NAMESPACE();
namespace signet::cpu {
namespace HWY_NAMESPACE {

void fill_range(float* y, float value, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = value;
}

void add_range(float* y, const float* a, const float* b, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] + b[i];
}

void scale_range(float* y, const float* x, float alpha, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) y[i] = alpha * x[i];
}

// One chunk's sum: sixty-four running sums in float (512 terms each in a full chunk), added up in double.
double sum_of_squares_range(const float* x, int64_t n) {
  constexpr int64_t kLanes = 64;
  float sums[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane) sums[lane] += x[i + lane] * x[i + lane];
  double total = 0;
  for (; i < n; ++i) total += double(x[i]) * x[i];
  for (const float sum : sums) total += sum;
  return total;
}

void relu_forward_range(float* y, const float* x, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] <= 0 ? 0 : x[i];
}

void relu_backward_range(float* dx, const float* dy, const float* y, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) dx[i] = y[i] > 0 ? dy[i] : 0;
}

// `begin` is the index of the first element, a multiple of kPhiloxDraws.
void dropout_range(float* y, const float* x, uint32_t threshold, float scale, PhiloxKey key, int64_t begin,
                   int64_t n) {
  uint32_t bits[kPhiloxDraws];
  for (int64_t i = 0; i < n; i += kPhiloxDraws) {
    philox_draws(bits, key, uint64_t(begin + i));
    const int64_t count = n - i < kPhiloxDraws ? n - i : kPhiloxDraws;
#pragma GCC ivdep
    for (int64_t j = 0; j < count; ++j) y[i + j] = bits[j] >> 8 >= threshold ? x[i + j] * scale : 0;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace signet::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace signet::cpu {

HWY_EXPORT(fill_range);
HWY_EXPORT(add_range);
HWY_EXPORT(scale_range);
HWY_EXPORT(sum_of_squares_range);
HWY_EXPORT(relu_forward_range);
HWY_EXPORT(relu_backward_range);
HWY_EXPORT(dropout_range);

void fill(float* y, double value, int64_t n) {
  const auto kernel = HWY_DYNAMIC_DISPATCH(fill_range);
  parallel_ranges(n, kElementGrain,
                  [&](int64_t i, int64_t end, int64_t) { kernel(y + i, float(value), end - i); });
}

void add(float* y, const float* a, const float* b, int64_t n) {
  const auto kernel = HWY_DYNAMIC_DISPATCH(add_range);
  parallel_ranges(n, kElementGrain,
                  [&](int64_t i, int64_t end, int64_t) { kernel(y + i, a + i, b + i, end - i); });
}

void scale(float* y, const float* x, double alpha, int64_t n) {
  const auto kernel = HWY_DYNAMIC_DISPATCH(scale_range);
  parallel_ranges(n, kElementGrain,
                  [&](int64_t i, int64_t end, int64_t) { kernel(y + i, x + i, float(alpha), end - i); });
}

void sum_of_squares(float* y, const float* x, int64_t n) {
  const auto kernel = HWY_DYNAMIC_DISPATCH(sum_of_squares_range);
  const int64_t chunks = ceil_div(n, kElementGrain);
  double* partials = reinterpret_cast<double*>(scratch(Scratch::partials, 2 * chunks));
  parallel_ranges(n, kElementGrain,
                  [&](int64_t i, int64_t end, int64_t chunk) { partials[chunk] = kernel(x + i, end - i); });
  double total = 0;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) total += partials[chunk];
  *y = float(total);
}

void relu_forward(float* y, const float* x, int64_t n) {
  const auto kernel = HWY_DYNAMIC_DISPATCH(relu_forward_range);
  parallel_ranges(n, kElementGrain, [&](int64_t i, int64_t end, int64_t) { kernel(y + i, x + i, end - i); });
}

void relu_backward(float* dx, const float* dy, const float* y, int64_t n) {
  const auto kernel = HWY_DYNAMIC_DISPATCH(relu_backward_range);
  parallel_ranges(n, kElementGrain,
                  [&](int64_t i, int64_t end, int64_t) { kernel(dx + i, dy + i, y + i, end - i); });
}

void dropout(float* y, const float* x, double probability, const PhiloxKey* key, int64_t n) {
  const auto kernel = HWY_DYNAMIC_DISPATCH(dropout_range);
  // philox_uniform is a whole number of 2^-24, so comparing the numerators decides exactly the same.
  const auto threshold = uint32_t(std::ceil(probability * 0x1p24));
  const auto factor = float(1 / (1 - probability));
  // Philox makes this loop one of arithmetic: what a small layer drops is worth two threads.
  constexpr int64_t kGrain = kElementGrain / 16;
  parallel_ranges(n, kGrain, [&](int64_t i, int64_t end, int64_t) {
    kernel(y + i, x + i, threshold, factor, *key, i, end - i);
  });
}

}  // namespace signet::cpu
#endif
