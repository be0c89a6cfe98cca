#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "tests/kernels/suite.h"

namespace signet::test {
namespace {

std::string describe(const Conv2dShape& s) {
  return fmt::format("[{}x{}x{}x{}] by {} of {}x{} stride={} padding={} dilation={}", s.batch, s.in_height,
                     s.in_width, s.in_channels, s.out_channels, s.kernel_height, s.kernel_width, s.stride,
                     s.padding, s.dilation);
}

double flops(const Conv2dShape& s) {
  return 2.0 * double(s.out_size() * s.kernel_height * s.kernel_width * s.in_channels);
}

/// Sums of whole numbers are exact, unless a backend may compute them by Winograd's algorithm (3x3 at unit
/// steps, enough channels): its transforms round, and such cases are held to the tolerance of any others.
bool sums_are_exact(const Conv2dShape& s) {
  return s.kernel_height != 3 || s.kernel_width != 3 || s.stride != 1 || s.dilation != 1 ||
         std::min(s.in_channels, s.out_channels) < 32;
}

OpCase forward_case(const Conv2dShape& s, bool bias, bool residual, bool relu, bool whole = false) {
  Data data("conv2d");
  const auto values = [&](int64_t size) { return whole ? data.whole(size, -3, 3) : data.uniform(size); };
  return {.kernel = "conv2d_forward",
          .options = fmt::format("{}{}{}{}{}", describe(s), bias ? " bias" : "", residual ? " residual" : "",
                                 relu ? " relu" : "", whole ? " whole" : ""),
          .args = {output("y", s.out_size()), input("x", values(s.in_size())),
                   input("w", values(s.weight_size())),
                   bias ? input("bias", values(s.out_channels)) : absent("bias"),
                   residual ? input("residual", values(s.out_size())) : absent("residual")},
          .call = [=](const auto& k, Pointers p) { k.conv2d_forward(p[0], p[1], p[2], p[3], p[4], relu, s); },
          .terms = double(s.kernel_height * s.kernel_width * s.in_channels),
          .exact = whole && sums_are_exact(s),
          .flops = flops(s)};
}

/// The weights prepared and then used, under the name of either kernel: the form between them is the
/// backend's own.
OpCase prepared_case(const char* kernel, const Conv2dShape& s) {
  OpCase op = forward_case(s, true, true, true);
  op.kernel = kernel;
  op.args.push_back(workspace("prepared", s.prepared_bytes() / int64_t(sizeof(BFloat16))));
  op.call = [=](const auto& k, Pointers p) {
    k.conv2d_prepare(p[5], p[2], s);
    k.conv2d_forward_prepared(p[0], p[1], p[5], p[3], p[4], true, s);
  };
  return op;
}

Gradient data_gradient(const Conv2dShape& s, Accumulate accumulate, bool whole = false) {
  Gradient gradient{.forward = forward_case(s, false, false, false, whole), .cotangent = 1};
  Data data("conv2d_backward_data");
  gradient.backward = {
      .kernel = "conv2d_backward_data",
      .options = describe(s) + suffix(accumulate) + (whole ? " whole" : ""),
      .args = {gradient_output("dx", accumulate, s.in_size(), data),
               input("dy", whole ? data.whole(s.out_size()) : data.uniform(s.out_size())),
               gradient.forward.args[2]},
      .call = [=](const auto& k, Pointers p) { k.conv2d_backward_data(p[0], p[1], p[2], accumulate, s); },
      .terms = double(s.kernel_height * s.kernel_width * s.out_channels),
      .exact = whole && sums_are_exact(s),
      .flops = flops(s)};
  gradient.gradients = {{1, 0}};
  return gradient;
}

Gradient weight_gradient(const Conv2dShape& s, Accumulate accumulate, bool whole = false) {
  Gradient gradient{.forward = forward_case(s, false, false, false, whole), .cotangent = 1};
  Data data("conv2d_backward_weight");
  gradient.backward = {
      .kernel = "conv2d_backward_weight",
      .options = describe(s) + suffix(accumulate) + (whole ? " whole" : ""),
      .args = {gradient_output("dw", accumulate, s.weight_size(), data),
               input("dy", whole ? data.whole(s.out_size()) : data.uniform(s.out_size())),
               gradient.forward.args[1]},
      .call = [=](const auto& k, Pointers p) { k.conv2d_backward_weight(p[0], p[1], p[2], accumulate, s); },
      .terms = double(s.batch * s.out_height() * s.out_width()),
      .exact = whole && sums_are_exact(s),
      .flops = flops(s)};
  gradient.gradients = {{2, 0}};
  return gradient;
}

/// The places are checked where they are compared with the pool's own (contracts_test.cpp): between numbers
/// that differ by a rounding backends may choose either. But the gradient needs them.
OpCase pooled_case(const Conv2dShape& s, bool bias, bool places, bool for_gradient = false) {
  Data data("conv2d_relu_maxpool");
  const int64_t size = s.pooled().out_size();
  const Arg stored = for_gradient ? raw("places", Role::output, std::vector<uint8_t>(size_t(size)))
                     : places     ? workspace("places", size)
                                  : absent("places");
  return {.kernel = "conv2d_relu_maxpool_forward",
          .options = fmt::format("{}{}{}", describe(s), bias ? " bias" : "", places ? "" : " no-places"),
          .args = {output("y", size), stored, workspace("between", s.out_size()),
                   input("x", data.uniform(s.in_size())), input("w", data.uniform(s.weight_size())),
                   bias ? input("bias", data.uniform(s.out_channels)) : absent("bias")},
          .call = [=](const auto& k,
                      Pointers p) { k.conv2d_relu_maxpool_forward(p[0], p[1], p[2], p[3], p[4], p[5], s); },
          .terms = double(s.kernel_height * s.kernel_width * s.in_channels)};
}

Gradient pooled_gradient(const Conv2dShape& s, Accumulate accumulate, bool by_x, bool by_w) {
  Gradient gradient{
      .forward = pooled_case(s, true, true, true), .cotangent = 4, .saved = {{1, 5}}, .gradients = {{5, 2}}};
  if (by_x) gradient.gradients.emplace_back(3, 0);
  if (by_w) gradient.gradients.emplace_back(4, 1);
  Data data("conv2d_relu_maxpool_backward");
  gradient.backward = {
      .kernel = "conv2d_relu_maxpool_backward",
      .options = describe(s) + suffix(accumulate) + (by_x ? " dx" : "") + (by_w ? " dw" : ""),
      .args = {by_x ? gradient_output("dx", accumulate, s.in_size(), data) : absent("dx"),
               by_w ? gradient_output("dw", accumulate, s.weight_size(), data) : absent("dw"),
               gradient_output("dbias", accumulate, s.out_channels, data), workspace("between", s.out_size()),
               input("dy", data.uniform(s.pooled().out_size())),
               raw("places", Role::input, std::vector<uint8_t>{}),
               by_w ? gradient.forward.args[3] : absent("x"), by_x ? gradient.forward.args[4] : absent("w")},
      .call =
          [=](const auto& k, Pointers p) {
            k.conv2d_relu_maxpool_backward(p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], accumulate,
                                           accumulate, accumulate, s);
          },
      .terms = double(std::max(s.kernel_height * s.kernel_width * s.out_channels,
                               s.batch * s.out_height() * s.out_width()))};
  return gradient;
}

constexpr auto square = &Conv2dShape::square;

// Every option against every other, on a plane of unequal sides and channels that fill no vector.
std::vector<Conv2dShape> option_product() {
  std::vector<Conv2dShape> shapes;
  for (const int64_t stride : {1, 2, 3})
    for (const int64_t padding : {0, 1, 2})
      for (const int64_t dilation : {1, 2})
        shapes.push_back({.batch = 2,
                          .in_height = 7,
                          .in_width = 6,
                          .in_channels = 3,
                          .out_channels = 5,
                          .kernel_height = 3,
                          .kernel_width = 2,
                          .stride = stride,
                          .padding = padding,
                          .dilation = dilation});
  return shapes;
}

std::vector<Conv2dShape> odd_shapes() {
  return {
      square(0, 5, 3, 4, 3, 1, 1),      // no image
      square(1, 1, 1, 1, 1, 1, 0),      // one number
      square(1, 1, 2, 3, 3, 1, 1),      // a plane smaller than the window
      square(1, 3, 2, 3, 3, 1, 3),      // windows that see nothing but padding
      square(2, 4, 2, 3, 1, 1, 1),      // a 1x1 window with padding
      square(2, 5, 16, 16, 1, 1, 0),    // 1x1: a plain matrix product
      square(2, 5, 17, 33, 1, 2, 0),    // 1x1 that skips pixels
      square(1, 6, 1, 32, 3, 1, 1),     // grey input
      square(1, 6, 40, 1, 3, 1, 1),     // one output channel
      {2, 3, 40, 5, 9, 1, 5, 1, 2, 1},  // a flat window over a wide plane
      {1, 40, 3, 5, 9, 5, 1, 2, 1, 3},  // an upright one, over a tall plane
      {3, 5, 9, 17, 33, 3, 3, 1, 1, 1}, square(4, 20, 8, 12, 3, 1, 1),  // many pixels for few weights
      {2, 9, 7, 24, 40, 3, 2, 2, 2, 2},  // whole packs of channels under every option
  };
}

std::vector<Conv2dShape> resnet_shapes() {
  return {square(2, 18, 3, 16, 7, 2, 3), square(2, 7, 64, 64, 3, 1, 1), square(1, 14, 32, 64, 3, 2, 1),
          square(2, 14, 64, 96, 1, 2, 0), square(1, 4, 160, 130, 3, 1, 1)};
}

// Tiles of 4x4 outputs: that fit, that stick out along one side or both, in the last group of a chunk or
// alone; blocks of channels that fill their panels and that do not; enough channels for a device to do so.
std::vector<Conv2dShape> tiled_shapes() {
  return {square(3, 16, 32, 64, 3, 1, 1), square(2, 11, 48, 96, 3, 1, 1),  square(1, 12, 256, 32, 3, 1, 2),
          square(1, 9, 64, 32, 3, 1, 0),  square(1, 4, 128, 128, 3, 1, 1), {2, 7, 15, 32, 32, 3, 3, 1, 1, 1}};
}

// Images of three channels: rows that tiles fill and that they do not, more padding than a window sees, a
// window of one column, many images for few weights.
std::vector<Conv2dShape> rgb_shapes() {
  return {square(2, 18, 3, 32, 7, 2, 3),
          square(1, 5, 3, 32, 3, 1, 3),
          {2, 9, 31, 3, 64, 3, 5, 2, 2, 1},
          {1, 17, 3, 3, 32, 2, 1, 1, 0, 1},
          square(20, 6, 3, 32, 3, 2, 0)};
}

// Few of Winograd's tiles, of one kind and of several; more panels than the processor's kernels hold at a
// time; an image whose rows are many strips; a wide window.
std::vector<Conv2dShape> shapes_for_processors() {
  return {square(2, 8, 64, 160, 3, 1, 1),
          square(3, 7, 288, 32, 3, 1, 1),
          square(1, 5, 272, 288, 3, 1, 1),
          square(3, 32, 3, 32, 3, 1, 1),
          {1, 30, 23, 3, 96, 4, 11, 1, 2, 1}};
}

// With a pool: sides that windows fill and that they do not, by tiles, by strips of an image and by neither,
// and so many numbers that the images are taken in groups.
std::vector<Conv2dShape> pooled_shapes() {
  return {
      square(0, 4, 3, 32, 3, 1, 1),     square(2, 5, 2, 3, 2, 1, 0),       {1, 6, 5, 8, 16, 3, 3, 1, 1, 1},
      square(3, 104, 1, 24, 1, 1, 0),   {3, 7, 6, 3, 5, 3, 2, 2, 2, 1},    square(2, 8, 32, 64, 3, 1, 1),
      square(3, 11, 64, 32, 3, 1, 1),   {2, 7, 14, 32, 32, 3, 3, 1, 1, 1}, {1, 9, 6, 48, 32, 3, 3, 1, 0, 1},
      square(3, 7, 288, 32, 3, 1, 1),   square(1, 5, 272, 288, 3, 1, 1),   square(3, 32, 3, 32, 3, 1, 1),
      {2, 9, 31, 3, 64, 3, 5, 2, 2, 1}, {1, 17, 5, 3, 32, 2, 3, 1, 0, 1}};
}

void add_pooled(Suite& suite) {
  for (const Conv2dShape& s : pooled_shapes()) {
    for (const bool bias : {false, true}) suite.cases.push_back(pooled_case(s, bias, bias));
    suite.gradients.push_back(pooled_gradient(s, Accumulate::no, true, true));
    suite.gradients.push_back(pooled_gradient(s, Accumulate::yes, true, true));
    suite.gradients.push_back(pooled_gradient(s, Accumulate::no, true, false));
    suite.gradients.push_back(pooled_gradient(s, Accumulate::no, false, true));
    // A device pools the convolution's result, whatever its algorithm: small planes have all kinds of
    // windows.
    const bool for_processors = s.batch * s.in_height * s.in_width * s.in_channels > 1500;
    for (OpCase& op : std::span(suite.cases).last(2)) op.for_processors = for_processors;
    for (Gradient& gradient : std::span(suite.gradients).last(4))
      gradient.backward.for_processors = for_processors;
  }
}

/// The shape without options and with all, and its gradients.
void add_shape(Suite& suite, const Conv2dShape& s, bool for_processors) {
  suite.cases.push_back(forward_case(s, false, false, false, true));
  suite.cases.push_back(forward_case(s, true, true, true));
  for (const bool whole : {false, true}) {
    const auto accumulate = whole ? Accumulate::yes : Accumulate::no;
    suite.gradients.push_back(data_gradient(s, accumulate, whole));
    suite.gradients.push_back(weight_gradient(s, accumulate, whole));
  }
  for (OpCase& op : std::span(suite.cases).last(2)) op.for_processors = for_processors;
  for (Gradient& gradient : std::span(suite.gradients).last(4))
    gradient.backward.for_processors = for_processors;
}

}  // namespace

