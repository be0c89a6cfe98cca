// Batch normalisation (Ioffe and Szegedy, "Batch normalization: accelerating deep network training by
// reducing internal covariate shift", ICML 2015), one channel at a time. With N rows and x^ = (x - mean) *
// inv_std:
//
//   y  = weight * x^ + bias,    mean = sum x / N,    inv_std = 1 / sqrt(sum (x - mean)^2 / N + eps)
//   dbias = sum g,    dweight = sum g x^,    g = the gradient of y
//   dx = weight * inv_std * (g - dbias / N - x^ * dweight / N)      if mean and inv_std were the batch's
//   dx = weight * inv_std * g                                       if they were constants
//
// The two means subtracted in dx are the way back through mean and inv_std: whatever part of g is constant,
// or in line with x^, the normalisation takes out again.

#include <cmath>

#include "kernels/ref/scalar.h"

namespace signet::ref {
namespace {

/// y = weight * (x - mean) * inv_std + bias (+ residual, ReLU) for one channel: pointers to its first row.
template <class act>
void normalise(act* y, const act* x, const act* residual, Sum<act> mean, Sum<act> inv_std, Real<act> weight,
               Real<act> bias, bool relu, int64_t rows, int64_t channels) {
  for (int64_t i = 0; i < rows * channels; i += channels) {
    const Sum<act> value =
        Sum<act>(weight) * ((Sum<act>(x[i]) - mean) * inv_std) + Sum<act>(bias) + value_or_zero(residual, i);
    y[i] = act(relu ? ref::relu(value) : value);
  }
}

/// The backward pass of either mode for one channel: pointers to its first row, or null.
template <class act>
void backward(act* dx, act* dresidual, Real<act>* dweight, Real<act>* dbias, const act* dy, const act* x,
              const act* y, Sum<act> weight, Sum<act> mean, Sum<act> inv_std, bool batch_statistics,
              bool relu, Accumulate accumulate, int64_t rows, int64_t channels) {
  const auto g = [&](int64_t i) {
    return relu && !(std::real(Sum<act>(y[i])) > 0) ? Sum<act>(0) : Sum<act>(dy[i]);
  };
  const auto x_hat = [&](int64_t i) { return (Sum<act>(x[i]) - mean) * inv_std; };

  Sum<act> sum_g = 0, sum_g_x_hat = 0;
  if (batch_statistics || dweight) {
    for (int64_t i = 0; i < rows * channels; i += channels) {
      sum_g += g(i);
      sum_g_x_hat += g(i) * x_hat(i);
    }
  }
  if (dweight) {
    store(*dweight, sum_g_x_hat, accumulate);
    store(*dbias, sum_g, accumulate);
  }
  for (int64_t i = 0; i < rows * channels; i += channels) {
    const Sum<act> gradient = g(i);
    if (dresidual) dresidual[i] = act(gradient);
    if (!dx) continue;
    const Sum<act> taken_out =
        batch_statistics ? (sum_g + x_hat(i) * sum_g_x_hat) / double(rows) : Sum<act>(0);
    dx[i] = act(weight * inv_std * (gradient - taken_out));
  }
}

template <class real>
real* offset(real* pointer, int64_t by) {
  return pointer ? pointer + by : nullptr;
}

}  // namespace

template <class act>
void batchnorm_forward_train(act* y, Real<act>* saved_mean, Real<act>* saved_inv_std, Real<act>* running_mean,
                             Real<act>* running_var, const act* x, const Real<act>* weight,
                             const Real<act>* bias, const act* residual, bool relu, double momentum,
                             double eps, int64_t rows, int64_t channels) {
  for (int64_t c = 0; c < channels; ++c) {
    Sum<act> mean = 0, squares = 0;
    for (int64_t row = 0; row < rows; ++row) mean += Sum<act>(x[row * channels + c]);
    mean /= double(rows);
    for (int64_t row = 0; row < rows; ++row) {
      const Sum<act> distance = Sum<act>(x[row * channels + c]) - mean;
      squares += distance * distance;
    }
    const Sum<act> inv_std = 1.0 / std::sqrt(squares / double(rows) + eps);
    saved_mean[c] = Real<act>(mean);
    saved_inv_std[c] = Real<act>(inv_std);
    if (running_mean) {
      const Sum<act> unbiased = squares / double(rows > 1 ? rows - 1 : 1);
      running_mean[c] = Real<act>((1 - momentum) * Sum<act>(running_mean[c]) + momentum * mean);
      running_var[c] = Real<act>((1 - momentum) * Sum<act>(running_var[c]) + momentum * unbiased);
    }
    normalise(y + c, x + c, offset(residual, c), mean, inv_std, weight[c], bias[c], relu, rows, channels);
  }
}

template <class act>
void batchnorm_forward_eval(act* y, const act* x, const Real<act>* weight, const Real<act>* bias,
                            const Real<act>* running_mean, const Real<act>* running_var, const act* residual,
                            bool relu, double eps, int64_t rows, int64_t channels) {
  for (int64_t c = 0; c < channels; ++c) {
    const Sum<act> mean = running_mean[c], inv_std = 1.0 / std::sqrt(Sum<act>(running_var[c]) + eps);
    normalise(y + c, x + c, offset(residual, c), mean, inv_std, weight[c], bias[c], relu, rows, channels);
  }
}

template <class act>
void batchnorm_backward_train(act* dx, act* dresidual, Real<act>* dweight, Real<act>* dbias, const act* dy,
                              const act* x, const act* y, const Real<act>* weight,
                              const Real<act>* saved_mean, const Real<act>* saved_inv_std, bool relu,
                              Accumulate accumulate, int64_t rows, int64_t channels) {
  for (int64_t c = 0; c < channels; ++c) {
    backward(offset(dx, c), offset(dresidual, c), offset(dweight, c), offset(dbias, c), dy + c, x + c,
             offset(y, c), Sum<act>(weight[c]), Sum<act>(saved_mean[c]), Sum<act>(saved_inv_std[c]), true,
             relu, accumulate, rows, channels);
  }
}

template <class act>
void batchnorm_backward_eval(act* dx, act* dresidual, Real<act>* dweight, Real<act>* dbias, const act* dy,
                             const act* x, const act* y, const Real<act>* weight,
                             const Real<act>* running_mean, const Real<act>* running_var, double eps,
                             bool relu, Accumulate accumulate, int64_t rows, int64_t channels) {
  for (int64_t c = 0; c < channels; ++c) {
    const Sum<act> inv_std = 1.0 / std::sqrt(Sum<act>(running_var[c]) + eps);
    backward(offset(dx, c), offset(dresidual, c), offset(dweight, c), offset(dbias, c), dy + c, offset(x, c),
             offset(y, c), Sum<act>(weight[c]), Sum<act>(running_mean[c]), inv_std, false, relu, accumulate,
             rows, channels);
  }
}

template <class real>
void batchnorm_fold(real* w_folded, real* bias_folded, const real* w, const real* conv_bias,
                    const real* weight, const real* bias, const real* running_mean, const real* running_var,
                    double eps, int64_t out_channels, int64_t filter_size) {
  for (int64_t o = 0; o < out_channels; ++o) {
    const Sum<real> s = Sum<real>(weight[o]) / std::sqrt(Sum<real>(running_var[o]) + eps);
    for (int64_t i = o * filter_size; i < (o + 1) * filter_size; ++i) w_folded[i] = real(Sum<real>(w[i]) * s);
    bias_folded[o] =
        real((value_or_zero(conv_bias, o) - Sum<real>(running_mean[o])) * s + Sum<real>(bias[o]));
  }
}

SIGNET_INSTANTIATE_ACTIVATIONS(batchnorm_forward_train);
SIGNET_INSTANTIATE_ACTIVATIONS(batchnorm_forward_eval);
SIGNET_INSTANTIATE_ACTIVATIONS(batchnorm_backward_train);
SIGNET_INSTANTIATE_ACTIVATIONS(batchnorm_backward_eval);
SIGNET_INSTANTIATE(batchnorm_fold);

}  // namespace signet::ref
