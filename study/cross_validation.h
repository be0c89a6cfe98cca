#pragma once
// Runs one plan over its folds. A trunk that stays frozen for all folds is run once an image and epoch for
// all of them: its features depend on neither fold nor batch, so the results are those of running the folds
// one by one, to the bit. So are those of small networks, whose folds are trained side by side.

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "data/store.h"
#include "study/fold_trainer.h"
#include "study/plan.h"
#include "study/pretrained.h"
#include "study/progress.h"
#include "study/records.h"
#include "study/run_folder.h"

namespace signet::study {

/// The features that a frozen trunk gives, by epoch; epoch 0 holds those of the images as they are. Kept for
/// the next split, whose folds see the same images.
class FeatureCache {
 public:
  /// The table of an epoch, made by `make` if it is not there.
  Tensor get(const std::string& trunk, int epoch, const std::function<Tensor()>& make);

 private:
  std::map<std::pair<std::string, int>, Tensor> tables_;
};

/// What all plans of a run share.
struct StudyContext {
  const StudyOptions& options;
  const data::ImageStore& store;
  Pretrained& pretrained;
  Progress& progress;
  FeatureCache& features;
};

/// What became of one plan.
struct PlanResult {
  ModelResult record;
  int best_fold = 0;  ///< highest validation accuracy, then lowest loss, of the kept weights
  std::map<int, models::Snapshot>
      kept;  ///< by fold: the stages that differ from the weights file, as they are kept
  std::map<int, models::Snapshot> last;  ///< by fold: those after the last epoch
  std::map<int, models::Snapshot> best;  ///< by fold: those of the lowest validation loss
};

class CrossValidation {
 public:
  /// `folds` is what data::make_folds gave.
  CrossValidation(const StudyContext& context, const RunFolder& folder, std::vector<int> folds);

  /// Trains a plan, or takes it up where a killed run left it. Plans that it continues must have been run
  /// before. `after_epoch` is called with the record so far. Throws Interrupted after a requested stop.
  const PlanResult& run(const ModelPlan& plan, const std::function<void(const ModelResult&)>& after_epoch);

  /// The network of a plan with the given weights of its trained stages.
  std::unique_ptr<models::Network> network_of(const ModelPlan& plan, const models::Snapshot& weights);
  /// Which folds a plan runs on.
  std::vector<int> folds_of(const ModelPlan& plan) const;
  int fold_count() const { return fold_count_; }
  /// The last stage that this plan and all it continues leave as the weights file has them, plus one.
  int untouched_stages(const ModelPlan& plan, const models::Network& network) const;

 private:
  using Trainers = std::vector<std::unique_ptr<FoldTrainer>>;

  std::unique_ptr<models::Network> initial_network(const ModelPlan& plan, int fold);
  /// The records of the tensors that a plan leaves untouched, which all folds share.
  std::vector<TensorRecord> measure_trunk(const ModelPlan& plan, const models::Network& network) const;
  bool shares_trunk(const ModelPlan& plan, const models::Network& network) const;
  /// The augmentation that an epoch (0: none) trains on, by number.
  int view(const ModelPlan& plan, const models::Network& network, int epoch) const;
  Tensor features(const ModelPlan& plan, int last_stage, int epoch);
  void run_sharing(const ModelPlan& plan, PlanResult& result, Trainers& trainers,
                   const std::function<void(const ModelResult&)>& after_epoch);
  /// How many of the folds still to be trained are trained at the same time: as many as there are threads,
  /// or one.
  int folds_together(const models::Network& network, size_t pending) const;
  /// Epoch by epoch, each fold on a thread of its own; one alone on all threads.
  void run_side_by_side(const ModelPlan& plan, PlanResult& result, Trainers& trainers,
                        const std::function<void(const ModelResult&)>& after_epoch);
  void conclude(const ModelPlan& plan, PlanResult& result, FoldTrainer& trainer, const Source& validation);
  void save(const ModelPlan& plan, const PlanResult& result, const Trainers& trainers) const;
  FoldSamples samples_of(int fold) const;
  uint64_t augmentation_seed(const ModelPlan& plan) const;
  ImageSource image_source(const ModelPlan& plan, const models::Network& network, int epoch) const;

  const StudyContext& context_;
  const RunFolder& folder_;
  std::vector<int> folds_;
  int fold_count_;
  std::map<std::string, PlanResult> results_;
  std::map<std::string, ModelPlan> plans_;
};

}  // namespace signet::study
