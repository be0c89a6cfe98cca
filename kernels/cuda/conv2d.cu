// y = w * x as a product: row = pixel of y, column = output channel, k = (ky, kx, input channel). A is
// gathered from x, B is w as it stands. k is never cut, and an element's bits do not depend on its tile, so
// an image gives the same bits in any batch.
//
// The three-channel stem cannot be copied 16 bytes at a time: its 7 x 7 x 3 filter is 147 steps of k, of
// which 21 at a time are neighbours in memory, copied 4 bytes a lane by lanes side by side.

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

}  // namespace implicit_gemm

void conv2d_forward(float* y, const float* x, const float* w, const float* bias, const float* residual,
                    bool relu, const Conv2dShape& s) {
  using namespace implicit_gemm;
  if (s.out_size() == 0) return;
  const int64_t pixels = s.batch * s.out_height() * s.out_width();
  const int64_t depth = s.kernel_height * s.kernel_width * s.in_channels;
  check_index_range("conv2d_forward", {pixels, s.batch * s.in_height * s.in_width, depth, s.out_channels});

  ForwardProblem problem{.a = {.x = x,
                               .height = int(s.in_height),
                               .width = int(s.in_width),
                               .channels = int(s.in_channels),
                               .stride = int(s.stride),
                               .y0 = -int(s.padding),
                               .x0 = -int(s.padding),
                               .tap_y = int(s.dilation),
                               .tap_x = int(s.dilation),
                               .pixels = int(pixels),
                               .depth = int(depth),
                               .by_grid_height = Divider(s.out_height()),
                               .by_grid_width = Divider(s.out_width()),
                               .by_channels = Divider(std::max<int64_t>(s.in_channels, 1)),
                               .by_taps_x = Divider(s.kernel_width)},
                         .b = {.x = w, .pitch = depth, .rows = int(s.out_channels), .depth = int(depth)},
                         .out = {.y = y, .bias = bias, .residual = residual, .relu = relu},
                         .rows = int(pixels),
                         .columns = int(s.out_channels),
                         .k_begin = 0,
                         .k_end = int(depth)};
  problem.out.packed = s.out_channels % 4 == 0 && allow_packs(y, bias, residual);
  multiply(problem, 1, s.in_channels % 4 == 0 && allow_packs(x, w));
}

}  // namespace signet::cuda
