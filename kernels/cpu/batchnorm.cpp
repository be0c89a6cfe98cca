// Batch normalisation over [rows, channels], vectorised along the channels and cut into chunks of rows.
//
// Each chunk yields partial sums per channel in float; chunks are merged in double, in their order. The
// variance is never a difference of large numbers: a chunk, while it is in cache, gives its mean m_i and its
// sum of squared distances q_i from that mean, and with the mean m of all rows
//   sum (x - m)^2 = sum over chunks of q_i + n_i (m_i - m)^2
// (Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances",
// Stanford CS-79-773, 1979).

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/batchnorm.cpp"
#include "kernels/cpu/targets.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <cmath>
#include <type_traits>

#include "kernels/cpu/activations.h"
#include "kernels/cpu/chunks.h"
#include "kernels/cpu/scratch.h"
#include "kernels/kernels.h"

#ifndef SIGNET_CPU_BATCHNORM_ONCE
#define SIGNET_CPU_BATCHNORM_ONCE
namespace signet::cpu {
// What the second pass of the backward kernels needs of each channel:
// dx = scale * (g - shift - (x - mean) * slope).
struct BatchnormGradient {
  const float *scale, *shift, *slope, *mean;
};

/// The passes over rows of activations of a type, for one instruction set.
template <class act>
struct BatchnormPasses {
  void (*moments)(float* mean, float* squares, const act* x, int64_t rows, int64_t channels);
  void (*normalise)(act* y, const act* x, const act* residual, const float* mean, const float* scale,
                    const float* bias, bool relu, int64_t rows, int64_t channels);
  void (*reduce)(float* sum_g, float* sum_gx, act* g_out, const act* dy, const act* x, const act* y,
                 const float* mean, int64_t rows, int64_t channels);
  void (*mask)(act* g_out, const act* dy, const act* y, int64_t n);
  void (*gradient)(act* dx, const act* g, const act* x, const act* y, const BatchnormGradient& k,
                   int64_t rows, int64_t channels);
  void (*scale)(act* dx, const act* g, const act* y, const float* scale, int64_t rows, int64_t channels);
};
}  // namespace signet::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace signet::cpu {
namespace HWY_NAMESPACE {

// sum[c] = sum over the rows of x[r,c]: four rows at a time, so that the running sum is loaded and stored
// once for four additions.
template <class act>
HWY_INLINE void add_rows(float* HWY_RESTRICT sum, const act* HWY_RESTRICT x, int64_t rows, int64_t channels) {
  for (int64_t c = 0; c < channels; ++c) sum[c] = 0;
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4, x += 4 * channels) {
    const act *x1 = x + channels, *x2 = x1 + channels, *x3 = x2 + channels;
    for (int64_t c = 0; c < channels; ++c) sum[c] += (x[c] + x1[c]) + (x2[c] + x3[c]);
  }
  for (; r < rows; ++r, x += channels)
    for (int64_t c = 0; c < channels; ++c) sum[c] += x[c];
}

// Mean and sum of squared distances from it, of one chunk of rows.
template <class act>
void batchnorm_moments(float* HWY_RESTRICT mean, float* HWY_RESTRICT squares, const act* HWY_RESTRICT x,
                       int64_t rows, int64_t channels) {
  add_rows(mean, x, rows, channels);
  const float count = float(rows);
  for (int64_t c = 0; c < channels; ++c) {
    mean[c] /= count;
    squares[c] = 0;
  }
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4, x += 4 * channels) {
    const act *x1 = x + channels, *x2 = x1 + channels, *x3 = x2 + channels;
    for (int64_t c = 0; c < channels; ++c) {
      const float m = mean[c];
      const float a = x[c] - m, b = x1[c] - m, d = x2[c] - m, e = x3[c] - m;
      squares[c] += (a * a + b * b) + (d * d + e * e);
    }
  }
  for (; r < rows; ++r, x += channels) {
    for (int64_t c = 0; c < channels; ++c) {
      const float a = x[c] - mean[c];
      squares[c] += a * a;
    }
  }
}

