// dw as a product: row = output channel, column = (ky, kx, input channel), k = pixel of y. A is dy, B is
// gathered from x; both have their rows side by side in memory.
//
// There are few weights and many pixels, so k is cut into slices, as many as fill a device, whose sums go to
// the workspace; a second kernel adds them up in ascending order. The cuts depend on the shape alone: the
// same input gives the same bits on every device. Colour images are rearranged first
// (colour_images.cuh), and a kernel of their own adds up and takes out what they were filled up with.

#include "kernels/cuda/colour_images.cuh"
#include "kernels/cuda/conv_operands.cuh"
#include "kernels/cuda/implicit_gemm.cuh"
#include "kernels/instantiate.h"

namespace signet::cuda {
namespace implicit_gemm {

template <class T>
struct BackwardWeightProblem {
  using A = Matrix<T, true>;
  using B = Transposed<PixelGather<T>>;
  static constexpr Layout kLayoutA = Layout::column_major, kLayoutB = Layout::column_major;

  A a;
  B b;
  Output<float> out;
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

/// How the pixels are cut.
struct Slices {
  int64_t count, pixels;  // of a slice; the last may have fewer
};

/// As many slices as are wanted, if they are whole tiles.
inline Slices slices_of(const Conv2dShape& s) {
  constexpr int64_t kWholeTile = 64;  // the deepest
  const int64_t pixels = s.batch * s.out_height() * s.out_width();
  const int64_t columns = s.kernel_height * s.kernel_width * s.in_channels;
  const int64_t tiles = ceil_div(s.out_channels, 64) * ceil_div(columns, 64);
  const int64_t wanted = std::min(
      {ceil_div(kWantedBlocks, tiles), ceil_div(pixels, kLeastPixels), kMostFloats / s.weight_size()});
  const int64_t slice = ceil_div(ceil_div(pixels, std::max<int64_t>(wanted, 1)), kWholeTile) * kWholeTile;
  return {std::max<int64_t>(ceil_div(pixels, std::max<int64_t>(slice, 1)), 1), slice};
}

/// Starts the sums of the slices, one after another in memory; if there is one slice, to which `residual` (it
/// may be null) is added, in place of the sums. `windows` are those of x; `aligned`: they may be read in
/// packs.
template <class T>
void multiply_slices(float* sums, const float* residual, const T* dy, const PixelGather<T>& windows,
                     bool aligned, const Slices& slices, const Conv2dShape& s) {
  const int64_t size = s.weight_size(), pixels = s.batch * s.out_height() * s.out_width();
  const int64_t columns = size / s.out_channels;
  check_index_range("conv2d_backward_weight",
                    {pixels, s.batch * s.in_height * s.in_width, columns, s.out_channels});
  const BackwardWeightProblem<T> problem{
      .a = {.x = dy, .pitch = s.out_channels, .rows = int(s.out_channels), .depth = int(pixels)},
      .b = {windows},
      .out = {.y = sums, .residual = residual, .packed = columns % 4 == 0 && allow_packs(sums)},
      .rows = int(s.out_channels),
      .columns = int(columns),
      .k_begin = 0,
      .k_end = int(pixels),
      .slice = int(slices.pixels),
      .slice_pitch = size};
  constexpr int kPack = kPackOf<T>;
  multiply(problem, int(slices.count), aligned && s.out_channels % kPack == 0 && allow_packs_of<kPack>(dy));
}

/// As x and dy stand in memory; `sums` has room for the slices, if there are several.
template <class T>
void sum_gradient(float* dw, float* sums, const T* dy, const T* x, Accumulate accumulate,
                  const Conv2dShape& s) {
  constexpr int kPack = kPackOf<T>;
  const Slices slices = slices_of(s);
  const int64_t size = s.weight_size();
  const bool aligned = s.in_channels % kPack == 0 && allow_packs_of<kPack>(x),
             add = accumulate == Accumulate::yes;
  const auto windows = gather_windows(x, s);
  if (slices.count == 1) return multiply_slices(dw, add ? dw : nullptr, dy, windows, aligned, slices, s);
  multiply_slices(sums, nullptr, dy, windows, aligned, slices, s);
  for_each(size, size % 4 == 0 && allow_packs(dw),
           AddSlices{.dw = dw, .sums = sums, .size = size, .slices = int(slices.count), .accumulate = add});
}

/// Of colour images, which are brought in blocks to `images`.
inline void sum_gradient(float* dw, float* sums, float* images, const float* dy, const float* x,
                         Accumulate accumulate, const ColourBlocks& blocks) {
  const Slices slices = slices_of(blocks.shape());
  blocks.put_images(images, x);
  multiply_slices(sums, nullptr, dy, blocks.gather(images), true, slices, blocks.shape());
  blocks.add_filters(dw, sums, slices.count, accumulate);
}

}  // namespace implicit_gemm

namespace {

/// What the slices need of the workspace.
int64_t sum_bytes(const Conv2dShape& s) {
  const bool colours = has_colour_blocks(s);
  const Conv2dShape computed = colours ? ColourBlocks(s).shape() : s;
  const int64_t slices = implicit_gemm::slices_of(computed).count;
  return slices > 1 || colours ? float_bytes(slices * computed.weight_size()) : 0;
}

void sum_gradient_of_floats(float* dw, void* sums, void* images, const float* dy, const float* x,
                            Accumulate accumulate, const Conv2dShape& s) {
  using implicit_gemm::sum_gradient;
  if (!has_colour_blocks(s)) return sum_gradient(dw, static_cast<float*>(sums), dy, x, accumulate, s);
  sum_gradient(dw, static_cast<float*>(sums), static_cast<float*>(images), dy, x, accumulate,
               ColourBlocks(s));
}

}  // namespace

template <class act>
void conv2d_backward_weight(float* dw, const act* dy, const act* x, Accumulate accumulate,
                            const Conv2dShape& s) {
  if (s.weight_size() == 0) return;
  if constexpr (std::is_same_v<act, float>) {
    const auto [sums, images] = divide_workspace({sum_bytes(s), image_bytes(s)});
    sum_gradient_of_floats(dw, sums, images, dy, x, accumulate, s);
  } else if (multiplies_bf16(s.out_channels, s.in_channels)) {
    const auto [sums, gradients, images] =
        divide_workspace({sum_bytes(s), bytes_to_align(dy, s.out_size()), bytes_to_align(x, s.in_size())});
    implicit_gemm::sum_gradient(dw, static_cast<float*>(sums), aligned(gradients, dy, s.out_size()),
                                aligned(images, x, s.in_size()), accumulate, s);
  } else {
    const auto [sums, images, dy_floats, x_floats] =
        divide_workspace({sum_bytes(s), image_bytes(s), float_bytes(s.out_size()), float_bytes(s.in_size())});
    sum_gradient_of_floats(dw, sums, images, widened(dy_floats, dy, s.out_size()),
                           widened(x_floats, x, s.in_size()), accumulate, s);
  }
}
SIGNET_INSTANTIATE_ACTIVATIONS(conv2d_backward_weight);

}  // namespace signet::cuda
