#include <fmt/format.h>

#include "tests/kernels/suite.h"

namespace signet::test {
namespace {

struct GemmShape {
  int64_t m, n, k;
};

Transpose flip(Transpose t) {
  return t == Transpose::yes ? Transpose::no : Transpose::yes;
}

OpCase gemm_case(GemmShape s, Transpose ta, Transpose tb, Accumulate accumulate, bool whole) {
  const int64_t m = s.m, n = s.n, k = s.k;
  Data data("gemm");
  const auto values = [&](int64_t size) { return whole ? data.whole(size) : data.uniform(size); };
  return {
      .kernel = "gemm",
      .options = fmt::format("m={} n={} k={}{}{}{}{}", m, n, k, ta == Transpose::yes ? " A^T" : "",
                             tb == Transpose::yes ? " B^T" : "", suffix(accumulate), whole ? " whole" : ""),
      .args = {gradient_output("c", accumulate, m * n, data), input("a", values(m * k)),
               input("b", values(k * n))},
      .call = [=](const auto& f, Pointers p) { f.gemm(p[0], p[1], p[2], ta, tb, m, n, k, accumulate); },
      .terms = double(k),
      .exact = whole,
      .flops = 2.0 * double(m * n * k)};
}

// dA = dC op(B)^T and dB = op(A)^T dC, each transposed as a whole where its operand is stored transposed.
Gradient gemm_gradient(GemmShape s, Transpose ta, Transpose tb, Accumulate accumulate, bool by_a) {
  const auto [m, n, k] = s;
  Gradient gradient{.forward = gemm_case(s, ta, tb, Accumulate::no, false)};
  Data data("gemm gradient");
  const Arg dc = input("dc", data.uniform(m * n));
  if (by_a) {
    const bool turned = ta == Transpose::yes;
    gradient.backward = turned ? gemm_case({k, m, n}, tb, Transpose::yes, accumulate, false)
                               : gemm_case({m, k, n}, Transpose::no, flip(tb), accumulate, false);
    gradient.cotangent = turned ? 2 : 1;
    gradient.backward.args[turned ? 1 : 2] = gradient.forward.args[2];
    gradient.gradients = {{1, 0}};
  } else {
    const bool turned = tb == Transpose::yes;
    gradient.backward = turned ? gemm_case({n, k, m}, Transpose::yes, ta, accumulate, false)
                               : gemm_case({k, n, m}, flip(ta), Transpose::no, accumulate, false);
    gradient.cotangent = turned ? 1 : 2;
    gradient.backward.args[turned ? 2 : 1] = gradient.forward.args[1];
    gradient.gradients = {{2, 0}};
  }
  gradient.backward.args[size_t(gradient.cotangent)] = dc;
  return gradient;
}

Gradient rows_gradient(int64_t rows, int64_t cols, Accumulate accumulate, bool whole) {
  Data data("rows");
  const std::string options = fmt::format("rows={} cols={}", rows, cols);
  return {
      .forward = {.kernel = "broadcast_rows",
                  .options = options,
                  .args = {output("y", rows * cols), input("x", data.uniform(cols))},
                  .call = [=](const auto& k, Pointers p) { k.broadcast_rows(p[0], p[1], rows, cols); },
                  .exact = true},
      .backward = {.kernel = "sum_rows",
                   .options = options + suffix(accumulate) + (whole ? " whole" : ""),
                   .args = {gradient_output("y", accumulate, cols, data),
                            input("x", whole ? data.whole(rows * cols) : data.uniform(rows * cols))},
                   .call = [=](const auto& k, Pointers p) { k.sum_rows(p[0], p[1], rows, cols, accumulate); },
                   .terms = double(rows),
                   .exact = whole},
      .cotangent = 1,
      .gradients = {{1, 0}}};
}

}  // namespace

void add_matrices(Suite& suite, Scale scale) {
  constexpr auto no = Transpose::no, yes = Transpose::yes;
  if (scale == Scale::bench) {
    for (const GemmShape s : {GemmShape{256, 256, 256}, {32, 36, 512}, {784, 128, 1152}, {512, 512, 512}})
      suite.cases.push_back(gemm_case(s, no, yes, Accumulate::no, false));
    suite.gradients.push_back(rows_gradient(6272, 128, Accumulate::no, false));
    suite.cases.push_back(suite.gradients.back().forward);
    return;
  }
  const std::vector<GemmShape> shapes = {{0, 3, 2},      {3, 0, 2},      {2, 3, 0},     {1, 1, 1},
                                         {5, 7, 3},      {16, 16, 16},   {17, 33, 65},  {33, 31, 1},
                                         {1, 36, 512},   {36, 1, 40},    {32, 36, 96},  {7, 200, 600},
                                         {150, 9, 1100}, {197, 65, 300}, {40, 150, 300}};
  for (const GemmShape s : shapes)
    for (const Transpose ta : {no, yes})
      for (const Transpose tb : {no, yes})
        for (const Accumulate accumulate : {Accumulate::no, Accumulate::yes})
          for (const bool whole : {false, true})
            suite.cases.push_back(gemm_case(s, ta, tb, accumulate, whole));
  for (const Transpose ta : {no, yes})
    for (const Transpose tb : {no, yes})
      for (const bool by_a : {false, true})
        suite.gradients.push_back(
            gemm_gradient({5, 7, 3}, ta, tb, by_a ? Accumulate::yes : Accumulate::no, by_a));

  struct Rows {
    int64_t rows, cols;
  };
  for (const auto& [rows, cols] :
       {Rows{0, 3}, {3, 0}, {1, 1}, {7, 5}, {129, 33}, {1000, 36}, {5000, 3}, {20000, 17}}) {
    for (const Accumulate accumulate : {Accumulate::no, Accumulate::yes})
      for (const bool whole : {false, true})
        suite.gradients.push_back(rows_gradient(rows, cols, accumulate, whole));
    suite.cases.push_back(suite.gradients.back().forward);
  }
}

}  // namespace signet::test
