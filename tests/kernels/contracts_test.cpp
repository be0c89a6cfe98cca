// Promises of functions.h that no op case expresses: kinks and ties, NaN, large numbers, one kernel against
// another.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <thread>

#include "tests/kernels/compare.h"
#include "tests/kernels/op_checks.h"
#include "tests/kernels/suite.h"
#include "tests/kernels/threads_guard.h"

using namespace signet;
using namespace signet::test;

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
using Values = std::vector<double>;

/// Calls check(backend) for every backend of float activations and of bfloat16 ones.
template <class Check>
void for_each_backend(const Check& check) {
  for (const Backend<float>& backend : float_backends()) {
    CAPTURE(backend.name);
    check(backend);
  }
  for (const Backend<BFloat16>& backend : bf16_backends()) {
    CAPTURE("bf16 " + backend.name);
    check(backend);
  }
}

OpCase conv2d_case(const Values& x, const Values& w, const Conv2dShape& s, bool relu) {
  return {.kernel = "conv2d_forward",
          .args = {output("y", s.out_size()), input("x", x), input("w", w)},
          .call = [=](const auto& k, Pointers p) {
            k.conv2d_forward(p[0], p[1], p[2], nullptr, nullptr, relu, s);
          }};
}

struct Pooled {
  Values y;
  std::vector<int32_t> index;
};

template <class act>
Pooled maxpool(const Backend<act>& backend, const Values& x, const Pool2dShape& s, bool relu = false) {
  const auto n = size_t(s.out_size());
  const OpCase op{
      .kernel = "maxpool_forward",
      .args = {output("y", s.out_size()), raw("index", Role::output, std::vector<int32_t>(n)), input("x", x)},
      .call = [=](const auto& k, Pointers p) { k.maxpool_forward(p[0], p[1], p[2], relu, s); }};
  Prepared<act> prepared(op, backend, Placement::exact);
  prepared.call();
  Pooled pooled{prepared.values(0), std::vector<int32_t>(n)};
  std::memcpy(pooled.index.data(), prepared.bytes(1).data(), n * sizeof(int32_t));
  return pooled;
}

struct Loss {
  double loss;
  Values p, dlogits;
};

Loss cross_entropy(const Backend<float>& backend, const Values& logits, const std::vector<int32_t>& target) {
  const auto rows = int64_t(target.size()), classes = int64_t(logits.size()) / rows;
  const Arg targets = raw("target", Role::input, target);
  const OpCase forward{
      .args = {output("loss", 1), output("p", rows * classes), input("logits", logits), targets},
      .call = [=](const auto& k, Pointers p) {
        k.cross_entropy_forward(p[0], p[1], p[2], p[3], nullptr, 0, rows, classes);
      }};
  const auto result = run(forward, backend);
  const OpCase backward{
      .args = {output("dlogits", rows * classes), input("dloss", {1}), input("p", result[1]), targets},
      .call = [=](const auto& k, Pointers p) {
        k.cross_entropy_backward(p[0], p[1], p[2], p[3], nullptr, 0, rows, classes);
      }};
  return {result[0][0], result[1], run(backward, backend)[0]};
}

}  // namespace

TEST_CASE("prepared weights give the bits of those they were made from, in batches of any size") {
  for (const auto& [size, in, out, kernel, stride] : std::vector<std::array<int64_t, 5>>{{18, 3, 32, 7, 2},
                                                                                         {12, 64, 64, 3, 1},
                                                                                         {7, 272, 288, 3, 1},
                                                                                         {9, 32, 48, 3, 2},
                                                                                         {9, 17, 33, 1, 2}}) {
    const auto prepared_for = Conv2dShape::square(1, size, in, out, kernel, stride, kernel / 2);
    for (const int64_t batch : {1, 3}) {
      Conv2dShape s = prepared_for;
      s.batch = batch;
      Data data("prepared");
      const OpCase op{
          .kernel = "conv2d_prepare",
          .args = {output("y", s.out_size()), output("y", s.out_size()),
                   input("x", data.uniform(s.in_size())), input("w", data.uniform(s.weight_size())),
                   workspace("prepared", s.prepared_bytes())},
          .call = [=](const auto& k, Pointers p) {
            k.conv2d_forward(p[0], p[2], p[3], nullptr, nullptr, true, s);
            k.conv2d_prepare(p[4], p[3], prepared_for);
            k.conv2d_forward_prepared(p[1], p[2], p[4], nullptr, nullptr, true, s);
          }};
      CAPTURE(kernel);
      CAPTURE(batch);
      for_each_backend([&](const auto& backend) {
        const auto values = run(op, backend);
        CHECK(values[0] == values[1]);
        CHECK(std::none_of(values[0].begin(), values[0].end(), [](double v) { return std::isnan(v); }));
      });
    }
  }
}

