#include "tests/device/hands.h"

#include "data/synthetic.h"
#include "nn/layers.h"
#include "study/metrics.h"

namespace signet::test {

Hands::Hands(int count, uint64_t seed, Device device) {
  const models::InputSpec spec;
  std::vector<float> values(size_t(count * kSize * kSize * 3));
  for (int i = 0; i < count; ++i) {
    labels.push_back(i % kClasses);
    const auto image = data::synthetic_sign(i % kClasses, 1 + i % 3, "dif", i / kClasses, kSize, seed);
    const ImageWarp identity;
    cpu::image_warp(values.data() + i * kSize * kSize * 3, image.pixels.data(), &identity, spec.mean.data(),
                    spec.deviation.data(), 1, kSize, kSize, 3);
  }
  x = Tensor::from(values, {count, kSize, kSize, 3}, device);
  y = Tensor::from(labels, {count}, device);
}

Hands Hands::cut_to_grey(int size) const {
  Hands grey = *this;
  const std::vector<float> values = x.to_vector();
  std::vector<float> kept;
  const int64_t count = x.shape()[0], all = x.size() / count;
  for (int64_t i = 0; i < count; ++i)
    kept.insert(kept.end(), values.begin() + i * all, values.begin() + i * all + size * size);
  grey.x = Tensor::from(kept, {count, size, size, 1}, x.device());
  return grey;
}

Training::Training(Device device, const std::string& first, study::StepGraph graph,
                   const std::string& architecture) {
  const int size = architecture == "resnet18" ? kSize : 0;
  network = models::make_network(architecture, kClasses, size, 8, device);
  // Drawn on the CPU, whose Box-Muller may differ from a device's in the last bit.
  const auto drawn = models::make_network(architecture, kClasses, size, 8);
  drawn->initialize({7, 7});
  const auto from = drawn->parameters(), to = network->parameters();
  for (size_t i = 0; i < to.size(); ++i) to[i].tensor->copy_from(*from[i].tensor);
  network->freeze_before(network->stage_index(first));
  std::vector<optim::NamedParameter> trainable;
  for (const auto& p : network->parameters()) {
    if (p.tensor->requires_grad()) trainable.push_back({p.name, *p.tensor});
  }
  adam = optim::make_adam(trainable);
  forward_backward =
      std::make_unique<study::TrainingStep>(*network, trainable, study::LossOptions{0.1, {}}, graph);
}

double Training::step(const Hands& hands, double rate, double clip) {
  const Tensor logits = forward_backward->run(hands.input(), 0);
  if (clip > 0) optim::clip_gradient_norm(adam->parameters(), clip);
  adam->step(rate);
  study::ScoreAccumulator scores(kClasses);
  scores.add_batch(logits.to_vector(), hands.labels);
  return scores.scores().loss;
}

std::map<std::string, std::vector<float>> Training::state() {
  std::map<std::string, std::vector<float>> all;
  for (const auto& p : network->parameters()) all[p.name] = p.tensor->to_vector();
  for (const auto& b : network->buffers()) all[b.name] = b.tensor->to_vector();
  network->visit([&](const std::string& name, nn::Module& module) {
    if (const auto* bn = dynamic_cast<nn::BatchNorm2d*>(&module)) {
      all[name + ".batches"] = {float(bn->batches_tracked)};
    }
  });
  return all;
}

}  // namespace signet::test
