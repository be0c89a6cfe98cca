#pragma once
// Who takes part in the comparison on a device.

#include <string>
#include <vector>

#include "bench/platform.h"

namespace signet::bench {

/// The rungs of the ladder and the shipped kernels, slowest first.
std::vector<Contender> signet_contenders(const Problem& problem);

/// cuBLAS, cuBLASLt and cuDNN; on a simulated device, one reference on the host in their place.
std::vector<Contender> vendor_contenders(const Problem& problem);
/// For the reader of a table, e.g. "cuBLAS 13.0.1, cuDNN 9.19.0".
std::string vendor_versions();

/// The current device, with its memory, events and peaks.
const Platform& device_platform();

}  // namespace signet::bench
