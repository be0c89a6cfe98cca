#pragma once

#include "kernels/cuda/platform.cuh"

namespace signet::cuda {

/// The stream that the calling thread's kernels and copies are ordered on.
cudaStream_t current_stream();

}  // namespace signet::cuda
