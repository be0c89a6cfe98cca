#include <fmt/format.h>

#include "tests/kernels/suite.h"

namespace signet::test {
namespace {

// The first step assigns the velocity, so that it begins poisoned.
OpCase sgd_case(int64_t n, double momentum, bool nesterov, double weight_decay, bool first_step) {
  Data data("sgd");
  const Arg velocity = momentum == 0 ? absent("velocity")
                       : first_step  ? output("velocity", n)
                                     : in_out("velocity", data.uniform(n));
  return {.kernel = "sgd_step",
          .options = fmt::format("n={} momentum={} weight_decay={}{}{}", n, momentum, weight_decay,
                                 nesterov ? " nesterov" : "", first_step ? " first" : ""),
          .args = {in_out("w", data.uniform(n)), velocity, input("g", data.uniform(n))},
          .call = [=](const auto& k, Pointers p) {
            k.sgd_step(p[0], p[1], p[2], 0.05, momentum, nesterov, weight_decay, first_step, n);
          }};
}

OpCase adam_case(int64_t n, double weight_decay, bool decoupled, int64_t step) {
  Data data("adam");
  return {.kernel = "adam_step",
          .options = fmt::format("n={} weight_decay={}{} step={}", n, weight_decay,
                                 decoupled ? " decoupled" : "", step),
          .args = {in_out("w", data.uniform(n)), in_out("m", data.uniform(n, -0.1, 0.1)),
                   in_out("v", data.uniform(n, 0, 0.1)), input("g", data.uniform(n))},
          .call = [=](const auto& k, Pointers p) {
            k.adam_step(p[0], p[1], p[2], p[3], 0.002, 0.9, 0.999, 1e-8, weight_decay, decoupled, step, n);
          }};
}

}  // namespace

void add_optimizers(Suite& suite, Scale scale) {
  if (scale == Scale::bench) {
    suite.cases.push_back(sgd_case(1 << 20, 0.9, false, 1e-4, false));
    suite.cases.push_back(adam_case(1 << 20, 0.01, true, 10));
    return;
  }
  for (const int64_t n : {0, 1, 17, 1000, 40001}) {
    for (const double weight_decay : {0.0, 0.01}) {
      suite.cases.push_back(sgd_case(n, 0, false, weight_decay, true));
      suite.cases.push_back(sgd_case(n, 0, false, weight_decay, false));
      for (const bool nesterov : {false, true})
        for (const bool first : {false, true})
          suite.cases.push_back(sgd_case(n, 0.9, nesterov, weight_decay, first));
      for (const bool decoupled : {false, true})
        for (const int64_t step : {1, 2, 1000})
          suite.cases.push_back(adam_case(n, weight_decay, decoupled, step));
    }
  }
}

}  // namespace signet::test
