#include "study/classification_report.h"

#include <doctest/doctest.h>

#include <stdexcept>
#include <vector>

#include "tensor/files.h"
#include "tests/study/fixtures.h"

namespace signet::study {
namespace {

TEST_CASE("the report is scikit-learn's byte for byte, absent classes and long names included") {
  const std::vector<std::string> names = {
      "a", "b", "c", "never true", "Größe é", "neither", "never prédicted"};
  CHECK(classification_report(fixture_matrix("gaps_predictions.csv", 7), names) ==
        read_file(fixture("gaps_report.txt")));

  std::vector<std::string> signs;
  for (const char c : std::string("0123456789abcdefghijklmnopqrstuvwxyz")) signs.emplace_back(1, c);
  CHECK(classification_report(fixture_matrix("asl_predictions.csv", 36), signs) ==
        read_file(fixture("asl_report.txt")));
}

TEST_CASE("a report needs one name a class") {
  const std::vector<std::string> names = {"a"};
  CHECK_THROWS_AS(classification_report(ConfusionMatrix(2), names), std::invalid_argument);
}

}  // namespace
}  // namespace signet::study
