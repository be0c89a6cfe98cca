#pragma once
// Convolutions of colour images. Three channels are 12 bytes, and cp.async and the packed stores want 16: the
// general kernel would copy 4 bytes at a time, and only with its small tile. So images and filters get a
// fourth channel of zeros in the workspace first.
//
// What that costs and saves, for ResNet's stem at batch 32 (7x7, stride 2, 224x224 to 64 channels):
//   multiplications   196 steps of k instead of 147, a third more in 6.5% of the network's
//   memory            19 MB read and 26 MB written once, beside the 103 MB of y that every form writes
//   copies            49 of 16 bytes a pixel of y and tile, instead of 147 of 4 bytes
// The other form, input rows staged in shared memory and read by each pixel at a stride of 6 floats, saves
// the third, but needs tiles, copies and an epilogue of its own for each number format and for dw. On tensor
// cores, where y's 103 MB take longer than the product, it would save nothing.

#include "kernels/cuda/elements.cuh"
#include "kernels/kernels.h"

namespace signet::cuda {

/// Whether a convolution is to be computed with a fourth channel: each value is read more than once.
inline bool pads_colours(const Conv2dShape& s) {
  return s.in_channels == 3 && s.kernel_height * s.kernel_width > 1;
}

/// The shape with four channels.
inline Conv2dShape padded(Conv2dShape s) {
  s.in_channels = 4;
  return s;
}

/// y[pixels, 4] = x[pixels, 3], and zeros. y is aligned to 16 bytes.
void pad_colours(float* y, const float* x, int64_t pixels);

}  // namespace signet::cuda