TEST_CASE(
    "a convolution with a pool is the convolution and the pool, bit for bit, and so are its gradients") {
  for (const Conv2dShape& s :
       {Conv2dShape::square(2, 8, 32, 64, 3, 1, 1), Conv2dShape::square(3, 11, 64, 32, 3, 1, 1),
        Conv2dShape::square(3, 7, 288, 32, 3, 1, 1), Conv2dShape::square(3, 32, 3, 32, 3, 1, 1),
        Conv2dShape{2, 9, 31, 3, 64, 3, 5, 2, 2, 1}, Conv2dShape{2, 11, 13, 3, 64, 5, 3, 1, 1, 1},
        Conv2dShape{2, 12, 9, 3, 32, 3, 7, 1, 3, 1}, Conv2dShape::square(2, 5, 2, 3, 2, 1, 0)}) {
    CAPTURE(s.in_height);
    CAPTURE(s.in_channels);
    const Pool2dShape pool = s.pooled();
    Data data("pooled");
    Values x = data.uniform(s.in_size());
    x[0] = kNaN;
    const auto count = size_t(pool.out_size());
    const OpCase forward{
        .kernel = "conv2d_relu_maxpool_forward",
        .args = {output("y", pool.out_size()), raw("places", Role::output, std::vector<uint8_t>(count)),
                 workspace("between", s.out_size()), input("x", x), input("w", data.uniform(s.weight_size())),
                 input("bias", data.uniform(s.out_channels)), output("y", pool.out_size()),
                 raw("index", Role::output, std::vector<int32_t>(count))},
        .call = [=](const auto& k, Pointers p) {
          k.conv2d_relu_maxpool_forward(p[0], p[1], p[2], p[3], p[4], p[5], s);
          k.conv2d_forward(p[2], p[3], p[4], p[5], nullptr, false, s);
          k.maxpool_forward(p[6], p[7], p[2], true, pool);
        }};
    for_each_backend([&]<class act>(const Backend<act>& backend) {
      Prepared<act> called(forward, backend, Placement::exact);
      called.call();
      CHECK(difference(called.bytes(0), called.bytes(6)) == "");
      std::vector<uint8_t> places(count), fused(count);
      std::vector<int32_t> index(count);
      std::memcpy(fused.data(), called.bytes(1).data(), count);
      std::memcpy(index.data(), called.bytes(7).data(), count * sizeof(int32_t));
      for (size_t i = 0; i < count; ++i) {
        const int64_t row = index[i] / pool.in_width, column = index[i] % pool.in_width;
        places[i] = index[i] < 0 ? 255 : uint8_t(row % 2 * 2 + column % 2);
      }
      if constexpr (std::is_same_v<act, float>) CHECK(fused == places);
      const OpCase backward{
          .kernel = "conv2d_relu_maxpool_backward",
          .args = {output("dx", s.in_size()), output("dw", s.weight_size()),
                   workspace("between", s.out_size()), input("dy", data.uniform(pool.out_size())),
                   raw("places", Role::input, places), raw("index", Role::input, index),
                   input("x", data.uniform(s.in_size())), forward.args[4], output("dx", s.in_size()),
                   output("dw", s.weight_size())},
          .call = [=](const auto& k, Pointers p) {
            constexpr auto no = Accumulate::no;
            k.conv2d_relu_maxpool_backward(p[0], p[1], nullptr, p[2], p[3], p[4], p[6], p[7], no, no, no, s);
            k.maxpool_backward(p[2], p[3], p[5], pool);
            k.conv2d_backward_data(p[8], p[2], p[7], no, s);
            k.conv2d_backward_weight(p[9], p[2], p[6], no, s);
          }};
      Prepared<act> gradients(backward, backend, Placement::exact);
      gradients.call();
      CHECK(difference(gradients.bytes(0), gradients.bytes(8)) == "");
      // Processors may add up a colour image's windows in float instead of its pixels, in another order: of
      // at most 768 products up to 1, whose sums err by some root of 768 units of 2^-24 of sums up to 60.
      const bool by_windows =
          backend.on_processor && std::is_same_v<act, float> && s.in_channels == 3 && s.stride == 1;
      if (!by_windows) CHECK(difference(gradients.bytes(1), gradients.bytes(9)) == "");
      const Values dw = gradients.values(1), separate = gradients.values(9);
      for (size_t i = 0; i < dw.size(); ++i) CHECK(std::abs(dw[i] - separate[i]) <= 1e-4);
    });
  }
}

