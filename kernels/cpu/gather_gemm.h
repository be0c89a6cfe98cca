#pragma once
// The product of a gathered matrix (gather.h) and a matrix of weights, with what follows a convolution fused
// into the store: the engine of conv2d_forward, conv2d_backward_data and gemm.

#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/cpu/gather.h"

namespace signet::cpu {

/// With act = BFloat16 the operands are pairs (bf16-inl.h): left's channels are counted in pairs, k then
/// counts them too, and the processor has to have their products (bf16_products.h).
template <class act>
struct GatherGemm {
  Gather<float> left;
  int64_t rows = 0, columns = 0;

  /// right(k = (t, c), j) = right[taps[t].offset + c * right_row_stride + j * right_column_stride], where one
  /// of the strides is 1 and c counts channels one by one.
  const float* right = nullptr;
  int64_t right_row_stride = 1, right_column_stride = 1;

  /// The right matrix as gather_gemm_pack packed it; then `right` is not read.
  const float* panels = nullptr;

  /// Column j of grid pixel (n, gy, gx) is stored at
  /// out + n * image_stride + gy * line_stride + gx * pixel_stride + j * column_stride.
  act* out = nullptr;
  int64_t image_stride = 0, line_stride = 0, pixel_stride = 0, column_stride = 1;

  /// out = relu(product + bias[columns] + residual); residual is laid out as out, may be out itself, and may
  /// be null like bias. Where columns are not neighbours (column_stride != 1), neither bias nor relu.
  const float* bias = nullptr;
  const act* residual = nullptr;
  bool relu = false;
};

/// Each element of the product is one chain of multiply-adds in the order of k: the same bits for a row
/// wherever it stands, and for any number of threads.
template <class act>
void gather_gemm(const GatherGemm<act>& problem);

/// Packs the right matrix into panels[left.columns() * columns rounded up to 32], aligned to 64 bytes, for
/// this process and any number of rows.
template <class act>
void gather_gemm_pack(float* panels, const GatherGemm<act>& problem);

}  // namespace signet::cpu
