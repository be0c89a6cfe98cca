// Elementwise kernels: memory-bound loops, vectorised by the compiler for each target and cut into chunks.
//
// The loops carry `ivdep`, which promises only that iterations are independent of each other: an output may
// still be exactly one of its inputs.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/elementwise.cpp"
#include "kernels/cpu/targets.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <type_traits>

#include "kernels/cpu/activations.h"
#include "kernels/cpu/chunks.h"
#include "kernels/cpu/philox-inl.h"
#include "kernels/cpu/scratch.h"
#include "kernels/kernels.h"

#ifndef SIGNET_CPU_ELEMENTWISE_ONCE
#define SIGNET_CPU_ELEMENTWISE_ONCE
namespace signet::cpu {
/// The loops over activations of a type, for one instruction set.
template <class act>
struct ElementLoops {
  void (*add)(act*, const act*, const act*, int64_t);
  void (*relu_forward)(act*, const act*, int64_t);
  void (*relu_backward)(act*, const act*, const act*, int64_t);
};
}  // namespace signet::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace signet::cpu {
namespace HWY_NAMESPACE {

void fill_range(float* y, float value, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = value;
}

void to_bf16_range(BFloat16* y, const float* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = BFloat16(x[i]);
}

void from_bf16_range(float* y, const BFloat16* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = x[i];
}

template <class act>
void add_range(act* y, const act* a, const act* b, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) y[i] = act(float(a[i]) + float(b[i]));
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

template <class act>
void relu_forward_range(act* y, const act* x, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) y[i] = act(x[i] <= 0 ? 0 : float(x[i]));
}

template <class act>
void relu_backward_range(act* dx, const act* dy, const act* y, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) dx[i] = act(y[i] > 0 ? float(dy[i]) : 0);
}

template <class act>
constexpr ElementLoops<act> kLoops{add_range<act>, relu_forward_range<act>, relu_backward_range<act>};

ElementLoops<float> element_loops() {
  return kLoops<float>;
}
ElementLoops<BFloat16> element_loops_bf16() {
  return kLoops<BFloat16>;
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
HWY_EXPORT(to_bf16_range);
HWY_EXPORT(from_bf16_range);
HWY_EXPORT(element_loops);
HWY_EXPORT(element_loops_bf16);
HWY_EXPORT(scale_range);
HWY_EXPORT(sum_of_squares_range);
HWY_EXPORT(dropout_range);

void fill(float* y, double value, int64_t n) {
  const auto kernel = HWY_DYNAMIC_DISPATCH(fill_range);
  parallel_ranges(n, kElementGrain,
                  [&](int64_t i, int64_t end, int64_t) { kernel(y + i, float(value), end - i); });
}

namespace {
template <class act>
ElementLoops<act> loops() {
  if constexpr (std::is_same_v<act, float>) {
    return HWY_DYNAMIC_DISPATCH(element_loops)();
  } else {
    return HWY_DYNAMIC_DISPATCH(element_loops_bf16)();
  }
}

/// Calls loop(pointers + i, count) over [0, n) in chunks.
template <class... Loop, class... Pointer>
void in_chunks(int64_t n, void (*loop)(Loop...), Pointer... pointers) {
  parallel_ranges(n, kElementGrain, [&](int64_t i, int64_t end, int64_t) { loop(pointers + i..., end - i); });
}
}  // namespace

void to_bf16(BFloat16* y, const float* x, int64_t n) {
  in_chunks(n, HWY_DYNAMIC_DISPATCH(to_bf16_range), y, x);
}
void from_bf16(float* y, const BFloat16* x, int64_t n) {
  in_chunks(n, HWY_DYNAMIC_DISPATCH(from_bf16_range), y, x);
}

template <class act>
void add(act* y, const act* a, const act* b, int64_t n) {
  in_chunks(n, loops<act>().add, y, a, b);
}
SIGNET_INSTANTIATE_ACTIVATIONS(add);

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

template <class act>
void relu_forward(act* y, const act* x, int64_t n) {
  in_chunks(n, loops<act>().relu_forward, y, x);
}
SIGNET_INSTANTIATE_ACTIVATIONS(relu_forward);

template <class act>
void relu_backward(act* dx, const act* dy, const act* y, int64_t n) {
  in_chunks(n, loops<act>().relu_backward, dx, dy, y);
}
SIGNET_INSTANTIATE_ACTIVATIONS(relu_backward);

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
