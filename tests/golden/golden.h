#pragma once
// Reading the figures from PyTorch that Signet must reproduce, and comparing with them.

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "models/safetensors.h"
#include "models/state_dict.h"
#include "tensor/tensor.h"

namespace signet::golden {

/// The folder of shared files: SIGNET_SHARED, by default ../shared beside the sources.
std::filesystem::path shared_folder();

/// Where the figures are reproduced: SIGNET_TEST_DEVICE (with the precision SIGNET_TEST_PRECISION), or the
/// CPU.
Device device();

/// How far one product of matrices, or one convolution, may be off because its operands are rounded: 0 for
/// f32. An operand with p bits of significand is off by u = 2^-p at most (tf32: p = 11, bf16: p = 8), a
/// product of two by (1 + u)^2 - 1, and so is the norm of a sum of such products if their errors are not
/// correlated with one another (they are sums of terms of either sign).
double rounding();

/// One file of figures, from the folder SIGNET_GOLDEN (by default `golden` in the shared folder).
class Figures {
 public:
  explicit Figures(const std::string& file);

  /// False, with a line that says so, where the file is absent.
  bool available() const { return available_; }
  bool has(const std::string& name) const { return archive_.find(name) != nullptr; }
  std::vector<int64_t> shape(const std::string& name) const { return array(name).shape; }
  std::vector<float> values(const std::string& name) const { return models::to_f32(array(name)); }
  /// As a tensor of the same shape on device(); for rank 4 from NCHW (or OIHW) to NHWC (OHWI).
  Tensor tensor(const std::string& name) const;
  Tensor labels(const std::string& name) const;

 private:
  const models::Array& array(const std::string& name) const;

  models::Archive archive_;
  bool available_ = false;
};

/// |actual - expected| / |expected| in the 2-norm; NaN if anything is NaN. Where the expected figures are all
/// 0, the norm of the actual ones.
double relative_error(const std::vector<float>& actual, const std::vector<float>& expected);

/// A tensor's values in PyTorch's order (rank 4: NCHW).
std::vector<float> in_pytorch_order(const Tensor& t);

}  // namespace signet::golden

/// Written so that NaN fails.
#define CHECK_CLOSE(actual, expected, tolerance)                                    \
  do {                                                                              \
    const double error_ = ::signet::golden::relative_error(actual, expected);       \
    CHECK_MESSAGE(error_ <= (tolerance), #actual " is off by ", error_, " (norm)"); \
  } while (false)
