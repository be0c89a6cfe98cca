#include "optim/optimizer.h"

#include <fmt/format.h>

#include <cmath>
#include <numeric>
#include <stdexcept>

#include "tensor/error.h"
#include "tensor/launch.h"

namespace signet::optim {

void Optimizer::clear_gradients() const {
  for (const auto& p : parameters_) p.tensor.clear_grad();
}

std::map<std::string, Tensor> Optimizer::state() const {
  return buffers_;
}

void Optimizer::load_state(const std::map<std::string, Tensor>& state, int64_t steps) {
  for (const auto& [name, saved] : state) {
    const auto separator = name.rfind('.');
    for (const auto& p : parameters_) {
      if (p.name != name.substr(0, separator)) continue;
      if (p.tensor.shape() != saved.shape()) {
        throw std::invalid_argument(fmt::format("[Optimizer] state \"{}\" has shape {}, its parameter {}",
                                                name, saved.shape().to_string(),
                                                p.tensor.shape().to_string()));
      }
      const Tensor& own = buffers_[name] = Tensor::empty(saved.shape(), p.tensor.device());
      own.copy_from(saved);
    }
    if (!buffers_.contains(name))
      throw std::invalid_argument(fmt::format("[Optimizer] no parameter for \"{}\"", name));
  }
  steps_ = steps;
}

Tensor& Optimizer::buffer(const NamedParameter& parameter, const char* name) {
  Tensor& found = buffers_[parameter.name + "." + name];
  if (!found.defined()) found = Tensor::zeros(parameter.tensor.shape(), parameter.tensor.device());
  return found;
}

namespace {

class Sgd : public Optimizer {
 public:
  Sgd(std::vector<NamedParameter> parameters, const SgdOptions& options)
      : Optimizer(std::move(parameters)), options_(options) {
    if (options.nesterov && options.momentum <= 0) {
      throw std::invalid_argument("[sgd] Nesterov's method needs a momentum above 0");
    }
  }

  void step(double learning_rate) override {
    std::vector<SgdTensor<float>> tensors;
    Device device;
    for (const auto& p : parameters_) {
      const Tensor g = p.tensor.grad();
      if (!g.defined()) continue;
      float* velocity = options_.momentum > 0 ? buffer(p, "velocity").data() : nullptr;
      tensors.push_back({.w = p.tensor.data(), .velocity = velocity, .g = g.data(), .n = g.size()});
      device = g.device();
      p.tensor.mark_modified();
    }
    if (!tensors.empty()) {
      SIGNET_LAUNCH(device, sgd_steps, tensors.data(), int64_t(tensors.size()), learning_rate,
                    options_.momentum, options_.nesterov, options_.weight_decay, steps_ == 0);
    }
    ++steps_;
  }

 private:
  SgdOptions options_;
};

class Adam : public Optimizer {
 public:
  Adam(std::vector<NamedParameter> parameters, const AdamOptions& options)
      : Optimizer(std::move(parameters)), options_(options) {}

  void step(double learning_rate) override {
    ++steps_;
    std::vector<AdamTensor<float>> tensors;
    Device device;
    for (const auto& p : parameters_) {
      const Tensor g = p.tensor.grad();
      if (!g.defined()) continue;
      tensors.push_back({.w = p.tensor.data(),
                         .m = buffer(p, "m").data(),
                         .v = buffer(p, "v").data(),
                         .g = g.data(),
                         .n = g.size()});
      device = g.device();
      p.tensor.mark_modified();
    }
    if (tensors.empty()) return;
    SIGNET_LAUNCH(device, adam_steps, tensors.data(), int64_t(tensors.size()), learning_rate, options_.beta1,
                  options_.beta2, options_.eps, options_.weight_decay, options_.decoupled, steps_);
  }

 private:
  AdamOptions options_;
};

}  // namespace

std::unique_ptr<Optimizer> make_sgd(std::vector<NamedParameter> parameters, const SgdOptions& options) {
  return std::make_unique<Sgd>(std::move(parameters), options);
}

std::unique_ptr<Optimizer> make_adam(std::vector<NamedParameter> parameters, const AdamOptions& options) {
  return std::make_unique<Adam>(std::move(parameters), options);
}

std::unique_ptr<Optimizer> make_optimizer(const std::string& name, std::vector<NamedParameter> parameters,
                                          double weight_decay, double momentum, bool nesterov) {
  if (name == "sgd" && nesterov && !(momentum > 0)) {
    fail("--nesterov needs a momentum above 0, but --momentum is {}", momentum);
  }
  if (name == "sgd") return make_sgd(std::move(parameters), {momentum, nesterov, weight_decay});
  AdamOptions options;
  options.weight_decay = weight_decay;
  options.decoupled = name == "adamw";
  if (name == "adam" || name == "adamw") return make_adam(std::move(parameters), options);
  fail("--opt {}: unknown optimiser; use adam, adamw or sgd", name);
}

double clip_gradient_norm(const std::vector<NamedParameter>& parameters, double max_norm) {
  // One element a parameter, so that a device is waited for once.
  Tensor squares;
  int64_t count = 0;
  for (const auto& p : parameters) {
    const Tensor g = p.tensor.grad();
    if (!g.defined()) continue;
    if (!squares.defined()) squares = Tensor::empty({int64_t(parameters.size())}, g.device());
    SIGNET_LAUNCH(g.device(), sum_of_squares, squares.data() + count++, g.data(), g.size());
  }
  if (count == 0) return 0;
  const std::vector<float> of_parameters = squares.to_vector();
  const double norm = std::sqrt(std::accumulate(of_parameters.begin(), of_parameters.begin() + count, 0.0));
  // Written so that a NaN norm leaves the gradients alone for the caller to see.
  if (norm > max_norm) {
    for (const auto& p : parameters) {
      const Tensor g = p.tensor.grad();
      if (g.defined())
        SIGNET_LAUNCH(g.device(), scale, g.data(), g.data(), max_norm / (norm + 1e-6), g.size());
    }
  }
  return norm;
}

}  // namespace signet::optim
