#include "bench/gpu/step.h"

#include <fmt/format.h>

#include <cmath>
#include <memory>

#include "bench/gpu/step_list.h"
#include "bench/gpu/workbench.h"
#include "models/network.h"
#include "nn/functions.h"
#include "optim/optimizer.h"
#include "tensor/autograd.h"

namespace signet::bench {
namespace {

PreparedStep engine_step(const StepProblem& problem, MatrixMath math) {
  struct State {
    std::unique_ptr<models::Network> network;
    std::unique_ptr<optim::Optimizer> adam;
    Tensor images, labels, loss;
  };
  cuda::set_matrix_math(math);
  auto state = std::make_shared<State>();
  state->network = step_network(problem);
  state->network->freeze_before(0);
  std::vector<optim::NamedParameter> parameters;
  for (const auto& p : state->network->parameters()) parameters.push_back({p.name, *p.tensor});
  state->adam = optim::make_adam(parameters);
  state->images = step_images(problem);
  state->labels = step_labels(problem);
  return {.run =
              [state, math] {
                cuda::set_matrix_math(math);
                state->adam->clear_gradients();
                state->loss = nn::cross_entropy(state->network->forward(state->images), state->labels);
                backward(state->loss);
                state->adam->step(kStepRate);
              },
          .results =
              [state] {
                StepResults results{.loss = state->loss.item(), .gradients = {}};
                for (const auto& p : state->network->parameters())
                  results.gradients[p.name] = p.tensor->grad().to_vector();
                return results;
              },
          .notes = "the engine, op by op"};
}

/// Errors of single products, as in workbench.h, grow on their way through some twenty layers; a ReLU whose
/// input is nearly 0 may fall on either side besides, and moves single gradients.
Tolerance gradient_tolerance(MatrixMath math) {
  constexpr double kLayers = 20;
  const Problem product{.m = 1, .n = 1, .k = 1024};
  const double norm = kLayers * tolerance_of(product, math).norm;
  return {.norm = norm, .most = 32 * norm};
}

const StepResults& expected(const StepProblem& problem, bool vendor) {
  static std::map<std::string, StepResults> known;
  const std::string key = problem.label() + (vendor ? " vendor" : " signet");
  if (!known.contains(key)) {
    const PreparedStep step = vendor ? listed_step(problem, vendor_step_kernels(MatrixMath::f32))
                                     : engine_step(problem, MatrixMath::f32);
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
    add("engine", false, math, [math](const StepProblem& p) { return engine_step(p, math); });
    add("list of layers", false, math,
        [math](const StepProblem& p) { return listed_step(p, signet_step_kernels(math)); });
  }
  for (const MatrixMath math : vendor_step_maths()) {
    add(vendor_step_name(), true, math,
        [math](const StepProblem& p) { return listed_step(p, vendor_step_kernels(math)); });
  }
  return contenders;
}

std::string step_fault(const StepProblem& problem, const StepContender& contender,
                       const PreparedStep& prepared) {
  const StepResults& wanted = expected(problem, !contender.vendor);
  prepared.run();
  const StepResults results = prepared.results();
  const Tolerance tolerance = gradient_tolerance(contender.math);
  if (!(std::abs(results.loss - wanted.loss) <= tolerance.norm * std::abs(wanted.loss)))
    return fmt::format("the loss is {:.7g} instead of {:.7g}", results.loss, wanted.loss);
  for (const auto& [name, gradient] : wanted.gradients) {
    const auto found = results.gradients.find(name);
    if (found == results.gradients.end()) return "there is no gradient of " + name;
    if (const std::string d = disagreement(found->second, gradient, tolerance); !d.empty())
      return fmt::format("the gradient of {}: {}", name, d);
  }
  return {};
}

}  // namespace signet::bench
