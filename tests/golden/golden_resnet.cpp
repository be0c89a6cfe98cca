// ResNet18 with the ImageNet weights against PyTorch: what every stage gives, and one training step in three
// freezings.

#include <algorithm>
#include <map>

#include "models/checkpoint_file.h"
#include "models/network.h"
#include "nn/functions.h"
#include "optim/optimizer.h"
#include "tensor/autograd.h"
#include "tests/golden/golden.h"

namespace signet {
namespace {

using golden::Figures;
using golden::in_pytorch_order;

/// float32 through 18 layers, summed in another order than PyTorch's; gradients pass them twice.
constexpr double kForward = 1e-4;
constexpr double kGradient = 1e-3;

std::filesystem::path weights_file() {
  return golden::shared_folder() / "weights" / "resnet18-imagenet.safetensors";
}

bool ready(const Figures& figures) {
  if (!figures.available()) return false;
  if (std::filesystem::exists(weights_file())) return true;
  MESSAGE("skipped: ", weights_file().string(), " is not there (SIGNET_SHARED names its folder)");
  return false;
}

std::unique_ptr<models::Network> pretrained(int classes, Device device) {
  auto network = models::make_network("resnet18", classes, 0, 64, device);
  models::load_weights(*network, models::read_checkpoint(weights_file()), weights_file().string(), true);
  return network;
}

TEST_CASE("golden resnet: stages and logits in evaluation mode") {
  const Figures figures("resnet.safetensors");
  if (!ready(figures)) return;
  const auto network = pretrained(1000, golden::device());
  network->evaluate();
  // With gradients the layers run one by one; without, fused and folded. Both must agree with PyTorch.
  for (const bool fused : {false, true}) {
    INFO("fused ", fused);
    std::unique_ptr<NoGrad> no_grad;
    if (fused) no_grad = std::make_unique<NoGrad>();
    Tensor x = figures.tensor("eval.x");
    for (int stage = 0; stage < network->stage_count(); ++stage) {
      x = network->forward(x, stage, stage + 1);
      const std::string name = stage == 0 ? "maxpool" : network->stages()[size_t(stage)];
      INFO(name);
      if (x.shape().rank() == 4) {
        CHECK_CLOSE(nn::global_avgpool(x).to_vector(), figures.values("eval." + name + ".mean"), kForward);
        const int64_t plane = x.shape()[1] * x.shape()[2];
        const auto nchw = in_pytorch_order(x);
        CHECK_CLOSE(std::vector<float>(nchw.begin(), nchw.begin() + plane),
                    figures.values("eval." + name + ".image0_channel0"), kForward);
      } else if (name == "avgpool") {
        CHECK_CLOSE(x.to_vector(), figures.values("eval.avgpool.mean"), kForward);
      }
    }
    CHECK_CLOSE(x.to_vector(), figures.values("eval.logits"), kForward);
  }
}

using Gradients = std::map<std::string, std::vector<float>>;

struct Step {
  std::unique_ptr<models::Network> network;
  std::unique_ptr<optim::Optimizer> adam;
  std::vector<float> logits, loss;
  Gradients gradients;
};

/// Forward and backward of the figures' training step on input x, in one of the three freezings.
Step run_step(const Figures& figures, const std::string& freezing, const Tensor& x) {
  Step step;
  step.network = pretrained(36, x.device());
  for (const auto& p : step.network->parameters()) {
    if (p.name.starts_with("fc.")) p.tensor->copy_from(figures.tensor("step." + p.name));
  }
  step.network->freeze_before(freezing == "all" ? 0 : step.network->stage_index(freezing));
  std::vector<optim::NamedParameter> trainable;
  for (const auto& p : step.network->parameters()) {
    if (p.tensor->requires_grad()) trainable.push_back({p.name, *p.tensor});
  }
  step.adam = optim::make_adam(trainable);
  const Tensor logits = step.network->forward(x);
  const Tensor loss = nn::cross_entropy(logits, figures.labels("step.y").to(x.device()));
  backward(loss);
  step.logits = logits.to_vector();
  step.loss = loss.to_vector();
  for (const auto& p : trainable) step.gradients[p.name] = in_pytorch_order(p.tensor.grad());
  return step;
}

std::vector<float> head_of(const std::vector<float>& values, size_t count) {
  return {values.begin(), values.begin() + ptrdiff_t(count)};
}

/// How far each gradient moves when the input is changed in its last bits. A ReLU whose input is zero but for
/// rounding passes its gradient or not by chance, so that two correct float32 programs differ by as much
/// (PyTorch's own two memory formats differ by up to 3e-3 here). A property of the network, told by the CPU.
std::map<std::string, double> conditioning(const Figures& figures, const std::string& freezing,
                                           const Gradients& exact, size_t head) {
  std::map<std::string, double> moved;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    const Tensor x = figures.tensor("step.x").to({}).clone();
    for (int64_t i = 0; i < x.size(); ++i) {
      x.data()[i] *= 1 + 3e-7f * (2 * philox_uniform(philox({seed, 0}, uint64_t(i))[0]) - 1);
    }
    for (const auto& [name, gradient] : run_step(figures, freezing, x).gradients) {
      const auto& reference = exact.at(name);
      const size_t n = std::min(head, gradient.size());
      moved[name] = std::max({moved[name], golden::relative_error(gradient, reference),
                              golden::relative_error(head_of(gradient, n), head_of(reference, n))});
    }
  }
  return moved;
}

TEST_CASE("golden resnet: one training step in three freezings") {
  const Figures figures("resnet.safetensors");
  if (!ready(figures)) return;
  for (const std::string freezing : {"fc", "layer4", "all"}) {
    INFO(freezing);
    Step step = run_step(figures, freezing, figures.tensor("step.x"));
    CHECK_CLOSE(step.logits, figures.values(freezing + ".logits"), kForward);
    CHECK_CLOSE(step.loss, figures.values(freezing + ".loss"), kForward);
    CHECK(step.gradients.size() == (freezing == "fc" ? 2 : freezing == "layer4" ? 17 : 62));
    const auto moved = conditioning(figures, freezing, step.gradients, 64);
    double worst = 0;
    for (const auto& [name, gradient] : step.gradients) {
      INFO(name);
      const double tolerance = std::max(kGradient, 2 * moved.at(name));
      // Even so a gradient is never allowed to be off by more than a flipped ReLU or two explain.
      REQUIRE(tolerance < 0.05);
      double squares = 0;
      for (const float g : gradient) squares += double(g) * double(g);
      CHECK_CLOSE(std::vector<float>{float(std::sqrt(squares))},
                  figures.values(freezing + ".grad_norm." + name), kGradient);
      const auto head = figures.values(freezing + ".grad_head." + name);
      CHECK_CLOSE(head_of(gradient, head.size()), head, tolerance);
      const std::string whole = freezing + ".grad." + name;
      if (figures.has(whole)) CHECK_CLOSE(gradient, figures.values(whole), tolerance);
      worst = std::max(worst, golden::relative_error(head_of(gradient, head.size()), head));
    }
    MESSAGE(freezing, ": worst error of a gradient's head ", worst);
    step.adam->step(1e-4);
    for (const auto& b : step.network->buffers()) {
      const std::string after = freezing + ".after." + b.name;
      INFO(b.name);
      if (figures.has(after)) CHECK_CLOSE(b.tensor->to_vector(), figures.values(after), kForward);
    }
    step.network->evaluate();
    const NoGrad no_grad;
    const Tensor after = step.network->forward(figures.tensor("step.x"));
    CHECK_CLOSE(after.to_vector(), figures.values(freezing + ".logits_after_adam"), kGradient);
  }
}

}  // namespace
}  // namespace signet
