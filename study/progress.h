#pragma once
// Progress on a terminal: a bar that redraws itself. Elsewhere: one plain line an epoch.

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <mutex>
#include <string>

#include "study/records.h"

namespace signet::study {

/// A duration for people: "0.4 s", "12 s", "3 min 05 s", "1 h 02 min", "2 d 03 h"; "-" if it is not known
/// (negative or not finite).
std::string duration_text(double seconds);

/// Whether standard error is a terminal that can redraw a line.
bool stderr_is_terminal();

/// Where progress goes; the defaults are what a program wants, tests put their own.
struct ProgressSettings {
  std::ostream* out = nullptr;           ///< standard error if null
  bool terminal = stderr_is_terminal();  ///< false: no bar and no control characters at all
  int width = 0;                         ///< columns; 0 asks the terminal before each redraw
  std::function<double()> now;           ///< seconds on a clock that never goes back; the steady one if empty
};

/// All members may be called from any thread.
class Progress {
 public:
  explicit Progress(ProgressSettings settings = {});
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  /// Clears a bar that is still there.
  ~Progress();

  /// Starts a bar: what is being done ("resnet18-fc fold 1/5 epoch 3/10") and how many images it takes; a
  /// total of 0 means not known (then no bar and no time left is shown, only the count and the rate).
  void start(const std::string& what, int64_t images);
  /// Counts images done. Redraws at most ten times a second.
  void advance(int64_t images);
  /// Clears the bar.
  void finish();
  /// Prints a line that stays, above the bar if there is one.
  void line(const std::string& text);

 private:
  void clear();
  void draw();

  ProgressSettings settings_;
  std::mutex mutex_;
  std::string what_;
  int64_t total_ = 0;
  int64_t done_ = 0;
  double started_ = 0;
  double drawn_ = 0;
  bool active_ = false;
  bool visible_ = false;
};

/// The line printed after an epoch: model, fold, epoch, losses and accuracies, rate, and the time left of the
/// whole job if `seconds_left` is known (>= 0).
std::string epoch_line(const EpochRecord& record, int folds, int epochs, double seconds_left = -1);

}  // namespace signet::study
