#include "study/fold_trainer.h"

#include <fmt/format.h>

#include <limits>

#include "study/process_info.h"
#include "tensor/autograd.h"
#include "tensor/hash.h"

namespace signet::study {
namespace {

/// The inverse of each class's frequency among the training samples, with mean 1 over those samples.
Tensor inverse_frequencies(const FoldSamples& samples, Device device) {
  std::vector<float> counts(size_t(samples.classes), 0.0f);
  for (const int i : samples.train) counts[size_t(samples.labels[size_t(i)])] += 1;
  for (float& c : counts) c = c > 0 ? float(samples.train.size()) / (float(samples.classes) * c) : 0.0f;
  return Tensor::from(counts, {samples.classes}, device);
}

}  // namespace

Evaluation evaluate(models::Network& network, const Source& source, const std::vector<int>& order,
                    int batch_size, int classes, const std::function<void(int64_t)>& progress) {
  const NoGrad no_grad;
  network.evaluate();
  ScoreAccumulator scores(classes);
  source.each_batch(order, batch_size, [&](const Input& input) {
    const Tensor logits = network.forward(input.x, source.stage(), network.stage_count());
    scores.add_batch(logits.to_vector(), input.label_values);
    progress(input.labels.size());
  });
  return {scores.scores(), scores.predictions(), scores.probabilities()};
}

FoldTrainer::FoldTrainer(const ModelPlan& plan, int fold, std::unique_ptr<models::Network> network,
                         int first_changed, FoldSamples samples, uint64_t seed)
    : plan_(plan),
      fold_(fold),
      network_(std::move(network)),
      samples_(std::move(samples)),
      seed_(seed),
      first_changed_(first_changed),
      stopping_(plan.training.patience > 0 ? plan.training.patience : std::numeric_limits<int64_t>::max()),
      drift_(*network_, first_changed, network_->stage_count()) {
  const TrainingOptions& t = plan_.training;
  if (!plan_.first_trainable.empty()) first_stage_ = network_->stage_index(plan_.first_trainable);
  next_epoch_ = plan_.keep_best ? 0 : 1;
  network_->freeze_before(first_stage_, plan_.batch_statistics);
  std::vector<optim::NamedParameter> trainable;
  for (const auto& p : network_->parameters()) {
    if (p.tensor->requires_grad()) trainable.push_back({p.name, *p.tensor});
  }
  const Device device = trainable.front().tensor.device();
  optimizer_ =
      optim::make_optimizer(t.optimizer, std::move(trainable), t.weight_decay, t.momentum, t.nesterov);
  schedule_ = optim::make_schedule(t.lr_scheduler, t.lr, t.epochs);
  LossOptions loss;
  loss.label_smoothing = t.label_smoothing;
  if (t.class_weights) loss.class_weight = inverse_frequencies(samples_, device);
  step_ = std::make_unique<TrainingStep>(*network_, optimizer_->parameters(), std::move(loss));
}

bool FoldTrainer::finished() const {
  return next_epoch_ > plan_.training.epochs || stopping_.should_stop();
}

EpochRecord FoldTrainer::run_epoch(const Source* train, const Source& validation,
                                   const std::function<void(int64_t)>& progress) {
  const Stopwatch watch;
  EpochRecord record;
  record.model = plan_.name;
  record.phase = plan_.phase;
  record.fold = fold_;
  record.epoch = next_epoch_;
  record.lr = next_epoch_ > 0 ? schedule_->rate(next_epoch_ - 1) : 0.0;
  if (next_epoch_ > 0) record.train = train_epoch(*train, progress);
  record.validation = evaluate(*network_, validation, samples_.validation, plan_.training.batch_size,
                               samples_.classes, progress)
                          .scores;
  record.tensors = drift_.measure(network_->stage_count());
  schedule_->report(record.validation.loss);
  if (stopping_.report(next_epoch_, record.validation.loss)) best_ = last();
  ++next_epoch_;
  record.seconds = watch.seconds();
  record.images_per_second = double(std::max<int64_t>(record.train.count, 0) + record.validation.count) /
                             std::max(record.seconds, 1e-9);
  return record;
}

Scores FoldTrainer::train_epoch(const Source& source, const std::function<void(int64_t)>& progress) {
  const TrainingOptions& t = plan_.training;
  const PhiloxKey key{seed_, fnv1a(plan_.name)};
  const double rate = schedule_->rate(next_epoch_ - 1);
  network_->freeze_before(first_stage_, plan_.batch_statistics);
  const auto order = data::shuffled(samples_.train, seed_, fnv1a(plan_.name) + uint64_t(fold_), next_epoch_);
  ScoreAccumulator scores(samples_.classes);
  const int64_t batches = (int64_t(order.size()) + t.batch_size - 1) / t.batch_size;
  int64_t batch = 0;
  source.each_batch(order, t.batch_size, [&](const Input& input) {
    // A step in the middle: the last batch may be a short one.
    const bool watched = batch++ == (batches - 1) / 2;
    network_->set_random_key(philox_derive(key, uint64_t(fold_), uint64_t(optimizer_->steps())));
    const Tensor logits = step_->run(input, source.stage());
    if (watched) drift_.before_step();
    if (t.clip_grad > 0) optim::clip_gradient_norm(optimizer_->parameters(), t.clip_grad);
    optimizer_->step(rate);
    if (watched) drift_.after_step();
    scores.add_batch(logits.to_vector(), input.label_values);
    progress(input.labels.size());
  });
  optimizer_->clear_gradients();
  return scores.scores();
}

void FoldTrainer::roll_back() {
  step_->forget();
  if (kept_epoch() != next_epoch_ - 1) best_.restore(*network_);
}

PhaseOutcome FoldTrainer::outcome() const {
  PhaseOutcome result;
  result.phase = plan_.phase;
  result.fold = fold_;
  result.best_epoch = kept_epoch();
  result.last_epoch = next_epoch_ - 1;
  result.stopped_early = next_epoch_ <= plan_.training.epochs;
  return result;
}

std::string FoldTrainer::prefix() const {
  return fmt::format("fold{}/", fold_);
}

void FoldTrainer::save(models::Archive& archive) const {
  last().append_to(archive, prefix() + "last/");
  best_.append_to(archive, prefix() + "best/");
  for (const auto& [name, tensor] : optimizer_->state()) {
    archive.entries.emplace_back(prefix() + "optimizer/" + name, models::to_array(tensor));
  }
  archive.metadata[prefix() + "steps"] = std::to_string(optimizer_->steps());
}

void FoldTrainer::load(const models::Archive& archive, const std::vector<EpochRecord>& records) {
  // Schedule and early stopping are functions of the losses so far: they are told them again.
  for (const auto& record : records) {
    if (record.fold != fold_) continue;
    schedule_->report(record.validation.loss);
    stopping_.report(record.epoch, record.validation.loss);
    next_epoch_ = record.epoch + 1;
  }
  const auto last = models::Snapshot::read_from(archive, prefix() + "last/");
  if (last.empty()) return;
  last.restore(*network_);
  best_ = models::Snapshot::read_from(archive, prefix() + "best/");
  std::map<std::string, Tensor> state;
  const std::string optimizer_prefix = prefix() + "optimizer/";
  for (const auto& [name, array] : archive.entries) {
    if (name.starts_with(optimizer_prefix))
      state[name.substr(optimizer_prefix.size())] = models::to_tensor(array);
  }
  const auto steps = archive.metadata.find(prefix() + "steps");
  optimizer_->load_state(state, steps == archive.metadata.end() ? 0 : std::stoll(steps->second));
}

}  // namespace signet::study
