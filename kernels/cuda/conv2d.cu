// y = w * x as a product: row = pixel of y, column = output channel, k = (ky, kx, input channel). A is
// gathered from x, B is w as it stands. k is never cut, and an element's bits do not depend on its tile, so
// an image gives the same bits in any batch.
// Colour images are rearranged first (colour_images.cuh).

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

/// Of `windows` into x and filters that begin filter_pitch floats apart, which may both be copied in packs if
/// `aligned`.
void convolve(float* y, const PixelGather& windows, const float* filters, int64_t filter_pitch, bool aligned,
              const float* bias, const float* residual, bool relu, const Conv2dShape& s) {
  const int64_t pixels = s.batch * s.out_height() * s.out_width();
  const int64_t depth = s.kernel_height * s.kernel_width * s.in_channels;
  check_index_range("conv2d_forward", {pixels, s.batch * s.in_height * s.in_width, depth, s.out_channels});

  ForwardProblem problem{
      .a = windows,
      .b = {.x = filters, .pitch = filter_pitch, .rows = int(s.out_channels), .depth = int(depth)},
      .out = {.y = y, .bias = bias, .residual = residual, .relu = relu},
      .rows = int(pixels),
      .columns = int(s.out_channels),
      .k_begin = 0,
      .k_end = int(depth)};
  problem.out.packed = s.out_channels % 4 == 0 && allow_packs(y, bias, residual);
  multiply(problem, 1, aligned);
}

/// As they stand in memory.
void convolve(float* y, const float* x, const float* w, const float* bias, const float* residual, bool relu,
              const Conv2dShape& s) {
  const bool aligned = s.in_channels % 4 == 0 && allow_packs(x, w);
  const int64_t filter = s.kernel_height * s.kernel_width * s.in_channels;
  convolve(y, gather_windows(x, s), w, filter, aligned, bias, residual, relu, s);
}

/// In blocks: of x, which is brought there, and of filters that are there.
void convolve(float* y, float* images, const float* x, const float* filters, const float* bias,
              const float* residual, bool relu, const ColourBlocks& blocks) {
  blocks.put_images(images, x);
  convolve(y, blocks.gather(images), filters, blocks.filter_pitch(), true, bias, residual, relu,
           blocks.shape());
}

}  // namespace implicit_gemm

namespace {

float* workspace_floats(int64_t count) {
  return static_cast<float*>(workspace(count * int64_t(sizeof(float))));
}

}  // namespace

void conv2d_forward(float* y, const float* x, const float* w, const float* bias, const float* residual,
                    bool relu, const Conv2dShape& s) {
  if (s.out_size() == 0) return;
  if (!has_colour_blocks(s)) return implicit_gemm::convolve(y, x, w, bias, residual, relu, s);
  const ColourBlocks blocks(s);
  float* filters = workspace_floats(blocks.filter_floats() + blocks.image_floats());
  blocks.put_filters(filters, w);
  implicit_gemm::convolve(y, filters + blocks.filter_floats(), x, filters, bias, residual, relu, blocks);
}

void conv2d_prepare(float* prepared, const float* w, const Conv2dShape& s) {
  if (s.weight_size() == 0) return;
  if (has_colour_blocks(s)) {
    ColourBlocks(s).put_filters(prepared, w);
  } else {
    copy_on_device(prepared, w, s.weight_size() * int64_t(sizeof(float)));
  }
}

void conv2d_forward_prepared(float* y, const float* x, const float* prepared, const float* bias,
                             const float* residual, bool relu, const Conv2dShape& s) {
  if (s.out_size() == 0) return;
  if (!has_colour_blocks(s)) return implicit_gemm::convolve(y, x, prepared, bias, residual, relu, s);
  const ColourBlocks blocks(s);
  float* images = workspace_floats(blocks.image_floats());
  implicit_gemm::convolve(y, images, x, prepared, bias, residual, relu, blocks);
}

}  // namespace signet::cuda
