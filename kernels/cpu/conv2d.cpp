// The forward convolution as a matrix product over gathered pixels: rows are output pixels, columns output
// channels, and k runs over the filter in the order of its memory (kernel row, kernel column, channel). Where
// its shape suits, it is made by Winograd's algorithm instead, or from strips of the image.

#include "kernels/cpu/gather_gemm.h"
#include "kernels/cpu/rgb_conv.h"
#include "kernels/cpu/winograd.h"
#include "kernels/kernels.h"

namespace signet::cpu {

void conv2d_forward(float* y, const float* x, const float* w, const float* bias, const float* residual,
                    bool relu, const Conv2dShape& s) {
  if (rgb_suits(s)) return rgb_forward(y, x, w, bias, residual, relu, s);
  const WinogradConv by_tiles{.x = x,
                              .batch = s.batch,
                              .height = s.in_height,
                              .width = s.in_width,
                              .channels = s.in_channels,
                              .columns = s.out_channels,
                              .padding = s.padding,
                              .w = w,
                              .out = y,
                              .bias = bias,
                              .residual = residual,
                              .relu = relu};
  if (winograd_suits(by_tiles, s)) return winograd(by_tiles);
  const int64_t out_height = s.out_height(), out_width = s.out_width();
  GatherGemm problem{.left = {.x = x,
                              .height = s.in_height,
                              .width = s.in_width,
                              .channels = s.in_channels,
                              .grid_height = out_height,
                              .grid_width = out_width,
                              .step = s.stride},
                     .rows = s.batch * out_height * out_width,
                     .columns = s.out_channels,
                     .right = w,
                     .right_column_stride = s.kernel_height * s.kernel_width * s.in_channels,
                     .out = y,
                     .image_stride = out_height * out_width * s.out_channels,
                     .line_stride = out_width * s.out_channels,
                     .pixel_stride = s.out_channels,
                     .bias = bias,
                     .residual = residual,
                     .relu = relu};
  for (int64_t ky = 0; ky < s.kernel_height; ++ky)
    for (int64_t kx = 0; kx < s.kernel_width; ++kx)
      problem.left.add_tap({.dy = ky * s.dilation - s.padding,
                            .dx = kx * s.dilation - s.padding,
                            .offset = (ky * s.kernel_width + kx) * s.in_channels});
  gather_gemm(problem);
}

}  // namespace signet::cpu
