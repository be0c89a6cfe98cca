#include "study/drift_meter.h"

#include <array>
#include <bit>
#include <cmath>
#include <numeric>
#include <span>
#include <stdexcept>

#include "kernels/parallel.h"
#include "models/state_dict.h"
#include "tensor/hash.h"

namespace signet::study {
namespace {

/// The elements where they are, or, if they are in a device's memory, in `copy`.
std::span<const float> elements(const Tensor& tensor, std::vector<float>& copy) {
  if (tensor.device().on_host()) return {tensor.data(), size_t(tensor.size())};
  copy = tensor.to_vector();
  return copy;
}

/// On several threads where elements lie in the CPU's memory; a device's copies come one after the other.
template <class Body>
void for_each_tensor(int64_t count, bool on_host, const Body& body) {
  if (on_host) {
    parallel_for(count, body);
  } else {
    for (int64_t i = 0; i < count; ++i) body(i);
  }
}

/// The root of the sum of term(i)^2 for i < count, which is summed in eight parts: one after the other would
/// wait for every addition.
template <class Term>
double root_of_squares(size_t count, const Term& term) {
  constexpr size_t kParts = 8;
  std::array<double, kParts> parts{};
  size_t i = 0;
  for (; i + kParts <= count; i += kParts)
    for (size_t j = 0; j < kParts; ++j) parts[j] += term(i + j) * term(i + j);
  for (; i < count; ++i) parts[0] += term(i) * term(i);
  return std::sqrt(std::accumulate(parts.begin(), parts.end(), 0.0));
}

double norm_of(std::span<const float> values) {
  return root_of_squares(values.size(), [&](size_t i) { return double(values[i]); });
}

double distance_between(std::span<const float> a, std::span<const float> b) {
  return root_of_squares(a.size(), [&](size_t i) { return double(a[i]) - double(b[i]); });
}

/// A sum of the bits that tells whether any of them has changed. FNV-1a's step, by words of 32 bits.
uint64_t hash_of(std::span<const float> values) {
  uint64_t hash = fnv1a({});
  for (const float v : values) hash = (hash ^ std::bit_cast<uint32_t>(v)) * kFnvPrime;
  return hash;
}

bool on_host(models::Network& network) {
  return network.parameters().front().tensor->device().on_host();
}

/// Calls body(tensor, stage) for the parameters of the stages [first, last), then for their buffers.
template <class Body>
void for_each_of_stages(models::Network& network, int first, int last, const Body& body) {
  const auto stages = models::tensor_stages(network);
  auto all = network.parameters();
  for (auto& buffer : network.buffers()) all.push_back(std::move(buffer));
  for (const auto& named : all) {
    const int stage = stages.at(named.name);
    if (stage >= first && stage < last) body(named, stage);
  }
}

}  // namespace

DriftMeter::DriftMeter(models::Network& network, int first, int last) : on_host_(on_host(network)) {
  for_each_of_stages(network, first, last, [&](const nn::NamedTensor& named, int stage) {
    Watched& w = watched_.emplace_back();
    w.name = named.name;
    w.tensor = *named.tensor;
    w.stage = stage;
    w.start = w.tensor.to_vector();
    w.start_norm = norm_of(w.start);
  });
}

void DriftMeter::before_step() {
  for_each_tensor(int64_t(watched_.size()), on_host_, [&](int64_t i) {
    Watched& w = watched_[size_t(i)];
    if (!w.tensor.requires_grad() || !w.tensor.grad().defined()) return;
    w.before = w.tensor.to_vector();
    std::vector<float> copy;
    w.gradient_norm = norm_of(elements(w.tensor.grad(), copy));
  });
}

void DriftMeter::after_step() {
  for_each_tensor(int64_t(watched_.size()), on_host_, [&](int64_t i) {
    Watched& w = watched_[size_t(i)];
    if (w.before.empty()) return;
    std::vector<float> copy;
    w.update_norm = distance_between(elements(w.tensor, copy), w.before);
    w.before = {};
  });
}

std::vector<TensorRecord> DriftMeter::measure(int last) {
  std::vector<TensorRecord> records(watched_.size());
  for_each_tensor(int64_t(watched_.size()), on_host_, [&](int64_t i) {
    Watched& w = watched_[size_t(i)];
    if (w.stage >= last) return;
    std::vector<float> copy;
    const auto now = elements(w.tensor, copy);
    records[size_t(i)] = {w.name,          norm_of(now), w.start_norm, distance_between(now, w.start),
                          w.gradient_norm, w.update_norm};
    w.gradient_norm = w.update_norm = 0;
  });
  std::erase_if(records, [](const TensorRecord& record) { return record.tensor.empty(); });
  return records;
}

FrozenMeter::FrozenMeter(models::Network& network, int last) : on_host_(on_host(network)) {
  for_each_of_stages(network, 0, last, [&](const nn::NamedTensor& named, int stage) {
    std::vector<float> copy;
    const auto values = elements(*named.tensor, copy);
    watched_.push_back({named.name, *named.tensor, stage, hash_of(values), norm_of(values)});
  });
}

std::vector<TensorRecord> FrozenMeter::measure(int last) const {
  std::vector<TensorRecord> records(watched_.size());
  for_each_tensor(int64_t(watched_.size()), on_host_, [&](int64_t i) {
    const Watched& w = watched_[size_t(i)];
    if (w.stage >= last) return;
    std::vector<float> copy;
    if (hash_of(elements(w.tensor, copy)) != w.hash)
      throw std::logic_error("[FrozenMeter] " + w.name + " is frozen, and its values have changed");
    records[size_t(i)] = {w.name, w.norm, w.norm, 0, 0, 0};
  });
  std::erase_if(records, [](const TensorRecord& record) { return record.tensor.empty(); });
  return records;
}

}  // namespace signet::study
