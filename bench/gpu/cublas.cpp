// cuBLAS counts matrices by columns. A row-major C = op(A) op(B) is the column-major C^T = op(B)^T op(A)^T,
// so the operands change places, and what is row-major here counts as transposed there exactly if it is
// transposed here.

#include "bench/gpu/cublas.h"

#include <cublas_v2.h>
#include <cublasLt.h>

#include <memory>
#include <stdexcept>

#include "bench/gpu/timer.h"

namespace signet::bench::cublas {
namespace {

void check(cublasStatus_t status, const char* call) {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw std::runtime_error(std::string(call) + ": " + cublasGetStatusString(status));
}
#define SIGNET_CUBLAS_CHECK(call) check((call), #call)

cublasComputeType_t compute_type(MatrixMath math) {
  switch (math) {
    case MatrixMath::f32:
      return CUBLAS_COMPUTE_32F_PEDANTIC;
    case MatrixMath::tf32:
      return CUBLAS_COMPUTE_32F_FAST_TF32;
    case MatrixMath::bf16:
      return CUBLAS_COMPUTE_32F_FAST_16BF;
  }
  return CUBLAS_COMPUTE_32F;
}

cublasOperation_t turned(Transpose transpose) {
  return transpose == Transpose::yes ? CUBLAS_OP_T : CUBLAS_OP_N;
}

/// Lives as long as the program, since both libraries may use it whenever their kernels run.
void* workspace() {
  static void* const memory = cuda::allocate(kWorkspaceLimit);
  return memory;
}

cublasHandle_t handle() {
  static const cublasHandle_t made = [] {
    cublasHandle_t h = nullptr;
    SIGNET_CUBLAS_CHECK(cublasCreate(&h));
    return h;
  }();
  // Setting the stream resets the workspace to the library's own.
  SIGNET_CUBLAS_CHECK(cublasSetStream(made, static_cast<cudaStream_t>(current_stream_handle())));
  SIGNET_CUBLAS_CHECK(cublasSetWorkspace(made, workspace(), size_t(kWorkspaceLimit)));
  return made;
}

cublasLtHandle_t lt_handle() {
  static const cublasLtHandle_t made = [] {
    cublasLtHandle_t h = nullptr;
    SIGNET_CUBLAS_CHECK(cublasLtCreate(&h));
    return h;
  }();
  return made;
}

/// The row-major sizes of one operand as stored.
struct Stored {
  int64_t rows, cols;
};
Stored stored_a(const Problem& p) {
  return p.transpose_a == Transpose::yes ? Stored{p.k, p.m} : Stored{p.m, p.k};
}
Stored stored_b(const Problem& p) {
  return p.transpose_b == Transpose::yes ? Stored{p.n, p.k} : Stored{p.k, p.n};
}

/// The descriptors of one product for cuBLASLt.
struct Product {
  cublasLtMatmulDesc_t operation = nullptr;
  cublasLtMatrixLayout_t a = nullptr, b = nullptr, c = nullptr;  // a and b as cuBLAS takes them: B and A

  Product(const Problem& p, MatrixMath math) {
    SIGNET_CUBLAS_CHECK(cublasLtMatmulDescCreate(&operation, compute_type(math), CUDA_R_32F));
    const cublasOperation_t first = turned(p.transpose_b), second = turned(p.transpose_a);
    SIGNET_CUBLAS_CHECK(
        cublasLtMatmulDescSetAttribute(operation, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof first));
    SIGNET_CUBLAS_CHECK(
        cublasLtMatmulDescSetAttribute(operation, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof second));
    const auto layout = [](cublasLtMatrixLayout_t* made, const Stored& s) {
      SIGNET_CUBLAS_CHECK(
          cublasLtMatrixLayoutCreate(made, CUDA_R_32F, uint64_t(s.cols), uint64_t(s.rows), s.cols));
    };
    layout(&a, stored_b(p));
    layout(&b, stored_a(p));
    layout(&c, {p.m, p.n});
  }
  ~Product() {
    for (const cublasLtMatrixLayout_t layout : {a, b, c})
      static_cast<void>(cublasLtMatrixLayoutDestroy(layout));
    static_cast<void>(cublasLtMatmulDescDestroy(operation));
  }
  Product(const Product&) = delete;
  Product& operator=(const Product&) = delete;
};

constexpr float kOne = 1, kZero = 0;
constexpr int kMostAlgorithms = 64;

}  // namespace

std::function<void()> gemm(const Problem& p, MatrixMath math, const Buffers& b) {
  return [=] {
    SIGNET_CUBLAS_CHECK(cublasGemmEx(handle(), turned(p.transpose_b), turned(p.transpose_a), int(p.n),
                                     int(p.m), int(p.k), &kOne, b.in[1], CUDA_R_32F, int(stored_b(p).cols),
                                     b.in[0], CUDA_R_32F, int(stored_a(p).cols), &kZero, b.out[0], CUDA_R_32F,
                                     int(p.n), compute_type(math), CUBLAS_GEMM_DEFAULT));
  };
}

std::vector<Algorithm> algorithms(const Problem& p, MatrixMath math, const Buffers& b) {
  const auto product = std::make_shared<const Product>(p, math);
  cublasLtMatmulPreference_t preference = nullptr;
  SIGNET_CUBLAS_CHECK(cublasLtMatmulPreferenceCreate(&preference));
  const auto limit = uint64_t(kWorkspaceLimit);
  SIGNET_CUBLAS_CHECK(cublasLtMatmulPreferenceSetAttribute(
      preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &limit, sizeof limit));
  std::vector<cublasLtMatmulHeuristicResult_t> results(kMostAlgorithms);
  int count = 0;
  const cublasStatus_t status =
      cublasLtMatmulAlgoGetHeuristic(lt_handle(), product->operation, product->a, product->b, product->c,
                                     product->c, preference, kMostAlgorithms, results.data(), &count);
  static_cast<void>(cublasLtMatmulPreferenceDestroy(preference));
  SIGNET_CUBLAS_CHECK(status);

  std::vector<Algorithm> found;
  for (int i = 0; i < count; ++i) {
    const cublasLtMatmulHeuristicResult_t result = results[size_t(i)];
    if (result.state != CUBLAS_STATUS_SUCCESS) continue;
    found.push_back({[=] {
                       SIGNET_CUBLAS_CHECK(cublasLtMatmul(
                           lt_handle(), product->operation, &kOne, b.in[1], product->a, b.in[0], product->b,
                           &kZero, b.out[0], product->c, b.out[0], product->c, &result.algo, workspace(),
                           size_t(kWorkspaceLimit), static_cast<cudaStream_t>(current_stream_handle())));
                     },
                     "algorithm " + std::to_string(i + 1) + " of " + std::to_string(count) + ", workspace " +
                         std::to_string((result.workspaceSize + 1023) / 1024) + " KiB"});
  }
  if (found.empty()) throw std::runtime_error("cuBLASLt names no algorithm for this product");
  return found;
}

std::string version() {
  int v = 0;
  SIGNET_CUBLAS_CHECK(cublasGetVersion(handle(), &v));
  return "cuBLAS " + std::to_string(v / 10000) + "." + std::to_string(v / 100 % 100) + "." +
         std::to_string(v % 100);
}

}  // namespace signet::bench::cublas
