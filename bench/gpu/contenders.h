#pragma once
// Who takes part in the comparison on a device.

#include <iosfwd>
#include <string>
#include <vector>

#include "bench/platform.h"

namespace signet::bench {

/// The rungs of the ladder and the shipped kernels, slowest first.
std::vector<Contender> signet_contenders(const Problem& problem);

/// Convolutions whose activations are stored as bf16, by each tile; part of the above.
std::vector<Contender> stored_bf16_contenders(const Problem& problem);

/// cuBLAS, cuBLASLt and cuDNN; on a simulated device, one reference on the host in their place.
std::vector<Contender> vendor_contenders(const Problem& problem);
/// For the reader of a table, e.g. "cuBLAS 13.0.1, cuDNN 9.19.0".
std::string vendor_versions();

/// Builds the vendor's plans of every convolution among the problems for a card that need not be there,
/// described in cuDNN's JSON, and prints them; how many convolutions got none. Throws std::runtime_error in a
/// build without the vendor's libraries.
int list_vendor_plans(const std::vector<Problem>& problems, const std::string& device_json,
                      std::ostream& out);

/// The current device, with its memory, events and peaks.
const Platform& device_platform();

}  // namespace signet::bench
