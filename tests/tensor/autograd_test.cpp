#include "tensor/autograd.h"

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>
#include <utility>

#include "tensor/launch.h"

namespace signet {
namespace {

Tensor leaf(std::vector<float> values) {
  Tensor t = Tensor::from(values, {int64_t(values.size())});
  t.set_requires_grad(true);
  return t;
}

/// y = factor * x, recorded.
Tensor scaled(const Tensor& x, double factor) {
  Tensor y = Tensor::empty(x.shape());
  SIGNET_LAUNCH(x.device(), scale, y.data(), x.data(), factor, x.size());
  const Gradient dx = gradient_of(x);
  record("scaled", y, {dx}, [dx, factor](const Tensor& dy) {
    Tensor result = Tensor::empty(dy.shape());
    SIGNET_LAUNCH(dy.device(), scale, result.data(), dy.data(), factor, dy.size());
    dx.add(result);
  });
  return y;
}

Tensor sum(const Tensor& a, const Tensor& b) {
  Tensor y = Tensor::empty(a.shape());
  SIGNET_LAUNCH(a.device(), add, y.data(), a.data(), b.data(), a.size());
  const Gradient da = gradient_of(a), db = gradient_of(b);
  record("sum", y, {da, db}, [da, db](const Tensor& dy) {
    if (da) da.add(dy);
    if (db) db.add(dy);
  });
  return y;
}

TEST_CASE("a chain and a diamond") {
  const Tensor x = leaf({1, 2});
  const Tensor a = scaled(x, 3), b = scaled(x, 5);
  // d/dx of 2 (3x + 5x) + 3x is 19; the diamond's paths have different lengths.
  backward(sum(scaled(sum(a, b), 2), a), Tensor::from(std::vector<float>{1, 10}, {2}));
  CHECK(x.grad().to_vector() == std::vector<float>{19, 190});
}

TEST_CASE("a tensor used twice by one op gets both gradients") {
  const Tensor x = leaf({1});
  backward(sum(x, x));
  CHECK(x.grad().item() == 2);
}

TEST_CASE("gradients that share a buffer do not write into one another") {
  const Tensor x = leaf({1}), z = leaf({1});
  // sum() hands the same gradient to both inputs; x then gets more.
  backward(sum(sum(x, z), scaled(x, 4)));
  CHECK(x.grad().item() == 5);
  CHECK(z.grad().item() == 1);
}

TEST_CASE("a target that another slot shares is copied before it is added to") {
  const Tensor x = leaf({1}), z = leaf({1});
  const Tensor shared = Tensor::full({1}, 1);
  gradient_of(x).add(shared);
  gradient_of(z).add(shared);
  const auto [buffer, accumulate] = gradient_of(x).target({1}, {});
  CHECK(accumulate == Accumulate::yes);
  buffer.data()[0] += 7;
  CHECK(x.grad().item() == 8);
  CHECK(z.grad().item() == 1);
}

TEST_CASE("gradients of two passes add up until they are cleared") {
  const Tensor x = leaf({1});
  backward(scaled(x, 3));
  backward(scaled(x, 3));
  CHECK(x.grad().item() == 6);
  x.clear_grad();
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("nothing is recorded for what needs no gradient") {
  const Tensor constant = Tensor::full({1}, 2);
  CHECK_FALSE(scaled(constant, 3).requires_grad());
  const Tensor x = leaf({1});
  {
    const NoGrad no_grad;
    CHECK_FALSE(scaled(x, 3).requires_grad());
  }
  CHECK(scaled(x, 3).requires_grad());
  CHECK_THROWS_AS(backward(constant), std::logic_error);
}

TEST_CASE("a used tape refuses a second pass") {
  const Tensor y = scaled(leaf({1}), 3);
  backward(y);
  CHECK_THROWS_WITH_AS(backward(y), doctest::Contains("scaled"), std::logic_error);
}

TEST_CASE("a root of several elements needs a cotangent") {
  CHECK_THROWS_AS(backward(scaled(leaf({1, 2}), 3)), std::logic_error);
}

TEST_CASE("what an op saved is freed as soon as its gradient is done") {
  const Tensor x = leaf({1});
  auto first = std::make_shared<int>(1), second = std::make_shared<int>(2);
  const auto observed = [](const Tensor& input, std::shared_ptr<int> saved, std::function<void()> during) {
    Tensor y = Tensor::full(input.shape(), 1);
    const Gradient dx = gradient_of(input);
    record("observed", y, {dx}, [dx, saved, during](const Tensor& dy) {
      during();
      dx.add(dy);
    });
    return y;
  };
  long held_by_later = -1;
  const std::weak_ptr<int> later = second;
  Tensor a = observed(x, first, [&] { held_by_later = later.use_count(); });
  Tensor b = observed(a, std::exchange(second, nullptr), [] {});
  backward(b);
  // While the earlier op's gradient ran, the later op had let go of what it saved.
  CHECK(held_by_later == 0);
  CHECK(first.use_count() == 1);
}

}  // namespace
}  // namespace signet
