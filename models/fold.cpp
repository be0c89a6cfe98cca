#include "models/fold.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <set>
#include <stdexcept>
#include <vector>

namespace signet::models {
namespace {

constexpr double kEpsilon = 1e-5;
constexpr std::string_view kWeight = ".weight";

Array array_of(const std::vector<int64_t>& shape, const std::vector<float>& values) {
  Array array{shape, "F32", std::vector<std::byte>(values.size() * sizeof(float))};
  std::memcpy(array.bytes.data(), values.data(), array.bytes.size());
  return array;
}

std::vector<float> values_of(const Archive& archive, const std::string& name) {
  const Array* array = archive.find(name);
  if (array == nullptr) throw std::invalid_argument(fmt::format("[fold_batchnorm] {} is missing", name));
  return to_f32(*array);
}

/// The convolution whose weight has this name, and its batchnorm.
struct Pair {
  std::string convolution, batchnorm;
};

std::optional<Pair> pair_of(std::string_view tensor) {
  if (!tensor.ends_with(kWeight)) return std::nullopt;
  const auto convolution = tensor.substr(0, tensor.size() - kWeight.size());
  const auto batchnorm = batchnorm_after(convolution);
  if (!batchnorm) return std::nullopt;
  return Pair{std::string(convolution), *batchnorm};
}

void append_folded(Archive& folded, const Archive& archive, const Pair& pair, const Array& weight) {
  const auto& bn = pair.batchnorm;
  const auto gamma = values_of(archive, bn + ".weight"), beta = values_of(archive, bn + ".bias");
  const auto mean = values_of(archive, bn + ".running_mean"),
             variance = values_of(archive, bn + ".running_var");
  auto values = to_f32(weight);
  const size_t channels = gamma.size(), row = values.size() / channels;
  std::vector<float> bias(channels);
  for (size_t c = 0; c < channels; ++c) {
    const double scale = gamma[c] / std::sqrt(variance[c] + kEpsilon);
    for (size_t i = 0; i < row; ++i) values[c * row + i] = float(values[c * row + i] * scale);
    bias[c] = float(beta[c] - mean[c] * scale);
  }
  folded.entries.emplace_back(pair.convolution + ".weight", array_of(weight.shape, values));
  folded.entries.emplace_back(pair.convolution + ".bias", array_of({int64_t(channels)}, bias));
}

}  // namespace

std::optional<std::string> batchnorm_after(std::string_view convolution) {
  const size_t dot = convolution.rfind('.');
  const std::string parent(convolution.substr(0, dot == convolution.npos ? 0 : dot + 1));
  const auto name = convolution.substr(parent.size());
  if (parent.ends_with("downsample.") && name == "0") return parent + "1";
  if (name.starts_with("conv")) return parent + "bn" + std::string(name.substr(4));
  return std::nullopt;
}

Archive fold_batchnorm(const Archive& archive) {
  std::set<std::string> batchnorms;
  for (const auto& [name, array] : archive.entries) {
    const auto pair = pair_of(name);
    if (pair && archive.find(pair->batchnorm + ".weight") != nullptr) batchnorms.insert(pair->batchnorm);
  }
  Archive folded;
  folded.metadata = archive.metadata;
  for (const auto& [name, array] : archive.entries) {
    const auto pair = pair_of(name);
    if (pair && batchnorms.contains(pair->batchnorm)) {
      append_folded(folded, archive, *pair, array);
    } else if (!batchnorms.contains(name.substr(0, name.rfind('.')))) {
      folded.entries.emplace_back(name, array);
    }
  }
  return folded;
}

Archive unfold_batchnorm(const Archive& archive) {
  Archive unfolded;
  unfolded.metadata = archive.metadata;
  for (const auto& [name, array] : archive.entries) {
    const auto pair = pair_of(name);
    const Array* bias = pair ? archive.find(pair->convolution + ".bias") : nullptr;
    if (bias == nullptr) {
      const auto owner = pair_of(name.substr(0, name.rfind('.')) + std::string(kWeight));
      if (!(owner && name.ends_with(".bias"))) unfolded.entries.emplace_back(name, array);
      continue;
    }
    const auto values = to_f32(*bias);
    const auto constant = [&](double value) {
      return array_of(bias->shape, std::vector<float>(values.size(), float(value)));
    };
    unfolded.entries.emplace_back(name, array);
    unfolded.entries.emplace_back(pair->batchnorm + ".weight", constant(1));
    unfolded.entries.emplace_back(pair->batchnorm + ".bias", *bias);
    unfolded.entries.emplace_back(pair->batchnorm + ".running_mean", constant(0));
    unfolded.entries.emplace_back(pair->batchnorm + ".running_var", constant(1 - kEpsilon));
  }
  return unfolded;
}

}  // namespace signet::models
