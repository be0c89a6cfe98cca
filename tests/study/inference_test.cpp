#include "study/inference.h"

#include <doctest/doctest.h>

#include <cmath>
#include <future>
#include <thread>

#include "study/inference_queue.h"
#include "study/typical.h"
#include "tensor/error.h"

namespace signet::study {
namespace {

Classifier classifier_of(const std::string& architecture) {
  Classifier classifier;
  const bool is_resnet = architecture == "resnet18";
  classifier.network = models::make_network(architecture, 3, is_resnet ? 64 : 0, 8);
  classifier.network->initialize({11, 0});
  classifier.classes = {"a", "b", "c"};
  return classifier;
}

data::Image picture(uint64_t seed, int size, int channels = 3) {
  data::Image image{size, size, channels, {}};
  for (int i = 0; i < size * size * channels; ++i) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    image.pixels.push_back(uint8_t(seed >> 56));
  }
  return image;
}

/// An image with values around 0, as a network takes it.
Tensor input(int count, int size) {
  std::vector<float> values(size_t(count * size * size * 3));
  for (size_t i = 0; i < values.size(); ++i) values[i] = std::sin(float(i) * 0.71f);
  return Tensor::from(values, {count, size, size, 3});
}

TEST_CASE("Grad-CAM before a linear head is what the definition gives by hand") {
  const Inference inference(classifier_of("resnet18"), {});
  models::Network& network = inference.network();
  const Tensor images = input(2, 64);
  const std::vector<int> classes{2, 0};
  const auto maps = grad_cam(network, images, classes);
  REQUIRE(maps.size() == 2);

  // The logit is the mean over the pixels times fc's weights, so each weight is a channel's gradient.
  const Tensor activations = network.forward(images, 0, 5);
  const Shape shape = activations.shape();
  const auto a = activations.to_vector();
  std::vector<float> fc;
  for (const auto& p : network.parameters()) {
    if (p.name == "fc.weight") fc = p.tensor->to_vector();
  }
  const int64_t pixels = shape[1] * shape[2], channels = shape[3];
  for (size_t i = 0; i < 2; ++i) {
    std::vector<double> expected(size_t(pixels), 0.0);
    double largest = 0;
    for (int64_t p = 0; p < pixels; ++p) {
      for (int64_t c = 0; c < channels; ++c) {
        expected[size_t(p)] += double(fc[size_t(classes[i] * channels + c)]) *
                               a[(i * size_t(pixels) + size_t(p)) * size_t(channels) + size_t(c)];
      }
      largest = std::max(largest, expected[size_t(p)]);
    }
    REQUIRE(largest > 0);
    REQUIRE(maps[i].values.size() == size_t(pixels));
    for (size_t p = 0; p < size_t(pixels); ++p) {
      // Sums of 64 products in f32, scaled to 1.
      CHECK(std::abs(maps[i].values[p] - std::max(0.0, expected[p]) / largest) <= 1e-5);
    }
  }
}

TEST_CASE("Grad-CAM works on frozen networks and leaves parameters without gradients") {
  for (const std::string architecture : {"resnet18", "cnn"}) {
    CAPTURE(architecture);
    const Inference inference(classifier_of(architecture), {});
    const int size = inference.network().input().size;
    const auto answers = inference.run(std::vector{picture(1, size), picture(2, size)}, true);
    for (const auto& answer : answers) {
      CHECK(answer.heat.values.size() == size_t(answer.heat.height * answer.heat.width));
      float largest = 0;
      for (const float value : answer.heat.values) {
        CHECK(value >= 0);
        largest = std::max(largest, value);
      }
      CHECK((largest == 1 || largest == 0));
    }
    for (const auto& p : inference.network().parameters()) CHECK_FALSE(p.tensor->grad().defined());
  }
  const Inference mlp(classifier_of("mlp"), {});
  CHECK_FALSE(mlp.has_convolutions());
  CHECK_THROWS_WITH_AS(mlp.run(std::vector{picture(1, 28, 1)}, true), doctest::Contains("no convolutions"),
                       Error);
}

TEST_CASE("an answer is ranked, adds up to one and does not depend on its neighbours") {
  const Inference inference(classifier_of("resnet18"), {});
  const std::vector images{picture(1, 64), picture(2, 64), picture(3, 64)};
  const auto together = inference.run(images, false);
  for (size_t i = 0; i < images.size(); ++i) {
    const auto alone = inference.run(std::span(&images[i], 1), true);
    double sum = 0;
    for (size_t c = 0; c < 3; ++c) {
      sum += together[i].probabilities[c];
      // Kernels may be chosen by the size of a batch; their sums then differ in rounding.
      CHECK(together[i].probabilities[c] == doctest::Approx(alone.front().probabilities[c]).epsilon(1e-5));
    }
    CHECK(sum == doctest::Approx(1).epsilon(1e-12));
    const auto& r = together[i].ranking;
    REQUIRE(r.size() == 3);
    CHECK(together[i].probabilities[size_t(r[0])] >= together[i].probabilities[size_t(r[1])]);
    CHECK(together[i].probabilities[size_t(r[1])] >= together[i].probabilities[size_t(r[2])]);
    CHECK(together[i].features.size() == 64);
  }
}

TEST_CASE("a queue answers many threads at once, each with its own picture's answer") {
  const Inference inference(classifier_of("cnn"), {});
  constexpr int kPictures = 40;
  std::vector<std::vector<double>> expected;
  for (uint64_t i = 0; i < kPictures; ++i) {
    expected.push_back(inference.run(std::vector{picture(i, 32)}, false).front().probabilities);
  }
  InferenceQueue queue(inference, 8, 1000);
  std::vector<std::thread> threads;
  std::vector<Answer> answers(kPictures);
  for (size_t i = 0; i < kPictures; ++i) {
    threads.emplace_back([&, i] {
      auto futures = queue.submit({picture(i, 32)}, i % 3 == 0);
      answers[i] = futures->front().get();
    });
  }
  for (auto& thread : threads) thread.join();
  for (size_t i = 0; i < kPictures; ++i) {
    CAPTURE(i);
    CHECK(answers[i].heat.values.empty() == (i % 3 != 0));
    for (size_t c = 0; c < 3; ++c)
      CHECK(answers[i].probabilities[c] == doctest::Approx(expected[i][c]).epsilon(1e-5));
  }
  CHECK(queue.counts().images == kPictures);
  CHECK(queue.counts().batches >= kPictures / 8);
}

TEST_CASE("a queue takes all pictures or none, and answers what it took before it ends") {
  const Inference inference(classifier_of("cnn"), {});
  std::vector<std::future<Answer>> taken;
  {
    InferenceQueue queue(inference, 2, 4);
    CHECK_FALSE(queue.submit(std::vector(5, picture(1, 32)), false));
    auto futures = queue.submit(std::vector(4, picture(1, 32)), false);
    REQUIRE(futures);
    taken = std::move(*futures);
  }
  REQUIRE(taken.size() == 4);
  for (auto& future : taken) CHECK(future.get().probabilities.size() == 3);
}

TEST_CASE("a picture whose turn comes too late is not computed, and the others are") {
  const Inference inference(classifier_of("cnn"), {});
  InferenceQueue queue(inference, 4, 100);
  const auto past = InferenceQueue::Clock::now() - std::chrono::seconds(1);
  auto late = queue.submit(std::vector(3, picture(1, 32)), false, past);
  auto in_time = queue.submit({picture(2, 32)}, false);
  for (auto& future : *late) CHECK_THROWS_AS(future.get(), InferenceQueue::Overdue);
  CHECK(in_time->front().get().probabilities.size() == 3);
  CHECK(queue.counts().images == 1);
  auto last = queue.submit({picture(1, 32)}, false, past);
  CHECK_THROWS_AS(last->front().get(), InferenceQueue::Overdue);
}

TEST_CASE("what the network cannot do comes out of the future") {
  const Inference mlp(classifier_of("mlp"), {});
  InferenceQueue queue(mlp, 2, 4);
  auto futures = queue.submit({picture(1, 28, 1)}, true);
  CHECK_THROWS_AS(futures->front().get(), Error);
  CHECK(queue.submit({picture(1, 28, 1)}, false)->front().get().probabilities.size() == 3);
}

/// A square of `inner` brightness on a ground of another.
data::Image square(int ground, int inner, int half_side) {
  data::Image image{40, 40, 3, {}};
  for (int y = 0; y < 40; ++y) {
    for (int x = 0; x < 40; ++x) {
      const bool inside = std::max(std::abs(y - 20), std::abs(x - 20)) < half_side;
      image.pixels.insert(image.pixels.end(), 3, uint8_t(inside ? inner : ground));
    }
  }
  return image;
}

TEST_CASE("warnings name what differs from the training pictures, and nothing where nothing does") {
  std::vector<PictureNumbers> numbers;
  std::vector<std::vector<float>> features;
  for (int i = 0; i < 60; ++i) {
    numbers.push_back(measure(square(i % 8, 200, 9 + i % 5)));
    features.push_back({float(i % 10), float(i % 7) - 3, 0});
  }
  const Typical typical = typical_of(numbers, features);
  CHECK(typical.border.low == doctest::Approx(0));
  CHECK(typical.border.high == doctest::Approx(7 / 255.0));
  Answer sure{{0.9, 0.1}, {0, 1}, {}, {5, 0, 0}};
  CHECK(warnings_for(sure, square(4, 200, 11), typical).empty());

  const auto bright = warnings_for(sure, square(230, 90, 11), typical);
  REQUIRE(bright.size() == 1);
  CHECK(bright[0].find("background is brighter") != std::string::npos);
  const auto far = warnings_for(sure, square(4, 200, 2), typical);
  REQUIRE(far.size() == 1);
  CHECK(far[0].find("come closer") != std::string::npos);
  const auto near = warnings_for(sure, square(4, 200, 18), typical);
  REQUIRE(near.size() == 1);
  CHECK(near[0].find("step back") != std::string::npos);

  Answer unsure{{0.4, 0.35, 0.25}, {0, 1, 2}, {}, {5, 0, 0}};
  CHECK(warnings_for(unsure, square(4, 200, 11), std::nullopt).size() == 1);
  CHECK(warnings_for(sure, square(230, 90, 11), std::nullopt).empty());
  Answer strange{{0.9, 0.1}, {0, 1}, {}, {90, 0, 0}};
  const auto unlike = warnings_for(strange, square(4, 200, 11), typical);
  REQUIRE(unlike.size() == 1);
  CHECK(unlike[0].find("unlike the training pictures") != std::string::npos);

  const Typical back = typical_from_json(to_json(typical), "a.safetensors");
  CHECK(back.pictures == typical.pictures);
  CHECK(back.border.high == typical.border.high);
  CHECK(back.filled.low == typical.filled.low);
  CHECK(back.feature_mean == typical.feature_mean);
  CHECK(back.feature_deviation == typical.feature_deviation);
  CHECK(back.feature_distance == typical.feature_distance);
  for (const std::string damaged :
       {"", "[]", "{\"pictures\": 3}", "{\"pictures\": 3, \"border\": [1], \"filled\": [0, 1]}"}) {
    CHECK_THROWS_WITH_AS(typical_from_json(damaged, "a.safetensors"), doctest::Contains("a.safetensors"),
                         Error);
  }
}

}  // namespace
}  // namespace signet::study
