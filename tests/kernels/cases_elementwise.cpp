#include <fmt/format.h>

#include "tests/kernels/suite.h"

namespace signet::test {
namespace {

OpCase fill_case(int64_t n) {
  return {.kernel = "fill",
          .options = fmt::format("n={}", n),
          .args = {output("y", n)},
          .call = [=](const auto& k, Pointers p) { k.fill(p[0], 0.1, n); },
          .exact = true};
}

OpCase add_case(int64_t n) {
  Data data("add");
  return {.kernel = "add",
          .options = fmt::format("n={}", n),
          .args = {output("y", n), input("a", data.uniform(n)), input("b", data.uniform(n))},
          .call = [=](const auto& k, Pointers p) { k.add(p[0], p[1], p[2], n); },
          .exact = true,
          .may_alias = {{0, 1}, {0, 2}}};
}

OpCase to_bf16_case(int64_t n) {
  Data data("to_bf16");
  return {.kernel = "to_bf16",
          .options = fmt::format("n={}", n),
          .args = {raw("y", Role::output, std::vector<BFloat16>(size_t(n))),
                   input("x", data.uniform(n, -1e3, 1e3))},
          .call = [=](const auto& k, Pointers p) { k.to_bf16(p[0], p[1], n); }};
}

OpCase from_bf16_case(int64_t n) {
  Data data("from_bf16");
  std::vector<BFloat16> values;
  for (const double value : data.uniform(n, -1e3, 1e3)) values.emplace_back(float(value));
  return {.kernel = "from_bf16",
          .options = fmt::format("n={}", n),
          .args = {output("y", n), raw("x", Role::input, values)},
          .call = [=](const auto& k, Pointers p) { k.from_bf16(p[0], p[1], n); },
          .exact = true};
}

OpCase sum_of_squares_case(int64_t n) {
  Data data("sum_of_squares");
  return {.kernel = "sum_of_squares",
          .options = fmt::format("n={}", n),
          .args = {output("y", 1), input("x", data.uniform(n))},
          .call = [=](const auto& k, Pointers p) { k.sum_of_squares(p[0], p[1], n); },
          .terms = double(n)};
}

// A linear map that is its own gradient, with what it takes besides.
template <class Kernel>
Gradient self_adjoint(const std::string& name, const std::string& options, int64_t n, Kernel kernel,
                      const std::vector<Arg>& more = {}) {
  Data data(name);
  const auto on = [&](const char* y, const char* x) {
    OpCase op{.kernel = name,
              .options = options,
              .args = {output(y, n), input(x, data.uniform(n))},
              .call = kernel,
              .may_alias = {{0, 1}}};
    op.args.insert(op.args.end(), more.begin(), more.end());
    return op;
  };
  return {.forward = on("y", "x"), .backward = on("dx", "dy"), .cotangent = 1, .gradients = {{1, 0}}};
}

Gradient relu_gradient(int64_t n) {
  Data data("relu");
  const std::string options = fmt::format("n={}", n);
  return {.forward = {.kernel = "relu_forward",
                      .options = options,
                      .args = {output("y", n), input("x", data.uniform(n))},
                      .call = [=](const auto& k, Pointers p) { k.relu_forward(p[0], p[1], n); },
                      .exact = true,
                      .may_alias = {{0, 1}}},
          .backward = {.kernel = "relu_backward",
                       .options = options,
                       .args = {output("dx", n), input("dy", data.uniform(n)), input("y", data.uniform(n))},
                       .call = [=](const auto& k, Pointers p) { k.relu_backward(p[0], p[1], p[2], n); },
                       .exact = true,
                       .may_alias = {{0, 1}}},
          .cotangent = 1,
          .saved = {{0, 2}},
          .gradients = {{1, 0}}};
}

}  // namespace

void add_elementwise(Suite& suite, Scale scale) {
  // The last two reach over several chunks of a threaded loop.
  const std::vector<int64_t> sizes = scale == Scale::test
                                         ? std::vector<int64_t>{0, 1, 3, 17, 64, 1000, 33000, 70001}
                                         : std::vector<int64_t>{1 << 20};
  for (const int64_t n : sizes) {
    suite.cases.push_back(fill_case(n));
    suite.cases.push_back(add_case(n));
    suite.cases.push_back(to_bf16_case(n));
    suite.cases.push_back(from_bf16_case(n));
    suite.cases.push_back(sum_of_squares_case(n));
    suite.gradients.push_back(self_adjoint("scale", fmt::format("n={}", n), n,
                                           [=](const auto& k, Pointers p) { k.scale(p[0], p[1], -0.3, n); }));
    const Gradient relu = relu_gradient(n);
    suite.cases.push_back(relu.forward);
    suite.gradients.push_back(relu);
    for (const double probability : {0.2, 0.5, 0.0}) {
      const PhiloxKey key{.seed = 7, .stream = uint64_t(n) << 32 | 5};
      suite.gradients.push_back(
          self_adjoint("dropout", fmt::format("n={} probability={}", n, probability), n,
                       [=](const auto& k, Pointers p) { k.dropout(p[0], p[1], probability, p[2], n); },
                       {raw("key", Role::input, std::vector<PhiloxKey>{key})}));
      if (scale == Scale::bench) break;
    }
  }
}

}  // namespace signet::test
