#pragma once
// Streams of the simulated device: what one is given is done at once, or recorded while it is captured.

#include <functional>

#include "kernels/simt/runtime_api.h"

namespace signet::simt {

void enqueue(cudaStream_t stream, std::function<void()> work);

}  // namespace signet::simt
