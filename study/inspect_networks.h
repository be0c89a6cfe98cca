#pragma once
// What `inspect` looks at: a run's network before and after fine-tuning, a choice of the run's images, and
// what each stage of both networks makes of them.

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/store.h"
#include "models/network.h"
#include "study/inspect_probe.h"
#include "study/report_run.h"
#include "study/run_folder.h"

namespace signet::study {

/// A network in evaluation mode, frozen.
struct InspectedNetwork {
  std::string name;  ///< "resnet18-fc", or "the weights it started from"
  std::unique_ptr<models::Network> network;
  bool knows_classes = false;  ///< its head is one for the run's classes
  int fold = -1;               ///< the fold whose images it did not train on; -1: it trained on none of them
};

/// A run and the networks to compare. `after` is a model of the run; `before` is what its fine-tuning started
/// from: the network of the first phase of its chain (a pretrained trunk with a head for the run's classes),
/// or, for a run of one phase, the weights file; none for a network trained from scratch.
struct Inspected {
  ReportRun run;
  std::string model;               ///< of `after`
  std::vector<std::string> chain;  ///< the phases that led to it, first to last: "resnet18-fc", …
  std::optional<InspectedNetwork> before;
  InspectedNetwork after;
  int first_trained = 0;  ///< the first stage that the last phase trains
  /// Stages [0, shared) are the same in both networks to the bit; 0 without `before`.
  int shared = 0;
  std::string notice;  ///< why there is no `before` though the run was not from scratch; "" if all is well

  const ReportSplit& split() const { return run.splits.front(); }
  const ReportModel& report_model(const std::string& name) const;
};

/// Reads a run. `model` names the network to look at; "" takes the last pretrained one, or the last. Throws
/// Error for a folder that holds no run, a model it lacks and one whose weights are not written yet.
Inspected load_inspected(const std::filesystem::path& folder, const std::string& model, Device device);

/// The images looked at: at most `most` of the run's, spread evenly over the data set's order (and so over
/// its classes), by their places in the store. Throws Error where none of the run's images is left.
struct InspectedImages {
  std::vector<int> places;      ///< in the store
  std::vector<int32_t> labels;  ///< as the checkpoint counts them
  std::vector<std::string> paths, label_names, signers;
  std::vector<int> train, validation;  ///< rows that `after` trained and did not train on
  int64_t of = 0;                      ///< of how many images of the run
};
InspectedImages choose_images(const Inspected& inspected, const data::ImageStore& store, int64_t most);

/// Features after one stage: mean over the picture of each channel, or the outputs of a dense layer.
struct StageFeatures {
  std::string stage;
  bool shared = false;   ///< `before` and `after` are the same network up to here
  Matrix before, after;  ///< `before` is empty without such a network
};

/// Runs both networks over the images; what they share is run once. The last stage, the head, is left out, as
/// are stages without weights.
std::vector<StageFeatures> stage_features(const Inspected& inspected, const data::ImageStore& store,
                                          const InspectedImages& images, Device device);

}  // namespace signet::study
