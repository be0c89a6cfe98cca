#pragma once
// The part of a report about one model under one split: curves, confusion matrix, errors, figures by class.

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "study/report_images.h"
#include "study/report_run.h"

namespace signet::study {

/// A wrong answer and the training image that may explain it.
struct WorstError {
  const Prediction* prediction = nullptr;
  std::optional<NearestImage> nearest;
};

/// What is shown of a model, chosen before the pictures are drawn. Points into `split` and `model`.
struct ShownModel {
  const ReportSplit* split = nullptr;
  const ReportModel* model = nullptr;
  std::string id;                        ///< of its section in the page
  std::vector<WorstError> worst;         ///< the surest wrong answers, surest first
  std::vector<const Prediction*> wrong;  ///< by true class, predicted class, then surest first
  std::vector<const Prediction*> right;  ///< one or two a class
  int64_t wrong_count = 0;               ///< all wrong answers; `wrong` may hold fewer
};

/// Chooses the worst errors, finds their nearest images and the wrong answers to list.
ShownModel choose(const ReportSplit& split, const ReportModel& model, std::string id,
                  const ReportImages& images);

/// Adds the right answers, preferably of images that are `wanted` anyway.
void choose_right(ShownModel& shown, const std::set<std::string>& wanted);

/// The section, headed by an h3.
std::string model_html(const ReportRun& run, const ShownModel& shown, const ReportImages& images);

}  // namespace signet::study
