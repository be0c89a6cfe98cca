#include "kernels/ladder/rungs.h"

namespace signet::cuda::ladder {
namespace {

constexpr int64_t kIntLimit = int64_t(1) << 31;

}  // namespace

std::string gemm_size_refusal(int64_t m, int64_t n, int64_t k) {
  constexpr int64_t kMostColumns = 1 << 20;
  if (m * k >= kIntLimit || k * n >= kIntLimit || m * n >= kIntLimit)
    return "A matrix has 2^31 elements or more, and the kernel indexes with int.";
  if (n > kMostColumns) return "n is above 2^20, and the grid counts at most 65535 tiles of columns.";
  return "";
}

std::string gemm_vector_refusal(int64_t m, int64_t n, int64_t k) {
  if (n % 4 != 0 || k % 4 != 0)
    return "n and k have to be multiples of 4: rows of A and B are read 16 bytes at a time.";
  return gemm_size_refusal(m, n, k);
}

std::string conv_size_refusal(const Conv2dShape& s) {
  if (s.in_size() >= kIntLimit || s.out_size() >= kIntLimit || s.weight_size() >= kIntLimit)
    return "A tensor has 2^31 elements or more, and the kernel indexes with int.";
  return "";
}

ConvSizes conv_sizes(const Conv2dShape& s) {
  return {.pixels = int(s.batch * s.out_height() * s.out_width()),
          .in_height = int(s.in_height),
          .in_width = int(s.in_width),
          .in_channels = int(s.in_channels),
          .out_height = int(s.out_height()),
          .out_width = int(s.out_width()),
          .out_channels = int(s.out_channels),
          .kernel_height = int(s.kernel_height),
          .kernel_width = int(s.kernel_width),
          .stride = int(s.stride),
          .padding = int(s.padding),
          .dilation = int(s.dilation)};
}

std::string batchnorm_size_refusal(int64_t rows, int64_t channels) {
  if (rows * channels >= kIntLimit) return "x has 2^31 elements or more, and the kernel indexes with int.";
  return "";
}

}  // namespace signet::cuda::ladder
