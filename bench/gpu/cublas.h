#pragma once
// Matrix products by cuBLAS and cuBLASLt, without their headers.

#include <string>
#include <vector>

#include "bench/problem.h"

namespace signet::bench::cublas {

/// Bytes that either library may use beside its operands.
constexpr int64_t kWorkspaceLimit = int64_t(32) << 20;

/// cuBLAS's own choice of algorithm: cublasGemmEx on float matrices, with the computation in FP32 without
/// tensor cores ("pedantic"), or on operands rounded to TF32 or bf16. Throws std::runtime_error.
std::function<void()> gemm(const Problem& problem, MatrixMath math, const Buffers& buffers);

/// A way of cuBLASLt to compute the product, as its heuristic ranks them.
struct Algorithm {
  std::function<void()> run;
  std::string description;
};
std::vector<Algorithm> algorithms(const Problem& problem, MatrixMath math, const Buffers& buffers);

std::string version();

}  // namespace signet::bench::cublas
