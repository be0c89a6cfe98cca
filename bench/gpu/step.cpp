#include "bench/gpu/step.h"

#include <fmt/format.h>

#include <cmath>
#include <memory>

#include "bench/gpu/step_list.h"
#include "bench/workbench.h"
#include "models/network.h"
#include "nn/functions.h"
#include "optim/optimizer.h"
#include "study/training_step.h"
#include "tensor/autograd.h"

namespace signet::bench {
namespace {

PreparedStep engine_step(const StepProblem& problem, MatrixMath math, study::StepGraph graph) {
  struct State {
    std::unique_ptr<models::Network> network;
    std::unique_ptr<optim::Optimizer> adam;
    std::unique_ptr<study::TrainingStep> step;
    study::Input input;
    Tensor logits;
  };
  cuda::set_matrix_math(math);
  auto state = std::make_shared<State>();
  state->network = step_network(problem);
  state->network->freeze_before(0);
  std::vector<optim::NamedParameter> parameters;
  for (const auto& p : state->network->parameters()) parameters.push_back({p.name, *p.tensor});
  state->adam = optim::make_adam(parameters);
  state->step =
      std::make_unique<study::TrainingStep>(*state->network, parameters, study::LossOptions{}, graph);
  state->input = {.x = step_images(problem), .labels = step_labels(problem), .label_values = {}};
  return {.run =
              [state, math] {
                cuda::set_matrix_math(math);
                state->logits = state->step->run(state->input, 0);
                state->adam->step(kStepRate);
              },
          .results =
              [state] {
                const NoGrad no_grad;
                StepResults results{.loss = nn::cross_entropy(state->logits, state->input.labels).item(),
                                    .gradients = {}};
                for (const auto& p : state->network->parameters())
                  results.gradients[p.name] = p.tensor->grad().to_vector();
                return results;
              },
          .notes = graph == study::StepGraph::never ? "" : "forward and backward as one recorded graph"};
}

/// In f32, errors of single products as in workbench.h grow on their way through some twenty layers.
Tolerance gradient_tolerance() {
  constexpr double kLayers = 20;
  const Problem product{.m = 1, .n = 1, .k = 1024};
  const double norm = kLayers * tolerance_of(product, MatrixMath::f32).norm;
  return {.norm = norm, .most = 32 * norm};
}

/// With operands rounded to TF32 or bf16, a network with fresh weights is chaotic: activations near 0 fall on
/// the other side of a ReLU, and single gradients differ by tens of percent, each kernel being right. What is
/// left to check is that the gradients as a whole point the same way: |a - b| of all of them over |b|. Of
/// gradients that have nothing to do with each other it is 1.4, of none 1; a narrow ResNet18 measures 0.05 to
/// 0.3.
constexpr double kChaos = 0.5;
constexpr double kRoundedLoss = 0.02;

/// |a - b| / |b| over all parameters.
double joint_difference(const StepResults& a, const StepResults& b) {
  double squares = 0, error_squares = 0;
  for (const auto& [name, expected] : b.gradients) {
    const std::vector<float>& actual = a.gradients.at(name);
    for (size_t i = 0; i < expected.size(); ++i) {
      const double error = double(actual.at(i)) - double(expected[i]);
      squares += double(expected[i]) * double(expected[i]);
      error_squares += error * error;
    }
  }
  return std::sqrt(error_squares / squares);
}

const StepResults& expected(const StepProblem& problem, bool vendor) {
  static std::map<std::string, StepResults> known;
  const std::string key = problem.label() + (vendor ? " vendor" : " signet");
  if (!known.contains(key)) {
    const PreparedStep step = vendor ? listed_step(problem, vendor_step_kernels(MatrixMath::f32))
                                     : engine_step(problem, MatrixMath::f32, study::StepGraph::never);
    step.run();
    known[key] = step.results();
  }
  return known[key];
}

}  // namespace

std::string StepProblem::label() const {
  return fmt::format("step / resnet18 {}{} / batch {}", image_size,
                     width == 64 ? std::string() : fmt::format(" width {}", width), batch);
}

std::vector<StepContender> step_contenders() {
  std::vector<StepContender> contenders;
  const auto add = [&](std::string name, bool vendor, MatrixMath math, auto prepare) {
    contenders.push_back({.name = std::move(name), .vendor = vendor, .math = math, .prepare = prepare});
  };
  for (const MatrixMath math : {MatrixMath::f32, MatrixMath::tf32, MatrixMath::bf16}) {
    add("engine", false, math,
        [math](const StepProblem& p) { return engine_step(p, math, study::StepGraph::automatic); });
    add("engine, op by op", false, math,
        [math](const StepProblem& p) { return engine_step(p, math, study::StepGraph::never); });
    add("list of layers", false, math,
        [math](const StepProblem& p) { return listed_step(p, signet_step_kernels(math)); });
  }
  for (const MatrixMath math : vendor_step_maths()) {
    add(vendor_step_name(), true, math,
        [math](const StepProblem& p) { return listed_step(p, vendor_step_kernels(math)); });
  }
  return contenders;
}

std::vector<SpecialRow> step_rows(const StepProblem& problem) {
  std::vector<SpecialRow> rows;
  for (const StepContender& contender : step_contenders()) {
    rows.push_back({.label = problem.label(),
                    .contender = contender.name,
                    .vendor = contender.vendor,
                    .math = contender.math,
                    .flops = problem.flops(),
                    .prepare_and_check = [problem, contender] {
                      const PreparedStep step = contender.prepare(problem);
                      return SpecialRow::Ready{step.run, step.notes, step_fault(problem, contender, step)};
                    }});
  }
  return rows;
}

std::string step_fault(const StepProblem& problem, const StepContender& contender,
                       const PreparedStep& prepared) {
  const StepResults& wanted = expected(problem, !contender.vendor);
  prepared.run();
  const StepResults results = prepared.results();
  const Tolerance tolerance = gradient_tolerance();
  const bool rounded = contender.math != MatrixMath::f32;
  if (!(std::abs(results.loss - wanted.loss) <=
        (rounded ? kRoundedLoss : tolerance.norm) * std::abs(wanted.loss)))
    return fmt::format("the loss is {:.7g} instead of {:.7g}", results.loss, wanted.loss);
  if (results.gradients.size() != wanted.gradients.size()) return "there are not as many gradients";
  if (rounded) {
    const double difference = joint_difference(results, wanted);
    return difference <= kChaos
               ? std::string()
               : fmt::format("the gradients together differ by {:.2g} of their norm (at most {})", difference,
                             kChaos);
  }
  for (const auto& [name, gradient] : wanted.gradients) {
    const auto found = results.gradients.find(name);
    if (found == results.gradients.end()) return "there is no gradient of " + name;
    if (const std::string d = disagreement(found->second, gradient, tolerance); !d.empty())
      return fmt::format("the gradient of {}: {}", name, d);
  }
  return {};
}

}  // namespace signet::bench
