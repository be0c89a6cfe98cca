// The gradient by the data is a convolution of dy with the transposed filter. With stride s, the pixels of dx
// fall into s * s phases: row iy receives from output row oy through kernel row ky where
//   oy * s = iy + padding - ky * dilation,
// so every phase iy % s sees its own subset of the filter's rows, at unit steps through dy. Phases that no
// tap reaches are products over nothing: zeros.

#include <algorithm>
#include <type_traits>

#include "kernels/cpu/activations.h"
#include "kernels/cpu/bf16_products.h"
#include "kernels/cpu/conv2d_pooled.h"
#include "kernels/cpu/conv_algorithm.h"
#include "kernels/cpu/gather_gemm.h"
#include "kernels/cpu/winograd.h"
#include "kernels/kernels.h"

namespace signet::cpu {

namespace {
/// By tiles of dy, or of what a pool's gradient spreads to it.
template <class act>
WinogradConv<act> by_tiles(act* dx, const act* dy, const uint8_t* places, const float* w,
                           Accumulate accumulate, const Conv2dShape& s) {
  return {.x = dy,
          .batch = s.batch,
          .height = s.out_height(),
          .width = s.out_width(),
          .channels = s.out_channels,
          .columns = s.in_channels,
          .padding = 2 - s.padding,
          .w = w,
          .transposed = true,
          .out = dx,
          .residual = accumulate == Accumulate::yes ? dx : nullptr,
          .places = places};
}
}  // namespace

template <class act>
void pooled_backward_data(act* dx, const act* dy, const uint8_t* places, const float* w,
                          Accumulate accumulate, const Conv2dShape& s) {
  winograd(by_tiles(dx, dy, places, w, accumulate, s));
}
SIGNET_INSTANTIATE_ACTIVATIONS(pooled_backward_data);

template <class act>
void conv2d_backward_data(act* dx, const act* dy, const float* w, Accumulate accumulate,
                          const Conv2dShape& s) {
  const bool adds = accumulate == Accumulate::yes;
  if constexpr (std::is_same_v<act, BFloat16>) {
    // Pairs are neighbouring channels of dy.
    if (!has_bf16_products() || s.out_channels % kPerSlot<act> != 0) {
      return for_few_images(s, [&](int64_t first, const Conv2dShape& part, float* wide_dx, float* wide_dy) {
        act* to = dx + first * (part.in_size() / part.batch);
        from_bf16(wide_dy, dy + first * (part.out_size() / part.batch), part.out_size());
        if (adds) from_bf16(wide_dx, to, part.in_size());
        conv2d_backward_data(wide_dx, wide_dy, w, accumulate, part);
        to_bf16(to, wide_dx, part.in_size());
      });
    }
  }
  if (conv_algorithm(ConvPass::backward_data, s) == ConvAlgorithm::winograd) {
    return winograd(by_tiles(dx, dy, nullptr, w, accumulate, s));
  }
  const int64_t line = s.in_width * s.in_channels;
  for (int64_t phase_y = 0; phase_y < std::min(s.stride, s.in_height); ++phase_y) {
    for (int64_t phase_x = 0; phase_x < std::min(s.stride, s.in_width); ++phase_x) {
      const int64_t grid_height = (s.in_height - phase_y + s.stride - 1) / s.stride;
      const int64_t grid_width = (s.in_width - phase_x + s.stride - 1) / s.stride;
      act* corner = dx + phase_y * line + phase_x * s.in_channels;
      GatherGemm<act> problem{.left = {.x = reinterpret_cast<const float*>(dy),
                                       .height = s.out_height(),
                                       .width = s.out_width(),
                                       .channels = s.out_channels / kPerSlot<act>,
                                       .grid_height = grid_height,
                                       .grid_width = grid_width},
                              .rows = s.batch * grid_height * grid_width,
                              .columns = s.in_channels,
                              .right = w,
                              .right_row_stride = s.kernel_height * s.kernel_width * s.in_channels,
                              .out = corner,
                              .image_stride = s.in_height * line,
                              .line_stride = s.stride * line,
                              .pixel_stride = s.stride * s.in_channels,
                              .residual = adds ? corner : nullptr};
      // From the last tap to the first, the order in which they look at dy.
      for (int64_t ky = s.kernel_height - 1; ky >= 0; --ky) {
        for (int64_t kx = s.kernel_width - 1; kx >= 0; --kx) {
          const int64_t y = phase_y + s.padding - ky * s.dilation, x = phase_x + s.padding - kx * s.dilation;
          if (y % s.stride == 0 && x % s.stride == 0)
            problem.left.add_tap({.dy = y / s.stride,
                                  .dx = x / s.stride,
                                  .offset = (ky * s.kernel_width + kx) * s.in_channels});
        }
      }
      gather_gemm(problem);
    }
  }
}
SIGNET_INSTANTIATE_ACTIVATIONS(conv2d_backward_data);

}  // namespace signet::cpu
