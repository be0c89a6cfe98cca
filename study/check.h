#pragma once
// `signet data check`: what may be wrong with a data set, looked for before anything is trained on it.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "data/file_facts.h"
#include "data/near_twins.h"
#include "data/store.h"
#include "study/check_classes.h"
#include "study/check_labels.h"

namespace signet::study {

struct CheckOptions {
  std::filesystem::path data;
  std::filesystem::path weights;  ///< "" to go by gradients alone
  std::string name_pattern;       ///< "" for the data set's usual names
  std::filesystem::path output;   ///< "" for runs/check/checkN
  std::filesystem::path runs = "runs";
  int64_t cache_mb = 1024;
  uint64_t seed = 0;
  Device device;
};

/// A file with something to be said about it.
struct FileNote {
  std::string path, finding, detail;  ///< finding: "unreadable", "odd size", "blank" or "not read"
};

/// An image whose label is suspect.
struct Suspect {
  int image = 0;
  LabelOpinion opinion;
};

/// How much random folds, or other ones, would give away.
struct SplitLeak {
  std::string split;  ///< "random", "group", "signer" or "train/ and val/"
  data::Leakage leakage;
};

/// Everything that was found. Images are numbered as the store's data set has them.
struct Findings {
  std::string features;  ///< what images were compared by
  bool weights = false;
  std::vector<FileNote> notes;
  std::map<std::string, int64_t> sizes;  ///< "400x400": how many files
  std::vector<data::Copies> copies;
  data::NearTwins twins;
  std::vector<int> folds;  ///< of a study's default split, or the predefined one; empty if there can be none
  std::vector<SplitLeak> leaks;
  std::vector<int64_t> counts;    ///< images a class
  std::string not_judged;         ///< why labels, classes and flips were not judged; empty if they were
  std::vector<Suspect> suspects;  ///< scores above 0.5, the highest first
  double estimated_errors = 0;
  std::vector<Rehearsal> rehearsals;
  std::vector<AlikePair> alike;
  FlipCheck flip;
};

/// The verdict on flips in a sentence.
std::string flip_sentence(const FlipCheck& flip);

/// Checks the data set, prints what it found, and writes check.html, suspect_labels.csv, near_duplicates.csv
/// and files.csv. Returns the folder. Throws Error for what is no data set, for weights that cannot be used,
/// and where nothing can be written; nothing is written then.
std::filesystem::path run_data_check(const CheckOptions& options);

/// The page, for `folder`.
std::string check_page(const data::ImageStore& store, const Findings& findings,
                       const std::filesystem::path& folder);

}  // namespace signet::study
