#include "study/drift_meter.h"

#include <algorithm>
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

using Values = std::span<const float>;

/// The elements where they are, or, if they are in a device's memory, in `copy`.
Values elements(const Tensor& tensor, std::vector<float>& copy) {
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

/// The elements of several tensors, which must stay where they are.
class Elements {
 public:
  explicit Elements(const std::vector<Tensor>& tensors) : copies_(tensors.size()) {
    for (size_t i = 0; i < tensors.size(); ++i) values_.push_back(elements(tensors[i], copies_[i]));
  }
  Elements(const Elements&) = delete;
  Elements& operator=(const Elements&) = delete;

  std::span<const Values> values() const { return values_; }

 private:
  std::vector<std::vector<float>> copies_;
  std::vector<Values> values_;
};

/// The sum of (a[i] - b[i])^2, or of a[i]^2 without b, in 32 parts: one after the other would wait for
/// every addition, and so would one vector after the other.
template <bool kWithB>
[[gnu::always_inline]] inline double sum_in_parts(const float* a, const float* b, size_t count) {
  constexpr size_t kParts = 32;
  const auto term = [&](size_t i) { return kWithB ? double(a[i]) - double(b[i]) : double(a[i]); };
  double parts[kParts] = {};
  size_t i = 0;
  for (; i + kParts <= count; i += kParts)
    for (size_t j = 0; j < kParts; ++j) parts[j] += term(i + j) * term(i + j);
  for (; i < count; ++i) parts[0] += term(i) * term(i);
  return std::accumulate(parts, parts + kParts, 0.0);
}

double sum_of_squares_plain(const float* a, const float* b, size_t count) {
  return b ? sum_in_parts<true>(a, b, count) : sum_in_parts<false>(a, b, count);
}
#if defined(__x86_64__)
[[gnu::target("avx2")]] double sum_of_squares_avx2(const float* a, const float* b, size_t count) {
  return b ? sum_in_parts<true>(a, b, count) : sum_in_parts<false>(a, b, count);
}
#endif

/// The same bits on every processor.
double sum_of_squares(const float* a, const float* b, size_t count) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return sum_of_squares_avx2(a, b, count);
#endif
  return sum_of_squares_plain(a, b, count);
}

/// For each i the norm of a[i] - b[i], or of a[i] where b[i] is empty. Threads share the tensors in pieces:
/// most of a small network is one tensor.
std::vector<double> distances(std::span<const Values> a, std::span<const Values> b) {
  constexpr size_t kPiece = 1 << 15;
  struct Piece {
    size_t tensor, begin, end;
    double sum = 0;
  };
  std::vector<Piece> pieces;
  for (size_t i = 0; i < a.size(); ++i)
    for (size_t begin = 0; begin < a[i].size(); begin += kPiece)
      pieces.push_back({i, begin, std::min(begin + kPiece, a[i].size())});
  parallel_for(int64_t(pieces.size()), [&](int64_t i) {
    Piece& piece = pieces[size_t(i)];
    const Values from = b[piece.tensor];
    piece.sum = sum_of_squares(a[piece.tensor].data() + piece.begin,
                               from.empty() ? nullptr : from.data() + piece.begin, piece.end - piece.begin);
  });
  std::vector<double> sums(a.size());
  for (const Piece& piece : pieces) sums[piece.tensor] += piece.sum;
  for (double& sum : sums) sum = std::sqrt(sum);
  return sums;
}

std::vector<double> norms(std::span<const Values> values) {
  return distances(values, std::vector<Values>(values.size()));
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
  });
  std::vector<Values> starts;
  for (const Watched& w : watched_) starts.emplace_back(w.start);
  const std::vector<double> start_norms = norms(starts);
  for (size_t i = 0; i < watched_.size(); ++i) watched_[i].start_norm = start_norms[i];
}

void DriftMeter::before_step() {
  std::vector<Tensor> gradients;
  for (Watched& w : watched_) {
    w.steps = w.tensor.requires_grad() && w.tensor.grad().defined();
    if (w.steps) gradients.push_back(w.tensor.grad());
  }
  const std::vector<double> gradient_norms = norms(Elements(gradients).values());
  for (size_t i = 0, steps = 0; i < watched_.size(); ++i)
    if (watched_[i].steps) watched_[i].gradient_norm = gradient_norms[steps++];
  for_each_tensor(int64_t(watched_.size()), on_host_, [&](int64_t i) {
    Watched& w = watched_[size_t(i)];
    if (!w.steps) return;
    std::vector<float> copy;
    const Values now = elements(w.tensor, copy);
    w.before.assign(now.begin(), now.end());
  });
}

void DriftMeter::after_step() {
  std::vector<Tensor> moved;
  std::vector<Values> before;
  for (const Watched& w : watched_) {
    if (!w.steps) continue;
    moved.push_back(w.tensor);
    before.emplace_back(w.before);
  }
  const std::vector<double> update_norms = distances(Elements(moved).values(), before);
  for (size_t i = 0, steps = 0; i < watched_.size(); ++i)
    if (watched_[i].steps) watched_[i].update_norm = update_norms[steps++];
}

std::vector<TensorRecord> DriftMeter::measure(int last) {
  std::vector<Tensor> tensors;
  std::vector<Values> starts;
  for (const Watched& w : watched_) {
    if (w.stage >= last) continue;
    tensors.push_back(w.tensor);
    starts.emplace_back(w.start);
  }
  const Elements now(tensors);
  const std::vector<double> now_norms = norms(now.values()), moved = distances(now.values(), starts);
  std::vector<TensorRecord> records;
  for (Watched& w : watched_) {
    if (w.stage >= last) continue;
    const size_t i = records.size();
    records.push_back({w.name, now_norms[i], w.start_norm, moved[i], w.gradient_norm, w.update_norm});
    w.gradient_norm = w.update_norm = 0;
  }
  return records;
}

FrozenMeter::FrozenMeter(models::Network& network, int last) : on_host_(on_host(network)) {
  std::vector<Tensor> tensors;
  for_each_of_stages(network, 0, last, [&](const nn::NamedTensor& named, int stage) {
    tensors.push_back(*named.tensor);
    watched_.push_back({.name = named.name, .tensor = *named.tensor, .stage = stage});
  });
  const Elements now(tensors);
  const std::vector<double> all = norms(now.values());
  for (size_t i = 0; i < watched_.size(); ++i) {
    watched_[i].hash = hash_of(now.values()[i]);
    watched_[i].norm = all[i];
  }
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
