#pragma once
// Forward pass, loss and backward pass of one batch, which on a CUDA device become a graph as soon as they
// repeat.

#include <memory>

#include "models/network.h"
#include "optim/optimizer.h"
#include "study/source.h"
#include "tensor/graph.h"

namespace signet::study {

/// The loss that is minimised: cross-entropy.
struct LossOptions {
  double label_smoothing = 0;
  Tensor class_weight;  ///< [classes], or undefined
};

/// Whether a step that repeats is recorded and launched as one graph. `automatic`: on a CUDA device. The
/// results are the same to the bit.
enum class StepGraph : uint8_t { automatic, never };

/// Leaves the gradients of one batch in the parameters that an optimiser trains. The optimiser's own step is
/// no part of it: what changes there from step to step (the rate, Adam's count) are arguments of its kernels,
/// which a graph would freeze.
///
/// The second batch of a form is recorded, later ones are launched; a batch of another form (the last of an
/// epoch) runs op by op. Weights, inputs and the keys of dropout stay where they are; a graph does not notice
/// if a frozen stage is given other weights, so forget() then.
class TrainingStep {
 public:
  /// The network and the parameters are used by every run().
  TrainingStep(models::Network& network, std::vector<optim::NamedParameter> parameters, LossOptions loss,
               StepGraph graph = StepGraph::automatic);

  /// The logits of a batch for stage `stage` of the network, valid until the next run(). Clears earlier
  /// gradients.
  Tensor run(const Input& input, int stage);
  /// Drops the graph.
  void forget() { recorded_.reset(); }
  /// Whether the last run() launched a graph.
  bool launched_graph() const { return launched_graph_; }

 private:
  struct Form {
    int stage = -1;
    Shape shape;
    bool operator==(const Form&) const = default;
  };
  struct Recorded {
    Form form;
    Tensor x, labels, logits;  ///< where every launch reads and writes
    std::vector<Tensor> gradients;
    std::unique_ptr<CapturedGraph> graph;
  };

  Tensor run_ops(const Tensor& x, const Tensor& labels, int stage);
  std::unique_ptr<Recorded> record(const Input& input, const Form& form);
  Tensor launch(const Input& input);
  void clear_gradients() const;

  models::Network& network_;
  std::vector<optim::NamedParameter> parameters_;
  LossOptions loss_;
  bool may_record_;
  bool launched_graph_ = false;
  Form last_;
  std::unique_ptr<Recorded> recorded_;
};

}  // namespace signet::study
