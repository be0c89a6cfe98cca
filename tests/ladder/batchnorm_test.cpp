#include "tests/ladder/rung_checks.h"

#include <fmt/format.h>

#include <cmath>

using namespace signet;
using namespace signet::test;
using namespace signet::cuda::ladder;

namespace {

constexpr double kEps = 1e-5;

struct Problem {
  int64_t rows, channels;
  bool relu = false, residual = false;
  double mean = 0.5;
};

OpCase reference(const Problem& p) {
  Data data("ladder batchnorm");
  std::vector<double> x = data.uniform(p.rows * p.channels, p.mean - 2, p.mean + 2);
  for (double& value : x) value = float(value);
  return {.kernel = "batchnorm_forward_train",
          .options = fmt::format("{}x{}{}{} mean {}", p.rows, p.channels, p.relu ? " relu" : "",
                                 p.residual ? " residual" : "", p.mean),
          .args = {output("y", p.rows * p.channels), output("saved_mean", p.channels),
                   output("saved_inv_std", p.channels), input("x", std::move(x)),
                   input("weight", data.uniform(p.channels, 0.5, 2)), input("bias", data.uniform(p.channels)),
                   p.residual ? input("residual", data.uniform(p.rows * p.channels)) : absent("residual")},
          .call =
              [p](const auto& k, Pointers a) {
                k.batchnorm_forward_train(a[0], a[1], a[2], nullptr, nullptr, a[3], a[4], a[5], a[6], p.relu,
                                          0.1, kEps, p.rows, p.channels);
              },
          .terms = double(p.rows)};
}

RungCase rung_case(const BatchnormRung& rung, const Problem& p) {
  return {reference(p), [run = rung.run, p](Pointers a) {
            run(a[0], a[1], a[2], a[3], a[4], a[5], a[6], p.relu, kEps, p.rows, p.channels);
          }};
}

// Fewer rows than threads, one more than a block's, several chunks (513 and 1100); channels that are few, not
// whole warps, whole vectors, and more than a block's.
constexpr Problem kProblems[] = {
    {1, 1},    {1, 33, true, true},   {31, 31, true},   {33, 3, false, true},  {127, 127, true, true},
    {197, 65}, {513, 64, true, true}, {1100, 36, true}, {49, 512, true, true}, {600, 20, false, false, 300}};

}  // namespace

TEST_CASE("every batchnorm rung normalises, whatever follows") {
  for (const BatchnormRung& rung : batchnorm_rungs()) {
    for (const Problem& problem : kProblems) {
      REQUIRE(rung.refusal(problem.rows, problem.channels).empty());
      check_rung(rung_case(rung, problem), rung.name, Operands::f32);
    }
  }
}

TEST_CASE("what batchnorm rungs refuse") {
  for (const BatchnormRung& rung : batchnorm_rungs().first(batchnorm_rungs().size() - 1)) {
    CHECK_MESSAGE(is_sentence(rung.refusal(int64_t(1) << 25, 64)), std::string(rung.name));
    CHECK_MESSAGE(is_sentence(rung.refusal(0, 64)), std::string(rung.name));
  }
}

TEST_CASE("the last batchnorm rung is the shipped kernel") {
  const BatchnormRung& rung = batchnorm_rungs().back();
  for (const Problem& problem : kProblems) {
    const auto shipped = output_bytes(reference(problem), device_for(Operands::f32));
    CHECK(output_bytes(as_op_case(rung_case(rung, problem), rung.name), device_for(Operands::f32)) ==
          shipped);
  }
}

// E[x^2] - E[x]^2 would be wrong by 300^2 * 2^-24 = 0.005 here, which is why statistics are never taken so.
TEST_CASE("the shipped batchnorm keeps four digits at mean 300") {
  for (const Problem& problem : {Problem{5000, 8, false, false, 300}, Problem{2000, 7, false, false, -300}}) {
    const OpCase op = reference(problem);
    const auto expected = run<double>(op, reference_backend<double>());
    const auto actual = run<float>(op, device_for(Operands::f32));
    for (size_t arg = 0; arg < 3; ++arg) {
      double error = 0, size = 0;
      for (size_t i = 0; i < expected[arg].size(); ++i) {
        error += std::pow(actual[arg][i] - expected[arg][i], 2);
        size += std::pow(expected[arg][i], 2);
      }
      const double relative = std::sqrt(error / size);
      CHECK_MESSAGE(relative <= 1e-5, op.args[arg].name, " has relative error ", relative);
    }
  }
}

// Loads of 16 bytes or of 4, by where x lies; sums in the same order.
TEST_CASE("the shipped batchnorm gives the same bits wherever its arguments lie") {
  for (const Problem& problem : {Problem{513, 64, true, true}, Problem{1100, 36, true}}) {
    const OpCase op = reference(problem);
    std::vector<std::byte> first;
    for (const Placement placement : {Placement::aligned, Placement::misaligned}) {
      Prepared<float> prepared(op, device_for(Operands::f32), placement);
      prepared.call();
      if (first.empty()) {
        first = prepared.bytes(0);
      } else {
        CHECK(prepared.bytes(0) == first);
      }
    }
  }
}
