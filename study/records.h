#pragma once
// What a run remembers: an epoch, a prediction, a phase's end, a model's whole record. The trainer fills
// these as it goes; the run folder stores them, and a resumed run reads them back to the same bits.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "study/metrics.h"

namespace signet::study {

/// One tensor of a network at the end of an epoch, set beside the phase's start. Norms are 2-norms.
struct TensorRecord {
  std::string tensor;  ///< its name in checkpoints, "layer4.1.bn2.running_var"
  double norm = 0;
  double start_norm = 0;
  double distance = 0;  ///< norm of (now - start): exactly 0 where nothing has changed a bit
  /// Of one step in the middle of the epoch: the norm of the gradient (before any clipping) and of what the
  /// optimiser changed; 0 where there is no gradient.
  double gradient_norm = 0;
  double update_norm = 0;

  bool operator==(const TensorRecord&) const = default;
};

/// One line of results.csv. Folds count from 0; epoch 0 is the state before the phase trains (its `train` is
/// then left unmeasured).
struct EpochRecord {
  std::string model;
  std::string phase;
  int fold = 0;
  int epoch = 0;
  double lr = 0;
  Scores train;       ///< running, on augmented images, while the weights change
  Scores validation;  ///< after the epoch
  double seconds = 0;
  double images_per_second = 0;
  std::vector<TensorRecord> tensors;  ///< of the network; empty in records of older versions

  bool operator==(const EpochRecord&) const = default;
};

/// One line of predictions.csv: what the model that had not seen the image said of it.
struct Prediction {
  std::string model;
  std::string phase;
  int fold = 0;
  std::string path;
  int true_class = 0;
  int predicted_class = 0;
  double probability = 0;  ///< softmax, of the predicted class

  bool operator==(const Prediction&) const = default;
};

/// How one phase of one fold ended.
struct PhaseOutcome {
  std::string phase;
  int fold = 0;
  int best_epoch = 0;          ///< the epoch whose weights were kept (rolled back to, if it is not the last)
  int last_epoch = 0;          ///< the last epoch run
  bool stopped_early = false;  ///< the validation loss stopped falling before the epochs were used up

  bool operator==(const PhaseOutcome&) const = default;
};

/// The figures of one fold that go into the summary: those of the weights that were kept.
struct FoldScores {
  int fold = 0;
  Scores train;
  Scores validation;

  bool operator==(const FoldScores&) const = default;
};

/// Everything recorded of one model, complete or in the middle of its cross-validation.
struct ModelResult {
  std::string model;
  std::vector<EpochRecord> epochs;
  std::vector<PhaseOutcome> outcomes;
  std::vector<FoldScores> folds;
  std::vector<Prediction> predictions;
  double seconds = 0;

  bool operator==(const ModelResult&) const = default;
};

/// A model's entry in summary.json and its row of the comparison table. Figures are means over the folds;
/// `val_acc_sd` is the sample standard deviation (NaN for a single fold).
struct ModelSummary {
  std::string model;
  double val_acc = Scores::kNone;
  double val_acc_sd = Scores::kNone;
  std::vector<double> val_acc_folds;
  double train_acc = Scores::kNone;
  double precision = Scores::kNone;
  double recall = Scores::kNone;
  double f1 = Scores::kNone;
  double val_loss = Scores::kNone;
  double train_loss = Scores::kNone;
  double val_loss_batch_sum = Scores::kNone;
  double train_loss_batch_sum = Scores::kNone;
};

/// summary.json: `split` names the kind of folds; `near_twin_share` is the share of validation images that
/// have a near-twin in training; memory is in MiB.
struct StudySummary {
  std::string split;
  std::vector<ModelSummary> models;  ///< kept in this order
  double seconds = 0;
  double peak_rss_mb = 0;
  double near_twin_share = Scores::kNone;
};

/// A run's resolved options and circumstances, in the order they are to be written to args.json.
using ArgValue = std::variant<bool, int64_t, uint64_t, double, std::string, std::vector<std::string>>;
using Args = std::vector<std::pair<std::string, ArgValue>>;

/// The means over the folds of `result.folds`; figures that no fold measured are NaN.
ModelSummary summarise(const ModelResult& result);

/// The pooled out-of-fold matrix. Throws std::invalid_argument if a class does not lie in 0..classes-1.
ConfusionMatrix confusion_of(std::span<const Prediction> predictions, int64_t classes);

/// JSON text (UTF-8) of a record. Doubles come back to the same bits; NaN is written null, infinities
/// "inf" and "-inf". Names that are not UTF-8 throw Error.
std::string to_json(const Scores& scores);
std::string to_json(const EpochRecord& record);
std::string to_json(const Prediction& prediction);
std::string to_json(const ModelResult& result);
/// Indented, in the order of the struct; NaN is null.
std::string to_json(const StudySummary& summary);
/// Indented, one line an option.
std::string to_json(const Args& args);

/// The inverse. `source` (a path, as a rule) opens the Error thrown for text that is not such a record.
Scores scores_from_json(std::string_view text, std::string_view source);
EpochRecord epoch_record_from_json(std::string_view text, std::string_view source);
Prediction prediction_from_json(std::string_view text, std::string_view source);
ModelResult model_result_from_json(std::string_view text, std::string_view source);
StudySummary study_summary_from_json(std::string_view text, std::string_view source);
/// A whole number is read as int64_t where it fits, else as uint64_t.
Args args_from_json(std::string_view text, std::string_view source);

}  // namespace signet::study
