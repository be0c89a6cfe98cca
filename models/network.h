#pragma once
// What the study asks of a model: a chain of stages, so that a frozen prefix can be run apart from the rest.

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "nn/module.h"
#include "tensor/tensor.h"

namespace signet::models {

/// How pixels in [0, 1] become the input of a network; kept in its checkpoints.
struct InputSpec {
  int size = 224;    ///< height and width in pixels
  int channels = 3;  ///< 3 for RGB, 1 for grey
  std::array<float, 3> mean{0.485f, 0.456f, 0.406f};
  std::array<float, 3> deviation{0.229f, 0.224f, 0.225f};
  bool operator==(const InputSpec&) const = default;
};

/// A network whose forward pass is a chain of stages.
class Network : public nn::Module {
 public:
  /// "resnet18", "mlp", …: what make_network takes.
  virtual std::string architecture() const = 0;
  virtual InputSpec input() const = 0;
  virtual int num_classes() const = 0;
  /// Names of the stages in order, e.g. conv1 layer1 layer2 layer3 layer4 avgpool fc.
  virtual const std::vector<std::string>& stages() const = 0;
  /// Runs stages [first, last) on what stage first - 1 gave (for first = 0: images [batch, size, size,
  /// channels]).
  virtual Tensor forward(const Tensor& x, int first, int last) = 0;
  /// Puts fresh weights into everything, or into the last layer alone.
  virtual void initialize(PhiloxKey key) = 0;
  virtual void initialize_head(PhiloxKey key) = 0;

  /// Images to logits [batch, num_classes].
  Tensor forward(const Tensor& images) { return forward(images, 0, stage_count()); }
  int stage_count() const { return int(stages().size()); }
  /// The place of a stage; throws Error naming the choices if there is none.
  int stage_index(const std::string& name) const;
  /// The layers of one stage.
  virtual std::vector<nn::Module*> stage_modules(int stage) = 0;

  /// Freezes stages [0, first_trainable): no gradients, evaluation mode, running statistics; the others are
  /// trainable and in training mode. With `batch_statistics` the frozen batchnorms go on using and moving the
  /// batch's statistics.
  void freeze_before(int first_trainable, bool batch_statistics = false);
  /// Puts every stage in evaluation mode; what is trainable stays so.
  void evaluate() { set_training(false); }
};

/// "resnet18", "resnet34" (with any width: the channels of the first stage, 64 normally), "mlp" or "cnn".
/// image_size 0 means the architecture's own. Throws Error naming the choices for any other name.
std::unique_ptr<Network> make_network(const std::string& architecture, int num_classes, int image_size = 0,
                                      int width = 64, Device device = {});

}  // namespace signet::models
