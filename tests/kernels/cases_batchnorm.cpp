#include <fmt/format.h>

#include "tests/kernels/suite.h"

namespace signet::test {
namespace {

constexpr double kEps = 1e-5;

struct Options {
  bool relu = false, residual = false;
  bool running = true;             // the running statistics are kept
  bool dx = true, dweight = true;  // gradients asked for
  Accumulate accumulate = Accumulate::no;

  std::string label(int64_t rows, int64_t channels) const {
    return fmt::format("rows={} channels={}{}{}{}{}{}{}", rows, channels, relu ? " relu" : "",
                       residual ? " residual" : "", running ? "" : " no-running", dx ? "" : " no-dx",
                       dweight ? "" : " no-dweight", suffix(accumulate));
  }
};

/// The outputs that both backward kernels begin with.
std::vector<Arg> gradient_args(const Options& o, int64_t rows, int64_t channels, Data& data) {
  const auto affine = [&](const char* name) {
    return o.dweight ? gradient_output(name, o.accumulate, channels, data) : absent(name);
  };
  std::vector<Arg> args{o.dx ? output("dx", rows * channels) : absent("dx"),
                        o.residual ? output("dresidual", rows * channels) : absent("dresidual")};
  args.push_back(affine("dweight"));
  args.push_back(affine("dbias"));
  args.push_back(input("dy", data.uniform(rows * channels)));
  return args;
}

std::vector<std::pair<int, int>> backward_aliases(const Options& o) {
  std::vector<std::pair<int, int>> aliases;
  if (o.dx) aliases.push_back({0, 4});
  if (o.residual) aliases.push_back({1, 4});
  return aliases;
}

std::vector<std::pair<int, int>> forward_aliases(const Options& o, int x, int residual) {
  std::vector<std::pair<int, int>> aliases{{0, x}};
  if (o.residual) aliases.push_back({0, residual});
  return aliases;
}

Gradient train_gradient(int64_t rows, int64_t channels, const Options& o) {
  Data data("batchnorm train");
  const std::string label = o.label(rows, channels);
  const Arg x = input("x", data.uniform(rows * channels, -2, 3)),
            weight = input("weight", data.uniform(channels, 0.5, 2)),
            bias = input("bias", data.uniform(channels));
  Gradient gradient{
      .cotangent = 4, .saved = {{0, 6}, {1, 8}, {2, 9}}, .gradients = {{5, 0}, {8, 1}, {6, 2}, {7, 3}}};
  gradient.forward = {
      .kernel = "batchnorm_forward_train",
      .options = label,
      .args = {output("y", rows * channels), output("saved_mean", channels),
               output("saved_inv_std", channels),
               o.running ? in_out("running_mean", data.uniform(channels)) : absent("running_mean"),
               o.running ? in_out("running_var", data.uniform(channels, 0.5, 2)) : absent("running_var"), x,
               weight, bias,
               o.residual ? input("residual", data.uniform(rows * channels)) : absent("residual")},
      .call =
          [=](const auto& k, Pointers p) {
            k.batchnorm_forward_train(p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8], o.relu, 0.1, kEps,
                                      rows, channels);
          },
      .terms = double(rows),
      .may_alias = forward_aliases(o, 5, 8)};
  gradient.backward = {.kernel = "batchnorm_backward_train",
                       .options = label,
                       .args = gradient_args(o, rows, channels, data),
                       .call =
                           [=](const auto& k, Pointers p) {
                             k.batchnorm_backward_train(p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8],
                                                        p[9], o.relu, o.accumulate, rows, channels);
                           },
                       .terms = double(rows),
                       .may_alias = backward_aliases(o)};
  for (const Arg& arg : {x, o.relu ? input("y", {}) : absent("y"), weight, input("saved_mean", {}),
                         input("saved_inv_std", {})})
    gradient.backward.args.push_back(arg);
  return gradient;
}

