#pragma once
// Optimisers over a list of trainable tensors, with PyTorch's update rules. Frozen tensors are simply absent.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace signet::optim {

/// A parameter under the name that its state is saved by.
struct NamedParameter {
  std::string name;
  Tensor tensor;
};

class Optimizer {
 public:
  explicit Optimizer(std::vector<NamedParameter> parameters) : parameters_(std::move(parameters)) {}
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// Updates every parameter that has a gradient, in place, and counts one step.
  virtual void step(double learning_rate) = 0;
  void clear_gradients() const;
  const std::vector<NamedParameter>& parameters() const { return parameters_; }

  /// Everything a resumed run needs to go on to the same bits: per-parameter buffers ("fc.weight.m") and the
  /// count.
  std::map<std::string, Tensor> state() const;
  int64_t steps() const { return steps_; }
  /// Throws std::invalid_argument if a buffer is missing or of another shape.
  void load_state(const std::map<std::string, Tensor>& state, int64_t steps);

 protected:
  /// The buffer `name` of a parameter, made of zeros at first use.
  Tensor& buffer(const NamedParameter& parameter, const char* name);

  std::vector<NamedParameter> parameters_;
  std::map<std::string, Tensor> buffers_;
  int64_t steps_ = 0;
};

struct SgdOptions {
  double momentum = 0;
  bool nesterov = false;
  double weight_decay = 0;
};

/// Throws std::invalid_argument for Nesterov without momentum.
std::unique_ptr<Optimizer> make_sgd(std::vector<NamedParameter> parameters, const SgdOptions& options = {});

struct AdamOptions {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double weight_decay = 0;
  bool decoupled =
      false;  ///< AdamW (Loshchilov and Hutter 2019) rather than Adam (Kingma and Ba 2015) with L2
};

std::unique_ptr<Optimizer> make_adam(std::vector<NamedParameter> parameters, const AdamOptions& options = {});

/// By the name a flag gives: sgd, adam or adamw. Momentum and Nesterov count for sgd alone.
/// Throws Error naming the choices for any other name, and for Nesterov without momentum.
std::unique_ptr<Optimizer> make_optimizer(const std::string& name, std::vector<NamedParameter> parameters,
                                          double weight_decay, double momentum, bool nesterov);

/// Scales all gradients so that their joint 2-norm is at most max_norm, and returns the norm before.
double clip_gradient_norm(const std::vector<NamedParameter>& parameters, double max_norm);

}  // namespace signet::optim
