// dx as a product: row = pixel of dx, column = input channel, k = (ky, kx, output channel). A is gathered
// from dy, B is the filter with input and output channels exchanged.
//
// With stride s the pixels of dx fall into s * s phases. Row iy receives from output row oy through kernel
// row ky where
//   oy * s = iy + padding - ky * dilation,
// so along each axis a phase iy = s * gy + p sees those ky for which p + padding - ky * dilation is a
// multiple of s: none, or every (s / gcd(s, dilation))-th from some first one, at whole steps through dy.
// blockIdx.y numbers the phases; a phase that no tap reaches is a product over nothing, zeros. All phases
// have a grid of the same size, whose pixels beyond the image are not stored.

#include <numeric>

#include "kernels/cuda/conv_operands.cuh"
#include "kernels/cuda/implicit_gemm.cuh"
#include "kernels/cuda/winograd.cuh"
#include "kernels/instantiate.h"

namespace signet::cuda {
namespace implicit_gemm {

/// Element (c, (ty, tx, o)) is w[o, first_y + ty * tap_step, first_x + tx * tap_step, c].
template <class T>
struct TransposedFilter {
  using Element = T;

  const T* w = nullptr;
  int kernel_height = 1, kernel_width = 1, in_channels = 1;
  int first_y = 0, first_x = 0, tap_step = 1, depth = 0;
  Divider by_out_channels = {}, by_taps_x = {};

  struct Row {
    int c;
  };
  struct Step {
    int line;  // of in_channels weights; -1 beyond the last
  };

  __device__ Row row(int r) const { return {r}; }
  __device__ Step step(int k) const {
    const int tap = by_out_channels.quotient(k), o = by_out_channels.remainder(k, tap);
    const int ty = by_taps_x.quotient(tap), tx = by_taps_x.remainder(tap, ty);
    const int ky = first_y + ty * tap_step, kx = first_x + tx * tap_step;
    return {k < depth ? (o * kernel_height + ky) * kernel_width + kx : -1};
  }
  __device__ const T* at(Row row, Step step, bool& inside) const {
    inside = row.c < in_channels && step.line >= 0;
    return w + row.c + int64_t(step.line) * in_channels;
  }
};

/// Of operands of type T, with dx of type act.
template <class T, class act>
struct BackwardDataProblem {
  using A = PixelGather<T>;
  using B = TransposedFilter<T>;
  static constexpr Layout kLayoutA = Layout::row_major, kLayoutB = Layout::column_major;

  A a;
  B b;
  Output<act> out;
  int rows, columns, k_begin, k_end;
  int height, width, stride, padding, dilation, phases_x;
  Divider by_most_taps_x, by_fewest_taps_x;  // a phase has one of two numbers of taps along x, or none
  int phase_y = 0, phase_x = 0;

  /// What a phase sees of one axis of the filter.
  struct Taps {
    int first, count, offset;  // offset: from gy to the row of dy that the first tap reaches
  };
  __device__ Taps find_taps(int phase, int kernel) const {
    for (int k = 0; k < b.tap_step && k < kernel; ++k) {
      const int distance = phase + padding - k * dilation;
      if (distance % stride == 0) return {k, (kernel - k + b.tap_step - 1) / b.tap_step, distance / stride};
    }
    return {0, 0, 0};
  }

  __device__ void select(int part) {
    phase_y = part / phases_x;
    phase_x = part % phases_x;
    const Taps y = find_taps(phase_y, b.kernel_height), x = find_taps(phase_x, b.kernel_width);
    b.first_y = y.first;
    b.first_x = x.first;
    a.y0 = y.offset;
    a.x0 = x.offset;
    a.by_taps_x = b.by_taps_x = x.count == by_most_taps_x.divisor() ? by_most_taps_x : by_fewest_taps_x;
    k_end = a.depth = b.depth = y.count * x.count * a.channels;
  }

