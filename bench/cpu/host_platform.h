#pragma once

#include "bench/platform.h"

namespace signet::bench {

/// This processor: Signet's CPU kernels beside oneDNN and OpenBLAS.
const Platform& host_platform();

}  // namespace signet::bench
