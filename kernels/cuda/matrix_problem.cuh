#pragma once
// C = op(A) op(B) as a problem of implicit_gemm.cuh: each of the four pairs of transpositions is a pair of
// layouts of the tiles in shared memory.

#include "kernels/cuda/implicit_gemm.cuh"

namespace signet::cuda::implicit_gemm {

template <class Element, bool kTransposeA, bool kTransposeB>
struct MatrixProblem {
  // Rows of B's tile are columns of op(B): a transposed B has them row by row.
  using A = Matrix<Element, kTransposeA>;
  using B = Matrix<Element, !kTransposeB>;
  static constexpr Layout kLayoutA = kTransposeA ? Layout::column_major : Layout::row_major;
  static constexpr Layout kLayoutB = kTransposeB ? Layout::row_major : Layout::column_major;

  MatrixProblem(const Output<float>& c, const Element* left, const Element* right, int64_t m, int64_t n,
                int64_t k)
      : a{.x = left, .pitch = kTransposeA ? m : k, .rows = int(m), .depth = int(k)},
        b{.x = right, .pitch = kTransposeB ? k : n, .rows = int(n), .depth = int(k)},
        out(c),
        rows(int(m)),
        columns(int(n)),
        k_begin(0),
        k_end(int(k)) {}

  __device__ void select(int) {}
  __device__ int64_t place(int row) const { return int64_t(row) * columns; }

  A a;
  B b;
  Output<float> out;
  int rows, columns, k_begin, k_end;
};

}  // namespace signet::cuda::implicit_gemm
