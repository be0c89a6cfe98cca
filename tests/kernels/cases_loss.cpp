#include <fmt/format.h>

#include "tests/kernels/suite.h"

namespace signet::test {
namespace {

OpCase softmax_case(int64_t rows, int64_t cols) {
  Data data("softmax");
  return {.kernel = "softmax_forward",
          .options = fmt::format("rows={} cols={}", rows, cols),
          .args = {output("p", rows * cols), input("logits", data.uniform(rows * cols, -6, 6))},
          .call = [=](const auto& k, Pointers p) { k.softmax_forward(p[0], p[1], rows, cols); },
          .terms = double(cols)};
}

Gradient cross_entropy_gradient(int64_t rows, int64_t classes, double smoothing, bool weighted) {
  Data data("cross_entropy");
  const std::string options =
      fmt::format("rows={} classes={} smoothing={}{}", rows, classes, smoothing, weighted ? " weighted" : "");
  const Arg target = raw("target", Role::input, data.labels(rows, classes));
  const Arg weight = weighted ? input("class_weight", data.uniform(classes, 0.2, 2)) : absent("class_weight");
  return {.forward = {.kernel = "cross_entropy_forward",
                      .options = options,
                      .args = {output("loss", 1), output("p", rows * classes),
                               input("logits", data.uniform(rows * classes, -6, 6)), target, weight},
                      .call =
                          [=](const auto& k, Pointers p) {
                            k.cross_entropy_forward(p[0], p[1], p[2], p[3], p[4], smoothing, rows, classes);
                          },
                      .terms = double(rows + classes)},
          .backward = {.kernel = "cross_entropy_backward",
                       .options = options,
                       .args = {output("dlogits", rows * classes), input("dloss", data.uniform(1, 0.5, 2)),
                                input("p", {}), target, weight},
                       .call =
                           [=](const auto& k, Pointers p) {
                             k.cross_entropy_backward(p[0], p[1], p[2], p[3], p[4], smoothing, rows, classes);
                           },
                       .terms = double(rows + classes)},
          .cotangent = 1,
          .saved = {{1, 2}},
          .gradients = {{2, 0}}};
}

}  // namespace

void add_loss(Suite& suite, Scale scale) {
  struct Shape {
    int64_t rows, cols;
  };
  if (scale == Scale::bench) {
    suite.cases.push_back(softmax_case(256, 1000));
    suite.gradients.push_back(cross_entropy_gradient(256, 1000, 0.1, false));
    suite.cases.push_back(suite.gradients.back().forward);
    return;
  }
  for (const auto& [rows, cols] :
       {Shape{0, 3}, {1, 1}, {1, 2}, {5, 36}, {7, 17}, {2, 64}, {3, 1000}, {400, 36}})
    suite.cases.push_back(softmax_case(rows, cols));
  for (const auto& [rows, classes] : {Shape{1, 1}, {1, 2}, {5, 36}, {32, 36}, {3, 1000}, {300, 7}}) {
    for (const double smoothing : {0.0, 0.1}) {
      for (const bool weighted : {false, true}) {
        suite.gradients.push_back(cross_entropy_gradient(rows, classes, smoothing, weighted));
        suite.cases.push_back(suite.gradients.back().forward);
      }
    }
  }
}

}  // namespace signet::test
