// A convolution with ReLU and a max-pool, one after the other.

#include <vector>

#include "kernels/ref/scalar.h"

namespace signet::ref {
namespace {

/// Calls body(window, top left pixel of the plane) for each window and channel.
template <class Body>
void for_windows(const Pool2dShape& s, const Body& body) {
  for (int64_t i = 0; i < s.out_size(); ++i) {
    const int64_t window = i / s.channels, x = window % s.out_width();
    const int64_t y = window / s.out_width() % s.out_height();
    body(i, 2 * (y * s.in_width + x));
  }
}

}  // namespace

template <class act>
void conv2d_relu_maxpool_forward(act* y, uint8_t* places, act* between, const act* x, const Real<act>* w,
                                 const Real<act>* bias, const Conv2dShape& s) {
  const act* no_residual = nullptr;
  const Pool2dShape pool = s.pooled();
  std::vector<int32_t> index(size_t(pool.out_size()));
  conv2d_forward(between, x, w, bias, no_residual, false, s);
  maxpool_forward(y, index.data(), between, true, pool);
  if (!places) return;
  for_windows(pool, [&](int64_t i, int64_t pixel) {
    const int64_t place = index[size_t(i)] - pixel, row = place >= pool.in_width ? 1 : 0;
    places[i] = index[size_t(i)] < 0 ? kNowhere : uint8_t(2 * row + place - row * pool.in_width);
  });
}
SIGNET_INSTANTIATE_ACTIVATIONS(conv2d_relu_maxpool_forward);

template <class act>
void conv2d_relu_maxpool_backward(act* dx, Real<act>* dw, Real<act>* dbias, act* between, const act* dy,
                                  const uint8_t* places, const act* x, const Real<act>* w,
                                  Accumulate accumulate_dx, Accumulate accumulate_dw,
                                  Accumulate accumulate_dbias, const Conv2dShape& s) {
  const Pool2dShape pool = s.pooled();
  std::vector<int32_t> index(size_t(pool.out_size()));
  for_windows(pool, [&](int64_t i, int64_t pixel) {
    index[size_t(i)] =
        places[i] == kNowhere ? -1 : int32_t(pixel + places[i] / 2 * pool.in_width + places[i] % 2);
  });
  maxpool_backward(between, dy, index.data(), pool);
  if (dbias) sum_rows(dbias, between, s.out_size() / s.out_channels, s.out_channels, accumulate_dbias);
  if (dw) conv2d_backward_weight(dw, between, x, accumulate_dw, s);
  if (dx) conv2d_backward_data(dx, between, w, accumulate_dx, s);
}
SIGNET_INSTANTIATE_ACTIVATIONS(conv2d_relu_maxpool_backward);

}  // namespace signet::ref
