#pragma once
// The first convolution of a network: images of three channels at steps of one or two. Windows that overlap
// lie one beside the other in a padded row of pixels, so that row is the matrix, read with the step as its
// pitch: nothing is gathered.

#include <cstdint>

#include "kernels/kernels.h"

namespace signet::cpu {

/// Whether the functions below compute the shape.
bool rgb_applies(const Conv2dShape& shape);

/// With act = BFloat16, which the processor has to be able to multiply (bf16_products.h), products are of
/// pairs: of neighbouring taps, with weights rounded to bfloat16, or of neighbouring pixels.
///
/// conv2d_forward's operands but for the weights, or, `pooled`, conv2d_relu_maxpool_forward's: then there is
/// no residual, and `places` may be null.
template <class act>
struct RgbConv {
  act* y = nullptr;
  const act* x = nullptr;
  const float* bias = nullptr;
  const act* residual = nullptr;
  bool relu = false;
  bool pooled = false;
  uint8_t* places = nullptr;
};

/// For shapes that it applies to. An element is one chain of multiply-adds in the order of the filter.
template <class act>
void rgb_forward(const RgbConv<act>& conv, const float* w, const Conv2dShape& shape);

/// How many partial gradients, one after another in memory, `rgb_backward_weight` wants to write; their sum
/// in that order is the gradient. Depends on the shape alone.
int64_t rgb_copies(const Conv2dShape& shape);

/// Writes (or, a single one, adds) `copies` = rgb_copies partial gradients. dy and x as for
/// conv2d_backward_weight, or, with `places`, dy and these as for conv2d_relu_maxpool_backward.
template <class act>
void rgb_backward_weight(float* dw, int64_t copies, bool accumulate, const act* dy, const uint8_t* places,
                         const act* x, const Conv2dShape& shape);

}  // namespace signet::cpu
