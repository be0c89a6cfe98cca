// Every algorithm of the CPU's convolutions on every shape that it says it computes, whatever the rules would
// choose.

#include "kernels/cpu/conv_algorithm.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "tests/kernels/op_checks.h"

using namespace signet;
using namespace signet::test;

namespace {

struct RulesAgain {
  ~RulesAgain() { cpu::set_conv_choices({}); }
};

Conv2dShape shape(int64_t height, int64_t width, int64_t in, int64_t out, int64_t kernel, int64_t padding,
                  int64_t batch = 3) {
  return {.batch = batch,
          .in_height = height,
          .in_width = width,
          .in_channels = in,
          .out_channels = out,
          .kernel_height = kernel,
          .kernel_width = kernel,
          .stride = 1,
          .padding = padding};
}

OpCase pass_case(cpu::ConvPass pass, const Conv2dShape& s) {
  Data data("algorithms");
  const Arg x = input("x", data.uniform(s.in_size())), w = input("w", data.uniform(s.weight_size())),
            dy = input("dy", data.uniform(s.out_size()));
  switch (pass) {
    case cpu::ConvPass::forward:
      return {.kernel = "conv2d_forward",
              .args = {output("y", s.out_size()), x, w},
              .call = [=](const auto& k, Pointers p) {
                k.conv2d_forward(p[0], p[1], p[2], nullptr, nullptr, false, s);
              }};
    case cpu::ConvPass::backward_data:
      return {.kernel = "conv2d_backward_data",
              .args = {output("dx", s.in_size()), dy, w},
              .call = [=](const auto& k, Pointers p) {
                k.conv2d_backward_data(p[0], p[1], p[2], Accumulate::no, s);
              }};
    case cpu::ConvPass::backward_weight:
      break;
  }
  return {.kernel = "conv2d_backward_weight",
          .args = {output("dw", s.weight_size()), dy, x},
          .call = [=](const auto& k, Pointers p) {
            k.conv2d_backward_weight(p[0], p[1], p[2], Accumulate::no, s);
          }};
}

/// A case of one image, with the values of the last image of `all` and its weights.
OpCase last_image_of(const OpCase& all, OpCase one) {
  for (size_t arg = 1; arg < all.args.size(); ++arg)
    one.args[arg].values.assign(all.args[arg].values.end() - std::ptrdiff_t(one.args[arg].values.size()),
                                all.args[arg].values.end());
  return one;
}

/// Relative to the norm; NaN where a value is none.
double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    norm += b[i] * b[i];
  }
  return std::sqrt(difference / norm);
}

/// Compares every algorithm that takes the shape, in all passes; returns how many.
int compare_algorithms(const Conv2dShape& s) {
  int compared = 0;
  for (const auto pass :
       {cpu::ConvPass::forward, cpu::ConvPass::backward_data, cpu::ConvPass::backward_weight}) {
    const OpCase op = pass_case(pass, s);
    const auto expected = run(op, reference_backend<double>())[0];
    for (const auto algorithm : cpu::conv_algorithms(pass, s)) {
      cpu::set_conv_choices({{pass, s, algorithm}});
      CHECK(cpu::conv_algorithm(pass, s) == algorithm);
      for (const Backend<float>& backend : cpu_backends()) {
        CAPTURE(backend.name);
        CAPTURE(std::string(cpu::name_of(pass)) + " by " + std::string(cpu::name_of(algorithm)));
        // Winograd's transforms round a few times more than a sum of some hundred products.
        CHECK(distance(run(op, backend)[0], expected) <= 2e-6);
      }
      ++compared;
    }
  }
  return compared;
}

}  // namespace

