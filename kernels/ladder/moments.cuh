#pragma once
// Mean and variance in one reading, for the rungs of batchnorm.

#include "kernels/cuda/platform.cuh"

namespace signet::cuda::ladder {

/// Of some values: how many, their mean, and the sum of their squared distances from it. Welford's update
/// takes one value more; Chan, Golub and LeVeque's formula merges two sets (sources: cuda/batchnorm.cu).
struct Moments {
  float count, mean, squares;

  __device__ void add(float value) {
    count += 1;
    const float distance = value - mean;
    mean += distance / count;
    squares += distance * (value - mean);  // from the old mean and from the new
  }
};

struct MergeMoments {
  __device__ Moments operator()(const Moments& a, const Moments& b) const {
    const float count = a.count + b.count, distance = b.mean - a.mean;
    const float share = count > 0 ? b.count / count : 0;
    return {count, a.mean + distance * share, a.squares + b.squares + distance * distance * a.count * share};
  }
};

}  // namespace signet::cuda::ladder