// y = (x - mean) * scale + bias (+ residual), then ReLU.
template <bool kResidual, bool kRelu, class act>
HWY_INLINE void normalise_rows(act* y, const act* x, const act* residual, const float* mean,
                               const float* scale, const float* bias, int64_t rows, int64_t channels) {
  for (int64_t r = 0; r < rows; ++r, y += channels, x += channels) {
#pragma GCC ivdep
    for (int64_t c = 0; c < channels; ++c) {
      float value = (x[c] - mean[c]) * scale[c] + bias[c];
      if (kResidual) value += residual[c];
      if (kRelu) value = value <= 0 ? 0 : value;
      y[c] = act(value);
    }
    if (kResidual) residual += channels;
  }
}

template <class act>
void batchnorm_normalise(act* y, const act* x, const act* residual, const float* mean, const float* scale,
                         const float* bias, bool relu, int64_t rows, int64_t channels) {
  if (residual && relu) {
    normalise_rows<true, true>(y, x, residual, mean, scale, bias, rows, channels);
  } else if (residual) {
    normalise_rows<true, false>(y, x, residual, mean, scale, bias, rows, channels);
  } else if (relu) {
    normalise_rows<false, true>(y, x, residual, mean, scale, bias, rows, channels);
  } else {
    normalise_rows<false, false>(y, x, residual, mean, scale, bias, rows, channels);
  }
}

// sum_g = sum of g and sum_gx = sum of g * (x - mean) over the rows, with g = dy where y > 0 (all of dy if y
// is null). g_out, if given, is assigned g.
template <bool kRelu, bool kStore, class act>
HWY_INLINE void reduce_rows(float* HWY_RESTRICT sum_g, float* HWY_RESTRICT sum_gx, act* g_out, const act* dy,
                            const act* x, const act* y, const float* HWY_RESTRICT mean, int64_t rows,
                            int64_t channels) {
  for (int64_t c = 0; c < channels; ++c) sum_g[c] = sum_gx[c] = 0;
  for (int64_t r = 0; r < rows; ++r, dy += channels, x += channels) {
#pragma GCC ivdep
    for (int64_t c = 0; c < channels; ++c) {
      const float g = !kRelu || y[c] > 0 ? float(dy[c]) : 0;
      sum_g[c] += g;
      sum_gx[c] += g * (x[c] - mean[c]);
      if (kStore) g_out[c] = act(g);
    }
    if (kRelu) y += channels;
    if (kStore) g_out += channels;
  }
}

template <class act>
void batchnorm_reduce(float* sum_g, float* sum_gx, act* g_out, const act* dy, const act* x, const act* y,
                      const float* mean, int64_t rows, int64_t channels) {
  if (y && g_out) {
    reduce_rows<true, true>(sum_g, sum_gx, g_out, dy, x, y, mean, rows, channels);
  } else if (y) {
    reduce_rows<true, false>(sum_g, sum_gx, g_out, dy, x, y, mean, rows, channels);
  } else if (g_out) {
    reduce_rows<false, true>(sum_g, sum_gx, g_out, dy, x, y, mean, rows, channels);
  } else {
    reduce_rows<false, false>(sum_g, sum_gx, g_out, dy, x, y, mean, rows, channels);
  }
}

template <class act>
void batchnorm_mask(act* g_out, const act* dy, const act* y, int64_t n) {
  if (y) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) g_out[i] = act(y[i] > 0 ? float(dy[i]) : 0);
  } else {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) g_out[i] = dy[i];
  }
}

// y is null where g is already masked.
template <class act>
void batchnorm_gradient(act* dx, const act* g, const act* x, const act* y, const BatchnormGradient& k,
                        int64_t rows, int64_t channels) {
  const float *scale = k.scale, *shift = k.shift, *slope = k.slope, *mean = k.mean;
  for (int64_t r = 0; r < rows; ++r, dx += channels, g += channels, x += channels) {
    if (y) {
#pragma GCC ivdep
      for (int64_t c = 0; c < channels; ++c)
        dx[c] = act(scale[c] * (((y[c] > 0 ? float(g[c]) : 0) - shift[c]) - (x[c] - mean[c]) * slope[c]));
      y += channels;
    } else {
#pragma GCC ivdep
      for (int64_t c = 0; c < channels; ++c)
        dx[c] = act(scale[c] * ((g[c] - shift[c]) - (x[c] - mean[c]) * slope[c]));
    }
  }
}

