#pragma once
// What a card could do at most, from its properties.

#include "bench/platform.h"

namespace signet::bench {

/// Multiprocessors x clock x multiply-adds a multiprocessor and clock. Those on tensor cores stand in a table
/// of NVIDIA's figures (see peaks.cpp).
Peaks peaks_of(const cuda::DeviceProperties& device);

}  // namespace signet::bench
