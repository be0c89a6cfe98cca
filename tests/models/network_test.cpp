#include "models/network.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <limits>

#include "models/checkpoint_file.h"
#include "models/state_dict.h"
#include "nn/functions.h"
#include "nn/precision.h"
#include "tensor/autograd.h"
#include "tensor/error.h"
#include "tensor/launch.h"

namespace signet::models {
namespace {

namespace fs = std::filesystem;

std::unique_ptr<Network> small_resnet(uint64_t seed = 1) {
  auto network = make_network("resnet18", 5, 32, 8);
  network->initialize({seed, 0});
  return network;
}

Tensor images(const Network& network, int64_t batch = 2) {
  const auto input = network.input();
  Tensor x = Tensor::empty({batch, input.size, input.size, input.channels});
  cpu::random_normal(x.data(), 0, 1, {3, 3}, x.size());
  return x;
}

std::map<std::string, int64_t> launches_of_a_step(Network& network, const Tensor& x) {
  reset_launch_counts();
  backward(nn::cross_entropy(network.forward(x), Tensor::from(std::vector<int32_t>{1, 4}, {2})));
  return launch_counts();
}

TEST_CASE("parameter counts are those of torchvision") {
  CHECK(make_network("resnet18", 1000)->parameter_count() == 11'689'512);
  CHECK(make_network("resnet34", 1000)->parameter_count() == 21'797'672);
  CHECK(make_network("resnet18", 1000)->parameters().size() == 62);
  CHECK(make_network("resnet18", 1000)->buffers().size() == 40);
  CHECK(make_network("mlp", 36)->parameter_count() == 784 * 300 + 300 + 300 * 100 + 100 + 100 * 36 + 36);
  CHECK(make_network("cnn", 36)->parameter_count() == 896 + 18496 + 73856 + 2048 * 256 + 256 + 256 * 36 + 36);
}

TEST_CASE("unknown models and stages are named") {
  CHECK_THROWS_WITH_AS(make_network("vgg", 3), doctest::Contains("resnet18"), Error);
  CHECK_THROWS_WITH_AS(small_resnet()->stage_index("layer5"), doctest::Contains("layer4"), Error);
}

TEST_CASE("only the head trainable: no gradient kernel runs for the trunk, and nothing of it is kept") {
  const auto network = small_resnet();
  const Tensor x = images(*network);
  network->freeze_before(network->stage_index("fc"));
  launches_of_a_step(*network, x);  // folds the batchnorms
  const auto counts = launches_of_a_step(*network, x);
  const std::map<std::string, int64_t> expected{{"conv2d_forward", 20},
                                                {"maxpool_forward", 1},
                                                {"global_avgpool_forward", 1},
                                                {"broadcast_rows", 1},
                                                {"gemm", 2},
                                                {"sum_rows", 1},
                                                {"cross_entropy_forward", 1},
                                                {"cross_entropy_backward", 1},
                                                {"fill", 1}};
  // Two GEMMs: the layer itself and dW; its input needs no gradient. A second pass adds to the gradients of
  // the first.
  CHECK(counts == expected);
  const Tensor features = network->forward(x, 0, network->stage_index("fc"));
  CHECK_FALSE(features.requires_grad());
}

TEST_CASE("nothing of a frozen trunk stays in memory behind the logits") {
  const auto network = small_resnet();
  const Tensor x = images(*network);
  network->freeze_before(network->stage_index("fc"));
  network->forward(x);
  const int64_t before = memory_statistics().in_use;
  const Tensor logits = network->forward(x);
  // The logits, and the features that dW of the head needs.
  CHECK(memory_statistics().in_use - before <= 2 * (64 + 5) * 4 + 2 * 64);
}

TEST_CASE("layer4 trainable: the gradient stops where the frozen prefix ends") {
  const auto network = small_resnet();
  const Tensor x = images(*network);
  network->freeze_before(network->stage_index("layer4"));
  launches_of_a_step(*network, x);
  const auto counts = launches_of_a_step(*network, x);
  // layer4 has four 3x3 convolutions and a projection; the two that read layer3 need no dX.
  CHECK(counts.at("conv2d_backward_weight") == 5);
  CHECK(counts.at("conv2d_backward_data") == 3);
  // Two of five activations lie inside a block, between batchnorm and the next convolution: they are not kept
  // but computed again.
  CHECK(counts.at("batchnorm_forward_train") == 5 + 2);
  CHECK(counts.at("batchnorm_backward_train") == 5);
  CHECK_FALSE(counts.contains("maxpool_backward"));
  CHECK_FALSE(counts.contains("batchnorm_forward_eval"));
}

TEST_CASE("frozen but passed through: gradients go on to what lies before, without dW") {
  const auto network = small_resnet();
  const Tensor x = images(*network);
  network->freeze_before(0);
  // layer2 frozen in the middle of trainable stages.
  for (nn::Module* m : network->stage_modules(network->stage_index("layer2"))) {
    m->set_trainable(false);
    m->set_training(false);
    m->set_batch_statistics(false);
  }
  const auto counts = launches_of_a_step(*network, x);
  CHECK(counts.at("conv2d_backward_weight") == 15);
  CHECK(counts.at("conv2d_backward_data") == 19);  // all but the stem, whose input is the images
  CHECK(counts.at("batchnorm_backward_eval") == 5);
  for (const auto& p : network->parameters()) {
    INFO(p.name);
    CHECK(p.tensor->grad().defined() == !p.name.starts_with("layer2."));
  }
}

TEST_CASE("everything trainable: one backward of each kind for every layer") {
  const auto network = small_resnet();
  const Tensor x = images(*network);
  network->freeze_before(0);
  const auto counts = launches_of_a_step(*network, x);
  CHECK(counts.at("conv2d_backward_weight") == 20);
  CHECK(counts.at("conv2d_backward_data") == 19);
  CHECK(counts.at("batchnorm_forward_train") == 20 + 8);
  CHECK(counts.at("batchnorm_backward_train") == 20);
}

TEST_CASE("a frozen trunk keeps its statistics to the bit, unless --bn train asks otherwise") {
  for (const bool batch_statistics : {false, true}) {
    const auto network = small_resnet();
    const Tensor x = images(*network);
    network->freeze_before(network->stage_index("fc"), batch_statistics);
    const auto before = save_weights(*network);
    launches_of_a_step(*network, x);
    const auto after = save_weights(*network);
    CHECK((*before.find("bn1.running_mean") == *after.find("bn1.running_mean")) == !batch_statistics);
    CHECK(*before.find("conv1.weight") == *after.find("conv1.weight"));
  }
}

TEST_CASE("features of an image do not depend on the batch it stands in") {
  const auto network = small_resnet();
  network->evaluate();
  const NoGrad no_grad;
  const int fc = network->stage_index("fc");
  const Tensor x = images(*network, 5);
  const Tensor together = network->forward(x, 0, fc);
  const int64_t pixels = x.size() / 5, features = together.size() / 5;
  for (int64_t i = 0; i < 5; ++i) {
    const Tensor one =
        Tensor::from(std::span<const float>(x.data() + i * pixels, size_t(pixels)), {1, 32, 32, 3});
    const Tensor alone = network->forward(one, 0, fc);
    CHECK(std::memcmp(alone.data(), together.data() + i * features, size_t(features) * sizeof(float)) == 0);
  }
}

/// The relative distance of what a network computes with activations in bfloat16 from what it does in float:
/// of the logits, and of the first convolution's gradient.
struct Distances {
  double logits = 0, gradient = 0;
};

Distances distances_in_bf16(Network& network) {
  const auto step_in = [&](DType type) {
    nn::set_activation_type(type);
    Tensor& weight = *network.parameters().front().tensor;
    weight.clear_grad();
    const Tensor logits = network.forward(images(network));
    backward(nn::cross_entropy(logits, Tensor::from(std::vector<int32_t>{1, 4}, {2})));
    nn::set_activation_type(DType::f32);
    return std::pair(logits.to_vector(), weight.grad().to_vector());
  };
  const auto distance = [](const std::vector<float>& a, const std::vector<float>& b) {
    double difference = 0, norm = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      difference += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
      norm += double(b[i]) * b[i];
    }
    return std::sqrt(difference / norm);
  };
  network.evaluate();
  const auto exact = step_in(DType::f32), rounded = step_in(DType::bf16);
  return {distance(rounded.first, exact.first), distance(rounded.second, exact.second)};
}

TEST_CASE("in bfloat16 convolutional networks compute nearly what they do in float, the mlp just that") {
  // A stored activation is off by up to 2^-9 of itself. Seventeen layers of independent errors, four times as
  // large where Winograd's algorithm multiplies, make 3%; the gradient passes through as many again. Where
  // two pixels of a pool's window, or a ReLU's input and 0, are nearer than that, the gradient goes another
  // way: one window in a hundred of the cnn's three pools, which moves it by sqrt(2 / 100) at each.
  struct Case {
    std::unique_ptr<Network> network;
    double most_of_gradient;
  };
  std::vector<Case> cases;
  cases.push_back({small_resnet(), 0.1});
  cases.push_back({make_network("cnn", 5), 0.3});
  cases.back().network->initialize({1, 0});
  for (const Case& c : cases) {
    const auto [logits, gradient] = distances_in_bf16(*c.network);
    CAPTURE(logits);
    CAPTURE(gradient);
    CHECK((logits > 1e-4 && logits < 0.03));
    CHECK((gradient > 1e-4 && gradient < c.most_of_gradient));
  }
  const auto mlp = make_network("mlp", 5);
  mlp->initialize({1, 0});
  const auto [logits, gradient] = distances_in_bf16(*mlp);
  CHECK((logits == 0 && gradient == 0));
}

TEST_CASE("weights survive a round trip through an archive, in torchvision's axis order") {
  const auto a = small_resnet(1), b = small_resnet(2);
  const Archive archive = save_weights(*a);
  CHECK(archive.find("conv1.weight")->shape == std::vector<int64_t>{8, 3, 7, 7});
  CHECK(archive.find("layer4.1.bn2.num_batches_tracked")->dtype == "I64");
  const auto report = load_weights(*b, archive, "test");
  CHECK(report.skipped.empty());
  CHECK(report.missing.empty());
  CHECK(report.used.size() == 62 + 40);
  a->evaluate();
  b->evaluate();
  CHECK(a->forward(images(*a)).to_vector() == b->forward(images(*b)).to_vector());
  const auto cnn = make_network("cnn", 3);
  CHECK(save_weights(*cnn).find("10.weight")->shape == std::vector<int64_t>{256, 2048});
}

TEST_CASE("axis orders are inverse to one another") {
  const Shape shape{2, 3, 4, 5};
  std::vector<float> values(120);
  for (size_t i = 0; i < values.size(); ++i) values[i] = float(i);
  const auto first = to_channels_first(values.data(), shape);
  CHECK(first[1] == 5);  // [0, 0, 0, 1] in OIHW is pixel 1 of channel 0
  CHECK(to_channels_last(first.data(), shape) == values);
}

TEST_CASE("weights that do not fit leave the network as it was and say why") {
  const auto network = small_resnet();
  const auto before = save_weights(*network);
  Archive archive = save_weights(*small_resnet(2));
  const auto refuse = [&](const Archive& bad, const char* part, bool new_head = false) {
    CHECK_THROWS_WITH_AS(load_weights(*network, bad, "file.pth", new_head), doctest::Contains(part), Error);
    CHECK(save_weights(*network) == before);
  };
  refuse(save_weights(*make_network("resnet18", 5, 32, 16)), "conv1.weight");
  refuse(save_weights(*make_network("mlp", 5)), "missing");
  refuse(save_weights(*make_network("resnet18", 7, 32, 8)), "fc.weight");
  for (auto& [name, array] : archive.entries) {
    if (name != "layer3.0.bn1.running_var") continue;
    const float value = std::numeric_limits<float>::quiet_NaN();
    std::memcpy(array.bytes.data() + 4, &value, sizeof(value));
    refuse(archive, "layer3.0.bn1.running_var");
    const float negative = -1;
    std::memcpy(array.bytes.data() + 4, &negative, sizeof(negative));
    refuse(archive, "layer3.0.bn1.running_var");
  }
}

TEST_CASE("a head of another size, or none, is left alone when asked for") {
  const auto network = small_resnet();
  const auto head = save_weights(*network);
  const auto report = load_weights(*network, save_weights(*make_network("resnet18", 7, 32, 8)), "test", true);
  CHECK(report.skipped.size() == 2);
  CHECK(*save_weights(*network).find("fc.weight") == *head.find("fc.weight"));
  Archive without = save_weights(*small_resnet(2));
  std::erase_if(without.entries, [](const auto& e) { return e.first.starts_with("fc."); });
  CHECK(load_weights(*network, without, "test", true).missing.size() == 2);
  without.entries.emplace_back("extra", to_array(int64_t{1}));
  CHECK(load_weights(*network, without, "test", true).skipped ==
        std::vector<std::string>{"extra: not in the network"});
}

TEST_CASE("a snapshot restores weights, statistics and counters, through a file too") {
  const auto network = small_resnet();
  const Tensor x = images(*network);
  network->freeze_before(network->stage_index("layer4"));
  const auto before = save_weights(*network);
  const Snapshot snapshot(*network, network->stage_index("layer4"));
  launches_of_a_step(*network, x);
  for (const auto& p : network->parameters()) {
    if (p.name.starts_with("layer4") || p.name.starts_with("fc"))
      p.tensor->copy_from(Tensor::full(p.tensor->shape(), 3));
  }
  CHECK(!(save_weights(*network) == before));
  Archive archive;
  snapshot.append_to(archive, "a/");
  Snapshot::read_from(archive, "a/").restore(*network);
  CHECK(save_weights(*network) == before);
}

TEST_CASE("the three files of ImageNet weights give the same logits to the bit") {
  const char* named = std::getenv("SIGNET_SHARED");
  const fs::path folder =
      (named ? fs::path(named) : fs::path(SIGNET_SOURCE_DIR) / ".." / "shared") / "weights";
  if (!fs::exists(folder)) {
    MESSAGE("skipped: ", folder.string(), " is not there");
    return;
  }
  std::vector<float> first;
  for (const char* name :
       {"resnet18-imagenet.safetensors", "resnet18-imagenet.pth", "resnet18-imagenet-legacy.pth"}) {
    const auto network = make_network("resnet18", 1000, 64);
    const auto report = load_weights(*network, read_checkpoint(folder / name), name);
    CHECK(report.skipped.empty());
    network->evaluate();
    const NoGrad no_grad;
    const auto logits = network->forward(images(*network)).to_vector();
    if (first.empty()) first = logits;
    CHECK(logits == first);
  }
}

}  // namespace
}  // namespace signet::models
