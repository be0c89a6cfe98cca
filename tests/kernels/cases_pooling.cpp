#include <fmt/format.h>

#include "tests/kernels/suite.h"

namespace signet::test {
namespace {

// Whole numbers give ties, which the first of a window must win; but a tie has no derivative.
OpCase maxpool_case(const Pool2dShape& s, bool index, bool whole, bool relu = false) {
  Data data("maxpool");
  return {.kernel = "maxpool_forward",
          .options = fmt::format("[{}x{}x{}x{}] kernel={} stride={} padding={}{}{}{}", s.batch, s.in_height,
                                 s.in_width, s.channels, s.kernel, s.stride, s.padding,
                                 index ? "" : " no-index", whole ? " whole" : "", relu ? " relu" : ""),
          .args = {output("y", s.out_size()),
                   index ? raw("index", Role::output, std::vector<int32_t>(size_t(s.out_size())))
                         : absent("index"),
                   input("x", whole ? data.whole(s.in_size(), -2, relu ? 1 : 0)
                                    : data.uniform(s.in_size(), -2, relu ? 1 : -1))},
          .call = [=](const auto& k, Pointers p) { k.maxpool_forward(p[0], p[1], p[2], relu, s); },
          .exact = true};
}

Gradient maxpool_gradient(const Pool2dShape& s, bool relu) {
  Gradient gradient{.forward = maxpool_case(s, true, false, relu),
                    .cotangent = 1,
                    .saved = {{1, 2}},
                    .gradients = {{2, 0}}};
  Data data("maxpool_backward");
  gradient.backward = {.kernel = "maxpool_backward",
                       .options = gradient.forward.options,
                       .args = {output("dx", s.in_size()), input("dy", data.uniform(s.out_size())),
                                raw("index", Role::input, std::vector<int32_t>{})},
                       .call = [=](const auto& k, Pointers p) { k.maxpool_backward(p[0], p[1], p[2], s); },
                       .terms = double(s.kernel * s.kernel)};
  return gradient;
}

Gradient avgpool_gradient(int64_t batch, int64_t pixels, int64_t channels) {
  Data data("global_avgpool");
  const std::string options = fmt::format("batch={} pixels={} channels={}", batch, pixels, channels);
  return {
      .forward = {.kernel = "global_avgpool_forward",
                  .options = options,
                  .args = {output("y", batch * channels),
                           input("x", data.uniform(batch * pixels * channels))},
                  .call = [=](const auto& k,
                              Pointers p) { k.global_avgpool_forward(p[0], p[1], batch, pixels, channels); },
                  .terms = double(pixels)},
      .backward = {.kernel = "global_avgpool_backward",
                   .options = options,
                   .args = {output("dx", batch * pixels * channels),
                            input("dy", data.uniform(batch * channels))},
                   .call =
                       [=](const auto& k, Pointers p) {
                         k.global_avgpool_backward(p[0], p[1], batch, pixels, channels);
                       }},
      .cotangent = 1,
      .gradients = {{1, 0}}};
}

}  // namespace

void add_pooling(Suite& suite, Scale scale) {
  const std::vector<Pool2dShape> pools =
      scale == Scale::bench
          ? std::vector<Pool2dShape>{{8, 112, 112, 64, 3, 2, 1}}
          : std::vector<Pool2dShape>{{0, 4, 4, 3, 2, 2, 0},    {1, 1, 1, 1, 1, 1, 0},  {2, 7, 5, 3, 2, 2, 0},
                                     {2, 7, 5, 17, 3, 2, 1},   {1, 6, 6, 16, 3, 1, 1}, {2, 5, 8, 1, 2, 1, 1},
                                     {1, 8, 7, 5, 3, 3, 0},    {1, 9, 6, 4, 4, 2, 2},  {2, 1, 1, 6, 3, 2, 1},
                                     {2, 14, 14, 64, 3, 2, 1}, {1, 5, 5, 40, 1, 2, 0}, {2, 6, 8, 48, 2, 2, 0},
                                     {1, 7, 5, 32, 2, 2, 0}};
  for (const Pool2dShape& s : pools) {
    suite.cases.push_back(maxpool_case(s, true, false));
    suite.gradients.push_back(maxpool_gradient(s, false));
    if (scale == Scale::bench) continue;
    suite.cases.push_back(maxpool_case(s, false, false));
    suite.cases.push_back(maxpool_case(s, true, true));
    for (const bool whole : {false, true}) suite.cases.push_back(maxpool_case(s, true, whole, true));
    suite.gradients.push_back(maxpool_gradient(s, true));
  }
  struct Shape {
    int64_t batch, pixels, channels;
  };
  const std::vector<Shape> shapes =
      scale == Scale::bench
          ? std::vector<Shape>{{32, 49, 512}}
          : std::vector<Shape>{{0, 3, 2}, {1, 1, 1}, {3, 5, 7}, {2, 49, 64}, {2, 196, 33}, {5, 2, 512}};
  for (const auto& [batch, pixels, channels] : shapes) {
    suite.gradients.push_back(avgpool_gradient(batch, pixels, channels));
    suite.cases.push_back(suite.gradients.back().forward);
  }
}

}  // namespace signet::test