Gradient eval_gradient(int64_t rows, int64_t channels, const Options& o) {
  Data data("batchnorm eval");
  const std::string label = o.label(rows, channels);
  const Arg x = input("x", data.uniform(rows * channels, -2, 3)),
            weight = input("weight", data.uniform(channels, 0.5, 2)),
            bias = input("bias", data.uniform(channels)),
            mean = input("running_mean", data.uniform(channels)),
            var = input("running_var", data.uniform(channels, 0.5, 2));
  Gradient gradient{.cotangent = 4, .saved = {{0, 6}}, .gradients = {{1, 0}, {6, 1}, {2, 2}, {3, 3}}};
  gradient.forward = {
      .kernel = "batchnorm_forward_eval",
      .options = label,
      .args = {output("y", rows * channels), x, weight, bias, mean, var,
               o.residual ? input("residual", data.uniform(rows * channels)) : absent("residual")},
      .call =
          [=](const auto& k, Pointers p) {
            k.batchnorm_forward_eval(p[0], p[1], p[2], p[3], p[4], p[5], p[6], o.relu, kEps, rows, channels);
          },
      .may_alias = forward_aliases(o, 1, 6)};
  gradient.backward = {.kernel = "batchnorm_backward_eval",
                       .options = label,
                       .args = gradient_args(o, rows, channels, data),
                       .call =
                           [=](const auto& k, Pointers p) {
                             k.batchnorm_backward_eval(p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8],
                                                       p[9], kEps, o.relu, o.accumulate, rows, channels);
                           },
                       .terms = double(rows),
                       .may_alias = backward_aliases(o)};
  for (const Arg& arg :
       {o.dweight ? x : absent("x"), o.relu ? input("y", {}) : absent("y"), weight, mean, var})
    gradient.backward.args.push_back(arg);
  return gradient;
}

OpCase fold_case(int64_t out_channels, int64_t filter_size, bool conv_bias) {
  Data data("batchnorm_fold");
  return {.kernel = "batchnorm_fold",
          .options = fmt::format("out_channels={} filter_size={}{}", out_channels, filter_size,
                                 conv_bias ? " conv_bias" : ""),
          .args = {output("w_folded", out_channels * filter_size), output("bias_folded", out_channels),
                   input("w", data.uniform(out_channels * filter_size)),
                   conv_bias ? input("conv_bias", data.uniform(out_channels)) : absent("conv_bias"),
                   input("weight", data.uniform(out_channels)), input("bias", data.uniform(out_channels)),
                   input("running_mean", data.uniform(out_channels)),
                   input("running_var", data.uniform(out_channels, 0, 2))},
          .call = [=](const auto& k, Pointers p) {
            k.batchnorm_fold(p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], kEps, out_channels, filter_size);
          }};
}

void add_both(Suite& suite, int64_t rows, int64_t channels, const Options& o) {
  if (rows > 0) suite.gradients.push_back(train_gradient(rows, channels, o));  // no statistics of no rows
  suite.gradients.push_back(eval_gradient(rows, channels, o));
}

}  // namespace

void add_batchnorm(Suite& suite, Scale scale) {
  if (scale == Scale::bench) {
    for (const Options& o : {Options{.relu = true}, Options{.relu = true, .residual = true}})
      add_both(suite, 6272, 128, o);
    add_both(suite, 100352, 64, {.relu = true});
    suite.cases.push_back(fold_case(512, 4608, false));
  } else {
    struct Rows {
      int64_t rows, channels;
    };
    for (const auto& [rows, channels] : {Rows{1, 3}, {2, 1}, {7, 5}, {50, 33}, {64, 16}, {3, 200}})
      for (int bits = 0; bits < 8; ++bits)
        add_both(suite, rows, channels,
                 {.relu = bool(bits & 1),
                  .residual = bool(bits & 2),
                  .running = bool(bits & 1),
                  .accumulate = Accumulate(bool(bits & 4))});
    for (const bool relu : {false, true})
      for (const bool residual : {false, true})
        for (const bool dx : {false, true})
          for (const bool dweight : {false, true})
            add_both(suite, 9, 7, {.relu = relu, .residual = residual, .dx = dx, .dweight = dweight});
    for (const auto& [rows, channels] : {Rows{0, 4}, {300, 64}, {5000, 3}, {2500, 40}})
      add_both(suite, rows, channels, {.relu = true, .residual = true, .accumulate = Accumulate::yes});
    for (const bool conv_bias : {false, true})
      for (const auto& [out_channels, filter] : {Rows{1, 1}, {5, 27}, {64, 147}, {33, 288}})
        suite.cases.push_back(fold_case(out_channels, filter, conv_bias));
  }
  for (const Gradient& gradient : std::vector<Gradient>(suite.gradients))
    if (gradient.forward.kernel.starts_with("batchnorm")) suite.cases.push_back(gradient.forward);
}

}  // namespace signet::test
