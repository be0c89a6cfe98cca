#include "tensor/autograd.h"

#include <fmt/format.h>

#include <atomic>
#include <queue>
#include <stdexcept>
#include <utility>

#include "tensor/launch.h"

namespace signet {

/// One recorded op. `order` grows with time, so running nodes from the highest down visits every consumer of
/// a tensor before its producer.
struct TapeNode {
  const char* op;
  uint64_t order;
  std::vector<std::shared_ptr<GradientSlot>> inputs;
  std::function<void(Tensor)> gradient_function;
  bool queued = false;
};

namespace {

std::atomic<uint64_t> next_order{0};
thread_local bool recording = true;

}  // namespace

const Tensor& Recomputed::get() {
  if (!value_.defined()) value_ = compute_();
  return value_;
}

Saved::Saved(const Tensor& tensor) {
  if (tensor.gradient_slot()) recomputed_ = tensor.gradient_slot()->recomputed;
  if (!recomputed_) tensor_ = tensor.detach();
}

std::pair<Tensor, Accumulate> Gradient::target(const Shape& shape, Device device, DType dtype) const {
  Tensor& gradient = slot_->gradient;
  if (!gradient.defined()) {
    gradient = Tensor::empty(shape, device, dtype);
    return {gradient, Accumulate::no};
  }
  // Another slot may hold the same buffer (a sum hands one gradient to both its inputs).
  if (!gradient.unique()) gradient = gradient.clone();
  return {gradient, Accumulate::yes};
}

void Gradient::add(const Tensor& more) const {
  Tensor& gradient = slot_->gradient;
  if (!gradient.defined()) {
    gradient = more;
    return;
  }
  if (gradient.shape() != more.shape()) {
    throw std::logic_error(fmt::format("[backward] gradients of shapes {} and {} meet",
                                       gradient.shape().to_string(), more.shape().to_string()));
  }
  Tensor sum =
      gradient.unique() ? gradient : Tensor::empty(gradient.shape(), gradient.device(), gradient.dtype());
  with_activations(sum.dtype(), [&]<class act>() {
    SIGNET_LAUNCH(sum.device(), add, sum.data<act>(), gradient.data<act>(), more.data<act>(), sum.size());
  });
  gradient = sum;
}

Gradient gradient_of(const Tensor& tensor) {
  return recording && tensor.defined() ? Gradient(tensor.gradient_slot()) : Gradient();
}

void record(const char* op, Tensor& output, std::initializer_list<Gradient> inputs,
            std::function<void(Tensor)> gradient_function) {
  auto node = std::make_shared<TapeNode>();
  for (const auto& input : inputs) {
    if (input) node->inputs.push_back(input.slot());
  }
  if (node->inputs.empty()) return;
  node->op = op;
  node->order = next_order++;
  node->gradient_function = std::move(gradient_function);
  auto slot = std::make_shared<GradientSlot>();
  slot->producer = std::move(node);
  output.set_gradient_slot(std::move(slot));
}

void backward(const Tensor& root, const Tensor& cotangent) {
  if (!root.requires_grad())
    throw std::logic_error("[backward] the tensor does not depend on anything trainable");
  if (!cotangent.defined() && root.size() != 1) {
    throw std::logic_error(
        fmt::format("[backward] a tensor of shape {} needs a cotangent", root.shape().to_string()));
  }
  const auto earlier = [](const auto& a, const auto& b) { return a->producer->order < b->producer->order; };
  std::priority_queue<std::shared_ptr<GradientSlot>, std::vector<std::shared_ptr<GradientSlot>>,
                      decltype(earlier)>
      ready(earlier);
  const auto visit = [&](const std::shared_ptr<GradientSlot>& slot) {
    if (slot->producer && !std::exchange(slot->producer->queued, true)) ready.push(slot);
  };
  Gradient(root.gradient_slot())
      .add(cotangent.defined() ? cotangent : Tensor::full(root.shape(), 1, root.device()));
  visit(root.gradient_slot());
  while (!ready.empty()) {
    const auto slot = ready.top();
    ready.pop();
    TapeNode& node = *slot->producer;
    if (!node.gradient_function) {
      throw std::logic_error(
          fmt::format("[backward] the tape behind \"{}\" was used up by an earlier call", node.op));
    }
    // Moved out, so that what the function saved is freed before the next node runs.
    const auto gradient_function = std::exchange(node.gradient_function, nullptr);
    gradient_function(std::exchange(slot->gradient, Tensor()));
    for (const auto& input : std::exchange(node.inputs, {})) visit(input);
    node.queued = false;
  }
}

NoGrad::NoGrad() : before_(recording) {
  recording = false;
}
NoGrad::~NoGrad() {
  recording = before_;
}
bool NoGrad::in_force() {
  return !recording;
}

}  // namespace signet
