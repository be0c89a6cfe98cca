// Training on the device: the CPU's losses, the same bits every time, graph or not, and the CPU's launches.

#include <algorithm>
#include <cmath>

#include "kernels/cuda/runtime.h"
#include "nn/precision.h"
#include "tensor/autograd.h"
#include "tensor/launch.h"
#include "tests/device/device.h"
#include "tests/device/hands.h"

namespace signet::test {
namespace {

constexpr int kBatch = 12;

using Counts = std::map<std::string, int64_t>;

void check_same(const std::map<std::string, std::vector<float>>& a,
                const std::map<std::string, std::vector<float>>& b) {
  REQUIRE(a.size() == b.size());
  for (const auto& [name, values] : a) CHECK_MESSAGE(same_bits(values, b.at(name)), name);
}

/// While it lives, what --precision bf16 sets.
struct InBf16 {
  InBf16() {
    nn::set_activation_type(DType::bf16);
    cuda::set_matrix_math(cuda::MatrixMath::bf16);
  }
  ~InBf16() {
    nn::set_activation_type(DType::f32);
    cuda::set_matrix_math(cuda::MatrixMath::f32);
  }
  InBf16(const InBf16&) = delete;
  InBf16& operator=(const InBf16&) = delete;
};

/// Of twenty steps on five batches in turn.
std::vector<double> losses(Device device) {
  Training training(device, "conv1");
  training.adam = optim::make_adam(training.adam->parameters(), {.eps = 1e-3});
  std::vector<double> all;
  for (int i = 0; i < 20; ++i) all.push_back(training.step(Hands(kBatch, uint64_t(i % 5), device), 3e-4));
  return all;
}

double worst_error(const std::vector<double>& actual, const std::vector<double>& expected) {
  REQUIRE(actual.size() == expected.size());
  double worst = 0;
  for (size_t i = 0; i < actual.size(); ++i)
    worst = std::max(worst, std::abs(actual[i] - expected[i]) / expected[i]);
  return worst;
}

// Adam divides by the root of the squared gradient, so that with the usual eps of 1e-8 a gradient that is
// rounding alone moves its weight a whole step in a direction of chance: two orders of summation then part
// after ten steps, on the CPU's own instruction sets too. With an eps far above rounding they stay within
// 1e-6.
TEST_CASE("twenty steps give the CPU's losses within 1e-4, and twice the same bits") {
  const auto expected = losses({}), actual = losses(kCuda);
  const double worst = worst_error(actual, expected);
  MESSAGE("worst relative error of a loss: ", worst);
  CHECK(worst <= 1e-4);
  CHECK(expected.back() < 0.8 * expected.front());  // it does learn
  CHECK(losses(kCuda) == actual);
}

// From image to logits an activation is rounded 36 times and weights 17 times, each by at most u = 2^-8 of
// what it is. Taken as independent, as they are from one device to the other where sums have another order
// and the CPU's Winograd other operands, they move a logit by u sqrt(53) = 2.8%, of two runs by 4%, and so
// about the losses; half as much again is for the weights, which part over the steps.
TEST_CASE("twenty steps in bfloat16 give the CPU's losses within 6%, and twice the same bits") {
  const InBf16 in_bf16;
  CHECK(Training(kCuda, "conv1").network->forward(Hands(2, 1, kCuda).x, 0, 2).dtype() == DType::bf16);
  const auto expected = losses({}), actual = losses(kCuda);
  const double worst = worst_error(actual, expected);
  MESSAGE("worst relative error of a loss: ", worst);
  CHECK(worst <= 0.06);
  CHECK(actual.back() < 0.6 * actual.front());
  CHECK(losses(kCuda) == actual);
}

TEST_CASE("three freezings launch on the device what they launch on the CPU, op by op and as a graph") {
  const auto check = [](const std::string& first) {
    INFO(first);
    // Three steps: op by op, recorded and launched, launched.
    const auto counts = [&](Device device) {
      const Hands hands(4, 1, device);
      Training training(device, first);
      std::vector<Counts> all;
      for (int i = 0; i < 3; ++i) {
        reset_launch_counts();
        training.step(hands);
        all.push_back(launch_counts());
        CHECK(training.forward_backward->launched_graph() == (i > 0 && device == kCuda));
      }
      return all;
    };
    const auto expected = counts({}), actual = counts(kCuda);
    for (size_t i = 0; i < expected.size(); ++i) CHECK_MESSAGE(actual[i] == expected[i], "step ", i);
    CHECK(expected[2].contains("conv2d_backward_weight") == (first != "fc"));
    CHECK(expected[2].contains("to_bf16") == (nn::activation_type() == DType::bf16));
  };
  for (const char* first : {"fc", "layer4", "conv1"}) {
    check(first);
    const InBf16 in_bf16;
    check(first);
  }
}

TEST_CASE("a graph gives the bits of the ops, whatever comes between its launches") {
  const std::vector<Hands> batches = [] {
    std::vector<Hands> made;
    for (uint64_t i = 0; i < 3; ++i) made.emplace_back(6, i, kCuda);
    made.emplace_back(5, 3, kCuda);  // as at the end of an epoch
    return made;
  }();
  for (const char* first : {"fc", "layer3"}) {
    INFO(first);
    Training graph(kCuda, first), ops(kCuda, first, study::StepGraph::never);
    for (int epoch = 0; epoch < 2; ++epoch) {
      for (size_t i = 0; i < batches.size(); ++i) {
        const double rate = 1e-3 / (1 + epoch), clip = i == 1 ? 0.5 : 0;
        CHECK(graph.step(batches[i], rate, clip) == ops.step(batches[i], rate, clip));
        CHECK(graph.forward_backward->launched_graph() == ((i == 1 || i == 2) || (epoch == 1 && i == 0)));
        CHECK_FALSE(ops.forward_backward->launched_graph());
      }
      check_same(graph.state(), ops.state());
      // Validation folds the batchnorms as the graph has left them.
      const auto validate = [&](Training& training) {
        const NoGrad no_grad;
        training.network->evaluate();
        const auto logits = training.network->forward(batches[3].x).to_vector();
        training.network->freeze_before(training.network->stage_index(first));
        return logits;
      };
      CHECK(same_bits(validate(graph), validate(ops)));
    }
  }
}

TEST_CASE("each launch of a graph draws the dropout masks that the ops draw") {
  const Hands hands = Hands(6, 1, kCuda).cut_to_grey(28);
  Training graph(kCuda, "fc1", study::StepGraph::automatic, "mlp"),
      ops(kCuda, "fc1", study::StepGraph::never, "mlp");
  const auto step = [&](Training& training, uint64_t key, double rate) {
    training.network->set_random_key({9, key});
    return training.step(hands, rate);
  };
  for (uint64_t i = 0; i < 4; ++i) {
    CHECK(step(graph, i, 1e-3) == step(ops, i, 1e-3));
    CHECK(graph.forward_backward->launched_graph() == (i > 0));
    check_same(graph.state(), ops.state());
  }
  // With the weights at rest only the masks can make a difference.
  const double loss = step(graph, 7, 0);
  CHECK(step(graph, 8, 0) != loss);
  CHECK(step(graph, 7, 0) == loss);
  CHECK(graph.forward_backward->launched_graph());
}

TEST_CASE("a graph's memory is its own") {
  const Hands hands(6, 1, kCuda);
  Training graph(kCuda, "layer4"), ops(kCuda, "layer4", study::StepGraph::never);
  for (int i = 0; i < 2; ++i) CHECK(graph.step(hands) == ops.step(hands));
  REQUIRE(graph.forward_backward->launched_graph());
  // Of every size that an activation may have, and kept over a launch.
  std::vector<Tensor> others;
  for (int64_t size = 16; size < (1 << 18); size += size / 2) {
    for (int k = 0; k < 3; ++k) others.push_back(Tensor::full({size}, 5, kCuda));
  }
  CHECK(graph.step(hands) == ops.step(hands));
  for (const auto& other : others) {
    const auto values = other.to_vector();
    CHECK(std::all_of(values.begin(), values.end(), [](float v) { return v == 5; }));
  }
  others.clear();
  release_cached_memory();
  CHECK(graph.step(hands) == ops.step(hands));
  check_same(graph.state(), ops.state());
}

}  // namespace
}  // namespace signet::test
