// A layer of one's own, composed of ops that have gradients: the bottleneck adapter of Houlsby et al.,
// "Parameter-Efficient Transfer Learning for NLP" (2019), as two 1x1 convolutions. It begins as the identity,
// so that it can be put into a pretrained network, and is trained in place of that network's own weights.

#include <fmt/format.h>

#include "nn/init.h"
#include "nn/layers.h"
#include "optim/optimizer.h"

using namespace signet;

struct Adapter : nn::Module {
  Adapter(int64_t channels, int64_t bottleneck) : down(channels, bottleneck, 1), up(bottleneck, channels, 1) {
    add_module("down", down);
    add_module("up", up);
    nn::initialize_defaults(*this, {0, 0});
    up.weight.copy_from(Tensor::zeros(up.weight.shape()));
    up.bias.copy_from(Tensor::zeros(up.bias.shape()));
  }
  /// x [batch, height, width, channels] -> the same shape.
  Tensor forward(const Tensor& x) const { return nn::add(x, up.forward(nn::relu(down.forward(x)))); }

  nn::Conv2d down, up;
};

int main() {
  Adapter adapter(16, 4);
  nn::Linear head(16, 2);  // frozen: its parameters go to no optimiser
  nn::initialize_defaults(head, {0, 1});
  head.set_trainable(false);
  std::vector<optim::NamedParameter> parameters;
  for (const auto& p : adapter.parameters()) parameters.push_back({p.name, *p.tensor});
  const auto adam = optim::make_adam(parameters);

  // Invented activations, and two classes that differ in a channel's sign.
  Tensor x = Tensor::empty({32, 4, 4, 16});
  cpu::random_normal(x.data(), 0, 1, {1, 2}, x.size());
  std::vector<int32_t> classes;
  for (int i = 0; i < 32; ++i) classes.push_back(x.data()[i * 4 * 4 * 16] > 0);
  const Tensor target = Tensor::from(classes, {32});

  float first = 0, last = 0;
  for (int step = 0; step < 200; ++step) {
    adam->clear_gradients();
    const Tensor loss = nn::cross_entropy(head.forward(nn::global_avgpool(adapter.forward(x))), target);
    backward(loss);
    adam->step(0.01);
    (step == 0 ? first : last) = loss.item();
  }
  fmt::print("{} parameters trained; loss {:.3f} before, {:.3f} after\n", adapter.parameter_count(), first,
             last);
  return last < first / 2 ? 0 : 1;
}
