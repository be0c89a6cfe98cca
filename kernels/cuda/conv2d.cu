// y = w * x as a product: row = pixel of y, column = output channel, k = (ky, kx, input channel). A is
// gathered from x, B is w as it stands. k is never cut, and an element's bits do not depend on its tile, so
// an image gives the same bits in any batch.
// Colour images get a fourth channel first (colour_images.cuh).

#include "kernels/cuda/colour_images.cuh"
#include "kernels/cuda/implicit_gemm.cuh"
#include "kernels/kernels.h"

namespace signet::cuda {
namespace implicit_gemm {

struct ForwardProblem {
  using A = PixelGather;
  using B = Matrix<false>;
  static constexpr Layout kLayoutA = Layout::row_major, kLayoutB = Layout::row_major;

  A a;
  B b;
  Output out;
  int rows, columns, k_begin, k_end;

  __device__ void select(int) {}
  __device__ int64_t place(int row) const { return int64_t(row) * columns; }
};

/// With filters of as many channels as the images have.
void convolve(float* y, const float* x, const float* w, const float* bias, const float* residual, bool relu,
              const Conv2dShape& s) {
  const int64_t pixels = s.batch * s.out_height() * s.out_width();
  const int64_t depth = s.kernel_height * s.kernel_width * s.in_channels;
  check_index_range("conv2d_forward", {pixels, s.batch * s.in_height * s.in_width, depth, s.out_channels});

  ForwardProblem problem{.a = gather_windows(x, s),
                         .b = {.x = w, .pitch = depth, .rows = int(s.out_channels), .depth = int(depth)},
                         .out = {.y = y, .bias = bias, .residual = residual, .relu = relu},
                         .rows = int(pixels),
                         .columns = int(s.out_channels),
                         .k_begin = 0,
                         .k_end = int(depth)};
  problem.out.packed = s.out_channels % 4 == 0 && allow_packs(y, bias, residual);
  multiply(problem, 1, s.in_channels % 4 == 0 && allow_packs(x, w));
}

}  // namespace implicit_gemm

void conv2d_forward(float* y, const float* x, const float* w, const float* bias, const float* residual,
                    bool relu, const Conv2dShape& s) {
  if (s.out_size() == 0) return;
  if (!pads_colours(s)) return implicit_gemm::convolve(y, x, w, bias, residual, relu, s);
  const int64_t image_pixels = s.in_size() / 3, filter_pixels = s.weight_size() / 3;
  auto* x4 = static_cast<float*>(workspace(4 * (image_pixels + filter_pixels) * int64_t(sizeof(float))));
  float* w4 = x4 + 4 * image_pixels;
  pad_colours(x4, x, image_pixels);
  pad_colours(w4, w, filter_pixels);
  implicit_gemm::convolve(y, x4, w4, bias, residual, relu, padded(s));
}

void conv2d_prepare(float* prepared, const float* w, const Conv2dShape& s) {
  if (s.weight_size() == 0) return;
  if (pads_colours(s)) {
    pad_colours(prepared, w, s.weight_size() / 3);
  } else {
    copy_on_device(prepared, w, s.weight_size() * int64_t(sizeof(float)));
  }
}

void conv2d_forward_prepared(float* y, const float* x, const float* prepared, const float* bias,
                             const float* residual, bool relu, const Conv2dShape& s) {
  if (s.out_size() == 0) return;
  if (!pads_colours(s)) return implicit_gemm::convolve(y, x, prepared, bias, residual, relu, s);
  const int64_t image_pixels = s.in_size() / 3;
  auto* x4 = static_cast<float*>(workspace(4 * image_pixels * int64_t(sizeof(float))));
  pad_colours(x4, x, image_pixels);
  implicit_gemm::convolve(y, x4, prepared, bias, residual, relu, padded(s));
}

}  // namespace signet::cuda