// dx = scale * g, with constant statistics; y is null where g is already masked.
template <class act>
void batchnorm_scale(act* dx, const act* g, const act* y, const float* scale, int64_t rows,
                     int64_t channels) {
  for (int64_t r = 0; r < rows; ++r, dx += channels, g += channels) {
    if (y) {
#pragma GCC ivdep
      for (int64_t c = 0; c < channels; ++c) dx[c] = act(y[c] > 0 ? scale[c] * g[c] : 0);
      y += channels;
    } else {
#pragma GCC ivdep
      for (int64_t c = 0; c < channels; ++c) dx[c] = act(scale[c] * g[c]);
    }
  }
}

template <class act>
constexpr BatchnormPasses<act> kPasses{batchnorm_moments<act>,  batchnorm_normalise<act>,
                                       batchnorm_reduce<act>,   batchnorm_mask<act>,
                                       batchnorm_gradient<act>, batchnorm_scale<act>};

BatchnormPasses<float> batchnorm_passes() {
  return kPasses<float>;
}
BatchnormPasses<BFloat16> batchnorm_passes_bf16() {
  return kPasses<BFloat16>;
}

}  // namespace HWY_NAMESPACE
}  // namespace signet::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace signet::cpu {

HWY_EXPORT(batchnorm_passes);
HWY_EXPORT(batchnorm_passes_bf16);

namespace {

// Rows in a chunk: about kElementGrain elements, few enough rows that sums in float stay accurate, and enough
// of them that the partial sums are small beside the data.
int64_t row_grain(int64_t channels) {
  return std::clamp<int64_t>(kElementGrain / std::max<int64_t>(1, channels), 16, 2048);
}

template <class T>
T* advance(T* pointer, int64_t by) {
  return pointer ? pointer + by : nullptr;
}

template <class act>
BatchnormPasses<act> passes() {
  if constexpr (std::is_same_v<act, float>) {
    return HWY_DYNAMIC_DISPATCH(batchnorm_passes)();
  } else {
    return HWY_DYNAMIC_DISPATCH(batchnorm_passes_bf16)();
  }
}

template <class act>
void normalise(act* y, const act* x, const act* residual, const float* mean, const float* scale,
               const float* bias, bool relu, int64_t rows, int64_t channels) {
  const auto kernel = passes<act>().normalise;
  parallel_ranges(rows, row_grain(channels), [&](int64_t begin, int64_t end, int64_t) {
    const int64_t at = begin * channels;
    kernel(y + at, x + at, advance(residual, at), mean, scale, bias, relu, end - begin, channels);
  });
}

// The sums of g and of g * (x - mean), in double. `partials` is scratch for two floats a chunk and channel.
template <class act>
void reduce(double* sum_g, double* sum_gx, act* g_out, const act* dy, const act* x, const act* y,
            const float* mean, int64_t rows, int64_t channels) {
  const auto kernel = passes<act>().reduce;
  const int64_t grain = row_grain(channels), chunks = ceil_div(rows, grain);
  float* partials = scratch(Scratch::partials, 2 * chunks * channels);
  parallel_ranges(rows, grain, [&](int64_t begin, int64_t end, int64_t chunk) {
    float* sums = partials + 2 * chunk * channels;
    const int64_t at = begin * channels;
    kernel(sums, sums + channels, advance(g_out, at), dy + at, x + at, advance(y, at), mean, end - begin,
           channels);
  });
  std::fill_n(sum_g, channels, 0.0);
  std::fill_n(sum_gx, channels, 0.0);
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const float* sums = partials + 2 * chunk * channels;
    for (int64_t c = 0; c < channels; ++c) {
      sum_g[c] += sums[c];
      sum_gx[c] += sums[channels + c];
    }
  }
}

