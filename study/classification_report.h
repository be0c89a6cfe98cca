#pragma once
// The text report of precision, recall and F1 per class, in the layout of scikit-learn.

#include <span>
#include <string>

#include "study/metrics.h"

namespace signet::study {

/// The bytes that sklearn.metrics.classification_report(true, predicted, labels=range(n),
/// target_names=classes, digits=2, zero_division=0) returns (scikit-learn 1.x). Classes that never occur are
/// listed, and count as 0 in the macro average. Names are aligned by characters (code points), as Python
/// aligns them. Throws std::invalid_argument unless there is one name a class.
std::string classification_report(const ConfusionMatrix& matrix, std::span<const std::string> classes);

}  // namespace signet::study
