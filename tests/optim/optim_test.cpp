// What the golden figures do not cover: state, clipping, plateau, early stopping.

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <stdexcept>

#include "optim/optimizer.h"
#include "optim/schedule.h"
#include "tensor/autograd.h"
#include "tensor/error.h"

namespace signet::optim {
namespace {

Tensor leaf(uint64_t stream) {
  Tensor t = Tensor::empty({20});
  cpu::random_normal(t.data(), 0, 1, {1, stream}, t.size());
  t.set_requires_grad(true);
  return t;
}

void set_gradient(const Tensor& t, uint64_t stream) {
  Tensor g = Tensor::empty(t.shape());
  cpu::random_normal(g.data(), 0, 1, {2, stream}, g.size());
  t.clear_grad();
  gradient_of(t).add(g);
}

TEST_CASE("an optimiser resumed from its state goes on to the same bits") {
  for (const std::string name : {"adam", "adamw", "sgd"}) {
    INFO(name);
    const Tensor a = leaf(1), b = leaf(1);
    const auto make = [&](const Tensor& t) { return make_optimizer(name, {{"w", t}}, 0.01, 0.9, true); };
    const auto through = make(a);
    auto broken = make(b);
    for (uint64_t step = 0; step < 6; ++step) {
      if (step == 3) {
        auto again = make(b);
        again->load_state(broken->state(), broken->steps());
        broken = std::move(again);
      }
      set_gradient(a, step);
      set_gradient(b, step);
      through->step(0.01);
      broken->step(0.01);
    }
    CHECK(a.to_vector() == b.to_vector());
  }
}

TEST_CASE("state that does not belong is refused") {
  const Tensor w = leaf(1);
  const auto adam = make_adam({{"w", w}});
  CHECK_THROWS_AS(adam->load_state({{"other.m", Tensor::zeros({20})}}, 1), std::invalid_argument);
  CHECK_THROWS_AS(adam->load_state({{"w.m", Tensor::zeros({3})}}, 1), std::invalid_argument);
}

TEST_CASE("a parameter without a gradient stays as it is, whatever the decay") {
  const Tensor w = leaf(1), frozen = leaf(2);
  const auto before = frozen.to_vector();
  const auto adam = make_optimizer("adamw", {{"w", w}, {"frozen", frozen}}, 0.1, 0, false);
  set_gradient(w, 1);
  adam->step(0.1);
  CHECK(frozen.to_vector() == before);
}

TEST_CASE("a step counts a new version of the weights") {
  const Tensor w = leaf(1);
  const auto sgd = make_sgd({{"w", w}});
  const auto before = w.version();
  set_gradient(w, 1);
  sgd->step(0.1);
  CHECK(w.version() > before);
}

TEST_CASE("clipping scales all gradients by their joint norm") {
  const Tensor a = leaf(1), b = leaf(2);
  set_gradient(a, 1);
  set_gradient(b, 2);
  const auto direction = a.grad().to_vector();
  const double before = clip_gradient_norm({{"a", a}, {"b", b}}, 1e9);
  CHECK(a.grad().to_vector() == direction);
  CHECK(clip_gradient_norm({{"a", a}, {"b", b}}, 0.5) == before);
  CHECK(clip_gradient_norm({{"a", a}, {"b", b}}, 1e9) == doctest::Approx(0.5).epsilon(1e-5));
  CHECK(a.grad().to_vector()[3] == doctest::Approx(double(direction[3]) * 0.5 / before).epsilon(1e-5));
}

TEST_CASE("plateau lowers the rate after patience has run out") {
  const auto schedule = reduce_on_plateau(1.0, 0.1, 2);
  for (const double loss : {5.0, 4.0, 4.0, 4.0}) schedule->report(loss);
  CHECK(schedule->rate(0) == 1.0);
  schedule->report(4.0);
  CHECK(schedule->rate(0) == doctest::Approx(0.1));
}

TEST_CASE("early stopping: patience, ties, NaN") {
  EarlyStopping stopping(2);
  CHECK_FALSE(stopping.report(0, std::numeric_limits<double>::quiet_NaN()));
  CHECK(stopping.report(0, 1.0));
  CHECK_FALSE(stopping.report(1, 1.0));
  CHECK(stopping.report(2, 0.5));
  CHECK_FALSE(stopping.report(3, std::numeric_limits<double>::quiet_NaN()));
  CHECK_FALSE(stopping.should_stop());
  CHECK_FALSE(stopping.report(4, 0.6));
  CHECK(stopping.should_stop());
  CHECK(stopping.best_epoch() == 2);
  CHECK(stopping.best_loss() == 0.5);
}

TEST_CASE("names that are not known are refused with the choices") {
  CHECK_THROWS_WITH_AS(make_optimizer("rmsprop", {}, 0, 0, false), doctest::Contains("adamw"), Error);
  CHECK_THROWS_WITH_AS(make_schedule("linear", 1, 1), doctest::Contains("onecycle"), Error);
  CHECK_THROWS_AS(make_sgd({}, {0, true, 0}), std::invalid_argument);
  CHECK_THROWS_WITH_AS(make_optimizer("sgd", {}, 0, 0, true), doctest::Contains("momentum"), Error);
}

}  // namespace
}  // namespace signet::optim
