#pragma once
// The passes of conv2d_relu_maxpool that never make the image between convolution and pool, where the
// convolution's algorithm can do without. Pointers are as for conv2d_relu_maxpool_forward and _backward.

#include <cstdint>

#include "kernels/cpu/conv_algorithm.h"
#include "kernels/kernels.h"

namespace signet::cpu {

/// Whether the functions below compute a pass of the shape.
template <class act>
bool pools(ConvPass pass, const Conv2dShape& shape);

template <class act>
void convolve_and_pool(act* y, uint8_t* places, const act* x, const float* w, const float* bias,
                       const Conv2dShape& shape);

template <class act>
void pooled_backward_data(act* dx, const act* dy, const uint8_t* places, const float* w,
                          Accumulate accumulate, const Conv2dShape& shape);

template <class act>
void pooled_backward_weight(float* dw, const act* dy, const uint8_t* places, const act* x,
                            Accumulate accumulate, const Conv2dShape& shape);

/// y[cols] = or += the sum over the rows of those x[rows, cols] whose place is not kNowhere; `places` may be
/// null: then of all.
template <class act>
void sum_placed_rows(float* y, const act* x, const uint8_t* places, int64_t rows, int64_t cols,
                     Accumulate accumulate);

}  // namespace signet::cpu
