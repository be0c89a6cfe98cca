#pragma once
// What the reference kernels share. They are templated on the scalar so that one body serves as
//   float                 the oracle of the fast kernels,
//   double                the oracle of the oracle,
//   std::complex<double>  exact derivatives: f(x + ih) = f(x) + ih f'(x) + O(h^2), without the cancellation
//   of
//                         a difference (Squire and Trapp, "Using complex variables to estimate derivatives of
//                         real functions", SIAM Review 40, 1998). Order is decided by the real part, and
//                         nothing is ever conjugated.

#include <complex>
#include <cstdint>
#include <type_traits>

#include "kernels/kernels.h"

namespace signet::ref {

/// What a sum of `real` is kept in: double for float and bfloat16, so that only the last rounding is theirs.
template <class real>
using Sum = std::conditional_t<std::is_same_v<Real<real>, float>, double, real>;

/// max(x, 0), letting NaN through: a comparison with NaN is false.
template <class T>
T relu(T x) {
  return std::real(x) <= 0 ? T(0) : x;
}

/// assign ? value : target + value.
template <class real>
void store(real& target, Sum<real> value, Accumulate accumulate) {
  target = real(accumulate == Accumulate::yes ? Sum<real>(target) + value : value);
}

/// A pointer that may be null, read as zeros.
template <class real>
Sum<real> value_or_zero(const real* pointer, int64_t i) {
  return pointer ? Sum<real>(pointer[i]) : Sum<real>(0);
}

}  // namespace signet::ref

/// Emits one kernel for the three scalars, or for these and bfloat16; the declarations leave nothing to
/// repeat.
// NOLINTBEGIN(bugprone-macro-parentheses): a name to declare takes no parentheses
#define SIGNET_INSTANTIATE(kernel)                  \
  template decltype(kernel<float>) kernel<float>;   \
  template decltype(kernel<double>) kernel<double>; \
  template decltype(kernel<std::complex<double>>) kernel<std::complex<double>>
#define SIGNET_INSTANTIATE_ACTIVATIONS(kernel) \
  SIGNET_INSTANTIATE(kernel);                  \
  template decltype(kernel<BFloat16>) kernel<BFloat16>
// NOLINTEND(bugprone-macro-parentheses)
