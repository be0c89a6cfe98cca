#pragma once
// The table that sets the models side by side: the last thing a study prints.

#include <span>
#include <string>

#include "study/records.h"

namespace signet::study {

enum class TableForm { text, markdown };

/// One row a model: training accuracy, validation accuracy (± sample standard deviation over the folds),
/// macro precision, recall and F1, training and validation loss (mean per sample) and the same as sums over
/// batches. Accuracies are percentages. With `original`, the figures that the original study published
/// follow, labelled as such (random folds; its losses are sums over batches). Lines end in \n.
std::string comparison_table(std::span<const ModelSummary> models, TableForm form = TableForm::text,
                             bool original = false);

}  // namespace signet::study
