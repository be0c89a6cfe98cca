// Matrices, row-major: A[i,j] of an [m,k] matrix is a[i * k + j].

#include "kernels/ref/scalar.h"

namespace signet::ref {

// C[i,j] = sum over l of op(A)[i,l] op(B)[l,j]. The gradients of C = A B are two more calls: dA = dC B^T, dB
// = A^T dC.
template <class real>
void gemm(real* c, const real* a, const real* b, Transpose transpose_a, Transpose transpose_b, int64_t m,
          int64_t n, int64_t k, Accumulate accumulate) {
  const auto op_a = [&](int64_t i, int64_t l) {
    return Sum<real>(transpose_a == Transpose::yes ? a[l * m + i] : a[i * k + l]);
  };
  const auto op_b = [&](int64_t l, int64_t j) {
    return Sum<real>(transpose_b == Transpose::yes ? b[j * k + l] : b[l * n + j]);
  };
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      Sum<real> sum = 0;
      for (int64_t l = 0; l < k; ++l) sum += op_a(i, l) * op_b(l, j);
      store(c[i * n + j], sum, accumulate);
    }
  }
}

template <class real>
void broadcast_rows(real* y, const real* x, int64_t rows, int64_t cols) {
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t col = 0; col < cols; ++col) y[row * cols + col] = x[col];
}

// The transpose of broadcast_rows, seen as a linear map: hence its gradient.
template <class act>
void sum_rows(Real<act>* y, const act* x, int64_t rows, int64_t cols, Accumulate accumulate) {
  for (int64_t col = 0; col < cols; ++col) {
    Sum<act> sum = 0;
    for (int64_t row = 0; row < rows; ++row) sum += Sum<act>(x[row * cols + col]);
    store(y[col], sum, accumulate);
  }
}

SIGNET_INSTANTIATE(gemm);
SIGNET_INSTANTIATE(broadcast_rows);
SIGNET_INSTANTIATE_ACTIVATIONS(sum_rows);

}  // namespace signet::ref
