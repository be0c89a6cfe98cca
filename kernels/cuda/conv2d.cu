// y = w * x as a product: row = pixel of y, column = output channel, k = (ky, kx, input channel). A is
// gathered from x, B is w as it stands. k is never cut, and an element's bits do not depend on its tile, so
// an image gives the same bits in any batch.
// Colour images are rearranged first (colour_images.cuh), bfloat16 is made ready (conv_operands.cuh); many
// channels of 3x3 windows go another way (winograd.cuh).

#include "kernels/cuda/colour_images.cuh"
#include "kernels/cuda/conv_operands.cuh"
#include "kernels/cuda/implicit_gemm.cuh"
#include "kernels/cuda/winograd.cuh"
#include "kernels/instantiate.h"

namespace signet::cuda {
namespace implicit_gemm {

/// Of operands of type T, with y of type act.
template <class T, class act>
struct ForwardProblem {
  using A = PixelGather<T>;
  using B = Matrix<T, false>;
  static constexpr Layout kLayoutA = Layout::row_major, kLayoutB = Layout::row_major;

  A a;
  B b;
  Output<act> out;
  int rows, columns, k_begin, k_end;

  __device__ void select(int) {}
  __device__ int64_t place(int row) const { return int64_t(row) * columns; }
};

/// Of `windows` into x and filters that begin filter_pitch elements apart, which may both be copied in packs
/// if `aligned`.
template <class T, class act>
void convolve(act* y, const PixelGather<T>& windows, const T* filters, int64_t filter_pitch, bool aligned,
              const float* bias, const act* residual, bool relu, const Conv2dShape& s) {
  const int64_t pixels = s.batch * s.out_height() * s.out_width();
  const int64_t depth = s.kernel_height * s.kernel_width * s.in_channels;
  check_index_range("conv2d_forward", {pixels, s.batch * s.in_height * s.in_width, depth, s.out_channels});

  ForwardProblem<T, act> problem{
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
template <class T, class act>
void convolve(act* y, const T* x, const T* filters, const float* bias, const act* residual, bool relu,
              const Conv2dShape& s) {
  constexpr int kPack = kPackOf<T>;
  const bool aligned = s.in_channels % kPack == 0 && allow_packs_of<kPack>(x, filters);
  const int64_t filter = s.kernel_height * s.kernel_width * s.in_channels;
  convolve(y, gather_windows(x, s), filters, filter, aligned, bias, residual, relu, s);
}

/// In blocks: of x, which is brought there, and of filters that are there.
template <class act>
void convolve(act* y, float* images, const float* x, const float* filters, const float* bias,
              const act* residual, bool relu, const ColourBlocks& blocks) {
  blocks.put_images(images, x);
  convolve(y, blocks.gather(images), filters, blocks.filter_pitch(), true, bias, residual, relu,
           blocks.shape());
}

}  // namespace implicit_gemm

namespace {

/// What a convolution of floats needs of the workspace for filters, unless they are prepared.
int64_t filter_bytes(const Conv2dShape& s) {
  return has_colour_blocks(s) ? float_bytes(ColourBlocks(s).filter_floats()) : 0;
}

/// With filters that are prepared.
template <class act>
void convolve_prepared_floats(act* y, const float* x, const float* filters, void* images, const float* bias,
                              const act* residual, bool relu, const Conv2dShape& s) {
  if (!has_colour_blocks(s)) return implicit_gemm::convolve(y, x, filters, bias, residual, relu, s);
  implicit_gemm::convolve(y, static_cast<float*>(images), x, filters, bias, residual, relu, ColourBlocks(s));
}

template <class act>
void convolve_floats(act* y, const float* x, const float* w, void* filters, void* images, const float* bias,
                     const act* residual, bool relu, const Conv2dShape& s) {
  if (has_colour_blocks(s)) {
    ColourBlocks(s).put_filters(static_cast<float*>(filters), w);
    w = static_cast<const float*>(filters);
  }
  convolve_prepared_floats(y, x, w, images, bias, residual, relu, s);
}

}  // namespace

template <class act>
void conv2d_forward(act* y, const act* x, const float* w, const float* bias, const act* residual, bool relu,
                    const Conv2dShape& s) {
  if (s.out_size() == 0) return;
  if constexpr (std::is_same_v<act, float>) {
    if (auto conv = winograd_forward(s)) {
      conv->x = x, conv->w = w, conv->out = {y, bias, residual, relu};
      return winograd(*conv);
    }
    const auto [filters, images] = divide_workspace({filter_bytes(s), image_bytes(s)});
    convolve_floats(y, x, w, filters, images, bias, residual, relu, s);
  } else if (multiplies_bf16(s.in_channels)) {
    const auto [filters, images] =
        divide_workspace({bf16_bytes(s.weight_size()), bytes_to_align(x, s.in_size())});
    implicit_gemm::convolve(y, aligned(images, x, s.in_size()), narrowed(filters, w, s.weight_size()), bias,
                            residual, relu, s);
  } else {
    const auto [filters, images, floats] =
        divide_workspace({filter_bytes(s), image_bytes(s), float_bytes(s.in_size())});
    convolve_floats(y, widened(floats, x, s.in_size()), w, filters, images, bias, residual, relu, s);
  }
}
SIGNET_INSTANTIATE_ACTIVATIONS(conv2d_forward);

template <class act>
void conv2d_prepare(act* prepared, const float* w, const Conv2dShape& s) {
  if (s.weight_size() == 0) return;
  if constexpr (std::is_same_v<act, float>) {
    if (auto conv = winograd_forward(s)) {
      conv->w = w;
      return winograd_transform_filters(prepared, *conv);
    }
  } else if (multiplies_bf16(s.in_channels)) {
    return to_bf16(prepared, w, s.weight_size());
  }
  auto* filters = reinterpret_cast<float*>(prepared);
  if (has_colour_blocks(s)) {
    ColourBlocks(s).put_filters(filters, w);
  } else {
    copy_on_device(filters, w, float_bytes(s.weight_size()));
  }
}
SIGNET_INSTANTIATE_ACTIVATIONS(conv2d_prepare);

template <class act>
void conv2d_forward_prepared(act* y, const act* x, const act* prepared, const float* bias,
                             const act* residual, bool relu, const Conv2dShape& s) {
  if (s.out_size() == 0) return;
  if constexpr (std::is_same_v<act, float>) {
    if (auto conv = winograd_forward(s)) {
      conv->x = x, conv->filters = prepared, conv->out = {y, bias, residual, relu};
      return winograd(*conv);
    }
    const auto [images] = divide_workspace({image_bytes(s)});
    convolve_prepared_floats(y, x, prepared, images, bias, residual, relu, s);
  } else if (multiplies_bf16(s.in_channels)) {
    const auto [images] = divide_workspace({bytes_to_align(x, s.in_size())});
    implicit_gemm::convolve(y, aligned(images, x, s.in_size()), prepared, bias, residual, relu, s);
  } else {
    const auto [images, floats] = divide_workspace({image_bytes(s), float_bytes(s.in_size())});
    convolve_prepared_floats(y, widened(floats, x, s.in_size()), reinterpret_cast<const float*>(prepared),
                             images, bias, residual, relu, s);
  }
}
SIGNET_INSTANTIATE_ACTIVATIONS(conv2d_forward_prepared);

}  // namespace signet::cuda
