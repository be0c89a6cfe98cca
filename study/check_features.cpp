#include "study/check_features.h"

#include <algorithm>
#include <cmath>

#include "data/hog.h"
#include "kernels/parallel.h"
#include "models/checkpoint_file.h"
#include "models/state_dict.h"
#include "study/checkpoint.h"
#include "study/interrupt.h"
#include "study/source.h"
#include "tensor/autograd.h"
#include "tensor/error.h"

namespace signet::study {
namespace {

constexpr data::ImageSpec kGradientSpec{96, 3};
constexpr int kCell = 12;
constexpr int kBatch = 32;

/// How many stages of a network to run so that the one before the last picture is the result.
int stages_to_run(models::Network& network) {
  const auto& names = network.stages();
  const auto layer3 = std::find(names.begin(), names.end(), "layer3");
  if (layer3 != names.end()) return int(layer3 - names.begin()) + 1;
  const NoGrad no_grad;
  const auto input = network.input();
  Tensor x = Tensor::zeros({1, input.size, input.size, input.channels});
  std::vector<int> pictures;
  for (int stage = 0; stage < network.stage_count(); ++stage) {
    x = network.forward(x, stage, stage + 1);
    if (x.shape().rank() == 4) pictures.push_back(stage + 1);
  }
  return pictures.empty() ? 0 : pictures[pictures.size() > 1 ? pictures.size() - 2 : 0];
}

/// Each channel's mean over the four quarters of a picture [height, width, channels]; the middle row of an
/// odd height counts for the lower half.
void quarter_means(float* out, const float* picture, int64_t height, int64_t width, int64_t channels) {
  std::fill_n(out, 4 * channels, 0.0f);
  int64_t counts[4] = {};
  const auto quarter = [&](int64_t y, int64_t x) {
    return 2 * int64_t(2 * y >= height - 1) + int64_t(2 * x >= width - 1);
  };
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      const int64_t q = quarter(y, x);
      ++counts[q];
      const float* const in = picture + (y * width + x) * channels;
      for (int64_t c = 0; c < channels; ++c) out[q * channels + c] += in[c];
    }
  }
  for (int64_t q = 0; q < 4; ++q) {
    for (int64_t c = 0; c < channels; ++c) out[q * channels + c] /= float(std::max<int64_t>(counts[q], 1));
  }
}

data::Image mirror(data::Image image) {
  const int64_t row = int64_t{image.width} * image.channels;
  for (int64_t y = 0; y < image.height; ++y) {
    uint8_t* const pixels = image.pixels.data() + y * row;
    for (int64_t x = 0; x < row / 2 / image.channels * image.channels; x += image.channels) {
      std::swap_ranges(pixels + x, pixels + x + image.channels, pixels + row - image.channels - x);
    }
  }
  return image;
}

}  // namespace

CheckFeatures::CheckFeatures(const std::filesystem::path& weights, Device device)
    : device_(device), description_("histograms of gradients") {
  if (weights.empty()) return;
  const auto archive = models::read_checkpoint(weights);
  if (const auto form = read_form(archive, weights)) {
    network_ = load_classifier(archive, weights, device).network;
  } else {
    // The first block of ResNet34 that ResNet18 lacks.
    const auto* const architecture =
        archive.find("layer1.2.conv1.weight") == nullptr ? "resnet18" : "resnet34";
    network_ = models::make_network(architecture, 1000, 0, 64, device);
    models::load_weights(*network_, archive, weights.string(), true);
  }
  network_->evaluate();
  network_->set_trainable(false);
  stages_ = stages_to_run(*network_);
  if (stages_ == 0) {
    fail(
        "{}: is an {} without convolutions, whose activations are no better than pixels; leave --weights out",
        weights.string(), network_->architecture());
  }
  description_ = network_->stages()[size_t(stages_ - 1)] + " of " + weights.filename().string();
}

data::ImageSpec CheckFeatures::spec() const {
  return network_ ? preprocessing_of(network_->input()).spec() : kGradientSpec;
}

Tensor CheckFeatures::of_network(const data::ImageStore& store, const std::vector<int>& order, bool mirrored,
                                 const std::function<void(int64_t)>& progress) const {
  const NoGrad no_grad;
  std::optional<data::Augmentation> flip;
  if (mirrored) {
    flip = data::Augmentation{
        .fliplr = 1, .degrees = 0, .translate = 0, .scale = 0, .brightness = 0, .contrast = 0};
  }
  const ImageSource source(store, network_->input(), flip, 0, 1, device_);
  Tensor table;
  int64_t done = 0;
  source.each_batch(order, kBatch, [&](const Input& input) {
    const Tensor pictures = network_->forward(input.x, 0, stages_).to({});
    const auto& shape = pictures.shape();
    const int64_t columns = 4 * shape[3], picture = shape[1] * shape[2] * shape[3];
    if (!table.defined()) table = Tensor::empty({int64_t(order.size()), columns});
    for (int64_t i = 0; i < shape[0]; ++i, ++done) {
      quarter_means(table.data() + done * columns, pictures.data() + i * picture, shape[1], shape[2],
                    shape[3]);
    }
    progress(shape[0]);
  });
  return table;
}

Tensor CheckFeatures::of_gradients(const data::ImageStore& store, const std::vector<int>& order,
                                   bool mirrored, const std::function<void(int64_t)>& progress) const {
  const auto blocks = int64_t{kGradientSpec.size / kCell - 1};
  const int64_t columns = blocks * blocks * 36;
  const Tensor table = Tensor::empty({int64_t(order.size()), columns});
  parallel_for(int64_t(order.size()), [&](int64_t i) {
    data::Image image{kGradientSpec.size, kGradientSpec.size, kGradientSpec.channels,
                      std::vector<uint8_t>(size_t(kGradientSpec.bytes()))};
    store.read(order[size_t(i)], kGradientSpec, image.pixels);
    const auto features = data::histograms_of_gradients(mirrored ? mirror(std::move(image)) : image, kCell);
    std::copy(features.begin(), features.end(), table.data() + i * columns);
  });
  progress(int64_t(order.size()));
  return table;
}

Tensor CheckFeatures::compute(const data::ImageStore& store, const std::vector<int>& order, bool mirrored,
                              const std::function<void(int64_t)>& progress) const {
  const Tensor table = network_ ? of_network(store, order, mirrored, progress)
                                : of_gradients(store, order, mirrored, progress);
  const float* const values = table.data();
  if (!std::all_of(values, values + table.size(), [](float v) { return std::isfinite(v); })) {
    fail("{}: its activations are not finite; use other weights", description_);
  }
  return table;
}

}  // namespace signet::study
