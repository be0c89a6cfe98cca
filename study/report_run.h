#pragma once
// A run as its report sees it: the files of the run folder, read back and set in relation.

#include <filesystem>
#include <string>
#include <vector>

#include "study/metrics.h"
#include "study/records.h"
#include "study/run_folder.h"

namespace signet::study {

/// One model under one split. What an unfinished run has not written yet is empty, its figures NaN.
struct ReportModel {
  std::string name;
  ModelSummary summary;
  std::vector<EpochRecord> epochs;
  std::vector<PhaseOutcome> outcomes;  ///< from resume/; empty where that folder is gone
  std::vector<Prediction> predictions;
  ConfusionMatrix matrix{1};  ///< of the predictions
};

/// One split of the run, with the folder that holds its files.
struct ReportSplit {
  std::string name;  ///< "random", "group" or "signer"
  std::filesystem::path folder;
  std::string prefix;  ///< of its files, seen from the run's folder: "" or "signer/"
  std::vector<SplitRow> rows;
  std::vector<std::string> classes;
  std::vector<ReportModel> models;
  double near_twin_share = Scores::kNone;
  double seconds = Scores::kNone;
  double peak_rss_mb = Scores::kNone;
  /// Of the validation images whose names tell signer and light, those with another take of their class,
  /// signer and light in their fold's training part, as a share of all validation images.
  double sibling_share = 0;
  bool names_tell = false;  ///< any image's name tells signer and light

  int fold_count() const;
};

struct ReportRun {
  std::filesystem::path folder;
  Args args;
  std::vector<ReportSplit> splits;
  bool finished = true;  ///< every model has its row in the summary

  /// An option's value as text, "" where there is none.
  std::string option(const std::string& name) const;
  /// The epoch whose weights a fold of a model kept; -1 where it cannot be told.
  int kept_epoch(const ReportModel& model, int fold) const;
};

/// An option's value as people read it.
std::string argument_text(const ArgValue& value);

/// Reads a run folder and, below it, the folders of its further splits. Throws Error for a folder without
/// args.json or splits.csv and for damaged files.
ReportRun read_report_run(const std::filesystem::path& folder);

}  // namespace signet::study
