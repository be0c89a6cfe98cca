// The forward convolution as a matrix product over gathered pixels: rows are output pixels, columns output
// channels, and k runs over the filter in the order of its memory (kernel row, kernel column, channel). Where
// its shape suits, it is made by Winograd's algorithm instead, or from strips of the image.

#include <algorithm>
#include <type_traits>

#include "kernels/cpu/activations.h"
#include "kernels/cpu/bf16_products.h"
#include "kernels/cpu/conv2d_pooled.h"
#include "kernels/cpu/conv_algorithm.h"
#include "kernels/cpu/gather_gemm.h"
#include "kernels/cpu/rgb_conv.h"
#include "kernels/cpu/winograd.h"
#include "kernels/kernels.h"

namespace signet::cpu {

namespace {

template <class act>
WinogradConv<act> by_tiles(const Conv2dShape& s) {
  return {.batch = s.batch,
          .height = s.in_height,
          .width = s.in_width,
          .channels = s.in_channels,
          .columns = s.out_channels,
          .padding = s.padding};
}

/// The product without its weights and what follows it.
template <class act>
GatherGemm<act> by_windows(const Conv2dShape& s) {
  const int64_t out_height = s.out_height(), out_width = s.out_width();
  GatherGemm<act> problem{.left = {.height = s.in_height,
                                   .width = s.in_width,
                                   .channels = s.in_channels / kPerSlot<act>,
                                   .grid_height = out_height,
                                   .grid_width = out_width,
                                   .step = s.stride},
                          .rows = s.batch * out_height * out_width,
                          .columns = s.out_channels,
                          .right_column_stride = s.kernel_height * s.kernel_width * s.in_channels,
                          .image_stride = out_height * out_width * s.out_channels,
                          .line_stride = out_width * s.out_channels,
                          .pixel_stride = s.out_channels};
  for (int64_t ky = 0; ky < s.kernel_height; ++ky)
    for (int64_t kx = 0; kx < s.kernel_width; ++kx)
      problem.left.add_tap({.dy = ky * s.dilation - s.padding,
                            .dx = kx * s.dilation - s.padding,
                            .offset = (ky * s.kernel_width + kx) * s.in_channels});
  return problem;
}

/// Whether the convolution is computed of `act` as it is. Pairs are neighbouring channels, of which there
/// have to be an even number, or the colours of an image.
template <class act>
bool takes(const Conv2dShape& s) {
  return std::is_same_v<act, float> ||
         (has_bf16_products() && (s.in_channels % kPerSlot<act> == 0 ||
                                  conv_algorithm(ConvPass::forward, s) == ConvAlgorithm::image_strips));
}

/// Weights as they are stored, or as they were prepared.
struct Weights {
  const float* stored = nullptr;
  const float* prepared = nullptr;
};

template <class act>
void convolve(act* y, const act* x, const Weights& weights, const float* bias, const act* residual, bool relu,
              const Conv2dShape& s) {
  if constexpr (std::is_same_v<act, BFloat16>) {
    if (!takes<act>(s)) {
      return for_few_images(s, [&](int64_t first, const Conv2dShape& part, float* wide_x, float* wide_y) {
        const int64_t in = first * (part.in_size() / part.batch),
                      out = first * (part.out_size() / part.batch);
        from_bf16(wide_x, x + in, part.in_size());
        if (residual) from_bf16(wide_y, residual + out, part.out_size());
        convolve(wide_y, wide_x, weights, bias, residual ? wide_y : nullptr, relu, part);
        to_bf16(y + out, wide_y, part.out_size());
      });
    }
  }
  const auto store = [&](auto& problem) {
    problem.out = y;
    problem.bias = bias;
    problem.residual = residual;
    problem.relu = relu;
  };
  const ConvAlgorithm algorithm = conv_algorithm(ConvPass::forward, s);
  if (algorithm == ConvAlgorithm::image_strips) {
    const RgbConv<act> strips{.y = y, .x = x, .bias = bias, .residual = residual, .relu = relu};
    return rgb_forward(strips, weights.stored ? weights.stored : weights.prepared, s);
  }
  if (algorithm == ConvAlgorithm::winograd) {
    WinogradConv<act> tiles = by_tiles<act>(s);
    tiles.x = x;
    tiles.w = weights.stored;
    tiles.taps = weights.prepared;
    store(tiles);
    return winograd(tiles);
  }
  GatherGemm<act> windows = by_windows<act>(s);
  windows.left.x = reinterpret_cast<const float*>(x);
  windows.right = weights.stored;
  windows.panels = weights.prepared;
  store(windows);
  gather_gemm(windows);
}

}  // namespace

template <class act>
void conv2d_forward(act* y, const act* x, const float* w, const float* bias, const act* residual, bool relu,
                    const Conv2dShape& s) {
  convolve(y, x, {.stored = w}, bias, residual, relu, s);
}

namespace {
template <class act>
void prepare(float* prepared, const float* w, const Conv2dShape& s) {
  const ConvAlgorithm algorithm = conv_algorithm(ConvPass::forward, s);
  if (algorithm == ConvAlgorithm::image_strips) {
    std::copy_n(w, s.weight_size(), prepared);
    return;
  }
  if (algorithm == ConvAlgorithm::winograd) {
    WinogradConv<act> tiles = by_tiles<act>(s);
    tiles.w = w;
    return winograd_pack_taps(prepared, tiles);
  }
  GatherGemm<act> windows = by_windows<act>(s);
  windows.right = w;
  gather_gemm_pack(prepared, windows);
}
}  // namespace

template <class act>
void conv2d_prepare(act* prepared, const float* w, const Conv2dShape& s) {
  auto* floats = reinterpret_cast<float*>(prepared);
  takes<act>(s) ? prepare<act>(floats, w, s) : prepare<float>(floats, w, s);
}

template <class act>
void conv2d_forward_prepared(act* y, const act* x, const act* prepared, const float* bias,
                             const act* residual, bool relu, const Conv2dShape& s) {
  convolve(y, x, {.prepared = reinterpret_cast<const float*>(prepared)}, bias, residual, relu, s);
}

template <class act>
void convolve_and_pool(act* y, uint8_t* places, const act* x, const float* w, const float* bias,
                       const Conv2dShape& s) {
  if (conv_algorithm(ConvPass::forward, s) == ConvAlgorithm::image_strips)
    return rgb_forward<act>({.y = y, .x = x, .bias = bias, .pooled = true, .places = places}, w, s);
  WinogradConv<act> tiles = by_tiles<act>(s);
  tiles.x = x;
  tiles.w = w;
  tiles.out = y;
  tiles.bias = bias;
  tiles.pooled = true;
  tiles.pool_places = places;
  winograd(tiles);
}

SIGNET_INSTANTIATE_ACTIVATIONS(convolve_and_pool);
SIGNET_INSTANTIATE_ACTIVATIONS(conv2d_forward);
SIGNET_INSTANTIATE_ACTIVATIONS(conv2d_prepare);
SIGNET_INSTANTIATE_ACTIVATIONS(conv2d_forward_prepared);

}  // namespace signet::cpu