TEST_CASE("relu at zero, below it and at NaN") {
  const OpCase forward{.kernel = "relu_forward",
                       .args = {output("y", 5), input("x", {-1, 0, -0.0, kNaN, kInfinity})},
                       .call = [](const auto& k, Pointers p) { k.relu_forward(p[0], p[1], 5); }};
  const OpCase backward{.kernel = "relu_backward",
                        .args = {output("dx", 3), input("dy", {1, 2, 3}), input("y", {0, -0.0, 5})},
                        .call = [](const auto& k, Pointers p) { k.relu_backward(p[0], p[1], p[2], 3); }};
  for_each_backend([&](const auto& backend) {
    const Values y = run(forward, backend)[0];
    CHECK(y[0] == 0);
    CHECK(y[1] == 0);
    CHECK(y[2] == 0);
    CHECK(std::isnan(y[3]));
    CHECK(y[4] == kInfinity);
    CHECK(run(backward, backend)[0] == Values{0, 0, 3});
  });
}

TEST_CASE("NaN comes through the fused ReLU of convolution and batchnorm") {
  const Conv2dShape s{.in_height = 3,
                      .in_width = 3,
                      .in_channels = 2,
                      .out_channels = 17,
                      .kernel_height = 1,
                      .kernel_width = 1};
  Values x(18, 1), w(34, -1);
  x[8] = kNaN;  // the middle pixel
  const OpCase conv = conv2d_case(x, w, s, true);
  const OpCase norm{.kernel = "batchnorm_forward_eval",
                    .args = {output("y", 18), input("x", x), input("one", {1, 1}), input("zero", {0, 0})},
                    .call = [](const auto& k, Pointers p) {
                      k.batchnorm_forward_eval(p[0], p[1], p[2], p[3], p[3], p[2], nullptr, true, 0, 9, 2);
                    }};
  for_each_backend([&](const auto& backend) {
    const Values y = run(conv, backend)[0];
    for (size_t i = 0; i < y.size(); ++i) CHECK((i / 17 == 4 ? std::isnan(y[i]) : y[i] == 0));
    const Values z = run(norm, backend)[0];
    for (size_t i = 0; i < z.size(); ++i) CHECK((i == 8 ? std::isnan(z[i]) : z[i] == 1));
  });
}

TEST_CASE("an image's convolution has the same bits in every batch") {
  for (Conv2dShape s :
       {Conv2dShape{5, 7, 6, 3, 5, 3, 3, 2, 1, 1}, Conv2dShape{3, 14, 14, 32, 48, 3, 3, 1, 1, 1},
        Conv2dShape{7, 3, 3, 64, 33, 3, 3, 1, 1, 1}, Conv2dShape{9, 5, 5, 40, 20, 1, 1, 1, 0, 1},
        Conv2dShape{20, 7, 6, 32, 32, 3, 3, 1, 1, 1}, Conv2dShape{6, 5, 7, 272, 32, 3, 3, 1, 1, 1}}) {
    Data data("batch");
    const Values x = data.uniform(s.in_size()), w = data.uniform(s.weight_size());
    Conv2dShape one = s;
    one.batch = 1;
    for_each_backend([&](const auto& backend) {
      const auto all = output_bytes(conv2d_case(x, w, s, false), backend)[0];
      const auto size = all.size() / size_t(s.batch);
      for (int64_t b = 0; b < s.batch; ++b) {
        const auto begin = x.begin() + b * one.in_size();
        const OpCase alone = conv2d_case(Values(begin, begin + one.in_size()), w, one, false);
        CHECK(difference(output_bytes(alone, backend)[0], std::span(all).subspan(size_t(b) * size, size)) ==
              "");
      }
    });
  }
}

