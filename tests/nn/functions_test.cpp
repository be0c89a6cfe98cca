// The functions against central differences of the reference kernels' results: what the tape wires together,
// whatever the kernels behind it (those have tests of their own).

#include "nn/functions.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <stdexcept>
#include <utility>

#include "tensor/error.h"
#include "tensor/launch.h"

namespace signet {
namespace {

Tensor random(const Shape& shape, uint64_t stream, bool leaf = true) {
  Tensor t = Tensor::empty(shape);
  cpu::random_normal(t.data(), 0, 1, {11, stream}, t.size());
  t.set_requires_grad(leaf);
  return t;
}

/// <f(inputs), cotangent>, summed in double.
double projected(const std::function<Tensor()>& f, const Tensor& cotangent) {
  const NoGrad no_grad;
  const Tensor y = f();
  double sum = 0;
  for (int64_t i = 0; i < y.size(); ++i) sum += double(y.data()[i]) * double(cotangent.data()[i]);
  return sum;
}

/// Compares the gradient of every input with central differences along a random direction.
void check_gradients(const std::function<Tensor()>& f, const std::vector<Tensor>& inputs) {
  const Tensor y = f();
  const Tensor cotangent = random(y.shape(), 1000, false);
  backward(y, cotangent);
  uint64_t stream = 2000;
  for (const Tensor& input : inputs) {
    REQUIRE(input.grad().defined());
    const Tensor direction = random(input.shape(), ++stream, false);
    const Tensor before = input.clone();
    // Steps of float32 kernels: h = 1e-2 leaves a rounding error of about 1e-7 / 1e-2 and a truncation error
    // of h^2.
    const double h = 1e-2;
    const auto moved = [&](double step) {
      for (int64_t i = 0; i < input.size(); ++i) {
        input.data()[i] = float(double(before.data()[i]) + step * double(direction.data()[i]));
      }
      return projected(f, cotangent);
    };
    const double numeric = (moved(h) - moved(-h)) / (2 * h);
    input.copy_from(before);
    double analytic = 0, scale = 0;
    for (int64_t i = 0; i < input.size(); ++i) {
      const double term = double(input.grad().data()[i]) * double(direction.data()[i]);
      analytic += term;
      scale += std::abs(term);
    }
    CHECK(std::abs(analytic - numeric) <= 2e-3 * scale);
    CHECK(scale > 0);
  }
}

TEST_CASE("linear in bfloat16 is exact where bfloat16 is, forward and backward") {
  // Small whole numbers: their products and sums have eight bits or fewer.
  const auto whole = [](const Shape& shape, int64_t step) {
    Tensor t = Tensor::empty(shape);
    for (int64_t i = 0; i < t.size(); ++i) t.data()[i] = float(i * step % 5 - 2);
    t.set_requires_grad(true);
    return t;
  };
  const Shape x_shape{3, 6};
  const auto step = [&](DType dtype) {
    const Tensor x = whole(x_shape, 3), weight = whole({4, 6}, 7), bias = whole({4}, 2);
    const Tensor y = nn::cast(nn::linear(nn::cast(x, dtype), weight, bias), DType::f32);
    const Tensor cotangent = whole({3, 4}, 11).detach();
    backward(y, cotangent);
    return std::vector{y.to_vector(), x.grad().to_vector(), weight.grad().to_vector(),
                       bias.grad().to_vector()};
  };
  CHECK(step(DType::bf16) == step(DType::f32));
  const Tensor x = nn::cast(whole(x_shape, 3), DType::bf16);
  CHECK(nn::linear(x, whole({4, 6}, 7), {}).dtype() == DType::bf16);
}

TEST_CASE("gradients of functions reach every input") {
  const Tensor x = random({2, 5, 4, 3}, 1), w = random({4, 3, 3, 3}, 2), b = random({4}, 3);
  SUBCASE("conv2d") {
    check_gradients([&] { return nn::conv2d(x, w, b, {2, 1, 1}); }, {x, w, b});
  }
  SUBCASE("conv2d_relu_maxpool") {
    check_gradients([&] { return nn::conv2d_relu_maxpool(x, w, b, {1, 1, 1}); }, {x, w, b});
  }
  SUBCASE("linear") {
    const Tensor rows = random({5, 7}, 4), weight = random({6, 7}, 5), bias = random({6}, 6);
    check_gradients([&] { return nn::linear(rows, weight, bias); }, {rows, weight, bias});
  }
  SUBCASE("batchnorm in both modes, with a residual") {
    const nn::BatchNormTensors bn{random({3}, 7), random({3}, 8), random({3}, 9, false),
                                  Tensor::full({3}, 0.7)};
    const Tensor residual = random(x.shape(), 10);
    check_gradients([&] { return nn::batchnorm_train(x, bn, residual, false, 0, 1e-5); },
                    {x, residual, bn.weight, bn.bias});
    for (const Tensor& t : {x, residual, bn.weight, bn.bias}) t.clear_grad();
    check_gradients([&] { return nn::batchnorm_eval(x, bn, residual, false, 1e-5); },
                    {x, residual, bn.weight, bn.bias});
  }
  SUBCASE("dropout draws the same mask for the gradient") {
    const Tensor key = nn::key_tensor({5, 6});
    check_gradients([&] { return nn::dropout(x, 0.4, key); }, {x});
    const Tensor y = nn::dropout(x, 0.4, key);
    key.copy_from(nn::key_tensor({5, 7}));
    CHECK_THROWS_WITH_AS(backward(y, Tensor::full(y.shape(), 1)), doctest::Contains("key was changed"),
                         std::invalid_argument);
  }
  SUBCASE("pooling, flatten, add") {
    check_gradients(
        [&] { return nn::add(nn::flatten(nn::maxpool(x, 2, 2, 0)), nn::flatten(nn::maxpool(x, 2, 2, 0))); },
        {x});
    x.clear_grad();
    check_gradients([&] { return nn::global_avgpool(x); }, {x});
  }
  SUBCASE("cross-entropy with smoothing and class weights") {
    const Tensor logits = random({4, 3}, 12);
    const Tensor target = Tensor::from(std::vector<int32_t>{0, 2, 1, 2}, {4});
    const Tensor weight = Tensor::from(std::vector<float>{1, 2, 0.5f}, {3});
    check_gradients([&] { return nn::cross_entropy(logits, target, 0.1, weight); }, {logits});
  }
}

TEST_CASE("convolution, ReLU and pool in one: the same without the image between them") {
  const Tensor x = random({5, 64, 128, 3}, 1), w = random({32, 3, 3, 3}, 2), b = random({32}, 3);
  struct Result {
    Tensor y, dx, dw, db;
    int64_t peak;
  };
  const auto result_of = [&](const auto& f) {
    for (const Tensor& t : {x, w, b}) t.clear_grad();
    reset_peak_memory();
    const int64_t before = memory_statistics().in_use;
    const Tensor y = f();
    backward(y, random(y.shape(), 4, false));
    return Result{y, x.grad(), w.grad(), b.grad(), memory_statistics().peak - before};
  };
  const auto separate = [&] { return nn::maxpool(nn::conv2d(x, w, b, {1, 1, 1}), 2, 2, 0, true); };
  const auto together = [&] { return nn::conv2d_relu_maxpool(x, w, b, {1, 1, 1}); };
  const Result fused = result_of(together), apart = result_of(separate);
  CHECK(fused.y.to_vector() == apart.y.to_vector());
  CHECK(fused.dx.to_vector() == apart.dx.to_vector());
  CHECK(fused.peak + (int64_t{4} << 20) < apart.peak);  // what lies between has 5 MB
  // Windows change the order of sums of 40960 terms of size 1.
  for (const auto& [one, other] : {std::pair{fused.dw, apart.dw}, {fused.db, apart.db}})
    for (int64_t i = 0; i < one.size(); ++i) CHECK(std::abs(one.data()[i] - other.data()[i]) <= 1e-3);

  const Tensor none = Tensor::empty({0, 8, 8, 3});
  w.clear_grad();
  backward(nn::conv2d_relu_maxpool(none, w, b, {1, 1, 1}), Tensor::empty({0, 4, 4, 32}));
  CHECK(w.grad().to_vector() == std::vector<float>(size_t(w.size()), 0));
}

TEST_CASE("each input decides for itself whether its gradient is computed") {
  const auto launched = [](bool x_needs, bool w_needs) {
    const Tensor x = random({1, 4, 4, 2}, 1, x_needs), w = random({3, 3, 3, 2}, 2, w_needs);
    reset_launch_counts();
    backward(nn::conv2d(x, w, {}, {1, 1, 1}), Tensor::full({1, 4, 4, 3}, 1));
    auto counts = launch_counts();
    return std::pair(counts["conv2d_backward_data"], counts["conv2d_backward_weight"]);
  };
  CHECK(launched(true, true) == std::pair<int64_t, int64_t>(1, 1));
  CHECK(launched(true, false) == std::pair<int64_t, int64_t>(1, 0));
  CHECK(launched(false, true) == std::pair<int64_t, int64_t>(0, 1));
}

TEST_CASE("what does not fit is refused with both shapes") {
  const Tensor x = random({1, 4, 4, 2}, 1), w = random({3, 3, 3, 5}, 2);
  CHECK_THROWS_WITH_AS(nn::conv2d(x, w, {}, {}), doctest::Contains("[1, 4, 4, 2]"), std::invalid_argument);
  CHECK_THROWS_WITH_AS(nn::conv2d(x, w, {}, {}), doctest::Contains("[3, 3, 3, 5]"), std::invalid_argument);
  CHECK_THROWS_AS(nn::conv2d(x, random({3, 7, 7, 2}, 3), {}, {1, 1, 1}), std::invalid_argument);
  CHECK_THROWS_AS(nn::linear(random({2, 3}, 4), random({2, 4}, 5), {}), std::invalid_argument);
  CHECK_THROWS_AS(nn::maxpool(x, 2, 1, 2), std::invalid_argument);
  CHECK_THROWS_AS(nn::dropout(x, 1, nn::key_tensor({})), std::invalid_argument);
  const Tensor logits = random({2, 3}, 6);
  CHECK_THROWS_AS(nn::cross_entropy(logits, Tensor::from(std::vector<int32_t>{0, 3}, {2})),
                  std::invalid_argument);
  const nn::BatchNormTensors bn{random({2}, 7), random({2}, 8), random({2}, 9), Tensor::full({2}, 1)};
  CHECK_THROWS_WITH_AS(nn::batchnorm_train(random({1, 1, 1, 2}, 10), bn, {}, false, 0.1, 1e-5),
                       doctest::Contains("larger batch"), Error);
  CHECK_THROWS_AS(nn::conv2d_inference(x, random({3, 3, 3, 2}, 11), {}, {}, true, {}), std::logic_error);
}

TEST_CASE("softmax rows sum to one") {
  const Tensor p = nn::softmax(random({5, 9}, 1, false));
  for (int row = 0; row < 5; ++row) {
    double sum = 0;
    for (int c = 0; c < 9; ++c) sum += double(p.data()[row * 9 + c]);
    CHECK(std::abs(sum - 1) <= 1e-6);
  }
}

}  // namespace
}  // namespace signet
