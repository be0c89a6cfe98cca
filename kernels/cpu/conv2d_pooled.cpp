// A convolution with ReLU and a max-pool of 2x2 windows. What lies between is the largest image of a small
// network, and writing and reading it in both passes took a seventh of a training step: Winograd's tiles and
// strips of an image are pooled where they are made, and in the backward pass pixels come from their window's
// gradient as they are read. For other algorithms a few images of it are made at a time, which stay in the
// cache.

#include "kernels/cpu/conv2d_pooled.h"

#include <algorithm>
#include <type_traits>

#include "kernels/cpu/activations.h"
#include "kernels/cpu/bf16_products.h"
#include "kernels/cpu/chunks.h"
#include "kernels/cpu/scratch.h"

namespace signet::cpu {

template <class act>
bool pools(ConvPass pass, const Conv2dShape& s) {
  return (std::is_same_v<act, float> || has_bf16_products()) &&
         conv_algorithm(pass, s) != ConvAlgorithm::implicit_gemm;
}
template bool pools<float>(ConvPass, const Conv2dShape&);
template bool pools<BFloat16>(ConvPass, const Conv2dShape&);

namespace {

/// Calls body(first, part, between, index) for a few images at a time, from `first` on: `part` is the shape
/// with these alone, `between` and `index` are room for part.out_size() activations and for the indices of
/// maxpool_forward.
template <class act, class Body>
void for_groups(const Conv2dShape& s, const Body& body) {
  constexpr int64_t kCached = int64_t{2} << 20;
  Conv2dShape part = s;
  part.batch = 1;
  const int64_t image = part.out_size(), windows = part.pooled().out_size();
  const int64_t group =
      std::clamp<int64_t>(kCached / int64_t(sizeof(act)) / image, 1, std::max<int64_t>(1, s.batch));
  for (int64_t first = 0; first < s.batch; first += group) {
    part.batch = std::min(group, s.batch - first);
    float* room = scratch(Scratch::between, group * (image + windows));
    body(first, part, reinterpret_cast<act*>(room), reinterpret_cast<int32_t*>(room + group * image));
  }
}

/// Calls body(window, top left pixel of the plane) for each window of some images.
template <class Body>
void for_windows(const Pool2dShape& s, const Body& body) {
  const int64_t height = s.out_height(), width = s.out_width();
  parallel_for(s.batch * height, [&](int64_t row) {
    for (int64_t x = 0; x < width; ++x)
      body((row * width + x) * s.channels, int32_t(2 * (row % height * s.in_width + x)));
  });
}

}  // namespace

template <class act>
void conv2d_relu_maxpool_forward(act* y, uint8_t* places, act* /*between*/, const act* x, const float* w,
                                 const float* bias, const Conv2dShape& s) {
  if (pools<act>(ConvPass::forward, s)) return convolve_and_pool(y, places, x, w, bias, s);
  for_groups<act>(s, [&](int64_t first, const Conv2dShape& part, act* between, int32_t* index) {
    const Pool2dShape pool = part.pooled();
    const int64_t out = first * (pool.out_size() / part.batch);
    conv2d_forward<act>(between, x + first * (part.in_size() / part.batch), w, bias, nullptr, false, part);
    maxpool_forward(y + out, places ? index : nullptr, between, true, pool);
    if (!places) return;
    for_windows(pool, [&](int64_t window, int32_t pixel) {
      const auto next_line = int32_t(pool.in_width);
      for (int64_t i = window; i < window + pool.channels; ++i) {
        const int32_t place = index[i] - pixel;
        places[out + i] =
            index[i] < 0 ? kNowhere : uint8_t(place < next_line ? place : 2 + place - next_line);
      }
    });
  });
}
SIGNET_INSTANTIATE_ACTIVATIONS(conv2d_relu_maxpool_forward);

template <class act>
void conv2d_relu_maxpool_backward(act* dx, float* dw, float* dbias, act* /*between*/, const act* dy,
                                  const uint8_t* places, const act* x, const float* w,
                                  Accumulate accumulate_dx, Accumulate accumulate_dw,
                                  Accumulate accumulate_dbias, const Conv2dShape& s) {
  if (dbias)
    sum_placed_rows(dbias, dy, places, s.pooled().out_size() / s.out_channels, s.out_channels,
                    accumulate_dbias);
  if (s.batch == 0) {
    if (dw) conv2d_backward_weight(dw, dy, x, accumulate_dw, s);
    return;
  }
  const bool data_pools = dx && pools<act>(ConvPass::backward_data, s);
  const bool weight_pools = dw && pools<act>(ConvPass::backward_weight, s);
  if (weight_pools) pooled_backward_weight(dw, dy, places, x, accumulate_dw, s);
  if (data_pools) pooled_backward_data(dx, dy, places, w, accumulate_dx, s);
  if ((!dx || data_pools) && (!dw || weight_pools)) return;
  for_groups<act>(s, [&](int64_t first, const Conv2dShape& part, act* between, int32_t* index) {
    const Pool2dShape pool = part.pooled();
    const int64_t in = first * (part.in_size() / part.batch), out = first * (pool.out_size() / part.batch);
    for_windows(pool, [&](int64_t window, int32_t pixel) {
      for (int64_t i = window; i < window + pool.channels; ++i) {
        const int32_t place = places[out + i];
        index[i] = place == kNowhere ? -1 : pixel + place / 2 * int32_t(pool.in_width) + place % 2;
      }
    });
    maxpool_backward(between, dy + out, index, pool);
    if (dw && !weight_pools)
      conv2d_backward_weight(dw, between, x + in, first == 0 ? accumulate_dw : Accumulate::yes, part);
    if (dx && !data_pools) conv2d_backward_data(dx + in, between, w, accumulate_dx, part);
  });
}
SIGNET_INSTANTIATE_ACTIVATIONS(conv2d_relu_maxpool_backward);

}  // namespace signet::cpu
