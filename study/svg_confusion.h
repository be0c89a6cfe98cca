#pragma once
// A confusion matrix as a picture.

#include <span>
#include <string>

#include "study/metrics.h"

namespace signet::study {

/// A self-contained SVG: rows are the true class, columns the predicted one; a cell's colour is its share of
/// the row, its number the count (empty cells have none); the accuracy stands under the title. Throws
/// std::invalid_argument unless there is one name a class.
std::string confusion_svg(const ConfusionMatrix& matrix, std::span<const std::string> classes,
                          const std::string& title);

}  // namespace signet::study
