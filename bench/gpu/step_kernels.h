#pragma once
// What a training step asks of one side, layer by layer. Each call prepares a layer's kernel for fixed
// buffers and gives what runs it.

#include <memory>

#include "bench/problem.h"

namespace signet::bench {

using Run = std::function<void()>;

struct ForwardAndBackward {
  Run forward, backward;
};

class StepKernels {
 public:
  virtual ~StepKernels() = default;
  /// The convolutions, batchnorms and matrix products: the same kernels as in the rows of single layers.
  virtual Run layer(const Problem& problem, const Buffers& buffers) = 0;
  /// Buffers as for maxpool_forward and maxpool_backward.
  virtual ForwardAndBackward max_pooling(const Pool2dShape& shape, float* y, int32_t* index, const float* x,
                                         float* dx, const float* dy) = 0;
  /// x and dx [batch, side, side, channels], y and dy [batch, channels].
  virtual ForwardAndBackward average_pooling(int64_t batch, int64_t side, int64_t channels, float* y,
                                             const float* x, float* dx, const float* dy) = 0;
  /// y[n] += x[n].
  virtual Run add(float* y, const float* x, int64_t n) = 0;
};

/// Signet's shipped kernels.
std::unique_ptr<StepKernels> signet_step_kernels(MatrixMath math);

/// What the vendor's side offers to multiply with in a whole step.
std::vector<MatrixMath> vendor_step_maths();
/// cuDNN (its heuristic's choice) and cuBLAS; on a simulated device the reference.
std::unique_ptr<StepKernels> vendor_step_kernels(MatrixMath math);
const char* vendor_step_name();

}  // namespace signet::bench
