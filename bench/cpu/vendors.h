#pragma once
// The CPU libraries that Signet's CPU kernels are compared with, without their headers. All of them, and
// Signet, run on the same number of threads.

#include <string>

#include "bench/platform.h"

namespace signet::bench {

namespace onednn {
/// Tensors stay in NHWC; the weights that a product reads are packed beforehand, outside of the timing, as a
/// framework would keep them. A gradient of weights is brought to OHWI within it.
Prepared prepare(const Problem& problem, const Buffers& buffers);
void set_threads(int count);
std::string version();
}  // namespace onednn

namespace openblas {
/// cblas_sgemm on the matrices as they stand.
Prepared prepare(const Problem& problem, const Buffers& buffers);
void set_threads(int count);
std::string version();
}  // namespace openblas

}  // namespace signet::bench
