#include "study/inference.h"

#include <algorithm>
#include <numeric>

#include "kernels/kernels.h"
#include "study/metrics.h"
#include "study/source.h"
#include "tensor/autograd.h"
#include "tensor/error.h"

namespace signet::study {
namespace {

/// The last activations of a network that are still a picture, and the stage that takes them; undefined for a
/// network that never has any.
struct LastPicture {
  Tensor activations;
  int next_stage = 0;
};

LastPicture last_picture(models::Network& network, const Tensor& images) {
  const NoGrad no_grad;
  LastPicture last;
  Tensor y = images;
  for (int stage = 0; stage < network.stage_count(); ++stage) {
    y = network.forward(y, stage, stage + 1);
    if (y.shape().rank() != 4) break;
    last = {y, stage + 1};
  }
  return last;
}

data::Heatmap heat_of(const float* activations, const float* gradients, const Shape& shape) {
  const int64_t height = shape[1], width = shape[2], channels = shape[3], pixels = height * width;
  std::vector<double> weight(size_t(channels), 0.0);
  for (int64_t p = 0; p < pixels; ++p) {
    for (int64_t c = 0; c < channels; ++c) weight[size_t(c)] += gradients[p * channels + c] / double(pixels);
  }
  data::Heatmap heat{int(height), int(width), {}};
  float largest = 0;
  for (int64_t p = 0; p < pixels; ++p) {
    double sum = 0;
    for (int64_t c = 0; c < channels; ++c) sum += weight[size_t(c)] * activations[p * channels + c];
    heat.values.push_back(float(std::max(sum, 0.0)));
    largest = std::max(largest, heat.values.back());
  }
  if (largest > 0) {
    for (float& value : heat.values) value /= largest;
  }
  return heat;
}

std::vector<data::Heatmap> grad_cam(models::Network& network, const LastPicture& last,
                                    std::span<const int> classes) {
  if (!last.activations.defined()) {
    fail("{} has no convolutions, so there is no Grad-CAM of it; use a checkpoint of another model",
         network.architecture());
  }
  Tensor leaf = last.activations.detach();
  leaf.set_requires_grad(true);
  const Tensor logits = network.forward(leaf, last.next_stage, network.stage_count());
  const int64_t batch = logits.shape()[0], count = logits.shape()[1];
  std::vector<float> chosen(size_t(batch * count), 0.0f);
  for (int64_t i = 0; i < batch; ++i) chosen[size_t(i * count + classes[size_t(i)])] = 1;
  backward(logits, Tensor::from(chosen, logits.shape(), logits.device()));
  const auto activations = leaf.to_vector(), gradients = leaf.grad().to_vector();
  const size_t row = activations.size() / size_t(batch);
  std::vector<data::Heatmap> maps;
  for (size_t i = 0; i < size_t(batch); ++i) {
    maps.push_back(heat_of(activations.data() + i * row, gradients.data() + i * row, leaf.shape()));
  }
  return maps;
}

}  // namespace

std::vector<data::Heatmap> grad_cam(models::Network& network, const Tensor& images,
                                    std::span<const int> classes) {
  return grad_cam(network, last_picture(network, images), classes);
}

Inference::Inference(Classifier classifier, Device device)
    : classifier_(std::move(classifier)), device_(device) {
  classifier_.network->evaluate();
  classifier_.network->set_trainable(false);
}

bool Inference::has_convolutions() const {
  const auto parameters = network().parameters();
  return std::any_of(parameters.begin(), parameters.end(),
                     [](const nn::NamedTensor& p) { return p.tensor->shape().rank() == 4; });
}

data::Image Inference::prepare(const data::Image& picture) const {
  return data::prepare(picture, preprocessing_of(network().input()).spec());
}

std::vector<Answer> Inference::run(std::span<const data::Image> prepared, bool with_heat) const {
  const models::InputSpec input = network().input();
  const auto batch = int64_t(prepared.size());
  const Tensor images = Tensor::empty({batch, input.size, input.size, input.channels});
  const ImageWarp identity;
  const int64_t row = images.size() / std::max<int64_t>(batch, 1);
  for (int64_t i = 0; i < batch; ++i) {
    cpu::image_warp(images.data() + i * row, prepared[size_t(i)].pixels.data(), &identity, input.mean.data(),
                    input.deviation.data(), 1, input.size, input.size, input.channels);
  }
  const int head = network().stage_count() - 1;
  Tensor features, logits;
  LastPicture last;
  {
    const NoGrad no_grad;
    Tensor x = images.to(device_);
    if (with_heat) last = last_picture(network(), x);
    const bool begun = last.activations.defined();
    features = network().forward(begun ? last.activations : x, begun ? last.next_stage : 0, head);
    logits = network().forward(features, head, head + 1);
  }
  const auto all_logits = logits.to_vector(), all_features = features.to_vector();
  const size_t classes = this->classes().size(),
               width = all_features.size() / size_t(std::max<int64_t>(batch, 1));
  std::vector<Answer> answers(static_cast<size_t>(batch));
  std::vector<int> best;
  for (size_t i = 0; i < answers.size(); ++i) {
    Answer& answer = answers[i];
    answer.probabilities = softmax(std::span(all_logits).subspan(i * classes, classes));
    answer.ranking.resize(classes);
    std::iota(answer.ranking.begin(), answer.ranking.end(), 0);
    const auto& p = answer.probabilities;
    std::stable_sort(answer.ranking.begin(), answer.ranking.end(),
                     [&](int a, int b) { return p[size_t(a)] > p[size_t(b)]; });
    const auto own = std::span(all_features).subspan(i * width, width);
    answer.features.assign(own.begin(), own.end());
    best.push_back(answer.ranking.front());
  }
  if (with_heat) {
    auto maps = grad_cam(network(), last, best);
    for (size_t i = 0; i < answers.size(); ++i) answers[i].heat = std::move(maps[i]);
  }
  return answers;
}

}  // namespace signet::study
