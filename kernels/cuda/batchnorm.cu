// Batch normalisation: in training one read of x for the statistics and one for y, on the way back one read
// for the two sums and one for dx. With constant statistics one read does it all.
//
// Statistics. Each thread keeps the count, the mean and the sum of squared distances from that mean (Welford,
// "Note on a method for calculating corrected sums of squares and products", Technometrics 4(3), 1962),
// several rows at a time, and two such triples are merged by Chan, Golub and LeVeque's formula ("Updating
// formulae and a pairwise algorithm for computing sample variances", 1979). All of it is done on x - x[0],
// the distance from the channel's first row: it costs nothing, and a channel at 300 +- 1 loses no digits to
// the 300. If the first row is an outlier, |x[0] - mean| <= sqrt(rows) * deviation still bounds what that
// costs. Partial results are merged in double.
//
// The mean is passed on as a float, rounded by up to half a unit of its last place, 1.5e-5 at 300. y makes
// up for it in its bias.

#include "kernels/cuda/batchnorm.cuh"
#include "kernels/cuda/runtime.h"
#include "kernels/instantiate.h"

namespace signet::cuda {
namespace batchnorm {

// ---- statistics

template <int kWidth>
struct Moments {
  float mean[kWidth];
  float squares[kWidth];  // sum of squared distances from the mean
  float count;
};

struct Merge {
  template <int kWidth>
  __device__ Moments<kWidth> operator()(const Moments<kWidth>& a, const Moments<kWidth>& b) const {
    const float count = a.count + b.count;
    const float share = count > 0 ? b.count / count : 0;
    Moments<kWidth> merged;
    merged.count = count;
#pragma unroll
    for (int j = 0; j < kWidth; ++j) {
      const float distance = b.mean[j] - a.mean[j];
      merged.mean[j] = a.mean[j] + distance * share;
      merged.squares[j] = a.squares[j] + b.squares[j] + distance * distance * (a.count * share);
    }
    return merged;
  }
};

// The moments of a few rows, given as their distances from the origin.
template <int kWidth, int kRows>
__device__ __forceinline__ Moments<kWidth> moments_of(const Pack<float, kWidth> (&rows)[kRows]) {
  Moments<kWidth> moments;
  moments.count = kRows;
#pragma unroll
  for (int j = 0; j < kWidth; ++j) {
    float sum = 0, squares = 0;
#pragma unroll
    for (int row = 0; row < kRows; ++row) sum += rows[row].v[j];
    const float mean = sum * (1.0F / kRows);
#pragma unroll
    for (int row = 0; row < kRows; ++row) {
      const float distance = rows[row].v[j] - mean;
      squares += distance * distance;
    }
    moments.mean[j] = mean;
    moments.squares[j] = squares;
  }
  return moments;
}

// Of kRows rows, `step` apart.
template <int kRows, int kWidth, class act>
__device__ __forceinline__ Moments<kWidth> read_moments(const act* x, int64_t step,
                                                        const Pack<float, kWidth>& origin) {
  Pack<act, kWidth> read[kRows];
  Pack<float, kWidth> rows[kRows];
#pragma unroll
  for (int row = 0; row < kRows; ++row) read[row] = load<kWidth>(x + row * step);
#pragma unroll
  for (int row = 0; row < kRows; ++row) {
    rows[row] = widen(read[row]);
#pragma unroll
    for (int j = 0; j < kWidth; ++j) rows[row].v[j] -= origin.v[j];
  }
  return moments_of(rows);
}

// partials[chunk, 0, channel] = the mean of x - x[0] over the chunk's rows, [chunk, 1, channel] = the sum of
// squared distances from it.
template <int kWidth, class act>
__global__ void __launch_bounds__(kThreads)
    moments_kernel(float* partials, const act* __restrict__ x, int64_t chunk_rows, int64_t rows,
                   int64_t channels) {
  const int64_t c = first_channel<kWidth>();
  const int64_t begin = blockIdx.y * chunk_rows, end = min(begin + chunk_rows, rows);
  const int64_t height = blockDim.y;
  Moments<kWidth> moments = {};
  if (c < channels) {
    const auto origin = load_floats<kWidth>(x + c);
    int64_t row = begin + threadIdx.y;
    for (; row + (kGroup - 1) * height < end; row += kGroup * height) {
      moments =
          Merge()(moments, read_moments<kGroup, kWidth>(x + row * channels + c, height * channels, origin));
    }
    for (; row < end; row += height)
      moments = Merge()(moments, read_moments<1, kWidth>(x + row * channels + c, 0, origin));
  }
  moments = reduce_over_height(moments, Merge());
  if (threadIdx.y != 0 || c >= channels) return;
  float* to = partials + 2 * blockIdx.y * channels + c;
  Pack<float, kWidth> mean, squares;
#pragma unroll
  for (int j = 0; j < kWidth; ++j) {
    mean.v[j] = moments.mean[j];
    squares.v[j] = moments.squares[j];
  }
  store(to, mean);
  store(to + channels, squares);
}

template <class act>
struct Statistics {
  const act* x;
  const float *partials, *weight, *bias;
  float *saved_mean, *saved_inv_std, *running_mean, *running_var;
  float *scale, *shift;  // y = (x - saved_mean) * scale + shift
  double momentum, eps;
  Chunks chunks;
  int64_t rows, channels;
};

template <class act>
__global__ void __launch_bounds__(kMergeColumns* kMergeRows) statistics_kernel(Statistics<act> s) {
  __shared__ double means[kMergeColumns];
  const int64_t c = int64_t(blockIdx.x) * kMergeColumns + threadIdx.x;
  const bool inside = c < s.channels;
  const float* from = s.partials + c;
  const auto rows_in = [&](int64_t chunk) {
    return double(min(s.rows - chunk * s.chunks.rows, s.chunks.rows));
  };
  const double sum = sum_chunks(s.chunks.count, inside, [&](int64_t chunk) {
    return rows_in(chunk) * double(from[2 * chunk * s.channels]);
  });
  if (threadIdx.y == 0) means[threadIdx.x] = sum / double(s.rows);
  __syncthreads();
  const double centre = means[threadIdx.x];
  const double squares = sum_chunks(s.chunks.count, inside, [&](int64_t chunk) {
    const double distance = double(from[2 * chunk * s.channels]) - centre;
    return double(from[(2 * chunk + 1) * s.channels]) + rows_in(chunk) * distance * distance;
  });
  if (threadIdx.y != 0 || !inside) return;

  const double mean = (s.rows > 0 ? double(s.x[c]) : 0) + centre;
  const double inv_std = 1 / sqrt(squares / double(s.rows) + s.eps);
  const auto rounded = float(mean);
  const auto scale = float(double(s.weight[c]) * inv_std);
  s.saved_mean[c] = rounded;
  s.saved_inv_std[c] = float(inv_std);
  s.scale[c] = scale;
  s.shift[c] = float(double(s.bias[c]) - (mean - double(rounded)) * double(scale));
  if (s.running_mean) {
    const double unbiased = squares / double(max(s.rows - 1, int64_t(1)));
    s.running_mean[c] = float((1 - s.momentum) * double(s.running_mean[c]) + s.momentum * mean);
    s.running_var[c] = float((1 - s.momentum) * double(s.running_var[c]) + s.momentum * unbiased);
  }
}

// ---- normalising

/// y = (x - mean) * scale + shift for kWidth channels.
template <int kWidth>
struct Affine {
  Pack<float, kWidth> mean, scale, shift;
};

struct BatchAffine {
  const float *mean, *scale, *shift;