TEST_CASE("every algorithm gives what the definition gives") {
  const RulesAgain again;
  int compared = 0;
  for (const Conv2dShape& s : {shape(5, 9, 16, 32, 3, 1), shape(4, 4, 32, 32, 3, 0),
                               shape(7, 3, 64, 32, 3, 2), shape(9, 6, 3, 32, 3, 1)}) {
    compared += compare_algorithms(s);
  }
  // Three passes by matrix products for each shape; by Winograd's algorithm all of two shapes, and of the
  // first, whose 16 channels fill no panel, only the forward pass; by strips two passes of the last.
  CHECK(compared == 4 * 3 + (1 + 3 + 3) + 2);
}

TEST_CASE("groups of Winograd's tiles of one kind, and of several") {
  const RulesAgain again;
  // With 3, 2 and 1 outputs at the edge; enough images for groups that need few of the points, and for ranges
  // of a weight gradient that begin with such; without AVX2 more tiles than a pass takes.
  for (const Conv2dShape& s :
       {shape(7, 7, 32, 32, 3, 1, 60), shape(5, 10, 32, 64, 3, 1, 17), shape(6, 7, 288, 32, 3, 1, 9),
        shape(4, 2, 32, 32, 3, 1, 40), shape(2, 260, 288, 32, 3, 1, 1)}) {
    CHECK(compare_algorithms(s) == 6);
  }
}

TEST_CASE("an image has the same bits where Winograd's tiles are few and where they are many") {
  const RulesAgain again;
  int compared = 0;
  // 4 and 16 tiles an image, in chunks and in passes where they are many; channels that fill no block.
  for (const Conv2dShape& many :
       {shape(7, 7, 48, 128, 3, 1, 24), shape(8, 7, 288, 160, 3, 1, 20), shape(13, 14, 128, 128, 3, 1, 5)}) {
    for (const auto pass : {cpu::ConvPass::forward, cpu::ConvPass::backward_data}) {
      const auto algorithms = cpu::conv_algorithms(pass, many);
      if (std::ranges::find(algorithms, cpu::ConvAlgorithm::winograd) == algorithms.end()) continue;
      cpu::set_conv_choices({{pass, many, cpu::ConvAlgorithm::winograd}});
      Conv2dShape one = many;
      one.batch = 1;
      const OpCase together = pass_case(pass, many), alone = last_image_of(together, pass_case(pass, one));
      const auto check = [&](const auto& backends) {
        for (const auto& backend : backends) {
          CAPTURE(backend.name);
          const auto all = output_bytes(together, backend)[0], last = output_bytes(alone, backend)[0];
          REQUIRE(last.size() * size_t(many.batch) == all.size());
          CHECK(std::equal(last.begin(), last.end(), all.end() - std::ptrdiff_t(last.size())));
        }
      };
      check(cpu_backends());
      check(cpu_bf16_backends());
      ++compared;
    }
  }
  CHECK(compared == 5);  // the first shape's 48 channels are no panels of a gradient
}

TEST_CASE("a choice holds for a shape in any batch, until the table is replaced") {
  const RulesAgain again;
  Conv2dShape s = shape(8, 8, 32, 32, 3, 1);
  CHECK(cpu::conv_algorithm(cpu::ConvPass::forward, s) == cpu::ConvAlgorithm::winograd);
  cpu::set_conv_choices({{cpu::ConvPass::forward, s, cpu::ConvAlgorithm::implicit_gemm}});
  s.batch = 100;
  CHECK(cpu::conv_algorithm(cpu::ConvPass::forward, s) == cpu::ConvAlgorithm::implicit_gemm);
  CHECK(cpu::conv_algorithm(cpu::ConvPass::backward_data, s) == cpu::ConvAlgorithm::winograd);
  s.in_width = 9;
  CHECK(cpu::conv_algorithm(cpu::ConvPass::forward, s) == cpu::ConvAlgorithm::winograd);
  s.stride = 2;
  CHECK_THROWS_AS(cpu::set_conv_choices({{cpu::ConvPass::forward, s, cpu::ConvAlgorithm::winograd}}),
                  std::invalid_argument);
}
