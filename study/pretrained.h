#pragma once
// What a run takes from its weights file: the file is read once, and only the networks made of it stay.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/network.h"
#include "study/drift_meter.h"
#include "study/plan.h"

namespace signet::study {

/// The networks as the weights file has them, one for each architecture, image size and width among the
/// pretrained plans of a run.
class Pretrained {
 public:
  /// Reads options.weights for a data set of these classes, onto options.device; nothing if it names no file.
  /// A head that was trained for other classes is left out. Throws Error naming the file if it cannot be read
  /// or does not fit a plan's network.
  Pretrained(const StudyOptions& options, const std::vector<std::string>& classes);

  /// Of the weights file; empty without one.
  const std::string& sha256() const { return sha256_; }
  /// A line that says what of the file the first pretrained plan's network uses; empty if there is none.
  const std::string& report() const { return report_; }

  /// The network of a pretrained plan, not trainable. Its tensors must stay as they are; others may share
  /// them.
  models::Network& network(const ModelPlan& plan) { return *trunks_.at(name(plan)).network; }
  /// Whether the file has every tensor of the plan's last stage in the right size.
  bool has_head(const ModelPlan& plan) const { return trunks_.at(name(plan)).has_head; }
  /// The records of the tensors of the first `stages` stages. Throws std::logic_error if one of them is not
  /// what the file has.
  std::vector<TensorRecord> measure(const ModelPlan& plan, int stages) const;

  /// What plans with the same network have in common.
  static std::string name(const ModelPlan& plan);

 private:
  struct Trunk {
    std::unique_ptr<models::Network> network;
    FrozenMeter meter;
    bool has_head = false;
  };

  std::string sha256_, report_;
  std::map<std::string, Trunk> trunks_;
};

}  // namespace signet::study
