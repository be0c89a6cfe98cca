#pragma once
// Axes with round numbers.

#include <string>
#include <vector>

namespace signet::study {

/// An axis: its range, the marks on it and how they are written.
struct Axis {
  double low = 0;
  double high = 1;
  std::vector<double> ticks;
  int decimals = 0;          ///< as many as tell the ticks apart
  bool logarithmic = false;  ///< then decimals do not apply

  /// Where a value lies between low (0) and high (1).
  double share(double value) const;
  /// A tick's label.
  std::string label(double tick) const;
};

/// The axis that holds low..high, widened to ticks whose step is 1, 2 or 5 times a power of ten; at most
/// `most_ticks` (>= 2). A range of no width is widened. Throws std::invalid_argument unless low <= high, both
/// finite.
Axis round_axis(double low, double high, int most_ticks);

/// A logarithmic axis that holds low..high, ending at ticks that are 1, 2 or 5 times a power of ten; only the
/// powers of ten are marked if there would be more than `most_ticks`. Throws std::invalid_argument unless
/// 0 < low < high, both finite.
Axis log_axis(double low, double high, int most_ticks);

/// The whole numbers from first to last to be marked so that at most `most_ticks` (>= 1) are: the multiples
/// of the smallest 1, 2 or 5 times a power of ten, or `first` alone where no multiple lies between.
std::vector<int> whole_ticks(int first, int last, int most_ticks);

}  // namespace signet::study
