#pragma once
// Flags that several verbs share, named as torchvision, timm and Ultralytics name them.

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "study/plan.h"

namespace signet::apps {

/// -j/--threads, --device, --precision: what to compute on.
struct ComputeFlags {
  int threads = 0;
  std::string device = "auto";
  std::string precision = "f32";

  void add_to(CLI::App& verb);
  /// Sets the number of threads and returns the device. Throws Error for 0 threads and unknown devices.
  Device apply() const;
};

/// Data set, folds, augmentation, output: everything of StudyOptions that flags set.
struct RunFlags {
  study::StudyOptions options;
  std::vector<std::string> splits{"random"};
  bool no_augment = false;
  bool no_share_trunk = false;
  ComputeFlags compute;

  void add_to(CLI::App& verb, bool several_splits);
  /// The options, with what is said in words resolved. Throws Error for an unknown split.
  study::StudyOptions resolve();
};

/// --epochs, --batch-size, --lr and the like, with a plan's defaults.
void add_training_flags(CLI::App& verb, study::TrainingOptions& training);

/// The named classes' data folder and how the names are read; used by verbs that only look at data.
struct DataFlags {
  std::string data;
  std::string name_pattern;
  bool skip_bad = false;

  void add_to(CLI::App& verb);
};

/// Runs a study with Ctrl-C and SIGTERM turned into a stop from which --resume goes on, and says how.
void run_interruptibly(const study::StudyOptions& options);

}  // namespace signet::apps
