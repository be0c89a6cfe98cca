// dw as a product: row = output channel, column = (ky, kx, input channel), k = pixel of y. A is dy, B is
// gathered from x; both have their rows side by side in memory.
//
// There are few weights and many pixels, so k is cut into slices, as many as fill a device, whose sums go to
// the workspace; a second kernel adds them up in ascending order. The cuts depend on the shape alone: the
// same input gives the same bits on every device. Colour images are rearranged first
// (colour_images.cuh), and a kernel of their own adds up and takes out what they were filled up with.

#include <optional>

#include "kernels/cuda/colour_images.cuh"
#include "kernels/cuda/implicit_gemm.cuh"
#include "kernels/kernels.h"

namespace signet::cuda {
namespace implicit_gemm {

struct BackwardWeightProblem {
  using A = Matrix<true>;
  using B = Transposed<PixelGather>;
  static constexpr Layout kLayoutA = Layout::column_major, kLayoutB = Layout::column_major;

  A a;
  B b;
  Output out;
  int rows, columns, k_begin, k_end;
  int slice;  // pixels
  int64_t slice_pitch;

  __device__ void select(int part) {
    k_begin = part * slice;
    k_end = min(k_begin + slice, k_end);
    out.y += part * slice_pitch;
  }
  __device__ int64_t place(int row) const { return int64_t(row) * columns; }
};

/// dw = or += the sums of `slices` slices, one after another in memory.
struct AddSlices {
  float* dw;
  const float* sums;
  int64_t size;
  int slices;
  bool accumulate;

  template <int kWidth>
  __device__ void at(int64_t i) const {
    auto total = load<kWidth>(sums + i);
    for (int slice = 1; slice < slices; ++slice) {
      const auto next = load<kWidth>(sums + slice * size + i);
      for (int j = 0; j < kWidth; ++j) total.v[j] += next.v[j];
    }
    if (accumulate) {
      const auto before = load<kWidth>(dw + i);
      for (int j = 0; j < kWidth; ++j) total.v[j] += before.v[j];
    }
    store(dw + i, total);
  }
};

// Blocks wanted in all, pixels that make a slice worth its merging, and floats that the slices may take
// together.
constexpr int64_t kWantedBlocks = 512, kLeastPixels = 256, kMostFloats = int64_t(1) << 24;

/// How many slices to cut the pixels into, if slices are whole tiles.
inline int64_t count_slices(int64_t pixels, const Conv2dShape& s) {
  const int64_t columns = s.kernel_height * s.kernel_width * s.in_channels;
  const int64_t tiles = ceil_div(s.out_channels, 64) * ceil_div(columns, 64);
  const int64_t wanted = std::min(
      {ceil_div(kWantedBlocks, tiles), ceil_div(pixels, kLeastPixels), kMostFloats / s.weight_size()});
  return std::max<int64_t>(wanted, 1);
}

/// Starts the sums of the slices, one after another in memory; if there is one slice, to which `residual` (it
/// may be null) is added, in place of the sums. `windows` are those of x; `aligned`: they may be read in
/// packs.
void multiply_slices(float* sums, const float* residual, const float* dy, const PixelGather& windows,
                     bool aligned, int64_t slices, int64_t slice, const Conv2dShape& s) {
  const int64_t size = s.weight_size(), pixels = s.batch * s.out_height() * s.out_width();
  const int64_t columns = size / s.out_channels;
  const BackwardWeightProblem problem{
      .a = {.x = dy, .pitch = s.out_channels, .rows = int(s.out_channels), .depth = int(pixels)},
      .b = {windows},
      .out = {.y = sums, .residual = residual, .packed = columns % 4 == 0 && allow_packs(sums)},
      .rows = int(s.out_channels),
      .columns = int(columns),
      .k_begin = 0,
      .k_end = int(pixels),
      .slice = int(slice),
      .slice_pitch = size};
  multiply(problem, int(slices), aligned && s.out_channels % 4 == 0 && allow_packs(dy));
}

}  // namespace implicit_gemm

void conv2d_backward_weight(float* dw, const float* dy, const float* x, Accumulate accumulate,
                            const Conv2dShape& given) {
  using namespace implicit_gemm;
  if (given.weight_size() == 0) return;
  std::optional<ColourBlocks> blocks;
  if (has_colour_blocks(given)) blocks.emplace(given);
  const Conv2dShape s = blocks ? blocks->shape() : given;
  const int64_t size = s.weight_size(), pixels = s.batch * s.out_height() * s.out_width();
  check_index_range("conv2d_backward_weight",
                    {pixels, s.batch * s.in_height * s.in_width, size / s.out_channels, s.out_channels});

  constexpr int64_t kWholeTile = 32;
  const int64_t slice = ceil_div(ceil_div(pixels, count_slices(pixels, s)), kWholeTile) * kWholeTile;
  const int64_t slices = std::max<int64_t>(ceil_div(pixels, std::max<int64_t>(slice, 1)), 1);
  if (blocks) {
    const int64_t floats = blocks->image_floats() + slices * size;
    auto* images = static_cast<float*>(workspace(floats * int64_t(sizeof(float))));
    float* sums = images + blocks->image_floats();
    blocks->put_images(images, x);
    multiply_slices(sums, nullptr, dy, blocks->gather(images), true, slices, slice, s);
    return blocks->add_filters(dw, sums, slices, accumulate);
  }
  const PixelGather windows = gather_windows(x, s);
  const bool aligned = s.in_channels % 4 == 0 && allow_packs(x), add = accumulate == Accumulate::yes;
  if (slices == 1) return multiply_slices(dw, add ? dw : nullptr, dy, windows, aligned, 1, slice, s);
  auto* sums = static_cast<float*>(workspace(slices * size * int64_t(sizeof(float))));
  multiply_slices(sums, nullptr, dy, windows, aligned, slices, slice, s);
  for_each(size, size % 4 == 0 && allow_packs(dw),
           AddSlices{.dw = dw, .sums = sums, .size = size, .slices = int(slices), .accumulate = add});
}

}  // namespace signet::cuda
