#pragma once
// The learning curves of a report: five small charts and the table of the same figures.

#include <string>

#include "study/report_run.h"

namespace signet::study {

/// Loss, accuracy, macro precision, recall and F1 by epoch, training and validation: thin lines for folds,
/// thick ones for their mean as far as every fold got, rings where weights were kept; and a table of the
/// means, from which the page's script reads what it shows under a chart. Colours are the page's.
std::string curves_html(const ReportRun& run, const ReportModel& model);

}  // namespace signet::study
