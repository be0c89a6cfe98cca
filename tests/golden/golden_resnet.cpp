// ResNet18 with the ImageNet weights against PyTorch: what every stage gives, and one training step in three
// freezings.

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

std::unique_ptr<models::Network> pretrained(int classes) {
  auto network = models::make_network("resnet18", classes);
  models::load_weights(*network, models::read_checkpoint(weights_file()), weights_file().string(), true);
  return network;
}

TEST_CASE("golden resnet: stages and logits in evaluation mode") {
  const Figures figures("resnet.safetensors");
  if (!ready(figures)) return;
  const auto network = pretrained(1000);
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

TEST_CASE("golden resnet: one training step in three freezings") {
  const Figures figures("resnet.safetensors");
  if (!ready(figures)) return;
  for (const std::string freezing : {"fc", "layer4", "all"}) {
    INFO(freezing);
    const auto network = pretrained(36);
    for (const auto& p : network->parameters()) {
      if (p.name.starts_with("fc.")) p.tensor->copy_from(figures.tensor("step." + p.name));
    }
    const int first = freezing == "all" ? 0 : network->stage_index(freezing);
    network->freeze_before(first);
    std::vector<optim::NamedParameter> trainable;
    for (const auto& p : network->parameters()) {
      if (p.tensor->requires_grad()) trainable.push_back({p.name, *p.tensor});
    }
    const auto adam = optim::make_adam(trainable);
    const Tensor logits = network->forward(figures.tensor("step.x"));
    const Tensor loss = nn::cross_entropy(logits, figures.labels("step.y"));
    backward(loss);
    CHECK_CLOSE(logits.to_vector(), figures.values(freezing + ".logits"), kForward);
    CHECK_CLOSE(loss.to_vector(), figures.values(freezing + ".loss"), kForward);
    size_t compared = 0;
    for (const auto& p : network->parameters()) {
      const std::string norm_name = freezing + ".grad_norm." + p.name;
      REQUIRE(figures.has(norm_name) == p.tensor->grad().defined());
      if (!figures.has(norm_name)) continue;
      ++compared;
      INFO(p.name);
      const auto gradient = in_pytorch_order(p.tensor->grad());
      double squares = 0;
      for (const float g : gradient) squares += double(g) * double(g);
      CHECK_CLOSE(std::vector<float>{float(std::sqrt(squares))}, figures.values(norm_name), kGradient);
      const auto head = figures.values(freezing + ".grad_head." + p.name);
      CHECK_CLOSE(std::vector<float>(gradient.begin(), gradient.begin() + ptrdiff_t(head.size())), head,
                  kGradient);
      const std::string whole = freezing + ".grad." + p.name;
      if (figures.has(whole)) CHECK_CLOSE(gradient, figures.values(whole), kGradient);
    }
    CHECK(compared == (freezing == "fc" ? 2 : freezing == "layer4" ? 17 : 62));
    adam->step(1e-4);
    for (const auto& b : network->buffers()) {
      const std::string after = freezing + ".after." + b.name;
      INFO(b.name);
      if (figures.has(after)) CHECK_CLOSE(b.tensor->to_vector(), figures.values(after), kForward);
    }
    network->evaluate();
    const NoGrad no_grad;
    const Tensor after = network->forward(figures.tensor("step.x"));
    CHECK_CLOSE(after.to_vector(), figures.values(freezing + ".logits_after_adam"), kGradient);
  }
}

}  // namespace
}  // namespace signet
