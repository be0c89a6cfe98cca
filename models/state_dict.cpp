#include "models/state_dict.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>
#include <stdexcept>

#include "nn/layers.h"
#include "tensor/error.h"

namespace signet::models {
namespace {

std::vector<int64_t> file_shape(const nn::NamedTensor& t) {
  if (t.layout == nn::FileLayout::same || t.tensor->shape().rank() != 4) return t.tensor->shape().extents();
  const auto& s = t.layout_shape;
  return {s[0], s[3], s[1], s[2]};
}

/// Every tensor of a network: parameters, then buffers.
std::vector<nn::NamedTensor> all_tensors(Network& network) {
  auto all = network.parameters();
  for (auto& buffer : network.buffers()) all.push_back(std::move(buffer));
  return all;
}

void visit_batchnorms(Network& network,
                      const std::function<void(const std::string&, nn::BatchNorm2d&)>& visitor) {
  network.visit([&](const std::string& name, nn::Module& m) {
    if (auto* bn = dynamic_cast<nn::BatchNorm2d*>(&m)) visitor(name + ".num_batches_tracked", *bn);
  });
}

bool belongs_to_head(const std::string& name, const std::vector<std::string>& head) {
  return std::find(head.begin(), head.end(), name) != head.end();
}

void require_sound(const std::vector<float>& values, const std::string& name, const std::string& source) {
  const bool variance = name.ends_with("running_var");
  for (const float v : values) {
    if (!std::isfinite(v) || (variance && v < 0)) {
      fail("{}: tensor {} holds {}, so the file is damaged or its training diverged; use another checkpoint",
           source, name, v);
    }
  }
}

Array to_array(std::vector<int64_t> shape, const void* values, const char* dtype, size_t bytes) {
  Array array{std::move(shape), dtype, std::vector<std::byte>(bytes)};
  std::memcpy(array.bytes.data(), values, bytes);
  return array;
}

}  // namespace

namespace {

/// `count` matrices [rows, columns], each transposed.
std::vector<float> transposed(const float* values, int64_t count, int64_t rows, int64_t columns) {
  std::vector<float> result(size_t(count * rows * columns));
  float* out = result.data();
  for (int64_t i = 0; i < count; ++i, values += rows * columns) {
    for (int64_t c = 0; c < columns; ++c) {
      for (int64_t r = 0; r < rows; ++r) *out++ = values[r * columns + c];
    }
  }
  return result;
}

}  // namespace

std::vector<float> to_channels_first(const float* values, const Shape& ohwc) {
  return transposed(values, ohwc[0], ohwc[1] * ohwc[2], ohwc[3]);
}

std::vector<float> to_channels_last(const float* values, const Shape& ohwc) {
  return transposed(values, ohwc[0], ohwc[3], ohwc[1] * ohwc[2]);
}

std::map<std::string, int> tensor_stages(Network& network) {
  std::map<const Tensor*, int> places;
  for (int stage = 0; stage < network.stage_count(); ++stage) {
    for (nn::Module* module : network.stage_modules(stage)) {
      for (const auto& p : module->parameters()) places[p.tensor] = stage;
      for (const auto& b : module->buffers()) places[b.tensor] = stage;
    }
  }
  std::map<std::string, int> stages;
  for (const auto& t : all_tensors(network)) stages[t.name] = places.at(t.tensor);
  return stages;
}

std::vector<std::string> head_names(Network& network) {
  std::set<const Tensor*> of_head;
  for (nn::Module* module : network.stage_modules(network.stage_count() - 1)) {
    for (const auto& p : module->parameters()) of_head.insert(p.tensor);
  }
  std::vector<std::string> names;
  for (const auto& p : network.parameters()) {
    if (of_head.contains(p.tensor)) names.push_back(p.name);
  }
  return names;
}

LoadReport load_weights(Network& network, const Archive& archive, const std::string& source, bool new_head) {
  LoadReport report;
  std::vector<std::pair<Tensor, std::vector<float>>> pending;
  std::set<std::string> known;
  const auto head = head_names(network);
  for (const auto& t : all_tensors(network)) {
    known.insert(t.name);
    const Array* array = archive.find(t.name);
    if (array == nullptr) {
      report.missing.push_back(t.name);
      continue;
    }
    const auto shape = file_shape(t);
    if (array->shape != shape) {
      report.skipped.push_back(fmt::format("{} [{}]: the network has [{}]", t.name,
                                           fmt::join(array->shape, ", "), fmt::join(shape, ", ")));
      if (new_head && belongs_to_head(t.name, head)) continue;
      fail(
          "{}: tensor {} has shape [{}], but {} with {} classes needs [{}]; the weights are of another "
          "architecture or "
          "class count",
          source, t.name, fmt::join(array->shape, ", "), network.architecture(), network.num_classes(),
          fmt::join(shape, ", "));
    }
    auto values = to_f32(*array);
    require_sound(values, t.name, source);
    if (t.layout == nn::FileLayout::channels_first) values = to_channels_last(values.data(), t.layout_shape);
    pending.emplace_back(*t.tensor, std::move(values));
    report.used.push_back(t.name);
  }
  std::vector<std::string> needed;
  for (const auto& name : report.missing) {
    if (!(new_head && belongs_to_head(name, head))) needed.push_back(name);
  }
  if (!needed.empty()) {
    const size_t shown = std::min<size_t>(3, needed.size());
    fail("{}: {} tensors of {} are missing ({}{}); the file holds weights of another architecture", source,
         needed.size(), network.architecture(),
         fmt::join(needed.begin(), needed.begin() + ptrdiff_t(shown), ", "),
         needed.size() > shown ? ", …" : "");
  }
  visit_batchnorms(network, [&](const std::string& name, nn::BatchNorm2d& bn) {
    known.insert(name);
    const Array* array = archive.find(name);
    if (array != nullptr && array->dtype == "I64" && array->bytes.size() == sizeof(int64_t)) {
      std::memcpy(&bn.batches_tracked, array->bytes.data(), sizeof(int64_t));
    }
  });
  for (const auto& [name, array] : archive.entries) {
    if (!known.contains(name)) report.skipped.push_back(name + ": not in the network");
  }
  for (const auto& [tensor, values] : pending) tensor.copy_from(Tensor::from(values, tensor.shape()));
  return report;
}

Archive save_weights(Network& network) {
  Archive archive;
  for (const auto& t : all_tensors(network)) {
    auto values = t.tensor->to_vector();
    if (t.layout == nn::FileLayout::channels_first) values = to_channels_first(values.data(), t.layout_shape);
    archive.entries.emplace_back(
        t.name, to_array(file_shape(t), values.data(), "F32", values.size() * sizeof(float)));
  }
  visit_batchnorms(network, [&](const std::string& name, nn::BatchNorm2d& bn) {
    archive.entries.emplace_back(name, to_array({}, &bn.batches_tracked, "I64", sizeof(int64_t)));
  });
  return archive;
}

Array to_array(const Tensor& tensor) {
  const auto values = tensor.to_vector();
  return to_array(tensor.shape().extents(), values.data(), "F32", values.size() * sizeof(float));
}

Array to_array(int64_t value) {
  return to_array({}, &value, "I64", sizeof(value));
}

Tensor to_tensor(const Array& array) {
  return Tensor::from(to_f32(array), Shape(array.shape));
}

Snapshot::Snapshot(Network& network, int first_stage) {
  std::set<const Tensor*> wanted;
  std::set<const nn::Module*> wanted_modules;
  for (int stage = first_stage; stage < network.stage_count(); ++stage) {
    for (nn::Module* top : network.stage_modules(stage)) {
      top->visit([&](const std::string&, nn::Module& m) { wanted_modules.insert(&m); });
      for (const auto& t : top->parameters()) wanted.insert(t.tensor);
      for (const auto& t : top->buffers()) wanted.insert(t.tensor);
    }
  }
  for (const auto& t : all_tensors(network)) {
    if (wanted.contains(t.tensor)) tensors_.emplace_back(t.name, t.tensor->clone());
  }
  visit_batchnorms(network, [&](const std::string& name, nn::BatchNorm2d& bn) {
    if (wanted_modules.contains(&bn)) counters_.emplace_back(name, bn.batches_tracked);
  });
}

void Snapshot::restore(Network& network) const {
  std::map<std::string, Tensor*> places;
  for (const auto& t : all_tensors(network)) places[t.name] = t.tensor;
  for (const auto& [name, tensor] : tensors_) {
    const auto place = places.find(name);
    if (place == places.end()) throw std::invalid_argument("[Snapshot] the network has no " + name);
    place->second->copy_from(tensor);
  }
  const std::map<std::string, int64_t> counters(counters_.begin(), counters_.end());
  visit_batchnorms(network, [&](const std::string& name, nn::BatchNorm2d& bn) {
    const auto counter = counters.find(name);
    if (counter != counters.end()) bn.batches_tracked = counter->second;
  });
}

void Snapshot::append_to(Archive& archive, const std::string& prefix) const {
  for (const auto& [name, tensor] : tensors_) archive.entries.emplace_back(prefix + name, to_array(tensor));
  for (const auto& [name, count] : counters_) archive.entries.emplace_back(prefix + name, to_array(count));
}

Snapshot Snapshot::read_from(const Archive& archive, const std::string& prefix) {
  Snapshot result;
  for (const auto& [name, array] : archive.entries) {
    if (!name.starts_with(prefix)) continue;
    if (array.dtype == "I64" && array.bytes.size() == sizeof(int64_t)) {
      int64_t count = 0;
      std::memcpy(&count, array.bytes.data(), sizeof(count));
      result.counters_.emplace_back(name.substr(prefix.size()), count);
    } else {
      result.tensors_.emplace_back(name.substr(prefix.size()), to_tensor(array));
    }
  }
  return result;
}

}  // namespace signet::models
