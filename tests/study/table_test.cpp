#include "study/table.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>
#include <vector>

#include "study/text.h"

namespace signet::study {
namespace {

std::vector<ModelSummary> some_models() {
  ModelSummary mlp;
  mlp.model = "mlp";
  mlp.train_acc = 0.7358;
  mlp.val_acc = 0.8523;
  mlp.val_acc_sd = 0.0123;
  mlp.precision = 0.86;
  mlp.recall = 0.85;
  mlp.f1 = 0.84;
  mlp.train_loss = 0.4993;
  mlp.val_loss = 0.2516;
  mlp.train_loss_batch_sum = 31.4586;
  mlp.val_loss_batch_sum = 4.0248;
  ModelSummary resnet = mlp;
  resnet.model = "größer|resnet18-layer4";
  resnet.val_acc = 1;
  resnet.val_acc_sd = Scores::kNone;
  resnet.train_loss = Scores::kNone;
  return {mlp, resnet};
}

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST_CASE("the plain table is aligned by characters") {
  const auto lines = lines_of(comparison_table(some_models()));
  REQUIRE(lines.size() > 4);
  for (size_t k = 1; k < 4; ++k) CHECK(characters(lines[k]) == characters(lines[0]));
  CHECK(lines[1].find_first_not_of('-') == std::string::npos);
  CHECK(lines[2] ==
        "mlp                           73.58  85.23 ± 1.23      0.860   0.850  0.840      0.4993    0.2516"
        "       31.4586      4.0248");
  CHECK(lines[3].find("100.00      0.860") != std::string::npos);
  CHECK(lines[3].find("  -  ") != std::string::npos);
}

TEST_CASE("the original study's figures are added on request and labelled") {
  CHECK(comparison_table(some_models()).find("Original") == std::string::npos);
  for (const TableForm form : {TableForm::text, TableForm::markdown}) {
    const std::string text = comparison_table(some_models(), form, true);
    const size_t title =
        text.find("Original study (as published; random folds; losses are sums over batches)");
    REQUIRE(title != std::string::npos);
    for (const char* figure : {"99.20", "98.22", "31.4586", "3.3352", "0.1443"}) {
      CHECK(text.find(figure, title) != std::string::npos);
    }
  }
}

TEST_CASE("the Markdown table has equal cells in every row and escapes its separator") {
  const auto lines = lines_of(comparison_table(some_models(), TableForm::markdown));
  CHECK(lines[3].find("größer\\|resnet18") != std::string::npos);
  for (size_t k = 0; k < 4; ++k) {
    CHECK(lines[k].starts_with("|"));
    CHECK(std::ranges::count(lines[k], '|') == 11 + (k == 3));
    CHECK(characters(lines[k]) == characters(lines[0]));
  }
}

}  // namespace
}  // namespace signet::study
