#include "tests/ladder/rung_checks.h"

#include <fmt/format.h>

using namespace signet;
using namespace signet::test;
using namespace signet::cuda::ladder;

namespace {

/// The three products of a convolution have three tensors each; a list of rungs for one of them.
struct Product {
  const char* name;
  std::span<const ConvRung> rungs;
  OpCase (*reference)(const Conv2dShape&, bool whole);
};

struct Tensors {
  std::vector<double> x, w, y;  ///< y: the gradient dy
};

Tensors tensors(const Conv2dShape& s, bool whole) {
  Data data("ladder conv");
  const auto values = [&](int64_t n) { return whole ? data.whole(n, -3, 3) : data.uniform(n); };
  return {values(s.in_size()), values(s.weight_size()), values(s.out_size())};
}

std::string label(const Conv2dShape& s, bool whole) {
  return fmt::format("{} {}x{}x{}x{} -> {}, {}x{} stride {} padding {} dilation {}",
                     whole ? "whole" : "random", s.batch, s.in_height, s.in_width, s.in_channels,
                     s.out_channels, s.kernel_height, s.kernel_width, s.stride, s.padding, s.dilation);
}

OpCase forward(const Conv2dShape& s, bool whole) {
  const Tensors t = tensors(s, whole);
  return {.kernel = "conv2d_forward",
          .options = label(s, whole),
          .args = {output("y", s.out_size()), input("x", t.x), input("w", t.w)},
          .call = [s](const auto& k,
                      Pointers p) { k.conv2d_forward(p[0], p[1], p[2], nullptr, nullptr, false, s); },
          .terms = double(s.kernel_height * s.kernel_width * s.in_channels),
          .exact = whole};
}

OpCase backward_data(const Conv2dShape& s, bool whole) {
  const Tensors t = tensors(s, whole);
  return {
      .kernel = "conv2d_backward_data",
      .options = label(s, whole),
      .args = {output("dx", s.in_size()), input("dy", t.y), input("w", t.w)},
      .call = [s](const auto& k, Pointers p) { k.conv2d_backward_data(p[0], p[1], p[2], Accumulate::no, s); },
      .terms = double(s.kernel_height * s.kernel_width * s.out_channels),
      .exact = whole};
}

OpCase backward_weight(const Conv2dShape& s, bool whole) {
  const Tensors t = tensors(s, whole);
  return {.kernel = "conv2d_backward_weight",
          .options = label(s, whole),
          .args = {output("dw", s.weight_size()), input("dy", t.y), input("x", t.x)},
          .call = [s](const auto& k,
                      Pointers p) { k.conv2d_backward_weight(p[0], p[1], p[2], Accumulate::no, s); },
          .terms = double(s.batch * s.out_height() * s.out_width()),
          .exact = whole};
}

const Product kProducts[] = {{"forward", conv_rungs(), forward},
                             {"data gradient", conv_backward_data_rungs(), backward_data},
                             {"weight gradient", conv_backward_weight_rungs(), backward_weight}};

// One pixel; odd everything; the product of stride, padding and dilation; then ResNet18's layers with fewer
// pixels: the stem, a 3x3 layer, the 3x3 and 1x1 that halve the image, and the last stage on 7x7.
const Conv2dShape kShapes[] = {
    {},
    {.batch = 2,
     .in_height = 5,
     .in_width = 7,
     .in_channels = 3,
     .out_channels = 5,
     .kernel_height = 3,
     .kernel_width = 3,
     .padding = 1},
    {.in_height = 9,
     .in_width = 11,
     .in_channels = 4,
     .out_channels = 33,
     .kernel_height = 3,
     .kernel_width = 2,
     .stride = 2,
     .padding = 2,
     .dilation = 2},
    {.batch = 3,
     .in_height = 8,
     .in_width = 6,
     .in_channels = 8,
     .out_channels = 4,
     .kernel_height = 2,
     .kernel_width = 3,
     .stride = 3,
     .padding = 1,
     .dilation = 1},
    {.batch = 1,
     .in_height = 23,
     .in_width = 23,
     .in_channels = 3,
     .out_channels = 64,
     .kernel_height = 7,
     .kernel_width = 7,
     .stride = 2,
     .padding = 3},
    {.batch = 2,
     .in_height = 14,
     .in_width = 14,
     .in_channels = 64,
     .out_channels = 64,
     .kernel_height = 3,
     .kernel_width = 3,
     .padding = 1},
    {.batch = 2,
     .in_height = 14,
     .in_width = 14,
     .in_channels = 32,
     .out_channels = 64,
     .kernel_height = 3,
     .kernel_width = 3,
     .stride = 2,
     .padding = 1},
    {.batch = 2, .in_height = 14, .in_width = 14, .in_channels = 32, .out_channels = 64, .stride = 2},
    {.batch = 1,
     .in_height = 7,
     .in_width = 7,
     .in_channels = 128,
     .out_channels = 132,
     .kernel_height = 3,
     .kernel_width = 3,
     .padding = 1}};

RungCase rung_case(const Product& product, const ConvRung& rung, const Conv2dShape& shape, bool whole) {
  return {product.reference(shape, whole),
          [run = rung.run, shape](Pointers p) { run(p[0], p[1], p[2], shape); }};
}

}  // namespace

TEST_CASE("every convolution rung computes its product, or refuses with a sentence") {
  for (const Product& product : kProducts) {
    for (const ConvRung& rung : product.rungs) {
      int taken = 0;
      for (const Conv2dShape& shape : kShapes) {
        const std::string refusal = rung.refusal(shape);
        if (!refusal.empty()) {
          CHECK_MESSAGE(is_sentence(refusal), std::string(rung.name), ": ", refusal);
          continue;
        }
        ++taken;
        for (const bool whole : {true, false})
          check_rung(rung_case(product, rung, shape, whole), rung.name, rung.operands);
      }
      CHECK_MESSAGE(taken >= 3, std::string(rung.name), " takes only ", taken, " shapes");
    }
  }
}

TEST_CASE("what convolution rungs refuse") {
  const Conv2dShape huge{.batch = 1 << 16, .in_height = 256, .in_width = 256, .in_channels = 4};
  const Conv2dShape many_columns{.batch = 64,
                                 .in_height = 224,
                                 .in_width = 224,
                                 .in_channels = 64,
                                 .kernel_height = 5,
                                 .kernel_width = 5,
                                 .padding = 2};
  const Conv2dShape strided = kShapes[6];
  for (const Product& product : kProducts) {
    for (const ConvRung& rung : product.rungs) {
      const std::string name = rung.name;
      CHECK_MESSAGE(is_sentence(rung.refusal(huge)), name);
      CHECK_MESSAGE(rung.refusal(kShapes[5]).empty(), name);
      const bool builds_columns = name.find("im2col") != name.npos || name.find("col2im") != name.npos;
      CHECK_MESSAGE(rung.refusal(many_columns).empty() == !(builds_columns || name == "conv_03_winograd"),
                    name);
      CHECK_MESSAGE(rung.refusal(strided).empty() == (name != "conv_03_winograd"), name);
    }
  }
}

TEST_CASE("the last convolution rungs are the shipped kernels") {
  for (const Product& product : kProducts) {
    const ConvRung& rung = product.rungs.back();
    const Conv2dShape& shape = kShapes[6];
    const Backend<float>& device = device_for(rung.operands);
    const auto shipped = output_bytes(product.reference(shape, false), device);
    CHECK_MESSAGE(
        output_bytes(as_op_case(rung_case(product, rung, shape, false), rung.name), device) == shipped,
        product.name);
  }
}
