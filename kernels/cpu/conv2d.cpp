// The forward convolution as a matrix product over gathered pixels: rows are output pixels, columns output
// channels, and k runs over the filter in the order of its memory (kernel row, kernel column, channel). Where
// its shape suits, it is made by Winograd's algorithm instead, or from strips of the image.

#include <algorithm>

#include "kernels/cpu/conv_algorithm.h"
#include "kernels/cpu/gather_gemm.h"
#include "kernels/cpu/rgb_conv.h"
#include "kernels/cpu/winograd.h"
#include "kernels/kernels.h"

namespace signet::cpu {

namespace {

WinogradConv by_tiles(const Conv2dShape& s) {
  return {.batch = s.batch,
          .height = s.in_height,
          .width = s.in_width,
          .channels = s.in_channels,
          .columns = s.out_channels,
          .padding = s.padding};
}

/// The product without its weights and what follows it.
GatherGemm by_windows(const Conv2dShape& s) {
  const int64_t out_height = s.out_height(), out_width = s.out_width();
  GatherGemm problem{.left = {.height = s.in_height,
                              .width = s.in_width,
                              .channels = s.in_channels,
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

/// Weights as they are stored, or as they were prepared.
struct Weights {
  const float* stored = nullptr;
  const float* prepared = nullptr;
};

void convolve(float* y, const float* x, const Weights& weights, const float* bias, const float* residual,
              bool relu, const Conv2dShape& s) {
  const auto store = [&](auto& problem) {
    problem.out = y;
    problem.bias = bias;
    problem.residual = residual;
    problem.relu = relu;
  };
  const ConvAlgorithm algorithm = conv_algorithm(ConvPass::forward, s);
  if (algorithm == ConvAlgorithm::image_strips) {
    return rgb_forward(y, x, weights.stored ? weights.stored : weights.prepared, bias, residual, relu, s);
  }
  if (algorithm == ConvAlgorithm::winograd) {
    WinogradConv tiles = by_tiles(s);
    tiles.x = x;
    tiles.w = weights.stored;
    tiles.filters = weights.prepared;
    store(tiles);
    return winograd(tiles);
  }
  GatherGemm windows = by_windows(s);
  windows.left.x = x;
  windows.right = weights.stored;
  windows.panels = weights.prepared;
  store(windows);
  gather_gemm(windows);
}

}  // namespace

void conv2d_forward(float* y, const float* x, const float* w, const float* bias, const float* residual,
                    bool relu, const Conv2dShape& s) {
  convolve(y, x, {.stored = w}, bias, residual, relu, s);
}

void conv2d_prepare(float* prepared, const float* w, const Conv2dShape& s) {
  const ConvAlgorithm algorithm = conv_algorithm(ConvPass::forward, s);
  if (algorithm == ConvAlgorithm::image_strips) {
    std::copy_n(w, s.weight_size(), prepared);
    return;
  }
  if (algorithm == ConvAlgorithm::winograd) {
    WinogradConv tiles = by_tiles(s);
    tiles.w = w;
    return winograd_transform_filters(prepared, tiles);
  }
  GatherGemm windows = by_windows(s);
  windows.right = w;
  gather_gemm_pack(prepared, windows);
}

void conv2d_forward_prepared(float* y, const float* x, const float* prepared, const float* bias,
                             const float* residual, bool relu, const Conv2dShape& s) {
  convolve(y, x, {.prepared = prepared}, bias, residual, relu, s);
}

}  // namespace signet::cpu
