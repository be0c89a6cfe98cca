#pragma once
// Learning-rate schedules: the rate as a function of progress, with PyTorch's formulas. And early stopping.

#include <cstdint>
#include <memory>
#include <string>

namespace signet::optim {

/// The learning rate of each step. What a step is (an epoch or a batch) is the caller's choice, except for
/// plateau, which is told the validation loss of each epoch.
class Schedule {
 public:
  virtual ~Schedule() = default;
  /// The rate of step `index`, counted from 0.
  virtual double rate(int64_t index) const = 0;
  /// Reports the monitored loss after an epoch; only plateau listens.
  virtual void report(double /*loss*/) {}
};

std::unique_ptr<Schedule> constant_rate(double rate);
/// rate * factor^(index / every), integer division.
std::unique_ptr<Schedule> step_decay(double rate, int64_t every, double factor);
/// floor + (rate - floor) (1 + cos(pi index / total)) / 2.
std::unique_ptr<Schedule> cosine_decay(double rate, int64_t total, double floor = 0);
/// Smith's one cycle as PyTorch has it: cosine from rate / 25 up to rate during the first 30% of total, then
/// cosine down to rate / 25e4.
std::unique_ptr<Schedule> one_cycle(double rate, int64_t total);
/// Multiplies the rate by factor when `patience` + 1 reports in a row have not improved the best loss by a
/// relative 1e-4, as PyTorch's ReduceLROnPlateau.
std::unique_ptr<Schedule> reduce_on_plateau(double rate, double factor = 0.1, int64_t patience = 10);
/// By the name a flag gives: constant, step, cosine, onecycle or plateau, over `total` steps.
/// Throws Error naming the choices for any other name.
std::unique_ptr<Schedule> make_schedule(const std::string& name, double rate, int64_t total);

/// Watches a loss that should fall.
class EarlyStopping {
 public:
  /// Stops after `patience` reports in a row without a new lowest loss.
  explicit EarlyStopping(int64_t patience) : patience_(patience) {}

  /// Takes the loss of epoch `epoch`; true if it is the lowest so far (NaN never is).
  bool report(int64_t epoch, double loss);
  bool should_stop() const { return since_best_ >= patience_; }
  int64_t best_epoch() const { return best_epoch_; }
  double best_loss() const { return best_loss_; }

 private:
  int64_t patience_;
  int64_t since_best_ = 0;
  int64_t best_epoch_ = -1;
  double best_loss_ = 0;
};

}  // namespace signet::optim
