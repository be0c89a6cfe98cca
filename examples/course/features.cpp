// Course, chapter 8: what each stage of a network knows. An image of one person is given the sign of the most
// similar image of all other people, "similar" being measured on the features that a stage makes of it.

#include <fmt/format.h>

#include <limits>
#include <numeric>

#include "data/batches.h"
#include "models/checkpoint_file.h"
#include "models/state_dict.h"
#include "nn/functions.h"
#include "tensor/error.h"

using namespace signet;

namespace {

constexpr int kSize = 32, kWidth = 16;

/// The mean over the pixels of each channel, where there are pixels: [images, channels].
Tensor pooled(const Tensor& activations) {
  return activations.shape().rank() == 4 ? nn::global_avgpool(activations) : activations;
}

/// The share of the samples whose nearest neighbour among other signers' samples shows the same sign.
double accuracy_of_neighbours(const std::vector<data::Sample>& samples, const Tensor& features) {
  const int64_t width = features.shape()[1];
  const float* values = features.data();
  int right = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    double nearest = std::numeric_limits<double>::infinity();
    int label = -1;
    for (size_t j = 0; j < samples.size(); ++j) {
      if (samples[j].signer == samples[i].signer) continue;
      double distance = 0;
      const float *one = values + int64_t(i) * width, *other = values + int64_t(j) * width;
      for (int64_t f = 0; f < width; ++f) distance += double(one[f] - other[f]) * double(one[f] - other[f]);
      if (distance < nearest) nearest = distance, label = samples[j].label;
    }
    right += label == samples[i].label;
  }
  return double(right) / double(samples.size());
}

/// After each stage but the head: the accuracy of neighbours.
std::vector<double> by_stage(models::Network& network, const data::Batch& batch,
                             const std::vector<data::Sample>& samples) {
  const NoGrad no_grad;
  network.evaluate();
  Tensor x = batch.images;
  std::vector<double> accuracies{accuracy_of_neighbours(samples, pooled(x))};
  for (int stage = 0; stage + 1 < network.stage_count(); ++stage) {
    x = network.forward(x, stage, stage + 1);
    if (network.stages()[size_t(stage)] != "avgpool")
      accuracies.push_back(accuracy_of_neighbours(samples, pooled(x)));
  }
  return accuracies;
}

}  // namespace

int main(int count, char** words) try {
  if (count != 3) fail("course_features: give the folder of images and the weights");
  const data::Preprocessing preprocessing{.size = kSize};
  const data::ImageStore store(data::scan_dataset(words[1]), {preprocessing.spec()});
  const auto& samples = store.dataset().samples;
  std::vector<int> all(samples.size());
  std::iota(all.begin(), all.end(), 0);
  data::Batch batch;
  data::load_batch(batch, store, all, preprocessing);

  const auto network = models::make_network("resnet18", store.dataset().num_classes(), kSize, kWidth);
  network->initialize({1, 0});
  const auto random = by_stage(*network, batch, samples);
  models::load_weights(*network, models::read_checkpoint(words[2]), words[2], true);
  const auto pretrained = by_stage(*network, batch, samples);

  fmt::print("{:<8} {:>8} {:>8} {:>11}\n", "after", "features", "random", "pretrained");
  for (size_t i = 0; i < random.size(); ++i) {
    const std::string name = i == 0 ? "pixels" : network->stages()[i - 1];
    const int channels = i == 0 ? 3 : i == 1 ? kWidth : kWidth << (i - 2);
    fmt::print("{:<8} {:8} {:7.1f}% {:10.1f}%\n", name, channels, 100 * random[i], 100 * pretrained[i]);
  }
  return 0;
} catch (const Error& error) {
  fmt::print(stderr, "{}\n", error.what());
  return 2;
}
