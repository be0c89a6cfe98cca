#pragma once
// A training step as a list of layers, built once for fixed buffers.

#include <memory>

#include "bench/gpu/step.h"
#include "bench/gpu/step_kernels.h"
#include "models/network.h"

namespace signet::bench {

constexpr double kStepRate = 1e-4;
constexpr int kStepClasses = 36;

/// What every contender starts from: the same weights, images and labels.
std::unique_ptr<models::Network> step_network(const StepProblem& problem);
Tensor step_images(const StepProblem& problem);
Tensor step_labels(const StepProblem& problem);

/// Convolutions, batchnorms, pooling, the sums of gradients and the last layer's products are the given
/// kernels; its bias, the loss and Adam are Signet's kernels on either side, for neither cuDNN nor cuBLAS
/// offers them. The running statistics are not updated.
PreparedStep listed_step(const StepProblem& problem, std::unique_ptr<StepKernels> kernels);

}  // namespace signet::bench
