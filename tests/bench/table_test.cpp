// The Markdown of a benchmark's JSON: which row counts as the vendor's, which way the ratio goes, and that a
// simulated device gets no times.

#include "bench/table.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace {

using signet::bench::markdown_of;

std::string timed(const std::string& name, double microseconds) {
  return fmt::format(
      R"({{"name": "{}/iterations:30/manual_time", "label": "some notes", "median_us": {}, "noise_percent": 2.5,
      "tflops": 1.5, "gb_per_s": 100.0, "percent_of_arithmetic": 10.0, "percent_of_bandwidth": 20.0}})",
      name, microseconds);
}

std::string broken(const std::string& name, const std::string& message) {
  return fmt::format(R"({{"name": "{}", "error_occurred": true, "error_message": "{}"}})", name, message);
}

std::string json(bool simulated, const std::vector<std::string>& rows) {
  return fmt::format(R"({{"context": {{"card": "a card", "simulated": "{}"}}, "benchmarks": [{}]}})",
                     simulated ? "yes" : "no", fmt::join(rows, ", "));
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("the ratio is the fastest vendor row's time over the row's own, of the same problem and math") {
  const std::string table = markdown_of(json(
      false,
      {timed("gemm / 8x8x8 / signet / gemm_00 / f32", 200),
       timed("gemm / 8x8x8 / signet / gemm_01 / tf32", 40),
       timed("gemm / 9x9x9 / signet / gemm_00 / f32", 10), timed("gemm / 8x8x8 / vendor / slow / f32", 80),
       timed("gemm / 8x8x8 / vendor / fast / f32", 50), timed("gemm / 8x8x8 / vendor / fast / tf32", 20)}));
  CHECK(contains(table, "### gemm"));
  CHECK(contains(table, "| 8x8x8 | gemm_00 | f32 | agrees | 200.0 | 2.5 | 1.50 | 100 | 20 of GB/s | 0.25 |"));
  CHECK(contains(table, "| 8x8x8 | gemm_01 | tf32 | agrees | 40.0 | 2.5 | 1.50 | 100 | 20 of GB/s | 0.50 |"));
  CHECK(contains(table, "| 8x8x8 | slow | f32 | agrees | 80.0 | 2.5 | 1.50 | 100 | 20 of GB/s | 0.62 |"));
  // No vendor row of this problem: no ratio.
  CHECK(contains(table, "| 9x9x9 | gemm_00 | f32 | agrees | 10.0 | 2.5 | 1.50 | 100 | 20 of GB/s |  |"));
}

TEST_CASE("a row that failed or was refused shows no time and is nobody's measure") {
  const std::string table = markdown_of(json(
      false, {timed("conv_forward / layer1 3x3 / batch 32 / signet / conv_00 / f32", 200),
              broken("conv_forward / layer1 3x3 / batch 32 / signet / conv_03 / f32", "refused: too wide."),
              broken("conv_forward / layer1 3x3 / batch 32 / vendor / cuDNN / f32", "output 0 disagrees")}));
  CHECK(contains(
      table, "| layer1 3x3, batch 32 | conv_00 | f32 | agrees | 200.0 | 2.5 | 1.50 | 100 | 20 of GB/s |  |"));
  CHECK(contains(table, "| conv_03 | f32 | refused |  |  |  |  |  |  | too wide. |"));
  CHECK(contains(table, "| cuDNN | f32 | **failed** |  |  |  |  |  |  | output 0 disagrees |"));
}

TEST_CASE("a simulated device has checks and no times") {
  const std::string table = markdown_of(json(true, {timed("gemm / 8x8x8 / signet / gemm_00 / f32", 200)}));
  CHECK(contains(table, "| 8x8x8 | gemm_00 | f32 | agrees | some notes |"));
  CHECK_FALSE(contains(table, "200"));
  CHECK_FALSE(contains(table, "µs"));
}

TEST_CASE("what is no comparison is refused") {
  CHECK_THROWS_AS(markdown_of("no JSON"), std::runtime_error);
  CHECK_THROWS_AS(markdown_of("{}"), std::runtime_error);
  CHECK_THROWS_AS(markdown_of(json(false, {timed("gemm", 1)})), std::runtime_error);
}

}  // namespace