void store(float& target, double value, Accumulate accumulate) {
  target = float(accumulate == Accumulate::yes ? target + value : value);
}

double* scratch_doubles(Scratch slot, int64_t count) {
  return reinterpret_cast<double*>(scratch(slot, 2 * count));
}

}  // namespace

template <class act>
void batchnorm_forward_train(act* y, float* saved_mean, float* saved_inv_std, float* running_mean,
                             float* running_var, const act* x, const float* weight, const float* bias,
                             const act* residual, bool relu, double momentum, double eps, int64_t rows,
                             int64_t channels) {
  const auto kernel = passes<act>().moments;
  const int64_t grain = row_grain(channels), chunks = ceil_div(rows, grain);
  float* partials = scratch(Scratch::partials, 2 * chunks * channels);
  parallel_ranges(rows, grain, [&](int64_t begin, int64_t end, int64_t chunk) {
    float* moments = partials + 2 * chunk * channels;
    kernel(moments, moments + channels, x + begin * channels, end - begin, channels);
  });

  double* mean = scratch_doubles(Scratch::left, 2 * channels);
  double* squares = mean + channels;
  float* scale = scratch(Scratch::right, channels);
  const auto rows_in = [&](int64_t chunk) {
    return double(std::min(rows, (chunk + 1) * grain) - chunk * grain);
  };
  std::fill_n(mean, 2 * channels, 0.0);
  for (int64_t chunk = 0; chunk < chunks; ++chunk)
    for (int64_t c = 0; c < channels; ++c) mean[c] += rows_in(chunk) * partials[2 * chunk * channels + c];
  for (int64_t c = 0; c < channels; ++c) mean[c] /= double(rows);
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const float* moments = partials + 2 * chunk * channels;
    for (int64_t c = 0; c < channels; ++c) {
      const double distance = moments[c] - mean[c];
      squares[c] += moments[channels + c] + rows_in(chunk) * distance * distance;
    }
  }
  for (int64_t c = 0; c < channels; ++c) {
    const double inv_std = 1 / std::sqrt(squares[c] / double(rows) + eps);
    saved_mean[c] = float(mean[c]);
    saved_inv_std[c] = float(inv_std);
    scale[c] = float(weight[c] * inv_std);
    if (running_mean) {
      const double unbiased = squares[c] / double(std::max<int64_t>(1, rows - 1));
      running_mean[c] = float((1 - momentum) * running_mean[c] + momentum * mean[c]);
      running_var[c] = float((1 - momentum) * running_var[c] + momentum * unbiased);
    }
  }
  normalise(y, x, residual, saved_mean, scale, bias, relu, rows, channels);
}

template <class act>
void batchnorm_forward_eval(act* y, const act* x, const float* weight, const float* bias,
                            const float* running_mean, const float* running_var, const act* residual,
                            bool relu, double eps, int64_t rows, int64_t channels) {
  float* scale = scratch(Scratch::right, channels);
  for (int64_t c = 0; c < channels; ++c) scale[c] = float(weight[c] / std::sqrt(running_var[c] + eps));
  normalise(y, x, residual, running_mean, scale, bias, relu, rows, channels);
}

