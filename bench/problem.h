#pragma once
// What is compared with a vendor's library: one computation, its buffers, and the contenders that compute it.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kernels/cuda/runtime.h"
#include "kernels/kernels.h"

namespace signet::bench {

using cuda::MatrixMath;

enum class Operation : uint8_t {
  gemm,
  conv_forward,
  conv_backward_data,
  conv_backward_weight,
  conv_inference,  ///< with bias, residual and ReLU fused, as a frozen network runs it
  batchnorm_forward,
  batchnorm_backward,
};
const char* name_of(Operation operation);
const char* name_of(MatrixMath math);
/// The function of kernels/functions.h that computes it.
const char* kernel_of(Operation operation);

/// Sizes of a computation; which of them count depends on the operation.
struct Problem {
  Operation operation = Operation::gemm;
  std::string name = {};        ///< e.g. \"layer1 3x3", without the batch
  int64_t m = 0, n = 0, k = 0;  ///< gemm: C[m,n] = op(A) op(B), as cuda::gemm
  Transpose transpose_a = Transpose::no, transpose_b = Transpose::no;
  Conv2dShape conv = {};                ///< conv_*
  int64_t rows = 0, channels = 0;       ///< batchnorm_*
  bool relu = false, residual = false;  ///< batchnorm_*
  int64_t batch = 1;

  /// "conv_forward / layer1 3x3 / batch 32".
  std::string label() const;
  /// Floating-point operations, a multiply-add being two; of the direct algorithm, whoever computes it.
  double flops() const;
  /// Every argument read or written once.
  double bytes() const;
  /// How many products are added up into one output.
  double terms() const;
};

/// The buffers of a problem, on a device or on the host, in this order:
///   gemm                  a, b                            -> c
///   conv_forward          x, w                            -> y
///   conv_backward_data    dy, w                           -> dx
///   conv_backward_weight  dy, x                           -> dw
///   conv_inference        x, w, bias, residual            -> y
///   batchnorm_forward     x, weight, bias, residual       -> y, mean, inv_std
///   batchnorm_backward    dy, x, y, weight, mean, inv_std -> dx, dweight, dbias, dresidual
/// A residual that the problem has not is a null pointer of size 0.
struct Buffers {
  std::vector<float*> in, out;
};

/// Floats of each buffer.
struct BufferSizes {
  std::vector<int64_t> in, out;
};
BufferSizes buffer_sizes(const Problem& problem);

constexpr double kBatchnormEps = 1e-5;

/// A contender, ready to run on given buffers.
struct Prepared {
  std::function<void()> run = {};  ///< computes the outputs; on a device, gives that to the current stream
  /// Brings into the outputs what `run` computes elsewhere; not timed. May be empty.
  std::function<void()> publish = {};
  double bytes = 0;          ///< that `run` reads and writes; 0: those of the problem
  std::string notes = {};    ///< what else a reader must know: workspace, layout, engine
  std::string refusal = {};  ///< why it does not take this problem, as a sentence; run is then empty
};

struct Contender {
  std::string name;
  bool vendor = false;
  MatrixMath math = MatrixMath::f32;
  std::function<Prepared(const Problem&, const Buffers&)> prepare;
};

/// ResNet18's layers at 224x224, each distinct convolution and batchnorm once, and matrix products that are
/// square or shaped like such a layer.
std::vector<Problem> resnet18_problems(const std::vector<int64_t>& batches);
/// The same kinds at sizes for a test.
std::vector<Problem> tiny_problems();

}  // namespace signet::bench
