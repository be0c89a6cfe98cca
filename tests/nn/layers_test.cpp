#include "nn/layers.h"

#include <doctest/doctest.h>

#include <cmath>

#include "nn/init.h"
#include "tensor/launch.h"

namespace signet {
namespace {

struct Block : nn::Module {
  nn::Conv2d conv{3, 4, 3, {1, 1, 1}, false};
  nn::BatchNorm2d bn{4};
  nn::Dropout dropout{0.5}, dropout2{0.5};
  Block() {
    add_module("conv", conv);
    add_module("bn", bn);
    add_module("dropout", dropout);
    add_module("dropout2", dropout2);
    nn::initialize_resnet(*this, {1, 2});
    cpu::random_normal(bn.running_mean.data(), 0, 1, {3, 4}, 4);
    cpu::random_uniform(bn.running_var.data(), 0.5, 2, {5, 6}, 4);
    cpu::random_normal(bn.weight.data(), 1, 1, {7, 8}, 4);
  }
};

Tensor image(uint64_t stream = 1) {
  Tensor x = Tensor::empty({2, 6, 5, 3});
  cpu::random_normal(x.data(), 0, 1, {9, stream}, x.size());
  return x;
}

double difference(const Tensor& a, const Tensor& b) {
  double sum = 0;
  for (int64_t i = 0; i < a.size(); ++i) sum += std::abs(double(a.data()[i]) - double(b.data()[i]));
  return sum / double(a.size());
}

TEST_CASE("names, counts and order of parameters and buffers") {
  Block block;
  std::vector<std::string> names;
  for (const auto& p : block.parameters()) names.push_back(p.name);
  for (const auto& b : block.buffers()) names.push_back(b.name);
  CHECK(names ==
        std::vector<std::string>{"conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"});
  CHECK(block.parameter_count() == 4 * 9 * 3 + 8);
  block.bn.set_trainable(false);
  CHECK(block.parameter_count(true) == 4 * 9 * 3);
}

TEST_CASE("trainable, statistics and mode are three separate facts") {
  Block block;
  block.set_trainable(false);
  block.set_training(false);
  block.set_training(true);
  CHECK_FALSE(block.conv.weight.requires_grad());  // train() does not unfreeze
  block.set_batch_statistics(false);
  CHECK(block.training());
  CHECK_FALSE(block.bn.uses_batch_statistics());
  block.set_trainable(true);
  CHECK_FALSE(block.bn.uses_batch_statistics());  // unfreezing does not move statistics
}

TEST_CASE("fixed statistics stay the same to the bit, batch statistics move") {
  Block block;
  const auto mean = block.bn.running_mean.to_vector(), var = block.bn.running_var.to_vector();
  block.set_batch_statistics(false);
  nn::conv_bn(image(), block.conv, block.bn);
  CHECK(block.bn.running_mean.to_vector() == mean);
  CHECK(block.bn.running_var.to_vector() == var);
  CHECK(block.bn.batches_tracked == 0);
  block.set_batch_statistics(true);
  nn::conv_bn(image(), block.conv, block.bn);
  CHECK(block.bn.running_mean.to_vector() != mean);
  CHECK(block.bn.batches_tracked == 1);
  block.set_training(false);
  nn::conv_bn(image(), block.conv, block.bn);
  CHECK(block.bn.batches_tracked == 1);
}

TEST_CASE("the fused form agrees with the layers one by one, and launches one kernel") {
  Block block;
  block.set_training(false);
  Tensor residual = Tensor::empty({2, 6, 5, 4});
  cpu::random_normal(residual.data(), 0, 1, {10, 1}, residual.size());
  for (const bool relu : {false, true}) {
    const Tensor one_by_one = nn::conv_bn(image(), block.conv, block.bn, residual, relu);
    CHECK(one_by_one.requires_grad());
    const NoGrad no_grad;
    block.conv.weight.mark_modified();
    const Tensor fused = nn::conv_bn(image(), block.conv, block.bn, residual, relu);
    // The fold rounds each weight once more.
    CHECK(difference(fused, one_by_one) <= 1e-6);
    // A second small batch of such images has the weights prepared, and a third finds them so.
    nn::conv_bn(image(), block.conv, block.bn, residual, relu);
    reset_launch_counts();
    const Tensor prepared = nn::conv_bn(image(), block.conv, block.bn, residual, relu);
    CHECK(launch_counts() == std::map<std::string, int64_t>{{"conv2d_forward_prepared", 1}});
    CHECK(prepared.to_vector() == fused.to_vector());
  }
}

TEST_CASE("weights are prepared for the second small batch of images of one size") {
  Block block;
  block.set_training(false);
  const NoGrad no_grad;
  const auto launched = [&](int64_t batch, int64_t height) {
    Tensor x = Tensor::empty({batch, height, 5, 3});
    cpu::random_normal(x.data(), 0, 1, {9, 9}, x.size());
    reset_launch_counts();
    const Tensor y = nn::conv_bn(x, block.conv, block.bn);
    const auto counts = launch_counts();
    CHECK(difference(y, block.bn.forward(block.conv.forward(x))) <= 1e-6);
    return counts;
  };
  CHECK(launched(2, 6).contains("conv2d_forward"));
  CHECK(launched(3, 6).contains("conv2d_prepare"));
  CHECK_FALSE(launched(2, 6).contains("conv2d_prepare"));
  CHECK(launched(2, 9).contains("conv2d_forward"));  // other images
  CHECK(launched(2, 9).contains("conv2d_prepare"));
  CHECK(launched(9, 9).contains("conv2d_forward"));  // a large batch lets go of the prepared weights
  CHECK(launched(2, 9).contains("conv2d_forward"));
  CHECK(launched(2, 9).contains("conv2d_prepare"));
  block.conv.weight.copy_from(Tensor::full(block.conv.weight.shape(), 0.5));
  launched(2, 9);
}

TEST_CASE("before a pool the largest images are made a few at a time, with the same bits") {
  Block block;
  block.set_training(false);
  const NoGrad no_grad;
  Tensor x = Tensor::empty({5, 700, 400, 3});
  cpu::random_normal(x.data(), 0, 1, {9, 7}, x.size());
  const auto peak_of = [&](const auto& infer) {
    reset_peak_memory();
    const int64_t before = memory_statistics().in_use;
    const auto values = infer().to_vector();
    return std::pair(values, memory_statistics().peak - before);
  };
  const auto [whole, whole_peak] =
      peak_of([&] { return nn::maxpool(nn::conv_bn(x, block.conv, block.bn, {}, true), 3, 2, 1); });
  const auto [parts, parts_peak] =
      peak_of([&] { return nn::conv_bn_relu_maxpool(x, block.conv, block.bn, 3, 2, 1); });
  CHECK(parts == whole);
  CHECK(2 * parts_peak < whole_peak);
}

TEST_CASE("an activation between batchnorm and convolution is computed again, with the same gradients") {
  for (const bool batch_statistics : {true, false}) {
    CAPTURE(batch_statistics);
    const auto gradients = [&](bool keeps) {
      nn::Conv2d conv(4, 8, 3, {1, 1, 1}, false);
      nn::BatchNorm2d bn(4);
      cpu::random_normal(conv.weight.data(), 0, 1, {9, 1}, conv.weight.size());
      cpu::random_normal(bn.weight.data(), 0, 1, {9, 2}, 4);
      cpu::random_normal(bn.bias.data(), 0, 1, {9, 3}, 4);
      bn.set_training(batch_statistics);
      Tensor x = Tensor::empty({2, 40, 30, 4}), cotangent = Tensor::empty({2, 40, 30, 8});
      cpu::random_normal(x.data(), 0, 1, {9, 4}, x.size());
      cpu::random_normal(cotangent.data(), 0, 1, {9, 5}, cotangent.size());
      x.set_requires_grad(true);
      // A residual of zeros changes nothing, but has the activation kept.
      const Tensor residual = keeps ? Tensor::zeros(x.shape()) : Tensor();
      const int64_t before = memory_statistics().in_use;
      const Tensor z = conv.forward(bn.forward(x, residual, true));
      const int64_t kept = memory_statistics().in_use - before - z.size() * int64_t(sizeof(float));
      CHECK((kept >= x.size() * int64_t(sizeof(float))) == keeps);
      const auto mean = bn.running_mean.to_vector();
      backward(z, cotangent);
      CHECK(bn.running_mean.to_vector() == mean);
      // z, twice as large as x, the gradients of x and of the parameters, and nothing else.
      CHECK(memory_statistics().in_use < before + 7 * x.size() * int64_t(sizeof(float)) / 2);
      std::vector<std::vector<float>> all;
      for (const Tensor& t : {x, conv.weight, bn.weight, bn.bias}) all.push_back(t.grad().to_vector());
      return all;
    };
    CHECK(gradients(true) == gradients(false));
  }
}

TEST_CASE("the fold follows every change of weights and statistics") {
  Block block;
  block.set_training(false);
  const NoGrad no_grad;
  for (const Tensor& changed :
       {block.conv.weight, block.bn.weight, block.bn.bias, block.bn.running_mean, block.bn.running_var}) {
    const Tensor before = nn::conv_bn(image(), block.conv, block.bn).clone();
    changed.copy_from(Tensor::full(changed.shape(), 0.5));
    const Tensor after = nn::conv_bn(image(), block.conv, block.bn);
    CHECK(difference(before, after) > 1e-3);
    CHECK(difference(after, block.bn.forward(block.conv.forward(image()))) <= 1e-6);
  }
}

TEST_CASE("dropout: identity in evaluation, its own mask a layer, the same mask a key") {
  Block block;
  const Tensor x = Tensor::full({1000}, 1);
  block.set_training(false);
  CHECK(block.dropout.forward(x).to_vector() == x.to_vector());
  block.set_training(true);
  block.set_random_key({1, 1});
  const auto first = block.dropout.forward(x).to_vector();
  CHECK(block.dropout.forward(x).to_vector() == first);
  CHECK(block.dropout2.forward(x).to_vector() != first);
  block.set_random_key({1, 2});
  CHECK(block.dropout.forward(x).to_vector() != first);
}

TEST_CASE("initialisation: ranges, deviations, and independence of other layers") {
  Tensor w = Tensor::empty({64, 3, 3, 32});
  nn::kaiming_normal_fan_out(w, {1, 1});
  double squares = 0;
  for (const float v : w.to_vector()) squares += double(v) * double(v);
  // Deviation sqrt(2 / (9 * 64)); 18432 draws estimate it to about 0.5%.
  CHECK(std::sqrt(squares / double(w.size())) == doctest::Approx(std::sqrt(2.0 / 576)).epsilon(0.02));
  nn::Linear linear(100, 50);
  nn::initialize_defaults(linear, {1, 1});
  float largest = 0;
  for (const float v : linear.weight.to_vector()) largest = std::max(largest, std::abs(v));
  CHECK(largest <= 0.1f);
  CHECK(largest > 0.099f);
  nn::xavier_uniform(linear.weight, {1, 1});
  largest = 0;
  for (const float v : linear.weight.to_vector()) largest = std::max(largest, std::abs(v));
  CHECK(largest <= 0.2f);
  CHECK(largest > 0.198f);
  Block a, b;
  CHECK(a.conv.weight.to_vector() == b.conv.weight.to_vector());
  nn::initialize_resnet(b, {1, 3});
  CHECK(a.conv.weight.to_vector() != b.conv.weight.to_vector());
}

}  // namespace
}  // namespace signet
