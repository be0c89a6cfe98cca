// One loop over n values each: the reference for everything that looks at one place at a time.

#include "kernels/ref/scalar.h"

namespace signet::ref {

template <class real>
void fill(real* y, double value, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = real(value);
}

template <class real>
void add(real* y, const real* a, const real* b, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] + b[i];
}

template <class real>
void scale(real* y, const real* x, double alpha, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = real(alpha * Sum<real>(x[i]));
}

template <class real>
void sum_of_squares(real* y, const real* x, int64_t n) {
  Sum<real> sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += Sum<real>(x[i]) * Sum<real>(x[i]);
  *y = real(sum);
}

template <class real>
void relu_forward(real* y, const real* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = relu(x[i]);
}

// The derivative of max(x, 0) is 1 above zero and taken as 0 at it, so the output tells as much as the input.
template <class real>
void relu_backward(real* dx, const real* dy, const real* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) dx[i] = std::real(y[i]) > 0 ? dy[i] : real(0);
}

// "Inverted" dropout: survivors are scaled up in training, so that evaluation has nothing to do (Srivastava
// et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15, 2014, section 10).
template <class real>
void dropout(real* y, const real* x, double probability, const PhiloxKey* key, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const float draw = philox_uniform(philox(*key, uint64_t(i) / 4)[i % 4]);
    y[i] = draw >= probability ? real(Sum<real>(x[i]) / (1 - probability)) : real(0);
  }
}

SIGNET_INSTANTIATE(fill);
SIGNET_INSTANTIATE(add);
SIGNET_INSTANTIATE(scale);
SIGNET_INSTANTIATE(sum_of_squares);
SIGNET_INSTANTIATE(relu_forward);
SIGNET_INSTANTIATE(relu_backward);
SIGNET_INSTANTIATE(dropout);

}  // namespace signet::ref
