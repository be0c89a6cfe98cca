#pragma once
// A few rendered hands and a network to train on them, a narrow ResNet18 if not said otherwise.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/network.h"
#include "study/training_step.h"

namespace signet::test {

constexpr int kClasses = 6;
/// layer4 then sees 2x2 pixels.
constexpr int kSize = 48;

/// `count` hands on a device, every class in turn, drawn by `seed`.
struct Hands {
  Hands(int count, uint64_t seed, Device device);
  /// Of each hand the numbers that fill an image of one channel and `size`.
  Hands cut_to_grey(int size) const;
  study::Input input() const { return {x, y, labels}; }

  Tensor x, y;
  std::vector<int32_t> labels;
};

/// A network in training, with weights that depend on nothing else.
struct Training {
  /// Trains from stage `first` on: of a ResNet18 "conv1" is everything.
  Training(Device device, const std::string& first, study::StepGraph graph = study::StepGraph::automatic,
           const std::string& architecture = "resnet18");

  /// One step of Adam; returns the loss before it.
  double step(const Hands& hands, double rate = 1e-3, double clip = 0);
  /// Parameters, running statistics and the batchnorms' counters, by name.
  std::map<std::string, std::vector<float>> state();

  std::unique_ptr<models::Network> network;
  std::unique_ptr<optim::Optimizer> adam;
  std::unique_ptr<study::TrainingStep> forward_backward;
};

}  // namespace signet::test
