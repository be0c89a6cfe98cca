#include "optim/schedule.h"

#include <cmath>
#include <functional>
#include <limits>
#include <numbers>

#include "tensor/error.h"

namespace signet::optim {
namespace {

class Formula : public Schedule {
 public:
  explicit Formula(std::function<double(int64_t)> formula) : formula_(std::move(formula)) {}
  double rate(int64_t index) const override { return formula_(index); }

 private:
  std::function<double(int64_t)> formula_;
};

class Plateau : public Schedule {
 public:
  Plateau(double rate, double factor, int64_t patience) : rate_(rate), factor_(factor), patience_(patience) {}
  double rate(int64_t) const override { return rate_; }
  void report(double loss) override {
    if (!any_ || loss < best_ * (1 - 1e-4)) {
      best_ = loss;
      any_ = true;
      bad_ = 0;
    } else if (++bad_ > patience_) {
      rate_ *= factor_;
      bad_ = 0;
    }
  }

 private:
  double rate_, factor_;
  int64_t patience_;
  int64_t bad_ = 0;
  double best_ = 0;
  bool any_ = false;
};

/// From `a` at 0 to `b` at 1 along half a cosine.
double cosine_between(double a, double b, double progress) {
  return b + (a - b) / 2 * (1 + std::cos(std::numbers::pi * progress));
}

}  // namespace

std::unique_ptr<Schedule> constant_rate(double rate) {
  return std::make_unique<Formula>([=](int64_t) { return rate; });
}

std::unique_ptr<Schedule> step_decay(double rate, int64_t every, double factor) {
  return std::make_unique<Formula>([=](int64_t index) {
    const int64_t decays = index / every;
    return rate * std::pow(factor, double(decays));
  });
}

std::unique_ptr<Schedule> cosine_decay(double rate, int64_t total, double floor) {
  return std::make_unique<Formula>(
      [=](int64_t index) { return cosine_between(rate, floor, double(index) / double(total)); });
}

std::unique_ptr<Schedule> one_cycle(double rate, int64_t total) {
  return std::make_unique<Formula>([=](int64_t index) {
    const double start = rate / 25, end = start / 1e4;
    const double peak = 0.3 * double(total) - 1, last = double(total) - 1;
    const double i = double(index);
    if (i <= peak) return cosine_between(start, rate, i / peak);
    return cosine_between(rate, end, (i - peak) / (last - peak));
  });
}

std::unique_ptr<Schedule> reduce_on_plateau(double rate, double factor, int64_t patience) {
  return std::make_unique<Plateau>(rate, factor, patience);
}

std::unique_ptr<Schedule> make_schedule(const std::string& name, double rate, int64_t total) {
  if (name == "constant") return constant_rate(rate);
  if (name == "step") return step_decay(rate, std::max<int64_t>(1, total / 3), 0.1);
  if (name == "cosine") return cosine_decay(rate, total);
  if (name == "onecycle") return one_cycle(rate, total);
  if (name == "plateau") return reduce_on_plateau(rate, 0.1, 2);
  fail("--lr-scheduler {}: unknown schedule; use constant, step, cosine, onecycle or plateau", name);
}

bool EarlyStopping::report(int64_t epoch, double loss) {
  const double lowest = best_epoch_ < 0 ? std::numeric_limits<double>::infinity() : best_loss_;
  if (loss < lowest) {
    best_epoch_ = epoch;
    best_loss_ = loss;
    since_best_ = 0;
    return true;
  }
  ++since_best_;
  return false;
}

}  // namespace signet::optim