  __device__ int64_t place(int row) const {
    const int line = a.by_grid_width.quotient(row), image = a.by_grid_height.quotient(line);
    const int y = a.by_grid_height.remainder(line, image) * stride + phase_y;
    const int x = a.by_grid_width.remainder(row, line) * stride + phase_x;
    return y < height && x < width ? int64_t((image * height + y) * width + x) * columns : -1;
  }
};

template <class T, class act>
void transpose_convolution(act* dx, const T* dy, const T* w, Accumulate accumulate, const Conv2dShape& s) {
  const int64_t grid_height = ceil_div(s.in_height, s.stride), grid_width = ceil_div(s.in_width, s.stride);
  const int64_t pixels = s.batch * grid_height * grid_width;
  const int64_t tap_step = s.stride / std::gcd(s.stride, s.dilation);
  const int64_t most_taps_x = ceil_div(s.kernel_width, tap_step);
  check_index_range("conv2d_backward_data",
                    {s.batch * s.in_height * s.in_width, s.batch * s.out_height() * s.out_width(),
                     s.out_channels * s.kernel_height * s.kernel_width, s.in_channels});

  const int tap = -int(tap_step * s.dilation / s.stride);
  BackwardDataProblem<T, act> problem{
      .a = {.x = dy,
            .height = int(s.out_height()),
            .width = int(s.out_width()),
            .channels = int(s.out_channels),
            .tap_y = tap,
            .tap_x = tap,
            .pixels = int(pixels),
            .by_grid_height = Divider(grid_height),
            .by_grid_width = Divider(grid_width),
            .by_channels = Divider(std::max<int64_t>(s.out_channels, 1))},
      .b = {.w = w,
            .kernel_height = int(s.kernel_height),
            .kernel_width = int(s.kernel_width),
            .in_channels = int(s.in_channels),
            .tap_step = int(tap_step),
            .by_out_channels = Divider(std::max<int64_t>(s.out_channels, 1))},
      .out = {.y = dx, .residual = accumulate == Accumulate::yes ? dx : nullptr},
      .rows = int(pixels),
      .columns = int(s.in_channels),
      .k_begin = 0,
      .k_end = 0,
      .height = int(s.in_height),
      .width = int(s.in_width),
      .stride = int(s.stride),
      .padding = int(s.padding),
      .dilation = int(s.dilation),
      .phases_x = int(std::min(s.stride, s.in_width)),
      .by_most_taps_x = Divider(most_taps_x),
      .by_fewest_taps_x = Divider(std::max<int64_t>(most_taps_x - 1, 1))};
  problem.out.packed = s.in_channels % 4 == 0 && allow_packs(dx);
  const int64_t phases = std::min(s.stride, s.in_height) * problem.phases_x;
  constexpr int kPack = kPackOf<T>;
  multiply(problem, int(phases),
           s.out_channels % kPack == 0 && s.in_channels % kPack == 0 && allow_packs_of<kPack>(dy, w));
}

}  // namespace implicit_gemm

template <class act>
void conv2d_backward_data(act* dx, const act* dy, const float* w, Accumulate accumulate,
                          const Conv2dShape& s) {
  using implicit_gemm::transpose_convolution;
  if (s.in_size() == 0) return;
  if constexpr (std::is_same_v<act, float>) {
    if (auto conv = winograd_backward_data(s)) {
      conv->x = dy, conv->w = w;
      conv->out.y = dx;
      conv->out.residual = accumulate == Accumulate::yes ? dx : nullptr;
      return winograd(*conv);
    }
    transpose_convolution(dx, dy, w, accumulate, s);
  } else if (multiplies_bf16(s.out_channels, s.in_channels)) {
    const auto [filters, images] =
        divide_workspace({bf16_bytes(s.weight_size()), bytes_to_align(dy, s.out_size())});
    transpose_convolution(dx, aligned(images, dy, s.out_size()), narrowed(filters, w, s.weight_size()),
                          accumulate, s);
  } else {
    const auto [floats] = divide_workspace({float_bytes(s.out_size())});
    transpose_convolution(dx, widened(floats, dy, s.out_size()), w, accumulate, s);
  }
}
SIGNET_INSTANTIATE_ACTIVATIONS(conv2d_backward_data);

}  // namespace signet::cuda
