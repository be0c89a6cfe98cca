// Optimisers on gradients for which their course is known in closed form.

#include <doctest/doctest.h>

#include <cmath>

#include "tests/kernels/op_run.h"

using namespace signet;
using namespace signet::test;

namespace {

struct Sgd {
  double lr = 0.1, momentum = 0, weight_decay = 0;
  bool nesterov = false;
};

/// The weight after `steps` steps from `w` along the constant gradient g.
double after_sgd(const Backend<float>& backend, const Sgd& o, double w, double g, int steps) {
  std::vector<double> weight{w}, velocity{0};
  for (int step = 0; step < steps; ++step) {
    const OpCase op{.args = {in_out("w", weight),
                             o.momentum == 0 ? absent("velocity")
                             : step == 0     ? output("velocity", 1)
                                             : in_out("velocity", velocity),
                             input("g", {g})},
                    .call = [=](const auto& k, Pointers p) {
                      k.sgd_step(p[0], p[1], p[2], o.lr, o.momentum, o.nesterov, o.weight_decay, step == 0,
                                 1);
                    }};
    auto result = run(op, backend);
    weight = result[0];
    velocity = result[1];
  }
  return weight[0];
}

struct Adam {
  double lr = 0.01, weight_decay = 0, eps = 1e-8;
  bool decoupled = false;
};

double after_adam(const Backend<float>& backend, const Adam& o, double w, double g, int steps) {
  std::vector<std::vector<double>> state{{w}, {0}, {0}};
  for (int step = 1; step <= steps; ++step) {
    const OpCase op{
        .args = {in_out("w", state[0]), in_out("m", state[1]), in_out("v", state[2]), input("g", {g})},
        .call = [=](const auto& k, Pointers p) {
          k.adam_step(p[0], p[1], p[2], p[3], o.lr, 0.9, 0.999, o.eps, o.weight_decay, o.decoupled, step, 1);
        }};
    state = run(op, backend);
  }
  return state[0][0];
}

doctest::Approx near(double value) {
  return doctest::Approx(value).epsilon(1e-5);
}

}  // namespace

TEST_CASE("sgd without momentum goes down the gradient in equal steps") {
  for (const Backend<float>& backend : float_backends()) {
    CHECK(after_sgd(backend, {}, 2, 0.5, 10) == near(2 - 10 * 0.1 * 0.5));
    // Weight decay alone shrinks the weight geometrically.
    CHECK(after_sgd(backend, {.weight_decay = 0.2}, 2, 0, 10) == near(2 * std::pow(1 - 0.1 * 0.2, 10)));
  }
}

TEST_CASE("sgd's velocity is a geometric sum of gradients") {
  const double mu = 0.9, g = 0.5, lr = 0.1;
  double plain = 2, nesterov = 2;
  for (int t = 1; t <= 10; ++t) {
    const double velocity = g * (1 - std::pow(mu, t)) / (1 - mu);
    plain -= lr * velocity;
    nesterov -= lr * (g + mu * velocity);
  }
  for (const Backend<float>& backend : float_backends()) {
    CHECK(after_sgd(backend, {.momentum = mu}, 2, g, 10) == near(plain));
    CHECK(after_sgd(backend, {.momentum = mu, .nesterov = true}, 2, g, 10) == near(nesterov));
  }
}

TEST_CASE("adam moves by the learning rate at each step of a constant gradient, whatever its size") {
  // The corrected averages of a constant are the constant: m^ = g and v^ = g^2 at every step.
  for (const Backend<float>& backend : float_backends())
    for (const double g : {1e-3, -0.5, 300.0})
      CHECK(after_adam(backend, {}, 2, g, 20) == near(2 - 20 * 0.01 * (g > 0 ? 1 : -1)));
}

TEST_CASE("adam's eps stands outside the root and after the correction") {
  for (const Backend<float>& backend : float_backends())
    CHECK(after_adam(backend, {.eps = 0.25}, 2, 0.75, 20) == near(2 - 20 * 0.01 * 0.75 / (0.75 + 0.25)));
}

TEST_CASE("decoupled weight decay shrinks the weight, the other kind is a gradient") {
  for (const Backend<float>& backend : float_backends()) {
    CHECK(after_adam(backend, {.weight_decay = 0.5, .decoupled = true}, 2, 0, 10) ==
          near(2 * std::pow(1 - 0.01 * 0.5, 10)));
    // As a gradient it is normalised to one learning rate at the first step.
    CHECK(after_adam(backend, {.weight_decay = 0.5}, 2, 0, 1) == near(2 - 0.01));
  }
}
