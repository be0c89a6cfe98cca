// One loop over n values each: the reference for everything that looks at one place at a time.

#include "kernels/ref/scalar.h"

namespace signet::ref {

template <class real>
void fill(real* y, double value, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = real(value);
}

template <class act>
void add(act* y, const act* a, const act* b, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = act(Sum<act>(a[i]) + Sum<act>(b[i]));
}

template <class real>
void to_bf16(BFloat16* y, const real* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = BFloat16(float(std::real(x[i])));
}

template <class real>
void from_bf16(real* y, const BFloat16* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = real(float(x[i]));
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

template <class act>
void relu_forward(act* y, const act* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = act(relu(Sum<act>(x[i])));
}

// The derivative of max(x, 0) is 1 above zero and taken as 0 at it, so the output tells as much as the input.
template <class act>
void relu_backward(act* dx, const act* dy, const act* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) dx[i] = std::real(Sum<act>(y[i])) > 0 ? dy[i] : act(0);
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
SIGNET_INSTANTIATE_ACTIVATIONS(add);
SIGNET_INSTANTIATE(to_bf16);
SIGNET_INSTANTIATE(from_bf16);
SIGNET_INSTANTIATE(scale);
SIGNET_INSTANTIATE(sum_of_squares);
SIGNET_INSTANTIATE_ACTIVATIONS(relu_forward);
SIGNET_INSTANTIATE_ACTIVATIONS(relu_backward);
SIGNET_INSTANTIATE(dropout);

}  // namespace signet::ref
