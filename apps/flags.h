#pragma once
// Flags that several verbs share, named as torchvision, timm and Ultralytics name them.

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "study/plan.h"

namespace signet::apps {

/// -j/--threads, --device, --precision, --conv-table: what to compute on.
struct ComputeFlags {
  int threads = 0;
  std::string device = "auto";
  std::string precision = "f32";
  std::string conv_table;

  void add_to(CLI::App& verb);
  /// Sets the number of threads, the precision ("auto" becomes what it stands for) and how the CPU convolves,
  /// and returns the device. Throws Error for devices that are unknown or cannot be used, for a precision
  /// that the device does not have, and for a table that cannot be read.
  Device apply();
};

/// The named classes' data folder and how the names are read; used by verbs that only look at data.
struct DataFlags {
  std::string data;
  std::string name_pattern;
  bool skip_bad = false;

  void add_to(CLI::App& verb);
};

/// Data set, folds, augmentation, output: everything of StudyOptions that flags set.
struct RunFlags {
  study::StudyOptions options;
  DataFlags data;
  std::vector<std::string> splits{"random"};
  bool no_augment = false;
  std::string interpolation = "bilinear";
  bool no_share_trunk = false;
  ComputeFlags compute;

  void add_to(CLI::App& verb, bool several_splits);
  /// The options, with what is said in words resolved. Throws Error for flags that contradict one another.
  study::StudyOptions resolve(const CLI::App& verb);
};

/// --epochs, --batch-size, --lr and the like, with a plan's defaults.
void add_training_flags(CLI::App& verb, study::TrainingOptions& training);
/// --batch-size, for a verb that only looks at images.
void add_batch_size(CLI::App& verb, int& batch_size);
/// --image-size, --width.
void add_size_flags(CLI::App& verb, int& image_size, int& width);
/// --bn.
void add_batchnorm_flag(CLI::App& verb, std::string& bn);

/// Throws Error where a flag was given that has no effect without another.
void require_consistent(const CLI::App& verb, const study::TrainingOptions& training);

/// Takes architecture, width and image size, so far as no flag tells them, from weights that a run of signet
/// wrote.
void adopt_from_checkpoint(const CLI::App& verb, const std::filesystem::path& weights,
                           std::string& architecture, int& image_size, int& width);

/// Runs a study with Ctrl-C and SIGTERM turned into a stop from which --resume goes on; a second one ends the
/// program at once.
void run_interruptibly(const study::StudyOptions& options);

}  // namespace signet::apps
