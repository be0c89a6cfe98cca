#pragma once
// A whole run: data, folds, every plan, the run folder and the table.

#include <filesystem>
#include <vector>

#include "study/plan.h"
#include "study/progress.h"
#include "study/records.h"

namespace signet::study {

struct StudyResult {
  std::filesystem::path folder;
  std::vector<StudySummary> splits;  ///< one for each of StudyOptions::splits
};

/// Runs everything that the options ask for and writes the run folder; prints what it runs on, a line an
/// epoch and, last, the comparison table to standard output. Throws Error for what the user can mend, before
/// anything is written where that is possible, and Interrupted (leaving a folder that --resume takes up)
/// after a requested stop.
StudyResult run_study(const StudyOptions& options);

/// Every option of a run, resolved, in the order in which args.json lists them.
Args describe(const StudyOptions& options);

}  // namespace signet::study
