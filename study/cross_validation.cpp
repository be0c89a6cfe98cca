#include "study/cross_validation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/parallel.h"
#include "models/safetensors.h"
#include "study/interrupt.h"
#include "study/process_info.h"
#include "tensor/allocator.h"
#include "tensor/error.h"
#include "tensor/hash.h"

namespace signet::study {
namespace {

/// Images a batch of the frozen trunk: fits the cache no worse than the training batch, and is not remembered
/// anywhere. Two of them together have as many tiles in a ResNet's last stage, at 224 pixels, as Winograd's
/// kernels take at a time.
constexpr int kTrunkBatch = 28;

/// Height of images so small that the kernels of a step are short against the waking of a thread, and that a
/// network's activations matter little: folds are then trained side by side, on one thread each.
constexpr int kSmallImage = 64;

/// Makes the stages [0, stages) of `to` share the storage of `from`'s.
void share_stages(models::Network& to, models::Network& from, int stages) {
  for (int stage = 0; stage < stages; ++stage) {
    const auto targets = to.stage_modules(stage), sources = from.stage_modules(stage);
    for (size_t m = 0; m < targets.size(); ++m) {
      const auto share = [](const std::vector<nn::NamedTensor>& into,
                            const std::vector<nn::NamedTensor>& out_of) {
        for (size_t i = 0; i < into.size(); ++i) *into[i].tensor = out_of[i].tensor->detach();
      };
      share(targets[m]->parameters(), sources[m]->parameters());
      share(targets[m]->buffers(), sources[m]->buffers());
    }
  }
}

bool better(const FoldScores& a, const FoldScores& b) {
  if (a.validation.accuracy != b.validation.accuracy) return a.validation.accuracy > b.validation.accuracy;
  return a.validation.loss < b.validation.loss;
}

void sort_by_fold(std::vector<EpochRecord>& records) {
  std::stable_sort(records.begin(), records.end(), [](const EpochRecord& a, const EpochRecord& b) {
    return std::pair(a.fold, a.epoch) < std::pair(b.fold, b.epoch);
  });
}

/// Those with the epoch that comes next: all that are not done, unless a run was resumed that had trained
/// them one after another.
std::vector<FoldTrainer*> due_of(const std::vector<std::unique_ptr<FoldTrainer>>& trainers) {
  std::vector<FoldTrainer*> due;
  for (const auto& t : trainers) {
    if (t->finished()) continue;
    if (!due.empty() && t->next_epoch() < due.front()->next_epoch()) due.clear();
    if (due.empty() || t->next_epoch() == due.front()->next_epoch()) due.push_back(t.get());
  }
  return due;
}

/// "fold 2/5", or "folds 1, 2 of 5".
std::string name_of(const std::vector<FoldTrainer*>& trainers, int folds) {
  if (trainers.size() == 1) return fmt::format("fold {}/{}", trainers.front()->fold() + 1, folds);
  std::vector<int> numbers;
  for (const FoldTrainer* t : trainers) numbers.push_back(t->fold() + 1);
  return fmt::format("folds {} of {}", fmt::join(numbers, ", "), folds);
}

/// The time that an epoch took of the run, which folds may have shared.
void set_seconds(EpochRecord& record, double seconds) {
  const double images = record.images_per_second * record.seconds;
  record.seconds = seconds;
  record.images_per_second = images / std::max(seconds, 1e-9);
}

/// Adds the records of an epoch, and to each those of the tensors that all folds share.
void keep(PlanResult& result, std::vector<EpochRecord> of_epoch, const std::vector<TensorRecord>& frozen) {
  for (auto& record : of_epoch) {
    record.tensors.insert(record.tensors.begin(), frozen.begin(), frozen.end());
    result.record.epochs.push_back(std::move(record));
  }
  sort_by_fold(result.record.epochs);
}

}  // namespace

Tensor FeatureCache::get(const std::string& trunk, int epoch, const std::function<Tensor()>& make) {
  Tensor& table = tables_[{trunk, epoch}];
  if (!table.defined()) table = make();
  return table;
}

CrossValidation::CrossValidation(const StudyContext& context, const RunFolder& folder, std::vector<int> folds)
    : context_(context), folder_(folder), folds_(std::move(folds)), fold_count_(data::fold_count(folds_)) {}

std::vector<int> CrossValidation::folds_of(const ModelPlan& plan) const {
  std::vector<int> all;
  for (int fold = 0; fold < fold_count_; ++fold) all.push_back(fold);
  if (plan.all_folds) {
    if (plan.continues.empty()) return all;
    std::vector<int> available;
    for (const auto& [fold, weights] : results_.at(plan.continues).kept) available.push_back(fold);
    return available;
  }
  if (plan.folds.empty()) return {plan.continues.empty() ? 0 : results_.at(plan.continues).best_fold};
  for (const int fold : plan.folds) {
    if (fold >= fold_count_)
      fail("fold {} was asked for, but there are folds 0 to {} only", fold, fold_count_ - 1);
  }
  return plan.folds;
}

int CrossValidation::untouched_stages(const ModelPlan& plan, const models::Network& network) const {
  if (!plan.pretrained || plan.batch_statistics || plan.first_trainable.empty()) return 0;
  const int own = network.stage_index(plan.first_trainable);
  return plan.continues.empty() ? own : std::min(own, untouched_stages(plans_.at(plan.continues), network));
}

std::vector<TensorRecord> CrossValidation::measure_trunk(const ModelPlan& plan,
                                                         const models::Network& network) const {
  const int untouched = untouched_stages(plan, network);
  return untouched == 0 ? std::vector<TensorRecord>() : context_.pretrained.measure(plan, untouched);
}

std::unique_ptr<models::Network> CrossValidation::initial_network(const ModelPlan& plan, int fold) {
  const uint64_t seed = context_.options.seed;
  auto network = models::make_network(plan.architecture, context_.store.dataset().num_classes(),
                                      plan.image_size, plan.width, context_.options.device);
  if (!plan.pretrained) {
    network->initialize(philox_derive({seed, fnv1a(plan.name)}, uint64_t(fold)));
    return network;
  }
  models::Network& pretrained = context_.pretrained.network(plan);
  const int shared = untouched_stages(plan, *network);
  if (shared < network->stage_count()) models::Snapshot(pretrained, shared).restore(*network);
  share_stages(*network, pretrained, shared);
  if (!(plan.keep_head && context_.pretrained.has_head(plan))) {
    network->initialize_head(philox_derive({seed, fnv1a("head")}, uint64_t(fold)));
  }
  if (!plan.continues.empty()) results_.at(plan.continues).kept.at(fold).restore(*network);
  return network;
}

std::unique_ptr<models::Network> CrossValidation::network_of(const ModelPlan& plan,
                                                             const models::Snapshot& weights) {
  auto network = initial_network(plan, folds_of(plan).front());
  weights.restore(*network);
  return network;
}

FoldSamples CrossValidation::samples_of(int fold) const {
  FoldSamples samples;
  samples.train = data::training_indices(folds_, fold);
  samples.validation = data::validation_indices(folds_, fold);
  samples.classes = context_.store.dataset().num_classes();
  for (const auto& sample : context_.store.dataset().samples) samples.labels.push_back(sample.label);
  return samples;
}

uint64_t CrossValidation::augmentation_seed(const ModelPlan& plan) const {
  return philox_derive({context_.options.seed, fnv1a("augmentation")}, fnv1a(plan.phase)).seed;
}

ImageSource CrossValidation::image_source(const ModelPlan& plan, const models::Network& network,
                                          int epoch) const {
  std::optional<data::Augmentation> augmentation;
  if (epoch > 0 && context_.options.augment) augmentation = context_.options.augmentation;
  return {context_.store,          network.input(), augmentation,
          augmentation_seed(plan), epoch,           context_.options.device};
}

bool CrossValidation::shares_trunk(const ModelPlan& plan, const models::Network& network) const {
  // Only the features before the last stage are small enough to keep for a whole data set.
  return context_.options.share_trunk && untouched_stages(plan, network) == network.stage_count() - 1;
}

int CrossValidation::view(const ModelPlan& plan, const models::Network& network, int epoch) const {
  const auto& options = context_.options;
  // Without augmentation every epoch sees the same images.
  if (!options.augment || epoch == 0) return 0;
  const bool trains_head_only = untouched_stages(plan, network) == network.stage_count() - 1;
  return options.views > 0 && trains_head_only ? (epoch - 1) % options.views + 1 : epoch;
}

Tensor CrossValidation::features(const ModelPlan& plan, int last_stage, int epoch) {
  models::Network& network = context_.pretrained.network(plan);
  const int view_number = view(plan, network, epoch);
  return context_.features.get(Pretrained::name(plan) + plan.phase, view_number, [&] {
    const auto& dataset = context_.store.dataset();
    std::vector<int> order(size_t(dataset.size()));
    std::iota(order.begin(), order.end(), 0);
    context_.progress.start(view_number == 0
                                ? fmt::format("{}: the frozen trunk, images as they are", plan.name)
                                : fmt::format("{} epoch {}/{}: the frozen trunk, once for all folds",
                                              plan.name, epoch, plan.training.epochs),
                            dataset.size());
    Tensor table =
        run_prefix(network, last_stage, image_source(plan, network, view_number), order, dataset.size(),
                   kTrunkBatch, [&](int64_t images) { context_.progress.advance(images); });
    context_.progress.finish();
    return table;
  });
}

void CrossValidation::save(const ModelPlan& plan, const PlanResult& result, const Trainers& trainers) const {
  models::Archive archive;
  for (const auto& trainer : trainers) {
    if (trainer) trainer->save(archive);
  }
  for (const auto& [fold, weights] : result.last)
    weights.append_to(archive, fmt::format("done{}/last/", fold));
  for (const auto& [fold, weights] : result.best)
    weights.append_to(archive, fmt::format("done{}/best/", fold));
  archive.metadata["record"] = to_json(result.record);
  models::write_safetensors(folder_.resume_file(plan.name), archive);
}

void CrossValidation::conclude(const ModelPlan& plan, PlanResult& result, FoldTrainer& trainer,
                               const Source& validation) {
  const int fold = trainer.fold();
  result.last[fold] = trainer.last();
  result.best[fold] = trainer.best();
  result.kept[fold] = plan.keep_best ? trainer.best() : result.last[fold];
  trainer.roll_back();
  const auto& samples = trainer.samples();
  const Evaluation evaluation = evaluate(trainer.network(), validation, samples.validation,
                                         plan.training.batch_size, samples.classes, [](int64_t) {});
  FoldScores scores{fold, {}, evaluation.scores};
  for (const auto& record : result.record.epochs) {
    if (record.fold == fold && record.epoch == trainer.kept_epoch()) scores.train = record.train;
  }
  if (trainer.kept_epoch() == 0 && !plan.continues.empty()) {
    for (const auto& former : results_.at(plan.continues).record.folds) {
      if (former.fold == fold) scores.train = former.train;
    }
  }
  result.record.folds.push_back(scores);
  result.record.outcomes.push_back(trainer.outcome());
  for (size_t i = 0; i < samples.validation.size(); ++i) {
    const int index = samples.validation[i];
    result.record.predictions.push_back(
        {plan.name, plan.phase, fold, context_.store.dataset().samples[size_t(index)].path,
         samples.labels[size_t(index)], evaluation.predictions[i], evaluation.probabilities[i]});
  }
}

void CrossValidation::run_sharing(const ModelPlan& plan, PlanResult& result, Trainers& trainers,
                                  const std::function<void(const ModelResult&)>& after_epoch) {
  const int stage = trainers.front()->first_stage();
  const auto& labels = trainers.front()->samples().labels;
  const auto ignore = [](int64_t) {};
  const Device device = context_.options.device;
  const FeatureSource validation(features(plan, stage, 0), labels, stage, device);
  for (auto due = due_of(trainers); !due.empty(); due = due_of(trainers)) {
    const int epoch = due.front()->next_epoch();
    const Stopwatch watch;
    const FeatureSource train(features(plan, stage, epoch), labels, stage, device);
    const double trunk_seconds = watch.seconds();
    std::vector<EpochRecord> of_epoch;
    for (FoldTrainer* t : due) of_epoch.push_back(t->run_epoch(&train, validation, ignore));
    const auto frozen = measure_trunk(plan, trainers.front()->network());
    Scores mean_train, mean_validation;
    mean_train.accuracy = mean_train.loss = mean_validation.accuracy = mean_validation.loss = 0;
    for (auto& record : of_epoch) {
      set_seconds(record, record.seconds + trunk_seconds / double(of_epoch.size()));
      const double share = 1.0 / double(of_epoch.size());
      mean_train.accuracy += share * record.train.accuracy;
      mean_train.loss += share * record.train.loss;
      mean_validation.accuracy += share * record.validation.accuracy;
      mean_validation.loss += share * record.validation.loss;
    }
    keep(result, std::move(of_epoch), frozen);
    result.record.seconds += watch.seconds();
    save(plan, result, trainers);
    after_epoch(result.record);
    const double left = result.record.seconds / epoch * (plan.training.epochs - epoch);
    context_.progress.line(
        fmt::format("{} epoch {}/{}, mean of {} folds: train loss {:.4f} acc {:.2f}%, val loss {:.4f} acc "
                    "{:.2f}%, {:.0f} img/s{}",
                    plan.name, epoch, plan.training.epochs, due.size(), mean_train.loss,
                    100 * mean_train.accuracy, mean_validation.loss, 100 * mean_validation.accuracy,
                    double(labels.size()) / std::max(watch.seconds(), 1e-9),
                    left > 0 ? ", " + duration_text(left) + " left" : ""));
  }
  for (const auto& t : trainers) {
    conclude(plan, result, *t, validation);
  }
}

int CrossValidation::folds_together(const models::Network& network, size_t pending) const {
  if (!context_.options.device.on_host() || network.input().size > kSmallImage) return 1;
  return size_t(num_threads()) <= pending ? num_threads() : 1;
}

void CrossValidation::run_side_by_side(const ModelPlan& plan, PlanResult& result, Trainers& trainers,
                                       const std::function<void(const ModelResult&)>& after_epoch) {
  const models::Network& network = trainers.front()->network();
  const ImageSource validation = image_source(plan, network, 0);
  for (auto due = due_of(trainers); !due.empty(); due = due_of(trainers)) {
    const Stopwatch watch;
    const int epoch = due.front()->next_epoch();
    int64_t images = 0;
    for (const FoldTrainer* t : due) {
      const auto& samples = t->samples();
      images += int64_t(samples.validation.size() + (epoch > 0 ? samples.train.size() : 0));
    }
    context_.progress.start(
        fmt::format("{} {} epoch {}/{}", plan.name, name_of(due, fold_count_), epoch, plan.training.epochs),
        images);
    const ImageSource train = image_source(plan, network, view(plan, network, std::max(epoch, 1)));
    std::vector<EpochRecord> of_epoch(due.size());
    // What folds run inside of this loop, they run on one thread each; a single one has all threads.
    parallel_for(int64_t(due.size()), [&](int64_t i) {
      of_epoch[size_t(i)] = due[size_t(i)]->run_epoch(&train, validation,
                                                      [&](int64_t done) { context_.progress.advance(done); });
    });
    context_.progress.finish();
    const double seconds = watch.seconds();
    for (auto& record : of_epoch) set_seconds(record, seconds / double(due.size()));
    keep(result, of_epoch, measure_trunk(plan, network));
    result.record.seconds += seconds;
    save(plan, result, trainers);
    after_epoch(result.record);
    for (const auto& record : of_epoch)
      context_.progress.line(epoch_line(record, fold_count_, plan.training.epochs));
  }
  for (const auto& t : trainers) {
    conclude(plan, result, *t, validation);
  }
}

const PlanResult& CrossValidation::run(const ModelPlan& plan,
                                       const std::function<void(const ModelResult&)>& after_epoch) {
  plans_[plan.name] = plan;
  PlanResult& result = results_[plan.name];
  result.record.model = plan.name;
  models::Archive saved;
  const auto resume_file = folder_.resume_file(plan.name);
  if (context_.options.resume && std::filesystem::exists(resume_file)) {
    saved = models::read_safetensors(resume_file);
    const auto record = saved.metadata.find("record");
    if (record == saved.metadata.end())
      fail("{}: holds no record of a run; start anew in another folder", resume_file.string());
    result.record = model_result_from_json(record->second, resume_file.string());
  }
  std::vector<int> pending;
  for (const int fold : folds_of(plan)) {
    const auto& done = result.record.folds;
    if (std::none_of(done.begin(), done.end(), [&](const FoldScores& s) { return s.fold == fold; })) {
      pending.push_back(fold);
      continue;
    }
    result.last[fold] = models::Snapshot::read_from(saved, fmt::format("done{}/last/", fold));
    result.best[fold] = models::Snapshot::read_from(saved, fmt::format("done{}/best/", fold));
    result.kept[fold] = plan.keep_best ? result.best[fold] : result.last[fold];
  }
  const auto make_trainer = [&](int fold) {
    auto network = initial_network(plan, fold);
    const int first_changed = untouched_stages(plan, *network);
    auto trainer = std::make_unique<FoldTrainer>(plan, fold, std::move(network), first_changed,
                                                 samples_of(fold), context_.options.seed);
    trainer->load(saved, result.record.epochs);
    return trainer;
  };
  Trainers trainers;
  for (size_t i = 0; i < pending.size(); ++i) {
    trainers.push_back(make_trainer(pending[i]));
    const models::Network& network = trainers.front()->network();
    const bool last = i + 1 == pending.size();
    if (shares_trunk(plan, network)) {
      if (!last) continue;
      // What the folds' networks had before they shared a trunk is as large as all activations.
      release_cached_memory();
      run_sharing(plan, result, trainers, after_epoch);
    } else {
      if (!last && int(trainers.size()) < folds_together(network, pending.size())) continue;
      run_side_by_side(plan, result, trainers, after_epoch);
    }
    // Their weights are in the result; networks and optimisers need not stay in memory.
    trainers.clear();
    sort_by_fold(result.record.epochs);
    save(plan, result, trainers);
  }
  const auto& scores = result.record.folds;
  result.best_fold = std::min_element(scores.begin(), scores.end(), better)->fold;
  return result;
}

}  // namespace signet::study