TEST_CASE("batchnorm keeps its accuracy far from zero") {
  // Mean 1000 and deviation 1: E[x^2] - E[x]^2 would lose all but one digit of the variance in float.
  constexpr int64_t rows = 20000, channels = 3;
  Data data("far");
  const Values x = data.uniform(rows * channels, 1000 - std::sqrt(3.0), 1000 + std::sqrt(3.0));
  const OpCase op{
      .args = {output("y", rows * channels), output("mean", channels), output("inv_std", channels),
               in_out("running_mean", {0, 0, 0}), in_out("running_var", {0, 0, 0}), input("x", x),
               input("weight", {1, 1, 1}), input("bias", {0, 0, 0})},
      .call = [](const auto& k, Pointers p) {
        k.batchnorm_forward_train(p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], nullptr, false, 1, 0, rows,
                                  channels);
      }};
  const auto exact = run(op, reference_backend<double>());
  for (const Backend<float>& backend : float_backends()) {
    CAPTURE(backend.name);
    const auto result = run(op, backend);
    // The mean may be off by two of float's spacings at 1000, 6e-5 each, and the outputs, of deviation 1,
    // with it. The variance is a float sum of 20000 squares: 1e-5 is sqrt(20000) roundings.
    CHECK(difference(result[0], exact[0], 2e-4) == "");
    CHECK(difference(result[1], exact[1], 1.3e-4) == "");
    CHECK(difference(result[2], exact[2], 1e-5) == "");
    CHECK(difference(result[4], exact[4], 1e-5) == "");
  }
}

TEST_CASE("running statistics take the unbiased variance, but that of one row as it is") {
  const auto op = [](const Values& x) {
    const auto rows = int64_t(x.size());
    return OpCase{.args = {output("y", rows), output("mean", 1), output("inv_std", 1), in_out("mean", {10}),
                           in_out("var", {20}), input("x", x), input("weight", {1}), input("bias", {0})},
                  .call = [=](const auto& k, Pointers p) {
                    k.batchnorm_forward_train(p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], nullptr, false,
                                              0.25, 1, rows, 1);
                  }};
  };
  for (const Backend<float>& backend : float_backends()) {
    CAPTURE(backend.name);
    const auto two = run(op({1, 5}), backend);  // mean 3, biased variance 4, unbiased 8
    CHECK(two[1][0] == 3);
    CHECK(two[2][0] == doctest::Approx(1 / std::sqrt(5.0)));
    CHECK(two[3][0] == doctest::Approx(0.75 * 10 + 0.25 * 3));
    CHECK(two[4][0] == doctest::Approx(0.75 * 20 + 0.25 * 8));
    const auto one = run(op({5}), backend);
    CHECK(one[0][0] == 0);
    CHECK(one[3][0] == doctest::Approx(0.75 * 10 + 0.25 * 5));
    CHECK(one[4][0] == doctest::Approx(0.75 * 20));
  }
}

TEST_CASE("a folded convolution is the convolution followed by its batchnorm") {
  const Conv2dShape s{2, 6, 5, 3, 7, 3, 3, 1, 1, 1};
  Data data("fold");
  const Values x = data.uniform(s.in_size()), w = data.uniform(s.weight_size()), conv_bias = data.uniform(7),
               weight = data.uniform(7), bias = data.uniform(7), mean = data.uniform(7),
               var = data.uniform(7, 0.1, 2);
  const auto convolution = [&](const Values& filters, const Values& biases) {
    return OpCase{
        .args = {output("y", s.out_size()), input("x", x), input("w", filters), input("bias", biases)},
        .call = [=](const auto& k, Pointers p) {
          k.conv2d_forward(p[0], p[1], p[2], p[3], nullptr, false, s);
        }};
  };
  const Backend<double> backend = reference_backend<double>();
  const Values y = run(convolution(w, conv_bias), backend)[0];
  const OpCase norm{.args = {output("z", s.out_size()), input("y", y), input("weight", weight),
                             input("bias", bias), input("mean", mean), input("var", var)},
                    .call = [=](const auto& k, Pointers p) {
                      k.batchnorm_forward_eval(p[0], p[1], p[2], p[3], p[4], p[5], nullptr, false, 1e-5,
                                               s.out_size() / 7, 7);
                    }};
  const OpCase fold{
      .args = {output("w", s.weight_size()), output("bias", 7), input("w", w), input("conv_bias", conv_bias),
               input("weight", weight), input("bias", bias), input("mean", mean), input("var", var)},
      .call = [=](const auto& k, Pointers p) {
        k.batchnorm_fold(p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], 1e-5, 7, s.weight_size() / 7);
      }};
  const auto folded = run(fold, backend);
  CHECK(difference(run(convolution(folded[0], folded[1]), backend)[0], run(norm, backend)[0], 1e-12) == "");
}

