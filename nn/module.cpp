#include "nn/module.h"

#include "nn/functions.h"

namespace signet::nn {

void Module::add_parameter(std::string name, Tensor& tensor, FileLayout layout, Shape layout_shape) {
  tensor.set_requires_grad(true);
  own_parameters_.push_back(
      {std::move(name), &tensor, layout, layout_shape.rank() ? layout_shape : tensor.shape()});
}

void Module::add_buffer(std::string name, Tensor& tensor) {
  own_buffers_.push_back({std::move(name), &tensor, FileLayout::same, tensor.shape()});
}

void Module::add_module(std::string name, Module& module) {
  children_.emplace_back(std::move(name), &module);
}

void Module::visit(const std::function<void(const std::string&, Module&)>& visitor) {
  visit("", visitor);
}

void Module::visit(const std::string& prefix,
                   const std::function<void(const std::string&, Module&)>& visitor) {
  visitor(prefix, *this);
  for (const auto& [name, child] : children_)
    child->visit(prefix.empty() ? name : prefix + "." + name, visitor);
}

namespace {

void append(std::vector<NamedTensor>& all, const std::string& prefix, const std::vector<NamedTensor>& own) {
  for (NamedTensor entry : own) {
    if (!prefix.empty()) entry.name = prefix + "." + entry.name;
    all.push_back(std::move(entry));
  }
}

}  // namespace

std::vector<NamedTensor> Module::parameters() {
  std::vector<NamedTensor> all;
  visit([&](const std::string& prefix, Module& m) { append(all, prefix, m.own_parameters_); });
  return all;
}

std::vector<NamedTensor> Module::buffers() {
  std::vector<NamedTensor> all;
  visit([&](const std::string& prefix, Module& m) { append(all, prefix, m.own_buffers_); });
  return all;
}

void Module::set_training(bool training) {
  visit([&](const std::string&, Module& m) { m.training_ = training; });
}

void Module::set_trainable(bool trainable) {
  for (const auto& parameter : parameters()) parameter.tensor->set_requires_grad(trainable);
}

void Module::set_batch_statistics(bool batch_statistics) {
  visit([&](const std::string&, Module& m) { m.batch_statistics_ = batch_statistics; });
}

void Module::set_random_key(PhiloxKey key) {
  uint64_t place = 0;
  visit([&](const std::string&, Module& m) {
    m.random_key_ = philox_derive(key, place++);
    if (m.key_tensor_.defined()) m.key_tensor_.copy_from(key_tensor(m.random_key_));
  });
}

const Tensor& Module::random_key(Device device) const {
  if (!key_tensor_.defined() || key_tensor_.device() != device) key_tensor_ = key_tensor(random_key_, device);
  return key_tensor_;
}

int64_t Module::parameter_count(bool trainable_only) {
  int64_t count = 0;
  for (const auto& parameter : parameters()) {
    if (!trainable_only || parameter.tensor->requires_grad()) count += parameter.tensor->size();
  }
  return count;
}

}  // namespace signet::nn
