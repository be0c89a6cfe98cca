#pragma once
// A trained network put to use: pictures to probabilities, and to what in the picture they rest on.

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/heatmap.h"
#include "data/image.h"
#include "study/checkpoint.h"

namespace signet::study {

/// What a network says of one picture.
struct Answer {
  std::vector<double> probabilities;  ///< softmax, by class
  std::vector<int> ranking;           ///< the classes, most probable first
  data::Heatmap heat;                 ///< Grad-CAM of the most probable class, if asked for
  std::vector<float> features;        ///< what the last layer reads
};

/// Grad-CAM (Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
/// Localization", 2017) of a batch: for each row of `images` [batch, size, size, channels] the places whose
/// activations speak for `classes[row]`: the channels of the last activations that are still a picture,
/// weighed by the mean gradient of the class's logit, summed, cut at 0 and scaled to a maximum of 1 (all 0
/// where nothing speaks for it). The gradients are those of activations: no parameter needs one, so it works
/// on frozen networks, and parameters should be frozen, or they collect gradients. The network must be in
/// evaluation mode. Throws Error for a network without convolutions.
std::vector<data::Heatmap> grad_cam(models::Network& network, const Tensor& images,
                                    std::span<const int> classes);

/// A classifier in evaluation mode, frozen.
class Inference {
 public:
  Inference(Classifier classifier, Device device);

  const std::vector<std::string>& classes() const { return classifier_.classes; }
  models::Network& network() const { return *classifier_.network; }
  bool has_convolutions() const;

  /// The picture in the form that run() takes. Safe from any number of threads.
  data::Image prepare(const data::Image& picture) const;
  /// Answers for a batch of prepared pictures; an answer does not depend on its neighbours. Only one thread
  /// at a time. Throws Error for logits that are not finite.
  std::vector<Answer> run(std::span<const data::Image> prepared, bool with_heat) const;

 private:
  Classifier classifier_;
  Device device_;
};

}  // namespace signet::study
