#pragma once
// Training one fold of one plan, epoch by epoch.

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "models/network.h"
#include "models/state_dict.h"
#include "optim/optimizer.h"
#include "optim/schedule.h"
#include "study/drift_meter.h"
#include "study/metrics.h"
#include "study/plan.h"
#include "study/records.h"
#include "study/source.h"
#include "study/training_step.h"

namespace signet::study {

/// Which samples a fold trains and validates on.
struct FoldSamples {
  std::vector<int> train, validation;
  std::vector<int32_t> labels;  ///< of every sample of the data set
  int classes = 0;
};

/// What a pass over samples gave.
struct Evaluation {
  Scores scores;
  std::vector<int32_t> predictions;   ///< in the order evaluated
  std::vector<double> probabilities;  ///< of the predicted classes
};

/// Runs a network in evaluation mode over samples. `progress` gets the number of samples after each batch.
Evaluation evaluate(models::Network& network, const Source& source, const std::vector<int>& order,
                    int batch_size, int classes, const std::function<void(int64_t)>& progress);

class FoldTrainer {
 public:
  /// The network comes with the weights the fold starts from. Stages before `first_changed` are those of the
  /// weights file and stay so: snapshots leave them out.
  FoldTrainer(const ModelPlan& plan, int fold, std::unique_ptr<models::Network> network, int first_changed,
              FoldSamples samples, uint64_t seed);

  int fold() const { return fold_; }
  const FoldSamples& samples() const { return samples_; }
  models::Network& network() { return *network_; }
  /// The first stage that is trained.
  int first_stage() const { return first_stage_; }

  /// The epoch that comes next: 0 measures the start (only where the plan keeps the best epoch), 1 is the
  /// first that trains.
  int next_epoch() const { return next_epoch_; }
  bool finished() const;
  /// Runs the next epoch. `train` may be null for epoch 0. The record's tensors are those of the stages from
  /// `first_changed` on.
  EpochRecord run_epoch(const Source* train, const Source& validation,
                        const std::function<void(int64_t)>& progress);

  /// The epoch with the lowest validation loss so far, and the one whose weights the plan keeps.
  int best_epoch() const { return int(stopping_.best_epoch()); }
  int kept_epoch() const { return plan_.keep_best ? best_epoch() : next_epoch_ - 1; }
  /// The weights of the stages that change, as they are now and at the best epoch.
  models::Snapshot last() const { return models::Snapshot(*network_, first_changed_); }
  const models::Snapshot& best() const { return best_; }
  /// Puts the kept weights into the network.
  void roll_back();
  PhaseOutcome outcome() const;

  /// Everything that --resume needs, under a prefix of its own; and back, together with this fold's records
  /// so far.
  void save(models::Archive& archive) const;
  void load(const models::Archive& archive, const std::vector<EpochRecord>& records);

 private:
  Scores train_epoch(const Source& source, const std::function<void(int64_t)>& progress);
  std::string prefix() const;

  ModelPlan plan_;
  int fold_;
  std::unique_ptr<models::Network> network_;
  FoldSamples samples_;
  uint64_t seed_;
  int first_stage_ = 0;
  int first_changed_ = 0;
  int next_epoch_ = 1;
  std::unique_ptr<optim::Optimizer> optimizer_;
  std::unique_ptr<TrainingStep> step_;
  std::unique_ptr<optim::Schedule> schedule_;
  optim::EarlyStopping stopping_;
  models::Snapshot best_;
  DriftMeter drift_;
};

}  // namespace signet::study
