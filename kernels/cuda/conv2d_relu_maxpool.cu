// A convolution with ReLU and a max-pool of 2x2 windows: the convolution, and the pool over its result. A
// thread of the pool has a window of as many channels as make a pack, and so does one of its gradient, which
// also writes the pixels in no window: they are those of windows beyond the last.

#include "kernels/cuda/rows.cuh"
#include "kernels/instantiate.h"

namespace signet::cuda {
namespace {

constexpr int kThreads = 128;

/// Planes of height x width x channels, and their windows, of which `down` x `across` are counted.
struct Windows {
  int64_t batch;
  int height, width, down, across;
  int64_t channels;
};

template <int kWidth, class act>
__global__ void pool_windows_kernel(act* y, uint8_t* places, const act* __restrict__ x, Windows s) {
  const int64_t item = kWidth * thread_in_grid();
  if (item >= s.across * s.channels) return;
  const int64_t column = item / s.channels, channel = item - column * s.channels;
  for (int64_t row = blockIdx.y; row < s.batch * s.down; row += gridDim.y) {
    const int64_t image = row / s.down, line = image * s.height + 2 * (row - image * s.down);
    const act* first = x + (line * s.width + 2 * column) * s.channels + channel;
    auto best = load_floats<kWidth>(first);
    Pack<uint8_t, kWidth> place{};
#pragma unroll
    for (int i = 1; i < 4; ++i) {
      const auto values = load_floats<kWidth>(first + (i / 2 * s.width + i % 2) * s.channels);
      for (int j = 0; j < kWidth; ++j) {
        const float value = values.v[j];
        const bool take = value > best.v[j] || value != value;
        best.v[j] = take ? value : best.v[j];
        place.v[j] = take ? uint8_t(i) : place.v[j];
      }
    }
    for (int j = 0; j < kWidth; ++j) {
      const bool cut = best.v[j] <= 0;  // not NaN
      best.v[j] = cut ? 0 : best.v[j];
      place.v[j] = cut ? kNowhere : place.v[j];
    }
    const int64_t out = row * s.across * s.channels + item;
    store(y + out, best);
    if (places) store(places + out, place);
  }
}

template <int kWidth, class act>
__global__ void spread_windows_kernel(act* dx, const act* __restrict__ dy, const uint8_t* __restrict__ places,
                                      Windows s) {
  const int64_t item = kWidth * thread_in_grid();
  if (item >= s.across * s.channels) return;
  const int64_t column = item / s.channels, channel = item - column * s.channels;
  const int windows_down = s.height / 2, windows_across = s.width / 2;
  for (int64_t row = blockIdx.y; row < s.batch * s.down; row += gridDim.y) {
    const int64_t image = row / s.down;
    const int down = int(row - image * s.down);
    const bool whole = down < windows_down && column < windows_across;
    Pack<float, kWidth> gradient{};
    Pack<uint8_t, kWidth> place;
    for (int j = 0; j < kWidth; ++j) place.v[j] = kNowhere;
    if (whole) {
      const int64_t at = ((image * windows_down + down) * windows_across + column) * s.channels + channel;
      gradient = load_floats<kWidth>(dy + at);
      place = load<kWidth>(places + at);
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int iy = 2 * down + i / 2;
      const int64_t ix = 2 * column + i % 2;
      if (iy >= s.height || ix >= s.width) continue;
      Pack<float, kWidth> pixel;
      for (int j = 0; j < kWidth; ++j) pixel.v[j] = place.v[j] == i ? gradient.v[j] : 0;
      store(dx + ((image * s.height + iy) * s.width + ix) * s.channels + channel, pixel);
    }
  }
}

/// The windows of y, or all that a pixel of it lies in.
Windows windows(const Conv2dShape& s, bool all) {
  const int height = int(s.out_height()), width = int(s.out_width());
  return {s.batch, height, width, (height + all) / 2, (width + all) / 2, s.out_channels};
}

dim3 grid_of(const Windows& s, bool packed) {
  const int64_t items = s.across * s.channels;
  return {unsigned(ceil_div(packed ? items / 4 : items, kThreads)),
          unsigned(std::min(s.batch * s.down, kMostGridRows))};
}

}  // namespace

template <class act>
void conv2d_relu_maxpool_forward(act* y, uint8_t* places, act* between, const act* x, const float* w,
                                 const float* bias, const Conv2dShape& s) {
  if (s.batch == 0) return;
  const act* no_residual = nullptr;
  conv2d_forward(between, x, w, bias, no_residual, false, s);
  const Windows all = windows(s, false);
  const bool packed = all.channels % 4 == 0 && allow_packs(y, places, between);
  launch(packed ? pool_windows_kernel<4, act> : pool_windows_kernel<1, act>, grid_of(all, packed),
         dim3(kThreads), 0, current_stream(), y, places, between, all);
}
SIGNET_INSTANTIATE_ACTIVATIONS(conv2d_relu_maxpool_forward);

template <class act>
void conv2d_relu_maxpool_backward(act* dx, float* dw, float* dbias, act* between, const act* dy,
                                  const uint8_t* places, const act* x, const float* w,
                                  Accumulate accumulate_dx, Accumulate accumulate_dw,
                                  Accumulate accumulate_dbias, const Conv2dShape& s) {
  if (s.batch > 0) {
    const Windows all = windows(s, true);
    const bool packed = all.channels % 4 == 0 && allow_packs(between, dy, places);
    launch(packed ? spread_windows_kernel<4, act> : spread_windows_kernel<1, act>, grid_of(all, packed),
           dim3(kThreads), 0, current_stream(), between, dy, places, all);
  }
  if (dbias) sum_rows(dbias, between, s.out_size() / s.out_channels, s.out_channels, accumulate_dbias);
  if (dw) conv2d_backward_weight(dw, between, x, accumulate_dw, s);
  if (dx) conv2d_backward_data(dx, between, w, accumulate_dx, s);
}
SIGNET_INSTANTIATE_ACTIVATIONS(conv2d_relu_maxpool_backward);

}  // namespace signet::cuda
