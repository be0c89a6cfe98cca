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
template <class real>
void normalise(real* y, const real* x, const real* residual, Sum<real> mean, Sum<real> inv_std, real weight,
               real bias, bool relu, int64_t rows, int64_t channels) {
  for (int64_t i = 0; i < rows * channels; i += channels) {
    const Sum<real> value = Sum<real>(weight) * ((Sum<real>(x[i]) - mean) * inv_std) + Sum<real>(bias) +
                            value_or_zero(residual, i);
    y[i] = real(relu ? ref::relu(value) : value);
  }
}

/// The backward pass of either mode for one channel: pointers to its first row, or null.
template <class real>
void backward(real* dx, real* dresidual, real* dweight, real* dbias, const real* dy, const real* x,
              const real* y, Sum<real> weight, Sum<real> mean, Sum<real> inv_std, bool batch_statistics,
              bool relu, Accumulate accumulate, int64_t rows, int64_t channels) {
  const auto g = [&](int64_t i) { return relu && !(std::real(y[i]) > 0) ? Sum<real>(0) : Sum<real>(dy[i]); };
  const auto x_hat = [&](int64_t i) { return (Sum<real>(x[i]) - mean) * inv_std; };

  Sum<real> sum_g = 0, sum_g_x_hat = 0;
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
    const Sum<real> gradient = g(i);
    if (dresidual) dresidual[i] = real(gradient);
    if (!dx) continue;
    const Sum<real> taken_out =
        batch_statistics ? (sum_g + x_hat(i) * sum_g_x_hat) / double(rows) : Sum<real>(0);
    dx[i] = real(weight * inv_std * (gradient - taken_out));
  }
}

template <class real>
real* offset(real* pointer, int64_t by) {
  return pointer ? pointer + by : nullptr;
}

}  // namespace

template <class real>
void batchnorm_forward_train(real* y, real* saved_mean, real* saved_inv_std, real* running_mean,
                             real* running_var, const real* x, const real* weight, const real* bias,
                             const real* residual, bool relu, double momentum, double eps, int64_t rows,
                             int64_t channels) {
  for (int64_t c = 0; c < channels; ++c) {
    Sum<real> mean = 0, squares = 0;
    for (int64_t row = 0; row < rows; ++row) mean += Sum<real>(x[row * channels + c]);
    mean /= double(rows);
    for (int64_t row = 0; row < rows; ++row) {
      const Sum<real> distance = Sum<real>(x[row * channels + c]) - mean;
      squares += distance * distance;
    }
    const Sum<real> inv_std = 1.0 / std::sqrt(squares / double(rows) + eps);
    saved_mean[c] = real(mean);
    saved_inv_std[c] = real(inv_std);
    if (running_mean) {
      const Sum<real> unbiased = squares / double(rows > 1 ? rows - 1 : 1);
      running_mean[c] = real((1 - momentum) * Sum<real>(running_mean[c]) + momentum * mean);
      running_var[c] = real((1 - momentum) * Sum<real>(running_var[c]) + momentum * unbiased);
    }
    normalise(y + c, x + c, offset(residual, c), mean, inv_std, weight[c], bias[c], relu, rows, channels);
  }
}

template <class real>
void batchnorm_forward_eval(real* y, const real* x, const real* weight, const real* bias,
                            const real* running_mean, const real* running_var, const real* residual,
                            bool relu, double eps, int64_t rows, int64_t channels) {
  for (int64_t c = 0; c < channels; ++c) {
    const Sum<real> mean = running_mean[c], inv_std = 1.0 / std::sqrt(Sum<real>(running_var[c]) + eps);
    normalise(y + c, x + c, offset(residual, c), mean, inv_std, weight[c], bias[c], relu, rows, channels);
  }
}

template <class real>
void batchnorm_backward_train(real* dx, real* dresidual, real* dweight, real* dbias, const real* dy,
                              const real* x, const real* y, const real* weight, const real* saved_mean,
                              const real* saved_inv_std, bool relu, Accumulate accumulate, int64_t rows,
                              int64_t channels) {
  for (int64_t c = 0; c < channels; ++c) {
    backward(offset(dx, c), offset(dresidual, c), offset(dweight, c), offset(dbias, c), dy + c, x + c,
             offset(y, c), Sum<real>(weight[c]), Sum<real>(saved_mean[c]), Sum<real>(saved_inv_std[c]), true,
             relu, accumulate, rows, channels);
  }
}

template <class real>
void batchnorm_backward_eval(real* dx, real* dresidual, real* dweight, real* dbias, const real* dy,
                             const real* x, const real* y, const real* weight, const real* running_mean,
                             const real* running_var, double eps, bool relu, Accumulate accumulate,
                             int64_t rows, int64_t channels) {
  for (int64_t c = 0; c < channels; ++c) {
    const Sum<real> inv_std = 1.0 / std::sqrt(Sum<real>(running_var[c]) + eps);
    backward(offset(dx, c), offset(dresidual, c), offset(dweight, c), offset(dbias, c), dy + c, offset(x, c),
             offset(y, c), Sum<real>(weight[c]), Sum<real>(running_mean[c]), inv_std, false, relu, accumulate,
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

SIGNET_INSTANTIATE(batchnorm_forward_train);
SIGNET_INSTANTIATE(batchnorm_forward_eval);
SIGNET_INSTANTIATE(batchnorm_backward_train);
SIGNET_INSTANTIATE(batchnorm_backward_eval);
SIGNET_INSTANTIATE(batchnorm_fold);

}  // namespace signet::ref
