#pragma once
// The folder a run writes: where it is, and what each file in it holds. Every file is written atomically.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "study/records.h"

namespace signet::study {

/// One image of the data set as it was split: the signer and light are empty when unknown; folds count from
/// 0.
struct SplitRow {
  std::string path;
  std::string label;
  std::string signer;
  std::string light;
  int fold = 0;

  bool operator==(const SplitRow&) const = default;
};

/// One line of drift_<model>.csv.
struct DriftRow {
  int fold = 0;
  int epoch = 0;
  TensorRecord record;

  bool operator==(const DriftRow&) const = default;
};

class RunFolder {
 public:
  /// Makes `parent`/<verb>/<name>N/ with the first N that is greater than all there are; two runs started at
  /// once get different folders. A name that ends in a digit is followed by a hyphen (resnet18-1). Throws
  /// Error if a folder cannot be made or the name is no plain file name.
  static RunFolder numbered(const std::filesystem::path& parent, const std::string& verb,
                            const std::string& name);

  /// Throws Error, writing nothing, where `named` would for the same arguments.
  static void require_usable(const std::filesystem::path& folder, bool resume);

  /// Uses the folder the user named. It must be absent (then it is made) or empty, unless `resume`, for which
  /// it must hold a run's args.json. Files that a
  /// killed run left unfinished are removed. Throws Error otherwise, and if it cannot be written in.
  static RunFolder named(const std::filesystem::path& folder, bool resume);

  /// The folder of a run that is there, finished or not, to read from. Throws Error where there is no
  /// args.json.
  static RunFolder existing(const std::filesystem::path& folder);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path file(const std::string& name) const { return path_ / name; }
  /// weights/<model>-<which>.safetensors, where `which` is "best" or "last".
  std::filesystem::path weights(const std::string& model, const std::string& which) const;

  /// args.json, and back (Error if it is absent or broken). A whole number is read as int64_t when it fits,
  /// else as uint64_t.
  void write_args(const Args& args) const;
  Args read_args() const;

  /// splits.csv: path, label, signer, light, fold.
  void write_splits(std::span<const SplitRow> rows) const;
  std::vector<SplitRow> read_splits() const;

  /// results.csv, whole; call it after each epoch with all records so far. Figures not measured are empty.
  void write_results(std::span<const EpochRecord> epochs) const;

  /// The same read back; of the training figures only loss and accuracy are in the file.
  std::vector<EpochRecord> read_results() const;

  /// predictions.csv; classes are written by name.
  void write_predictions(std::span<const Prediction> predictions, std::span<const std::string> classes) const;
  /// The same read back. Throws Error for a name that is none of the classes.
  std::vector<Prediction> read_predictions(std::span<const std::string> classes) const;

  /// summary.json, and back.
  void write_summary(const StudySummary& summary) const;
  StudySummary read_summary() const;

  /// report.html, which write_report writes.
  std::filesystem::path report() const { return file("report.html"); }

  /// resume/<model>.safetensors: what --resume needs of a model.
  std::filesystem::path resume_file(const std::string& model) const;
  /// The record kept in it, with every figure of every epoch; none where the file is missing.
  std::optional<ModelResult> read_record(const std::string& model) const;

  /// drift_<model>.csv as write_model wrote it; empty where the file is missing.
  std::vector<DriftRow> read_drift(const std::string& model) const;

  /// confusion_<model>.csv (rows are the true class), confusion_<model>.svg and
  /// classification_report_<model>.txt, from the model's out-of-fold predictions, drift_<model>.csv (how far
  /// each tensor is from the phase's start, by fold and epoch; not for records without it), and
  /// curves_<model>.svg from
  /// `curve_epochs` and `curve_outcomes` (the model's own, preceded by those of the phases it continues).
  void write_model(const ModelResult& result, std::span<const std::string> classes,
                   std::span<const EpochRecord> curve_epochs,
                   std::span<const PhaseOutcome> curve_outcomes) const;

 private:
  explicit RunFolder(std::filesystem::path path) : path_(std::move(path)) {}

  std::filesystem::path path_;
};

}  // namespace signet::study