TEST_CASE("maxpool: the first of equals wins, NaN wins over all, padding never, ReLU cuts what is not NaN") {
  // One channel, and as many as fill a vector and leave one over.
  for (const int64_t channels : {1, 17}) {
    const Pool2dShape s{
        .in_height = 4, .in_width = 4, .channels = channels, .kernel = 3, .stride = 2, .padding = 1};
    const auto in_each = [&]<class T>(const std::vector<T>& pixels) {
      std::vector<T> all;
      for (const T& pixel : pixels) all.insert(all.end(), size_t(channels), pixel);
      return all;
    };
    const auto first = in_each(std::vector<int32_t>{0, 1, 4, 5});  // the windows' first places in the plane
    const auto with_nan = in_each(std::vector<int32_t>{0, 6, 4, 6});
    Values one_nan(16, 1);
    one_nan[6] = kNaN;
    one_nan = in_each(one_nan);
    for_each_backend([&](const auto& backend) {
      const auto pooled = [&](double value, bool relu) {
        return maxpool(backend, in_each(Values(16, value)), s, relu);
      };
      for (const double value : {3.0, 0.0, -3.0, -kInfinity}) {
        CHECK(pooled(value, false).y == in_each(Values(4, value)));
        CHECK(pooled(value, false).index == first);
      }
      for (const double value : {0.0, -0.0, -3.0, -kInfinity}) {
        CHECK(pooled(value, true).y == in_each(Values(4, 0)));
        CHECK(pooled(value, true).index == in_each(std::vector<int32_t>(4, -1)));
      }
      CHECK(pooled(3, true).y == in_each(Values(4, 3)));
      CHECK(pooled(3, true).index == first);
      for (const bool relu : {false, true}) {
        const Pooled p = maxpool(backend, one_nan, s, relu);
        CHECK(p.index == with_nan);
        for (size_t i = 0; i < p.y.size(); ++i) {
          const bool sees_it = with_nan[i] == 6;
          CHECK((sees_it ? std::isnan(p.y[i]) : p.y[i] == 1));
        }
      }
    });
  }
}

TEST_CASE("cross-entropy of logits of 1e4") {
  for (const Backend<float>& backend : float_backends()) {
    CAPTURE(backend.name);
    // Right without doubt: loss and gradient vanish, exactly. Wrong without doubt: the distance of the
    // logits.
    const Loss right = cross_entropy(backend, {1e4, 0, -1e4, -1e4, 0, 1e4}, {0, 2});
    CHECK(right.loss == 0);
    CHECK(right.p == Values{1, 0, 0, 0, 0, 1});
    CHECK(right.dlogits == Values(6, 0));
    const Loss wrong = cross_entropy(backend, {1e4, 0, -1e4}, {2});
    CHECK(wrong.loss == 2e4);
    CHECK(wrong.dlogits == Values{1, 0, -1});
    // Undecided, far from zero: log 3.
    for (const double logit : {1e4, -1e4}) {
      const Loss equal = cross_entropy(backend, Values(3, logit), {1});
      CHECK(equal.loss == doctest::Approx(std::log(3.0)).epsilon(1e-6));
      CHECK(difference(equal.p, Values(3, 1.0 / 3), 1e-7) == "");
    }
  }
}

TEST_CASE("softmax of large logits sums to one") {
  Data data("softmax");
  const Values logits = data.uniform(36, -1e4, 1e4);
  const OpCase op{.args = {output("p", 36), input("logits", logits)},
                  .call = [](const auto& k, Pointers p) { k.softmax_forward(p[0], p[1], 1, 36); }};
  for (const Backend<float>& backend : float_backends()) {
    const Values p = run(op, backend)[0];
    CHECK(std::accumulate(p.begin(), p.end(), 0.0) == doctest::Approx(1).epsilon(1e-6));
  }
}

TEST_CASE("two threads may run kernels at the same time") {
  const ThreadsGuard guard;
  set_num_threads(2);
  const Backend<float> backend = cpu_backends().front();
  const Suite suite = [] {
    Suite s;
    add_conv2d(s, Scale::test);
    add_batchnorm(s, Scale::test);
    return s;
  }();
  const auto caller = [&](std::vector<std::vector<std::vector<std::byte>>>& results) {
    for (const OpCase& op : suite.cases) results.push_back(output_bytes(op, backend));
  };
  std::vector<std::vector<std::vector<std::byte>>> alone, first, second;
  caller(alone);
  std::thread other([&] { caller(second); });
  caller(first);
  other.join();
  CHECK(first == alone);
  CHECK(second == alone);
}
