#pragma once
// The kernel seam: every handwritten kernel of Signet as a free function over raw pointers and sizes.
//
// The declarations stand once, in kernels/functions.h and kernels/activations.h, and are read here into one
// namespace a backend:
//   ref::   plain loops, templated on the scalar (float, double, std::complex<double>): the oracle
//   cpu::   the fast kernels for this processor (float)
//   cuda::  the CUDA kernels (float); without CUDA, kernels/no_cuda throws in their place
// Activations may also be bfloat16; see activations.h.
//
// Layouts: activations are NHWC, convolution weights OHWI, matrices row-major, all contiguous.
// Outputs come first. An output that a kernel assigns may hold anything before, NaN included. Inputs and
// outputs do not overlap unless the declaration says so.

#include <complex>
#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/philox.h"

namespace signet {

/// Whether a gradient is written over its buffer or added to what the buffer holds.
enum class Accumulate : bool { no = false, yes = true };

enum class Transpose : bool { no = false, yes = true };

/// A 2-D max-pool with a square window: x [batch, in_height, in_width, channels],
/// y [batch, out_height(), out_width(), channels]. Padding counts as minus infinity; padding <= kernel / 2.
struct Pool2dShape {
  int64_t batch = 1, in_height = 1, in_width = 1, channels = 1;
  int64_t kernel = 1, stride = 1, padding = 0;

  int64_t out_height() const { return (in_height + 2 * padding - kernel) / stride + 1; }
  int64_t out_width() const { return (in_width + 2 * padding - kernel) / stride + 1; }
  int64_t in_size() const { return batch * in_height * in_width * channels; }
  int64_t out_size() const { return batch * out_height() * out_width() * channels; }
};

/// The place of a maximum that ReLU cut (conv2d_relu_maxpool_forward).
constexpr uint8_t kNowhere = 255;

/// A 2-D convolution: x [batch, in_height, in_width, in_channels], w [out_channels, kernel_height,
/// kernel_width, in_channels], y [batch, out_height(), out_width(), out_channels]. Stride, padding (zeros on
/// every side) and dilation are the same along both axes.
struct Conv2dShape {
  int64_t batch = 1, in_height = 1, in_width = 1, in_channels = 1, out_channels = 1;
  int64_t kernel_height = 1, kernel_width = 1;
  int64_t stride = 1, padding = 0, dilation = 1;

  /// Square images under a square kernel.
  static Conv2dShape square(int64_t batch, int64_t size, int64_t in_channels, int64_t out_channels,
                            int64_t kernel, int64_t stride, int64_t padding) {
    Conv2dShape s;
    s.batch = batch;
    s.in_height = s.in_width = size;
    s.in_channels = in_channels;
    s.out_channels = out_channels;
    s.kernel_height = s.kernel_width = kernel;
    s.stride = stride;
    s.padding = padding;
    return s;
  }

  int64_t out_height() const {
    return (in_height + 2 * padding - dilation * (kernel_height - 1) - 1) / stride + 1;
  }
  int64_t out_width() const {
    return (in_width + 2 * padding - dilation * (kernel_width - 1) - 1) / stride + 1;
  }
  int64_t in_size() const { return batch * in_height * in_width * in_channels; }
  int64_t out_size() const { return batch * out_height() * out_width() * out_channels; }
  int64_t weight_size() const { return out_channels * kernel_height * kernel_width * in_channels; }
  /// The pool of conv2d_relu_maxpool: windows of 2x2 pixels of y, side by side.
  Pool2dShape pooled() const { return {batch, out_height(), out_width(), out_channels, 2, 2, 0}; }
  /// How many bytes conv2d_prepare may write: Winograd's transform makes 36 numbers of 9, panels and tiles
  /// are padded to 32 filters or from 3 to 4 channels.
  int64_t prepared_bytes() const {
    const bool unit_steps = stride == 1 && dilation == 1;
    const int64_t filters =
        unit_steps && kernel_height == 3 && kernel_width == 3 ? 4 * out_channels : 2 * out_channels;
    return (filters > 32 ? filters : 32) * kernel_height * kernel_width * in_channels * 4;
  }
};

/// How one image is drawn: for each output pixel centre (ox, oy), measured in pixels from the image's centre,
/// the source position is (m[0] ox + m[1] oy + m[2], m[3] ox + m[4] oy + m[5]), also from the centre. The
/// identity is {1, 0, 0, 0, 1, 0}. It is read bilinearly between pixel centres, or, if `nearest`, at the
/// pixel whose centre is nearest: floor(position + 0.5). Colours are then multiplied by `brightness`,
/// clamped, and blended with the image's mean grey by `contrast` (1 leaves them as they are), clamped:
/// torchvision's definitions, in [0, 1].
struct ImageWarp {
  float m[6] = {1, 0, 0, 0, 1, 0};
  float brightness = 1;
  float contrast = 1;
  bool nearest = false;
};

/// What one tensor of n parameters brings to sgd_steps and adam_steps; pointers as for sgd_step and
/// adam_step.
template <class real>
struct SgdTensor {
  real *w = nullptr, *velocity = nullptr;
  const real* g = nullptr;
  int64_t n = 0;
};
template <class real>
struct AdamTensor {
  real *w = nullptr, *m = nullptr, *v = nullptr;
  const real* g = nullptr;
  int64_t n = 0;
};

#define KERNEL_BODY

namespace ref {
#define KERNEL template <class real>
#include "kernels/functions.h"
#undef KERNEL
#define KERNEL template <class act>
#define ACT act
#define REAL Real<act>
#include "kernels/activations.h"
#undef ACT
#undef REAL
#undef KERNEL
}  // namespace ref

// float, but for activations, in either namespace.
#define REAL float
namespace cpu {
using real = float;
#define KERNEL
#include "kernels/functions.h"
#undef KERNEL
#define KERNEL template <class act>
#define ACT act
#include "kernels/activations.h"
#undef ACT
#undef KERNEL
}  // namespace cpu

namespace cuda {
using real = float;
#define KERNEL
#include "kernels/functions.h"
#undef KERNEL
#define KERNEL template <class act>
#define ACT act
#include "kernels/activations.h"
#undef ACT
#undef KERNEL
}  // namespace cuda
#undef REAL
#undef KERNEL_BODY

}  // namespace signet
