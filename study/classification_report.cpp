#include "study/classification_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <string_view>

#include "study/text.h"

namespace signet::study {
namespace {

void append_row(std::string& report, std::string_view name, size_t width, const ClassScores& scores) {
  report += fmt::format("{}  {:>9.2f} {:>9.2f} {:>9.2f} {:>9}\n", right_aligned(name, width),
                        scores.precision, scores.recall, scores.f1, scores.support);
}

}  // namespace

std::string classification_report(const ConfusionMatrix& matrix, std::span<const std::string> classes) {
  if (int64_t(classes.size()) != matrix.classes()) {
    throw std::invalid_argument(
        fmt::format("[classification_report] {} names for {} classes", classes.size(), matrix.classes()));
  }
  size_t width = std::string_view("weighted avg").size();
  for (const std::string& name : classes) width = std::max(width, characters(name));

  std::string report = fmt::format("{}  {:>9} {:>9} {:>9} {:>9}\n\n", std::string(width, ' '), "precision",
                                   "recall", "f1-score", "support");
  for (size_t k = 0; k < classes.size(); ++k) {
    append_row(report, classes[k], width, class_scores(matrix, int64_t(k)));
  }
  report += fmt::format("\n{}  {:>9} {:>9} {:>9.2f} {:>9}\n", right_aligned("accuracy", width), "", "",
                        accuracy(matrix), matrix.total());
  append_row(report, "macro avg", width, average(matrix, Average::macro, Over::all));
  append_row(report, "weighted avg", width, average(matrix, Average::weighted, Over::all));
  return report;
}

}  // namespace signet::study
