#pragma once
// 3x3 convolutions at unit steps by Winograd's minimal filtering F(4x4, 3x3): 4x4 outputs from 36 products a
// channel instead of 144. Winograd (1980), Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks"
// (2016).

#include <cstdint>

#include "kernels/kernels.h"

namespace signet::cpu {

/// The convolution of x [batch, height, width, channels] with 3x3 filters, padded by `padding` on every side,
/// into out [batch, height + 2 padding - 2, width + 2 padding - 2, columns].
///
/// With act = BFloat16 the transformed images and filters are rounded to bfloat16 and multiplied in pairs,
/// which the processor has to be able to (bf16_products.h).
template <class act>
struct WinogradConv {
  const act* x = nullptr;
  int64_t batch = 0, height = 0, width = 0, channels = 0, columns = 0, padding = 0;

  /// w[o, ky, kx, c], OHWI. With `transposed` c is the column and o the channel summed over, and the filter
  /// is turned by half a turn: the gradient by the data.
  const float* w = nullptr;
  bool transposed = false;
  /// The filters as winograd_pack_taps laid them out; then `w` is not read, and they are not transposed.
  const float* taps = nullptr;

  /// out = relu(convolution + bias[columns] + residual); residual is laid out as out, may be out itself, and
  /// may be null like bias.
  act* out = nullptr;
  const float* bias = nullptr;
  const act* residual = nullptr;
  bool relu = false;

  /// With `pooled`, out [batch, out_height() / 2, out_width() / 2, columns] is the convolution's maxpool with
  /// ReLU by windows of 2x2 (see maxpool_forward) instead, and `pool_places`, which may be null, its places
  /// (conv2d_relu_maxpool_forward); there is no residual.
  bool pooled = false;
  uint8_t* pool_places = nullptr;

  /// If not null, x is not stored, but the gradient of such a pool's input: these are the pool's places, and
  /// x [batch, height / 2, width / 2, channels] the gradient of its result.
  const uint8_t* places = nullptr;

  int64_t out_height() const { return height + 2 * padding - 2; }
  int64_t out_width() const { return width + 2 * padding - 2; }
};

/// Whether `winograd` computes a convolution with the shape's filter that sums over `channels` into
/// `columns`.
bool winograd_applies(const Conv2dShape& shape, int64_t channels, int64_t columns, int64_t padding);

/// taps[9 * channels * columns], aligned to 64 bytes: the filters w in the order in which they are
/// transformed. Transformed ones would be four times as large, and on one image at a time to read them takes
/// longer than to make them. Requires winograd_applies.
template <class act>
void winograd_pack_taps(float* taps, const WinogradConv<act>& conv);

/// Requires winograd_applies. The rounding error is about 2.5 times that of direct summation.
template <class act>
void winograd(const WinogradConv<act>& conv);

/// The gradient by the weights: dw [outputs, 3, 3, channels] of the convolution of x [batch, height, width,
/// channels], padded by `padding`, for the cotangent dy [batch, out_height, out_width, outputs].
template <class act>
struct WinogradGradient {
  const act* x = nullptr;
  const act* dy = nullptr;
  const uint8_t* places = nullptr;  ///< as WinogradConv's, of dy
  int64_t batch = 0, height = 0, width = 0, channels = 0, outputs = 0, padding = 0;

  int64_t out_height() const { return height + 2 * padding - 2; }
  int64_t out_width() const { return width + 2 * padding - 2; }
};

bool winograd_weight_applies(const Conv2dShape& shape);

/// How many partial gradients, one after another in memory, `winograd` wants to write; their sum in that
/// order is the gradient. Depends on the shape alone.
template <class act>
int64_t winograd_copies(const WinogradGradient<act>& gradient);

/// Writes (or, a single one, adds) `copies` = winograd_copies partial gradients. Requires
/// winograd_weight_applies.
template <class act>
void winograd(float* dw, int64_t copies, bool accumulate, const WinogradGradient<act>& gradient);

}  // namespace signet::cpu
