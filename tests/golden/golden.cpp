#include "tests/golden/golden.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>

#include "kernels/cuda/runtime.h"

namespace signet::golden {
namespace fs = std::filesystem;

fs::path shared_folder() {
  const char* named = std::getenv("SIGNET_SHARED");
  return named ? fs::path(named) : fs::path(SIGNET_SOURCE_DIR) / ".." / "shared";
}

Device device() {
  const char* named = std::getenv("SIGNET_TEST_DEVICE");
  static const Device chosen = Device::parse(named ? named : "cpu");
  return chosen;
}

double rounding() {
  const char* named = std::getenv("SIGNET_TEST_PRECISION");
  const std::string precision = named ? named : "f32";
  if (precision == "f32") return 0;
  cuda::set_matrix_math(precision == "tf32" ? cuda::MatrixMath::tf32 : cuda::MatrixMath::bf16);
  const double u = std::ldexp(1.0, precision == "tf32" ? -11 : -8);
  return 2 * u + u * u;
}

Figures::Figures(const std::string& file) {
  const char* named = std::getenv("SIGNET_GOLDEN");
  const fs::path path = (named ? fs::path(named) : shared_folder() / "golden") / file;
  if (!fs::exists(path)) {
    fmt::print("skipped: {} is not there (SIGNET_GOLDEN names its folder)\n", path.string());
    return;
  }
  archive_ = models::read_safetensors(path);
  available_ = true;
}

const models::Array& Figures::array(const std::string& name) const {
  const models::Array* found = archive_.find(name);
  REQUIRE_MESSAGE(found != nullptr, name, " is missing");
  return *found;
}

Tensor Figures::tensor(const std::string& name) const {
  const auto s = shape(name);
  const auto v = values(name);
  if (s.size() != 4) return Tensor::from(v, Shape(s), device());
  const Shape nhwc{s[0], s[2], s[3], s[1]};
  return Tensor::from(models::to_channels_last(v.data(), nhwc), nhwc, device());
}

Tensor Figures::labels(const std::string& name) const {
  std::vector<int32_t> result;
  for (const float v : values(name)) result.push_back(int32_t(v));
  return Tensor::from(result, Shape(shape(name)), device());
}

double relative_error(const std::vector<float>& actual, const std::vector<float>& expected) {
  if (actual.size() != expected.size()) return std::nan("");
  double difference = 0, norm = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    difference += std::pow(double(actual[i]) - double(expected[i]), 2);
    norm += std::pow(double(expected[i]), 2);
  }
  return std::sqrt(difference) / (norm > 0 ? std::sqrt(norm) : 1.0);
}

std::vector<float> in_pytorch_order(const Tensor& t) {
  const auto values = t.to_vector();
  return t.shape().rank() == 4 ? models::to_channels_first(values.data(), t.shape()) : values;
}

}  // namespace signet::golden
