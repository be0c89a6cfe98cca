// Every op against PyTorch: results and gradients, from the same inputs and random cotangents.

#include "nn/functions.h"
#include "tests/golden/golden.h"

namespace signet {
namespace {

using golden::Figures;
using golden::in_pytorch_order;

/// float32 sums of a few hundred terms in another order than PyTorch's.
constexpr double kTolerance = 1e-5;
/// x - mean at mean 300 loses 8 of float32's 24 bits before any kernel sees the input.
constexpr double kOffsetTolerance = 1e-4;

class Case {
 public:
  Case(const Figures& figures, std::string name, double tolerance = kTolerance)
      : figures_(figures), name_(std::move(name)), tolerance_(tolerance + golden::rounding()) {}

  Tensor input(const std::string& which, bool differentiate = true) {
    Tensor t = figures_.tensor(name_ + ".in." + which);
    if (differentiate) {
      t.set_requires_grad(true);
      inputs_.emplace_back(which, t);
    }
    return t;
  }
  Tensor optional_input(const std::string& which) {
    return figures_.has(name_ + ".in." + which) ? input(which) : Tensor();
  }

  void check(const Tensor& y) {
    INFO(name_);
    const std::vector<float> result = in_pytorch_order(y);
    CHECK_CLOSE(result, figures_.values(name_ + ".out.0"), tolerance_);
    const Tensor cotangent = figures_.tensor(name_ + ".cotangent");
    backward(y, cotangent.viewed_as(y.shape()));
    for (const auto& [which, tensor] : inputs_) {
      INFO("gradient of ", which);
      REQUIRE(tensor.grad().defined());
      const std::vector<float> gradient = in_pytorch_order(tensor.grad());
      CHECK_CLOSE(gradient, figures_.values(name_ + ".grad." + which), tolerance_);
    }
  }

 private:
  const Figures& figures_;
  std::string name_;
  double tolerance_;
  std::vector<std::pair<std::string, Tensor>> inputs_;
};

TEST_CASE("golden ops: convolution") {
  const Figures figures("ops.safetensors");
  if (!figures.available()) return;
  const std::vector<std::tuple<const char*, int, int, int>> cases{
      {"conv7x7s2", 2, 3, 1},    {"conv3x3s1", 1, 1, 1},  {"conv3x3s2", 2, 1, 1},
      {"conv1x1s2", 2, 0, 1},    {"conv1x1s1", 1, 0, 1},  {"conv5x5", 1, 2, 1},
      {"conv3x3valid", 1, 0, 1}, {"conv3x3odd", 2, 1, 1}, {"conv3x3dilated", 1, 2, 2}};
  for (const auto& [name, stride, padding, dilation] : cases) {
    Case c(figures, name);
    const Tensor x = c.input("x"), w = c.input("w"), b = c.optional_input("b");
    c.check(nn::conv2d(x, w, b, {stride, padding, dilation}));
  }
}

TEST_CASE("golden ops: batchnorm") {
  const Figures figures("ops.safetensors");
  if (!figures.available()) return;
  for (const std::string name : {"bn_train", "bn_train_offset", "bn_train_1x1"}) {
    const double tolerance = name == "bn_train_offset" ? kOffsetTolerance : kTolerance;
    Case c(figures, name, tolerance);
    const nn::BatchNormTensors bn{c.input("w"), c.input("b"), c.input("running_mean", false),
                                  c.input("running_var", false)};
    c.check(nn::batchnorm_train(c.input("x"), bn, {}, false, 0.1, 1e-5));
    CHECK_CLOSE(bn.running_mean.to_vector(), figures.values(name + ".out.running_mean"), tolerance);
    CHECK_CLOSE(bn.running_var.to_vector(), figures.values(name + ".out.running_var"), tolerance);
  }
  Case c(figures, "bn_eval");
  const nn::BatchNormTensors bn{c.input("w"), c.input("b"), c.input("running_mean", false),
                                c.input("running_var", false)};
  c.check(nn::batchnorm_eval(c.input("x"), bn, {}, false, 1e-5));
}

TEST_CASE("golden ops: pooling, linear, ReLU") {
  const Figures figures("ops.safetensors");
  if (!figures.available()) return;
  for (const auto& [name, kernel, stride, padding] : std::vector<std::tuple<const char*, int, int, int>>{
           {"maxpool3x3s2p1", 3, 2, 1}, {"maxpool_ties", 3, 2, 1}, {"maxpool2x2", 2, 2, 0}}) {
    Case c(figures, name);
    c.check(nn::maxpool(c.input("x"), kernel, stride, padding));
  }
  Case average(figures, "avgpool_global");
  average.check(nn::global_avgpool(average.input("x")));
  Case linear(figures, "linear");
  const Tensor x = linear.input("input"), w = linear.input("weight"), b = linear.input("bias");
  linear.check(nn::linear(x, w, b));
  Case relu(figures, "relu");
  relu.check(nn::relu(relu.input("input")));
}

TEST_CASE("golden ops: cross-entropy") {
  const Figures figures("ops.safetensors");
  if (!figures.available()) return;
  for (const auto& [name, smoothing] : std::vector<std::pair<const char*, double>>{
           {"cross_entropy", 0}, {"cross_entropy_smooth", 0.1}, {"cross_entropy_large", 0}}) {
    Case c(figures, name);
    c.check(
        nn::cross_entropy(c.input("logits"), figures.labels(std::string(name) + ".in.target"), smoothing));
  }
}

}  // namespace
}  // namespace signet
