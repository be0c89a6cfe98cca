#include <algorithm>

#include "kernels/ladder/rungs.h"

namespace signet::cuda::ladder {
namespace {

constexpr int64_t kIntLimit = int64_t(1) << 31, kShippedLimit = int64_t(1) << 30;

}  // namespace

std::string gemm_size_refusal(int64_t m, int64_t n, int64_t k) {
  constexpr int64_t kMostColumns = 1 << 20;
  if (m * k >= kIntLimit || k * n >= kIntLimit || m * n >= kIntLimit)
    return "A matrix has 2^31 elements or more, and the kernel indexes with int.";
  if (n > kMostColumns) return "The grid counts at most 65535 tiles of columns: n has to be at most 2^20.";
  return "";
}

std::string gemm_vector_refusal(int64_t m, int64_t n, int64_t k) {
  if (n % 4 != 0 || k % 4 != 0)
    return "Rows of A and B are read 16 bytes at a time: n and k have to be multiples of 4.";
  return gemm_size_refusal(m, n, k);
}

std::string shipped_gemm_refusal(int64_t m, int64_t n, int64_t k) {
  if (std::max({m, n, k}) >= kShippedLimit)
    return "The kernel counts with int: m, n and k have to be below 2^30.";
  return "";
}

std::string conv_size_refusal(const Conv2dShape& s) {
  if (s.in_size() >= kIntLimit || s.out_size() >= kIntLimit || s.weight_size() >= kIntLimit)
    return "A tensor has 2^31 elements or more, and the kernel indexes with int.";
  return "";
}

std::string conv_columns_refusal(const Conv2dShape& s) {
  if (conv_pixels(s) * conv_depth(s) >= kIntLimit)
    return "The matrix of columns has 2^31 elements or more, and the kernel indexes with int.";
  return conv_size_refusal(s);
}

std::string shipped_conv_refusal(const Conv2dShape& s) {
  const int64_t in_pixels = s.batch * s.in_height * s.in_width;
  const int64_t taps = s.kernel_height * s.kernel_width;
  if (std::max({in_pixels, conv_pixels(s), taps * s.in_channels, taps * s.out_channels}) >= kShippedLimit)
    return "There are 2^30 pixels or more, or as many weights to a channel, and the kernel counts with int.";
  return "";
}

int64_t conv_pixels(const Conv2dShape& s) {
  return s.batch * s.out_height() * s.out_width();
}

int64_t conv_depth(const Conv2dShape& s) {
  return s.kernel_height * s.kernel_width * s.in_channels;
}

ConvSizes conv_sizes(const Conv2dShape& s) {
  return {.pixels = int(conv_pixels(s)),
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
  if (rows == 0) return "No rows have no mean.";
  if (rows * channels >= kIntLimit)
    return "A tensor has 2^31 elements or more, and the kernel indexes with int.";
  return "";
}

}  // namespace signet::cuda::ladder
