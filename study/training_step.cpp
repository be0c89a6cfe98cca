#include "study/training_step.h"

#include "nn/functions.h"
#include "tensor/autograd.h"
#include "tensor/error.h"

namespace signet::study {

TrainingStep::TrainingStep(models::Network& network, std::vector<optim::NamedParameter> parameters,
                           LossOptions loss, StepGraph graph)
    : network_(network),
      parameters_(std::move(parameters)),
      loss_(std::move(loss)),
      may_record_(graph == StepGraph::automatic && !parameters_.front().tensor.device().on_host()) {}

Tensor TrainingStep::run(const Input& input, int stage) {
  const Form form{stage, input.x.shape()};
  const bool repeats = form == std::exchange(last_, form);
  if (may_record_ && repeats && !(recorded_ && recorded_->form == form)) {
    recorded_.reset();
    recorded_ = record(input, form);
    may_record_ = recorded_ != nullptr;
  }
  launched_graph_ = recorded_ && recorded_->form == form;
  return launched_graph_ ? launch(input) : run_ops(input.x, input.labels, stage);
}

Tensor TrainingStep::run_ops(const Tensor& x, const Tensor& labels, int stage) {
  clear_gradients();
  Tensor logits = network_.forward(x, stage, network_.stage_count());
  backward(nn::cross_entropy(logits, labels, loss_.label_smoothing, loss_.class_weight));
  return logits.detach();
}

std::unique_ptr<TrainingStep::Recorded> TrainingStep::record(const Input& input, const Form& form) {
  const Device device = input.x.device();
  auto made = std::make_unique<Recorded>();
  made->form = form;
  clear_gradients();
  try {
    made->x = Tensor::empty(input.x.shape(), device);
    made->labels = Tensor::empty(input.labels.shape(), device, DType::i32);
    // The graph's memory takes the place of what the ops have used until now.
    release_cached_memory(device);
    made->graph = std::make_unique<CapturedGraph>(
        device, [&] { made->logits = run_ops(made->x, made->labels, form.stage); });
  } catch (const OutOfMemory&) {
    // There is not room enough for both; the ops alone had it.
    clear_gradients();
    return nullptr;
  }
  for (const auto& p : parameters_) made->gradients.push_back(p.tensor.grad());
  return made;
}

Tensor TrainingStep::launch(const Input& input) {
  recorded_->x.copy_from(input.x);
  recorded_->labels.copy_from(input.labels);
  recorded_->graph->launch();
  clear_gradients();
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (recorded_->gradients[i].defined()) gradient_of(parameters_[i].tensor).add(recorded_->gradients[i]);
  }
  return recorded_->logits;
}

void TrainingStep::clear_gradients() const {
  for (const auto& p : parameters_) p.tensor.clear_grad();
}

}  // namespace signet::study
