#include "tests/kernels/compare.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/kernels/op_checks.h"

using namespace signet;
using namespace signet::test;

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
using Values = std::vector<double>;

/// A copy of the reference whose fill misbehaves.
Backend<float> broken(void (*fill)(float*, double, int64_t)) {
  Backend<float> backend = reference_backend<float>();
  backend.kernels.fill = fill;
  return backend;
}

OpCase fill_case() {
  return {.kernel = "fill", .args = {output("y", 3)}, .call = [](const auto& k, Pointers p) {
            k.fill(p[0], 1, 3);
          }};
}

std::string verdict(void (*fill)(float*, double, int64_t)) {
  const OpCase op = fill_case();
  return parity_failure(op, expect(op), broken(fill), Placement::aligned);
}

}  // namespace

TEST_CASE("the comparator passes what is within the tolerance and nothing else") {
  CHECK(difference(Values{1, 2}, Values{1, 2.5}, 0.5).empty());
  CHECK_FALSE(difference(Values{1, 2}, Values{1, 2.5}, 0.4).empty());
  CHECK_FALSE(difference(Values{1}, Values{1, 2}, 10.0).empty());
  CHECK(difference(Values{}, Values{}, 0.0).empty());
  CHECK(difference(Values{kInfinity}, Values{kInfinity}, 0.0).empty());
  CHECK_FALSE(difference(Values{kInfinity}, Values{-kInfinity}, 1.0).empty());
}

TEST_CASE("the comparator rejects NaN on either side and as a tolerance") {
  CHECK_FALSE(difference(Values{kNaN}, Values{1}, 10.0).empty());
  CHECK_FALSE(difference(Values{1}, Values{kNaN}, 10.0).empty());
  CHECK_FALSE(difference(Values{kNaN}, Values{kNaN}, kInfinity).empty());
  CHECK_FALSE(difference(Values{1}, Values{2}, kNaN).empty());
}

TEST_CASE("max_abs lets NaN through") {
  CHECK(max_abs(Values{1, -3, 2}) == 3);
  CHECK(std::isnan(max_abs(Values{1, kNaN, 2})));
  CHECK(std::isnan(max_abs(Values{kNaN, 2})));
}

TEST_CASE("the byte comparator sees one bit and two lengths") {
  std::vector<std::byte> a(9), b(9);
  CHECK(difference(a, b).empty());
  b[8] = std::byte{1};
  CHECK_FALSE(difference(a, b).empty());
  CHECK_FALSE(difference(a, std::vector<std::byte>(8)).empty());
}

TEST_CASE("the harness catches a kernel that misbehaves") {
  CHECK(verdict([](float* y, double value, int64_t n) { ref::fill<float>(y, value, n); }).empty());
  // A place left poisoned, a wrong value, a write before the beginning, a write behind the end.
  CHECK_FALSE(verdict([](float* y, double value, int64_t n) { ref::fill<float>(y, value, n - 1); }).empty());
  CHECK_FALSE(verdict([](float* y, double, int64_t n) { ref::fill<float>(y, 2, n); }).empty());
  CHECK_FALSE(
      verdict([](float* y, double value, int64_t n) { ref::fill<float>(y - 1, value, n + 1); }).empty());
  CHECK_FALSE(verdict([](float* y, double value, int64_t n) { ref::fill<float>(y, value, n + 1); }).empty());
}

TEST_CASE("the harness catches a changed input") {
  Backend<float> backend = reference_backend<float>();
  backend.kernels.scale = [](float* y, const float* x, double alpha, int64_t n) {
    ref::scale<float>(y, x, alpha, n);
    const_cast<float*>(x)[0] += 1;
  };
  const OpCase op{.kernel = "scale",
                  .args = {output("y", 2), input("x", {1, 2})},
                  .call = [](const auto& k, Pointers p) { k.scale(p[0], p[1], 2, 2); }};
  CHECK_FALSE(parity_failure(op, expect(op), backend, Placement::aligned).empty());
}
