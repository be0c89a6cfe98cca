#pragma once
// One training step of ResNet18 (forward, cross-entropy, backward, Adam): Signet's engine, and the same
// layers called one after the other from a list, once with Signet's kernels and once with the vendor's.

#include <map>
#include <string>
#include <vector>

#include "bench/comparison.h"

namespace signet::bench {

struct StepProblem {
  int64_t batch = 32;
  int image_size = 224, width = 64;
  /// "step / resnet18 224 / batch 32".
  std::string label() const;
  /// Three times the products of the forward pass, less the gradient of the images.
  double flops() const;
};

struct StepResults {
  float loss = 0;
  std::map<std::string, std::vector<float>> gradients;  ///< by parameter
};

struct PreparedStep {
  std::function<void()> run;             ///< one step, with new weights in the end
  std::function<StepResults()> results;  ///< of the last run
  std::string notes;
};

struct StepContender {
  std::string name;
  bool vendor = false;
  MatrixMath math = MatrixMath::f32;
  std::function<PreparedStep(const StepProblem&)> prepare;
};
std::vector<StepContender> step_contenders();

/// All contenders of a step, as rows.
std::vector<SpecialRow> step_rows(const StepProblem& problem);

/// Runs the first step and compares its loss and gradients with the other side's in f32: what is wrong, empty
/// if nothing.
std::string step_fault(const StepProblem& problem, const StepContender& contender,
                       const PreparedStep& prepared);

}  // namespace signet::bench