void add_conv2d(Suite& suite, Scale scale) {
  constexpr auto no = Accumulate::no, yes = Accumulate::yes;
  if (scale == Scale::bench) {
    for (const Conv2dShape& s : {square(8, 224, 3, 64, 7, 2, 3), square(8, 56, 64, 64, 3, 1, 1),
                                 square(8, 28, 128, 128, 3, 1, 1), square(8, 28, 128, 256, 3, 2, 1),
                                 square(8, 28, 128, 256, 1, 2, 0), square(8, 7, 512, 512, 3, 1, 1)}) {
      suite.cases.push_back(forward_case(s, true, false, true));
      suite.gradients.push_back(data_gradient(s, no));
      suite.gradients.push_back(weight_gradient(s, no));
    }
    return;
  }
  for (const Conv2dShape& s : option_product()) {
    for (int options = 0; options < 8; ++options)
      suite.cases.push_back(forward_case(s, options & 1, options & 2, options & 4));
    for (const Accumulate accumulate : {no, yes}) {
      suite.gradients.push_back(data_gradient(s, accumulate));
      suite.gradients.push_back(weight_gradient(s, accumulate));
    }
  }
  for (const Conv2dShape& s : resnet_shapes())
    for (const char* kernel : {"conv2d_prepare", "conv2d_forward_prepared"})
      suite.cases.push_back(prepared_case(kernel, s));
  std::vector<Conv2dShape> shapes = odd_shapes();
  for (const Conv2dShape& s : resnet_shapes()) shapes.push_back(s);
  for (const Conv2dShape& s : tiled_shapes()) shapes.push_back(s);
  for (const Conv2dShape& s : rgb_shapes()) shapes.push_back(s);
  for (const Conv2dShape& s : shapes) add_shape(suite, s, false);
  for (const Conv2dShape& s : shapes_for_processors()) add_shape(suite, s, true);
  add_pooled(suite);
}

}  // namespace signet::test
