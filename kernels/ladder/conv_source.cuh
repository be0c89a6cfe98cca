#pragma once

#include "kernels/cuda/platform.cuh"
#include "kernels/ladder/rungs.h"

namespace signet::cuda::ladder {

/// Along one axis: the place of y whose tap `k` lies on place `i` of x, or -1 where there is none. With a
/// stride most taps lie between the pixels of y.
__device__ inline int place_in_y(int i, int k, int out_size, const ConvSizes& s) {
  const int distance = i + s.padding - k * s.dilation;
  if (distance < 0 || distance % s.stride != 0) return -1;
  return distance / s.stride < out_size ? distance / s.stride : -1;
}

}  // namespace signet::cuda::ladder
