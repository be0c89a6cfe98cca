// Pooling over NHWC planes. Neighbouring threads take neighbouring channels, so that every access is
// coalesced, and four channels each where the layout allows it: an index is 4 bytes, whatever x is. Grids are
// (places in a row of the plane, rows of all images).

#include "kernels/cuda/rows.cuh"
#include "kernels/instantiate.h"

namespace signet::cuda {
namespace {

constexpr int kThreads = 128;

/// Pool2dShape with what follows from it worked out. Places in one plane fit int32 (`index` holds them).
struct Pool {
  int64_t batch;
  int in_height, in_width, out_height, out_width;
  int64_t channels;
  int kernel, stride, padding;
};

Pool pool(const Pool2dShape& s) {
  return {.batch = s.batch,
          .in_height = int(s.in_height),
          .in_width = int(s.in_width),
          .out_height = int(s.out_height()),
          .out_width = int(s.out_width()),
          .channels = s.channels,
          .kernel = int(s.kernel),
          .stride = int(s.stride),
          .padding = int(s.padding)};
}

// The search starts at the window's first pixel inside the plane and moves on for a greater value, or for
// NaN.
template <int kWidth, class act>
__global__ void maxpool_forward_kernel(act* y, int32_t* index, const act* __restrict__ x, bool relu, Pool s) {
  const int64_t item = kWidth * thread_in_grid();
  if (item >= s.out_width * s.channels) return;
  const int ox = int(item / s.channels);
  const int64_t channel = item - ox * s.channels;
  const int left = max(ox * s.stride - s.padding, 0),
            right = min(ox * s.stride - s.padding + s.kernel, s.in_width);
  for (int64_t row = blockIdx.y; row < s.batch * s.out_height; row += gridDim.y) {
    const int64_t image = row / s.out_height;
    const int oy = int(row - image * s.out_height);
    const int top = max(oy * s.stride - s.padding, 0),
              bottom = min(oy * s.stride - s.padding + s.kernel, s.in_height);
    const act* plane = x + image * s.in_height * s.in_width * s.channels + channel;
    Pack<int32_t, kWidth> place;
    for (int j = 0; j < kWidth; ++j) place.v[j] = top * s.in_width + left;
    auto best = load_floats<kWidth>(plane + int64_t(place.v[0]) * s.channels);
    for (int iy = top; iy < bottom; ++iy) {
      for (int ix = left; ix < right; ++ix) {
        const int here = iy * s.in_width + ix;
        const auto values = load_floats<kWidth>(plane + int64_t(here) * s.channels);
        for (int j = 0; j < kWidth; ++j) {
          const float value = values.v[j];
          const bool take = value > best.v[j] || value != value;
          best.v[j] = take ? value : best.v[j];
          place.v[j] = take ? here : place.v[j];
        }
      }
    }
    for (int j = 0; j < kWidth; ++j) {
      const bool cut = relu && best.v[j] <= 0;  // not NaN
      best.v[j] = cut ? 0 : best.v[j];
      place.v[j] = cut ? -1 : place.v[j];
    }
    const int64_t out = row * s.out_width * s.channels + item;
    store(y + out, best);
    if (index) store(index + out, place);
  }
}

// Each input pixel gathers from the windows that reach it, in their order: no atomics, and the same bits each
// time.
template <int kWidth, class act>
__global__ void maxpool_backward_kernel(act* dx, const act* __restrict__ dy,
                                        const int32_t* __restrict__ index, Pool s) {
  const int64_t item = kWidth * thread_in_grid();
  if (item >= s.in_width * s.channels) return;
  const int ix = int(item / s.channels);
  const int64_t channel = item - ix * s.channels;
  // Window w covers [w * stride - padding, w * stride - padding + kernel).
  const auto first_window = [&](int i) {
    const int distance = i + s.padding - s.kernel;
    return distance < 0 ? 0 : distance / s.stride + 1;
  };
  const auto end_window = [&](int i, int windows) { return min((i + s.padding) / s.stride + 1, windows); };
  const int left = first_window(ix), right = end_window(ix, s.out_width);
  for (int64_t row = blockIdx.y; row < s.batch * s.in_height; row += gridDim.y) {
    const int64_t image = row / s.in_height;
    const int iy = int(row - image * s.in_height);
    const int top = first_window(iy), bottom = end_window(iy, s.out_height);
    const int64_t plane = image * s.out_height * s.out_width * s.channels + channel;
    const int here = iy * s.in_width + ix;
    Pack<float, kWidth> sum{};
    for (int oy = top; oy < bottom; ++oy) {
      for (int ox = left; ox < right; ++ox) {
        const int64_t at = plane + (int64_t(oy) * s.out_width + ox) * s.channels;
        const auto places = load<kWidth>(index + at);
        const auto gradients = load_floats<kWidth>(dy + at);
        for (int j = 0; j < kWidth; ++j) sum.v[j] += places.v[j] == here ? gradients.v[j] : 0;
      }
    }
    store(dx + row * s.in_width * s.channels + item, sum);
  }
}

dim3 grid_of(int64_t rows, int64_t places, bool packed) {
  return {unsigned(ceil_div(packed ? places / 4 : places, kThreads)),
          unsigned(std::min(rows, kMostGridRows))};
}

struct StoreMean {
  float* y;
  double count;
  __device__ void operator()(int64_t place, double sum) const { y[place] = float(sum / count); }
};

}  // namespace

template <class act>
void maxpool_forward(act* y, int32_t* index, const act* x, bool relu, const Pool2dShape& s) {
  if (s.out_size() == 0) return;
  const bool packed = s.channels % 4 == 0 && allow_packs(y, index, x);
  launch(packed ? maxpool_forward_kernel<4, act> : maxpool_forward_kernel<1, act>,
         grid_of(s.batch * s.out_height(), s.out_width() * s.channels, packed), dim3(kThreads), 0,
         current_stream(), y, index, x, relu, pool(s));
}
SIGNET_INSTANTIATE_ACTIVATIONS(maxpool_forward);

template <class act>
void maxpool_backward(act* dx, const act* dy, const int32_t* index, const Pool2dShape& s) {
  const bool packed = s.channels % 4 == 0 && allow_packs(dx, dy, index);
  launch(packed ? maxpool_backward_kernel<4, act> : maxpool_backward_kernel<1, act>,
         grid_of(s.batch * s.in_height, s.in_width * s.channels, packed), dim3(kThreads), 0, current_stream(),
         dx, dy, index, pool(s));
}
SIGNET_INSTANTIATE_ACTIVATIONS(maxpool_backward);

template <class act>
void global_avgpool_forward(float* y, const act* x, int64_t batch, int64_t pixels, int64_t channels) {
  sum_row_chunks(x, batch * pixels, channels, pixels, batch, StoreMean{y, double(pixels)});
}
SIGNET_INSTANTIATE_ACTIVATIONS(global_avgpool_forward);

template <class act>
void global_avgpool_backward(act* dx, const float* dy, int64_t batch, int64_t pixels, int64_t channels) {
  spread_rows(dx, dy, batch, pixels, channels, float(pixels));
}
SIGNET_INSTANTIATE_ACTIVATIONS(global_avgpool_backward);

}  // namespace signet::cuda