  bool packed() const { return allow_packs(mean, scale, shift); }

  template <int kWidth>
  __device__ Affine<kWidth> at(int64_t c) const {
    return {load<kWidth>(mean + c), load<kWidth>(scale + c), load<kWidth>(shift + c)};
  }
};

struct RunningAffine {
  const float *mean, *variance, *weight, *bias;
  float eps;

  bool packed() const { return allow_packs(mean, variance, weight, bias); }

  template <int kWidth>
  __device__ Affine<kWidth> at(int64_t c) const {
    return {load<kWidth>(mean + c), running_scale<kWidth>(weight + c, variance + c, eps),
            load<kWidth>(bias + c)};
  }
};

// y may be x or residual: a thread has read its places when it writes them.
template <int kWidth, class act, class Source>
__global__ void __launch_bounds__(kThreads)
    normalise_kernel(act* y, const act* x, const act* residual, Source source, bool relu, int64_t rows,
                     int64_t channels) {
  const int64_t c = first_channel<kWidth>();
  if (c >= channels) return;
  const Affine<kWidth> affine = source.template at<kWidth>(c);
  const int64_t step = int64_t(gridDim.y) * blockDim.y;
  for (int64_t first = int64_t(blockIdx.y) * blockDim.y + threadIdx.y; first < rows; first += kGroup * step) {
    Pack<act, kWidth> values[kGroup] = {}, added[kGroup] = {};
#pragma unroll
    for (int i = 0; i < kGroup; ++i) {
      const int64_t row = first + i * step;
      if (row >= rows) continue;
      values[i] = load<kWidth>(x + row * channels + c);
      if (residual) added[i] = load<kWidth>(residual + row * channels + c);
    }
#pragma unroll
    for (int i = 0; i < kGroup; ++i) {
      const int64_t row = first + i * step;
      if (row >= rows) continue;
      auto out = widen(values[i]);
      const auto addend = widen(added[i]);
#pragma unroll
      for (int j = 0; j < kWidth; ++j) {
        float value = (out.v[j] - affine.mean.v[j]) * affine.scale.v[j] + affine.shift.v[j];
        value += addend.v[j];
        out.v[j] = relu && value <= 0 ? 0 : value;  // NaN stays NaN
      }
      store(y + row * channels + c, out);
    }
  }
}

template <class act, class Source>
void normalise(act* y, const act* x, const act* residual, const Source& source, bool relu, int64_t rows,
               int64_t channels) {
  constexpr int kWidth = kPackOf<act>;
  const int64_t row_blocks = apply_row_blocks<act>(rows, channels);
  const auto run = [&](auto kernel, dim3 grid) {
    launch(kernel, grid, block_shape<act>(channels), 0, current_stream(), y, x, residual, source, relu, rows,
           channels);
  };
  if (channels % kWidth == 0 && allow_packs_of<kWidth>(y, x, residual) && source.packed()) {
    run(normalise_kernel<kWidth, act, Source>, grid_shape<act, kWidth>(channels, row_blocks));
  } else {
    run(normalise_kernel<1, act, Source>, grid_shape<act, 1>(channels, row_blocks));
  }
}

// A block an output channel.
__global__ void __launch_bounds__(kThreads)
    fold_kernel(float* w_folded, float* bias_folded, const float* w, const float* conv_bias,
                const float* weight, const float* bias, const float* mean, const float* variance, double eps,
                int64_t filter_size) {
  const int64_t o = blockIdx.x;
  const double scale = double(weight[o]) / sqrt(double(variance[o]) + eps);
  for (int64_t i = o * filter_size + threadIdx.x; i < (o + 1) * filter_size; i += kThreads)
    w_folded[i] = float(double(w[i]) * scale);
  if (threadIdx.x == 0) {
    const double before = conv_bias ? double(conv_bias[o]) : 0;
    bias_folded[o] = float((before - double(mean[o])) * scale + double(bias[o]));
  }
}

}  // namespace batchnorm

template <class act>
void batchnorm_forward_train(act* y, float* saved_mean, float* saved_inv_std, float* running_mean,
                             float* running_var, const act* x, const float* weight, const float* bias,
                             const act* residual, bool relu, double momentum, double eps, int64_t rows,
                             int64_t channels) {
  using namespace batchnorm;
  if (channels == 0) return;
  constexpr int kWidth = kPackOf<act>;
  const Chunks chunks = chunks_of<act>(rows, channels);
  auto* scale = static_cast<float*>(workspace((2 + 2 * chunks.count) * channels * int64_t(sizeof(float))));
  float *shift = scale + channels, *partials = shift + channels;
  const auto run = [&](auto kernel, dim3 grid) {
    launch(kernel, grid, block_shape<act>(channels), 0, current_stream(), partials, x, chunks.rows, rows,
           channels);
  };
  if (channels % kWidth == 0 && allow_packs_of<kWidth>(x)) {
    run(moments_kernel<kWidth, act>, grid_shape<act, kWidth>(channels, chunks.count));
  } else {
    run(moments_kernel<1, act>, grid_shape<act, 1>(channels, chunks.count));
  }
  const Statistics<act> statistics{.x = x,
                                   .partials = partials,
                                   .weight = weight,
                                   .bias = bias,
                                   .saved_mean = saved_mean,
                                   .saved_inv_std = saved_inv_std,
                                   .running_mean = running_mean,
                                   .running_var = running_var,
                                   .scale = scale,
                                   .shift = shift,
                                   .momentum = momentum,
                                   .eps = eps,
                                   .chunks = chunks,
                                   .rows = rows,
                                   .channels = channels};
  launch(statistics_kernel<act>, merge_grid(channels), dim3(kMergeColumns, kMergeRows), 0, current_stream(),
         statistics);
  normalise(y, x, residual, BatchAffine{saved_mean, scale, shift}, relu, rows, channels);
}
SIGNET_INSTANTIATE_ACTIVATIONS(batchnorm_forward_train);

template <class act>
void batchnorm_forward_eval(act* y, const act* x, const float* weight, const float* bias,
                            const float* running_mean, const float* running_var, const act* residual,
                            bool relu, double eps, int64_t rows, int64_t channels) {
  using namespace batchnorm;
  if (channels == 0) return;
  const RunningAffine source{running_mean, running_var, weight, bias, float(eps)};
  normalise(y, x, residual, source, relu, rows, channels);
}
SIGNET_INSTANTIATE_ACTIVATIONS(batchnorm_forward_eval);

void batchnorm_fold(float* w_folded, float* bias_folded, const float* w, const float* conv_bias,
                    const float* weight, const float* bias, const float* running_mean,
                    const float* running_var, double eps, int64_t out_channels, int64_t filter_size) {
  using namespace batchnorm;
  launch(fold_kernel, dim3(unsigned(out_channels)), dim3(kThreads), 0, current_stream(), w_folded,
         bias_folded, w, conv_bias, weight, bias, running_mean, running_var, eps, filter_size);
}

}  // namespace signet::cuda
