#include "study/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <tuple>
#include <vector>

#include "study/text.h"

namespace signet::study {
namespace {

using Row = TableRow;
constexpr size_t kColumns = std::tuple_size_v<Row>;

const Row kHeadings = {"Model", "Train acc %", "Val acc %", "Precision",    "Recall",
                       "F1",    "Train loss",  "Val loss",  "Train loss Σ", "Val loss Σ"};

constexpr std::string_view kNote =
    "Accuracies in percent, ± the sample standard deviation over the folds. Precision, recall and F1 are "
    "macro\n"
    "averages on the validation images. Loss is cross-entropy, mean per sample; Σ is the sum of the batches' "
    "means.\n";

/// The figures that the original study published; it gave no deviations and no mean losses.
const std::array<Row, 3> kOriginal = {{
    {"scratch", "73.58", "85.23", "0.86", "0.85", "0.84", "-", "-", "31.4586", "4.0248"},
    {"ResNet18 fc only", "98.22", "94.60", "0.95", "0.95", "0.95", "-", "-", "7.4860", "3.3352"},
    {"ResNet18 fine-tuned", "100.00", "99.20", "0.99", "0.99", "0.99", "-", "-", "0.1443", "0.2861"},
}};

std::string figure(double value, int digits) {
  return std::isfinite(value) ? fmt::format("{:.{}f}", value, digits) : "-";
}

std::string escaped_for_markdown(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '|' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

class Layout {
 public:
  Layout(const std::vector<Row>& rows, TableForm form) : form_(form) {
    for (const Row& row : rows) {
      for (size_t k = 0; k < kColumns; ++k) widths_[k] = std::max(widths_[k], characters(row[k]));
    }
  }

  std::string line(const Row& row) const {
    const bool markdown = form_ == TableForm::markdown;
    std::string text = markdown ? "| " : "";
    for (size_t k = 0; k < kColumns; ++k) {
      if (k > 0) text += markdown ? " | " : "  ";
      text += k == 0 ? left_aligned(row[k], widths_[k]) : right_aligned(row[k], widths_[k]);
    }
    return text + (markdown ? " |\n" : "\n");
  }

  std::string divider() const {
    std::string text;
    for (size_t k = 0; k < kColumns; ++k) {
      if (form_ == TableForm::markdown) {
        // A colon at the end aligns the column to the right.
        text += fmt::format("|{}{}", std::string(widths_[k] + 1, '-'), k == 0 ? '-' : ':');
      } else {
        text += std::string(widths_[k] + (k == 0 ? 0 : 2), '-');
      }
    }
    return text + (form_ == TableForm::markdown ? "|\n" : "\n");
  }

 private:
  TableForm form_;
  std::array<size_t, kColumns> widths_{};
};

}  // namespace

const TableRow& table_headings() {
  return kHeadings;
}

TableRow table_row(const ModelSummary& model) {
  std::string validation = figure(100 * model.val_acc, 2);
  if (std::isfinite(model.val_acc_sd)) validation += " ± " + figure(100 * model.val_acc_sd, 2);
  return {printable(model.model),
          figure(100 * model.train_acc, 2),
          validation,
          figure(model.precision, 3),
          figure(model.recall, 3),
          figure(model.f1, 3),
          figure(model.train_loss, 4),
          figure(model.val_loss, 4),
          figure(model.train_loss_batch_sum, 4),
          figure(model.val_loss_batch_sum, 4)};
}

std::span<const TableRow> original_rows() {
  return kOriginal;
}

std::string comparison_table(std::span<const ModelSummary> models, TableForm form, bool original) {
  const bool markdown = form == TableForm::markdown;
  std::vector<Row> ours;
  for (const ModelSummary& model : models) {
    ours.push_back(table_row(model));
    if (markdown) ours.back()[0] = escaped_for_markdown(ours.back()[0]);
  }
  std::vector<Row> theirs;
  if (original) theirs.assign(kOriginal.begin(), kOriginal.end());

  std::vector<Row> all = {kHeadings};
  all.insert(all.end(), ours.begin(), ours.end());
  all.insert(all.end(), theirs.begin(), theirs.end());
  const Layout layout(all, form);

  const std::string head = layout.line(kHeadings) + layout.divider();
  std::string text = head;
  for (const Row& row : ours) text += layout.line(row);
  if (original) {
    text +=
        fmt::format("\n{}{}\n{}", kOriginalTitle, markdown ? "\n" : "", markdown ? head : layout.divider());
    for (const Row& row : theirs) text += layout.line(row);
  }
  return text + "\n" + std::string(kNote);
}

}  // namespace signet::study