template <class act>
void batchnorm_backward_train(act* dx, act* dresidual, float* dweight, float* dbias, const act* dy,
                              const act* x, const act* y, const float* weight, const float* saved_mean,
                              const float* saved_inv_std, bool relu, Accumulate accumulate, int64_t rows,
                              int64_t channels) {
  const act* mask = relu ? y : nullptr;
  double* sum_g = scratch_doubles(Scratch::left, 2 * channels);
  double* sum_gx = sum_g + channels;
  reduce(sum_g, sum_gx, dresidual, dy, x, mask, saved_mean, rows, channels);
  if (dweight) {
    for (int64_t c = 0; c < channels; ++c) {
      store(dweight[c], sum_gx[c] * saved_inv_std[c], accumulate);
      store(dbias[c], sum_g[c], accumulate);
    }
  }
  if (!dx) return;

  float* scale = scratch(Scratch::right, 3 * channels);
  float *shift = scale + channels, *slope = shift + channels;
  for (int64_t c = 0; c < channels; ++c) {
    const double inv_std = saved_inv_std[c];
    scale[c] = float(weight[c] * inv_std);
    shift[c] = float(sum_g[c] / double(rows));
    slope[c] = float(inv_std * inv_std * sum_gx[c] / double(rows));
  }
  const BatchnormGradient constants{scale, shift, slope, saved_mean};
  // The first pass has left g in dresidual, which spares this one the mask.
  const act* g = dresidual ? dresidual : dy;
  const act* second_mask = dresidual ? nullptr : mask;
  const auto kernel = passes<act>().gradient;
  parallel_ranges(rows, row_grain(channels), [&](int64_t begin, int64_t end, int64_t) {
    const int64_t at = begin * channels;
    kernel(dx + at, g + at, x + at, advance(second_mask, at), constants, end - begin, channels);
  });
}

template <class act>
void batchnorm_backward_eval(act* dx, act* dresidual, float* dweight, float* dbias, const act* dy,
                             const act* x, const act* y, const float* weight, const float* running_mean,
                             const float* running_var, double eps, bool relu, Accumulate accumulate,
                             int64_t rows, int64_t channels) {
  const act* mask = relu ? y : nullptr;
  const int64_t grain = row_grain(channels);
  if (dweight) {
    double* sum_g = scratch_doubles(Scratch::left, 2 * channels);
    double* sum_gx = sum_g + channels;
    reduce(sum_g, sum_gx, dresidual, dy, x, mask, running_mean, rows, channels);
    for (int64_t c = 0; c < channels; ++c) {
      store(dweight[c], sum_gx[c] / std::sqrt(running_var[c] + eps), accumulate);
      store(dbias[c], sum_g[c], accumulate);
    }
  } else if (dresidual) {
    const auto kernel = passes<act>().mask;
    parallel_ranges(rows, grain, [&](int64_t begin, int64_t end, int64_t) {
      const int64_t at = begin * channels;
      kernel(dresidual + at, dy + at, advance(mask, at), (end - begin) * channels);
    });
  }
  if (!dx) return;
  float* scale = scratch(Scratch::right, channels);
  for (int64_t c = 0; c < channels; ++c) scale[c] = float(weight[c] / std::sqrt(running_var[c] + eps));
  const act* g = dresidual ? dresidual : dy;
  const act* second_mask = dresidual ? nullptr : mask;
  const auto kernel = passes<act>().scale;
  parallel_ranges(rows, grain, [&](int64_t begin, int64_t end, int64_t) {
    const int64_t at = begin * channels;
    kernel(dx + at, g + at, advance(second_mask, at), scale, end - begin, channels);
  });
}

SIGNET_INSTANTIATE_ACTIVATIONS(batchnorm_forward_train);
SIGNET_INSTANTIATE_ACTIVATIONS(batchnorm_forward_eval);
SIGNET_INSTANTIATE_ACTIVATIONS(batchnorm_backward_train);
SIGNET_INSTANTIATE_ACTIVATIONS(batchnorm_backward_eval);

void batchnorm_fold(float* w_folded, float* bias_folded, const float* w, const float* conv_bias,
                    const float* weight, const float* bias, const float* running_mean,
                    const float* running_var, double eps, int64_t out_channels, int64_t filter_size) {
  for (int64_t o = 0; o < out_channels; ++o) {
    const double s = weight[o] / std::sqrt(running_var[o] + eps);
    const int64_t at = o * filter_size;
    for (int64_t i = 0; i < filter_size; ++i) w_folded[at + i] = float(w[at + i] * s);
    bias_folded[o] = float(((conv_bias ? conv_bias[o] : 0.0) - running_mean[o]) * s + bias[o]);
  }
}

}  // namespace signet::cpu
#endif
