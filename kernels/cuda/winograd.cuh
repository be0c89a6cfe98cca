#pragma once
// 3x3 convolutions at unit steps by Winograd's minimal filtering F(4x4, 3x3): 16 pixels of y from 36 products
// a channel instead of 144 (Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR 2016).
//
//   y = A' [(G g G') . (B' d B)] A        (. is the elementwise product, ' transposes)
//
// with d the 6x6 pixels of x that a tile of 4x4 pixels of y sees. Summed over channels, the products at each
// of the 36 points are a matrix product [tiles][channels] x [channels][columns]; one launch makes all of
// them, a point a part. In float only: on tensor cores the transforms' bytes take longer than the products
// that are saved, and their differences would be rounded to fewer digits (docs/kernels-static.md).
//
// The transformed tiles of x and the products before their transform back are each 36/16 of x and y. So the
// tiles pass through in chunks, all of which use the same workspace, small enough for a second-level cache of
// 40 MB or more (A100, H100, H200, RTX 4090). No bit depends on the cut.

#include <optional>

#include "kernels/cuda/implicit_gemm.cuh"
#include "kernels/kernels.h"

namespace signet::cuda {

/// The convolution of x [batch, height, width, channels] with 3x3 filters, padded by `padding` on every side
/// (cropped, if that is negative), into out [batch, height + 2 padding - 2, width + 2 padding - 2, columns].
/// Channels and columns are multiples of 4.
struct WinogradConv {
  const char* kernel;  ///< named where a size is refused
  int64_t batch, height, width, channels, columns, padding;
  /// Whether w is [channels, 3, 3, columns] and turned by half a turn, for the gradient by the data, instead
  /// of [columns, 3, 3, channels].
  bool turned;

  const float* x = nullptr;
  const float* w = nullptr;
  /// The filters as winograd_transform_filters made them; then w is not read.
  const float* filters = nullptr;
  implicit_gemm::Output<float> out = {};

  int64_t out_height() const { return height + 2 * padding - 2; }
  int64_t out_width() const { return width + 2 * padding - 2; }
};

/// The convolution that a pass of `shape` is, still without its operands; none where the pass is computed in
/// another way. Depends on conv_choice(), the number format and the shape of an image, not on the batch.
std::optional<WinogradConv> winograd_forward(const Conv2dShape& shape);
std::optional<WinogradConv> winograd_backward_data(const Conv2dShape& shape);

/// filters[36 * channels * columns], aligned to 16 bytes: [point][w's first axis][w's last axis].
void winograd_transform_filters(float* filters, const WinogradConv& conv);

/// Computes out. The rounding error is about 2.5 times that of direct summation.
void winograd(const WinogradConv& conv);

}  // namespace signet::cuda
