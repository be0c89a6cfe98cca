#pragma once
// The table that sets the models side by side: the last thing a study prints.

#include <array>
#include <span>
#include <string>
#include <string_view>

#include "study/records.h"

namespace signet::study {

/// A row of the table, cell by cell; the first names the model.
using TableRow = std::array<std::string, 10>;

const TableRow& table_headings();
TableRow table_row(const ModelSummary& model);
/// What the original study published, and what has to be said about it.
std::span<const TableRow> original_rows();
inline constexpr std::string_view kOriginalTitle =
    "Original study (as published; random folds; losses are sums over batches)";

enum class TableForm { text, markdown };

/// One row a model: training accuracy, validation accuracy (± sample standard deviation over the folds),
/// macro precision, recall and F1, training and validation loss (mean per sample) and the same as sums over
/// batches. Accuracies are percentages. With `original`, the figures that the original study published
/// follow, labelled as such (random folds; its losses are sums over batches). Lines end in \n.
std::string comparison_table(std::span<const ModelSummary> models, TableForm form = TableForm::text,
                             bool original = false);

}  // namespace signet::study
