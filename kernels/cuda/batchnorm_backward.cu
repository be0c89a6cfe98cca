// The gradients of batch normalisation. With g the gradient of y behind the ReLU, over N rows:
//   dbias = sum g,   dweight = inv_std * sum g (x - mean),
//   dx = weight * inv_std * (g - dbias / N - (x - mean) * inv_std * dweight / N)   in training,
//   dx = weight * inv_std * g                                                     with constant statistics.
// In training dx needs the sums first: one read for them, which leaves g in dresidual if that is wanted, and
// a second one for dx. With constant statistics one read gives everything.

#include "kernels/cuda/batchnorm.cuh"
#include "kernels/cuda/runtime.h"
#include "kernels/instantiate.h"

namespace signet::cuda {
namespace batchnorm {

constexpr int kPairs = 2;  // rows at a time: up to three tensors are read

/// The pass over the rows that gives what needs no sums, and partial sums.
template <class act>
struct FirstPass {
  float* partials =
      nullptr;  ///< [chunk, 0, channel] = sum g, [chunk, 1, channel] = sum g (x - mean); or null
  act *dx = nullptr, *dresidual = nullptr;             ///< = scale * g, = g; or null
  const act *dy = nullptr, *x = nullptr;               ///< x is read only for the sums
  const act* y = nullptr;                              ///< null without ReLU
  const float* mean = nullptr;                         ///< read only for the sums
  const float *weight = nullptr, *variance = nullptr;  ///< read only for dx
  float eps = 0;
  int64_t chunk_rows = 0, rows = 0, channels = 0;
};

template <int kWidth>
struct Sums {
  Pack<float, kWidth> g = {}, g_x = {};  // of g, of g (x - mean)
};

struct AddSums {
  template <int kWidth>
  __device__ Sums<kWidth> operator()(Sums<kWidth> a, const Sums<kWidth>& b) const {
#pragma unroll
    for (int j = 0; j < kWidth; ++j) {
      a.g.v[j] += b.g.v[j];
      a.g_x.v[j] += b.g_x.v[j];
    }
    return a;
  }
};

template <int kWidth, class act>
__device__ __forceinline__ Pack<act, kWidth> load_masked(const act* dy, const act* y, int64_t place) {
  auto g = load<kWidth>(dy + place);
  if (y) {
    const auto activation = load<kWidth>(y + place);
#pragma unroll
    for (int j = 0; j < kWidth; ++j) g.v[j] = activation.v[j] > 0 ? g.v[j] : act(0);
  }
  return g;
}

// dx or dresidual may be dy: a thread has read its places when it writes them.
template <int kWidth, class act>
__global__ void __launch_bounds__(kThreads) first_pass_kernel(FirstPass<act> p) {
  const int64_t c = first_channel<kWidth>();
  const int64_t begin = blockIdx.y * p.chunk_rows, end = min(begin + p.chunk_rows, p.rows);
  const int64_t step = blockDim.y;
  Sums<kWidth> sums;
  if (c < p.channels) {
    Pack<float, kWidth> mean = {}, scale = {};
    if (p.partials) mean = load<kWidth>(p.mean + c);
    if (p.dx) scale = running_scale<kWidth>(p.weight + c, p.variance + c, p.eps);
    for (int64_t first = begin + threadIdx.y; first < end; first += kPairs * step) {
      Pack<act, kWidth> masked[kPairs] = {}, x[kPairs] = {};
#pragma unroll
      for (int i = 0; i < kPairs; ++i) {
        if (first + i * step >= end) continue;
        const int64_t place = (first + i * step) * p.channels + c;
        masked[i] = load_masked<kWidth>(p.dy, p.y, place);
        if (p.partials) x[i] = load<kWidth>(p.x + place);
      }
#pragma unroll
      for (int i = 0; i < kPairs; ++i) {
        if (first + i * step >= end) continue;
        const int64_t place = (first + i * step) * p.channels + c;
        if (p.dresidual) store(p.dresidual + place, masked[i]);
        auto g = widen(masked[i]);
        if (p.partials) {
          const auto values = widen(x[i]);
#pragma unroll
          for (int j = 0; j < kWidth; ++j) {
            sums.g.v[j] += g.v[j];
            sums.g_x.v[j] += g.v[j] * (values.v[j] - mean.v[j]);
          }
        }
        if (p.dx) {
#pragma unroll
          for (int j = 0; j < kWidth; ++j) g.v[j] *= scale.v[j];
          store(p.dx + place, g);
        }
      }
    }
  }
  if (!p.partials) return;
  sums = reduce_over_height(sums, AddSums());
  if (threadIdx.y != 0 || c >= p.channels) return;
  float* to = p.partials + 2 * blockIdx.y * p.channels + c;
  store(to, sums.g);
  store(to + p.channels, sums.g_x);
}

template <class act>
void run_first_pass(const FirstPass<act>& pass, int64_t chunks) {
  constexpr int kWidth = kPackOf<act>;
  const auto run = [&](auto kernel, dim3 grid) {
    launch(kernel, grid, block_shape<act>(pass.channels), 0, current_stream(), pass);
  };
  if (pass.channels % kWidth == 0 && allow_packs_of<kWidth>(pass.dx, pass.dresidual, pass.dy, pass.x, pass.y,
                                                            pass.mean, pass.weight, pass.variance)) {
    run(first_pass_kernel<kWidth, act>, grid_shape<act, kWidth>(pass.channels, chunks));
  } else {
    run(first_pass_kernel<1, act>, grid_shape<act, 1>(pass.channels, chunks));
  }
}

/// dx = scale * (g - shift - (x - mean) * slope), an array with one value a channel each.
struct Slopes {
  float *scale = nullptr, *shift = nullptr, *slope = nullptr;  ///< null together: dx is not asked for
};

struct Gradients {
  float *dweight = nullptr, *dbias = nullptr;  ///< null together
  const float *partials = nullptr, *weight = nullptr;
  const float* inv_std = nullptr;   ///< or null:
  const float* variance = nullptr;  ///< then inv_std = 1 / sqrt(variance + eps)
  double eps = 0;
  bool accumulate = false;
  Slopes slopes = {};
  int64_t chunks = 0, rows = 0, channels = 0;
};

__global__ void __launch_bounds__(kMergeColumns* kMergeRows) gradients_kernel(Gradients p) {
  const int64_t c = int64_t(blockIdx.x) * kMergeColumns + threadIdx.x;
  const bool inside = c < p.channels;
  const float* from = p.partials + c;
  const double sum_g =
      sum_chunks(p.chunks, inside, [&](int64_t chunk) { return double(from[2 * chunk * p.channels]); });
  const double sum_g_x =
      sum_chunks(p.chunks, inside, [&](int64_t chunk) { return double(from[(2 * chunk + 1) * p.channels]); });
  if (threadIdx.y != 0 || !inside) return;

  const double inv_std = p.inv_std ? double(p.inv_std[c]) : 1 / sqrt(double(p.variance[c]) + p.eps);
  if (p.dweight) {
    p.dweight[c] = float(sum_g_x * inv_std + (p.accumulate ? double(p.dweight[c]) : 0));
    p.dbias[c] = float(sum_g + (p.accumulate ? double(p.dbias[c]) : 0));
  }
  if (p.slopes.scale) {
    p.slopes.scale[c] = float(double(p.weight[c]) * inv_std);
    p.slopes.shift[c] = float(sum_g / double(p.rows));
    p.slopes.slope[c] = float(inv_std * inv_std * sum_g_x / double(p.rows));
  }
}

void run_gradients(const Gradients& gradients) {
  launch(gradients_kernel, merge_grid(gradients.channels), dim3(kMergeColumns, kMergeRows), 0,
         current_stream(), gradients);
}

// dx may be dy.
template <int kWidth, class act>
__global__ void __launch_bounds__(kThreads)
    data_gradient_kernel(act* dx, const act* dy, const act* x, const act* y, const float* mean_of,
                         Slopes slopes, int64_t rows, int64_t channels) {
  const int64_t c = first_channel<kWidth>();
  if (c >= channels) return;
  const auto mean = load<kWidth>(mean_of + c), scale = load<kWidth>(slopes.scale + c),
             shift = load<kWidth>(slopes.shift + c), slope = load<kWidth>(slopes.slope + c);
  const int64_t step = int64_t(gridDim.y) * blockDim.y;
  for (int64_t first = int64_t(blockIdx.y) * blockDim.y + threadIdx.y; first < rows; first += kPairs * step) {
    Pack<act, kWidth> masked[kPairs] = {}, values[kPairs] = {};
#pragma unroll
    for (int i = 0; i < kPairs; ++i) {
      if (first + i * step >= rows) continue;
      const int64_t place = (first + i * step) * channels + c;
      masked[i] = load_masked<kWidth>(dy, y, place);
      values[i] = load<kWidth>(x + place);
    }
#pragma unroll
    for (int i = 0; i < kPairs; ++i) {
      if (first + i * step >= rows) continue;
      auto g = widen(masked[i]);
      const auto wide = widen(values[i]);
#pragma unroll
      for (int j = 0; j < kWidth; ++j) {
        const float distance = wide.v[j] - mean.v[j];
        g.v[j] = scale.v[j] * (g.v[j] - shift.v[j] - distance * slope.v[j]);
      }
      store(dx + (first + i * step) * channels + c, g);
    }
  }
}

}  // namespace batchnorm

template <class act>
void batchnorm_backward_train(act* dx, act* dresidual, float* dweight, float* dbias, const act* dy,
                              const act* x, const act* y, const float* weight, const float* saved_mean,
                              const float* saved_inv_std, bool relu, Accumulate accumulate, int64_t rows,
                              int64_t channels) {
  using namespace batchnorm;
  if (channels == 0) return;
  const Chunks chunks = chunks_of<act>(rows, channels);
  constexpr int kWidth = kPackOf<act>;
  const act* mask = relu ? y : nullptr;
  const bool sums = dx != nullptr || dweight != nullptr;
  auto* partials = static_cast<float*>(workspace((3 + 2 * chunks.count) * channels * int64_t(sizeof(float))));
  float* scale = partials + 2 * chunks.count * channels;
  const Slopes slopes = dx ? Slopes{scale, scale + channels, scale + 2 * channels} : Slopes{};
  run_first_pass<act>({.partials = sums ? partials : nullptr,
                       .dresidual = dresidual,
                       .dy = dy,
                       .x = x,
                       .y = mask,
                       .mean = saved_mean,
                       .chunk_rows = chunks.rows,
                       .rows = rows,
                       .channels = channels},
                      chunks.count);
  if (!sums) return;
  run_gradients({.dweight = dweight,
                 .dbias = dbias,
                 .partials = partials,
                 .weight = weight,
                 .inv_std = saved_inv_std,
                 .accumulate = accumulate == Accumulate::yes,
                 .slopes = slopes,
                 .chunks = chunks.count,
                 .rows = rows,
                 .channels = channels});
  if (!dx) return;
  // The first pass has left g in dresidual, which spares this one the mask.
  const act* g = dresidual ? dresidual : dy;
  if (dresidual) mask = nullptr;
  const auto run = [&](auto kernel, dim3 grid) {
    launch(kernel, grid, block_shape<act>(channels), 0, current_stream(), dx, g, x, mask, saved_mean, slopes,
           rows, channels);
  };
  const int64_t row_blocks = apply_row_blocks<act>(rows, channels);
  if (channels % kWidth == 0 && allow_packs_of<kWidth>(dx, g, x, mask, saved_mean)) {
    run(data_gradient_kernel<kWidth, act>, grid_shape<act, kWidth>(channels, row_blocks));
  } else {
    run(data_gradient_kernel<1, act>, grid_shape<act, 1>(channels, row_blocks));
  }
}
SIGNET_INSTANTIATE_ACTIVATIONS(batchnorm_backward_train);

template <class act>
void batchnorm_backward_eval(act* dx, act* dresidual, float* dweight, float* dbias, const act* dy,
                             const act* x, const act* y, const float* weight, const float* running_mean,
                             const float* running_var, double eps, bool relu, Accumulate accumulate,
                             int64_t rows, int64_t channels) {
  using namespace batchnorm;
  if (channels == 0) return;
  const Chunks chunks = chunks_of<act>(rows, channels);
  float* partials =
      dweight ? static_cast<float*>(workspace((1 + 2 * chunks.count) * channels * int64_t(sizeof(float))))
              : nullptr;
  run_first_pass<act>({.partials = partials,
                       .dx = dx,
                       .dresidual = dresidual,
                       .dy = dy,
                       .x = dweight ? x : nullptr,
                       .y = relu ? y : nullptr,
                       .mean = running_mean,
                       .weight = weight,
                       .variance = running_var,
                       .eps = float(eps),
                       .chunk_rows = chunks.rows,
                       .rows = rows,
                       .channels = channels},
                      chunks.count);
  if (!dweight) return;
  run_gradients({.dweight = dweight,
                 .dbias = dbias,
                 .partials = partials,
                 .weight = weight,
                 .variance = running_var,
                 .eps = eps,
                 .accumulate = accumulate == Accumulate::yes,
                 .chunks = chunks.count,
                 .rows = rows,
                 .channels = channels});
}
SIGNET_INSTANTIATE_ACTIVATIONS(batchnorm_backward_eval);

}  // namespace signet::cuda
