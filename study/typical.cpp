#include "study/typical.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace signet::study {
namespace {

constexpr double kUncertain = 0.5;
constexpr double kVisible = 0.1;  // a difference in brightness that counts as something in front
// New pictures of the same kind lie a little further out than those a network was trained on.
constexpr double kDistanceMargin = 1.5;
constexpr double kSmallestDeviation = 1e-4;  // of a feature that hardly ever differs from 0

double percentile(std::vector<double> values, double share) {
  const auto at = values.begin() + ptrdiff_t(share * double(values.size() - 1) + 0.5);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

Range range_of(std::span<const PictureNumbers> numbers, double PictureNumbers::*member) {
  std::vector<double> values;
  for (const auto& n : numbers) values.push_back(n.*member);
  return {percentile(values, 0.01), percentile(values, 0.99)};
}

/// The mean over the pictures of `of(row, feature)` for each feature.
template <class Of>
std::vector<float> mean_of(std::span<const std::vector<float>> features, const Of& of) {
  std::vector<float> means(features.front().size());
  for (size_t k = 0; k < means.size(); ++k) {
    double sum = 0;
    for (const auto& row : features) sum += of(row[k], k);
    means[k] = float(sum / double(features.size()));
  }
  return means;
}

/// How far a number lies outside of a range, beyond a margin of a quarter of it and 0.05; negative below.
double outside(double value, const Range& range) {
  const double margin = 0.05 + 0.25 * (range.high - range.low);
  if (value > range.high + margin) return value - range.high;
  return value < range.low - margin ? value - range.low : 0;
}

}  // namespace

PictureNumbers measure(const data::Image& prepared) {
  const data::Image grey = data::to_grey(prepared);
  const int rim_y = std::max(1, grey.height / 20), rim_x = std::max(1, grey.width / 20);
  const auto on_rim = [&](int y, int x) {
    return y < rim_y || y >= grey.height - rim_y || x < rim_x || x >= grey.width - rim_x;
  };
  double sum = 0, count = 0;
  for (int y = 0; y < grey.height; ++y) {
    for (int x = 0; x < grey.width; ++x) {
      if (!on_rim(y, x)) continue;
      sum += grey.pixels[size_t(y * grey.width + x)] / 255.0;
      ++count;
    }
  }
  PictureNumbers numbers;
  numbers.border = sum / count;
  const auto filled = std::count_if(grey.pixels.begin(), grey.pixels.end(), [&](uint8_t pixel) {
    return std::abs(pixel / 255.0 - numbers.border) > kVisible;
  });
  numbers.filled = double(filled) / double(grey.pixels.size());
  return numbers;
}

Typical typical_of(std::span<const PictureNumbers> numbers, std::span<const std::vector<float>> features) {
  if (numbers.empty()) throw std::invalid_argument("[typical_of] there is no picture");
  Typical typical;
  typical.pictures = int64_t(numbers.size());
  typical.border = range_of(numbers, &PictureNumbers::border);
  typical.filled = range_of(numbers, &PictureNumbers::filled);
  if (features.size() < 2) return typical;
  typical.feature_mean = mean_of(features, [](float value, size_t) { return double(value); });
  typical.feature_deviation = mean_of(features, [&](float value, size_t k) {
    return (double(value) - typical.feature_mean[k]) * (double(value) - typical.feature_mean[k]);
  });
  for (float& d : typical.feature_deviation) d = float(std::max(std::sqrt(double(d)), kSmallestDeviation));
  std::vector<double> distances;
  for (const auto& row : features) distances.push_back(feature_distance(typical, row));
  typical.feature_distance = percentile(distances, 0.99);
  return typical;
}

Typical typical_of(const data::ImageStore& store, const data::ImageSpec& spec, const Inference* inference) {
  constexpr int64_t kMost = 500, kBatch = 32;
  const int64_t all = store.dataset().size(), count = std::min(all, kMost);
  std::vector<PictureNumbers> numbers;
  std::vector<std::vector<float>> features;
  std::vector<data::Image> batch;
  for (int64_t i = 0; i < count; ++i) {
    data::Image image{spec.size, spec.size, spec.channels, std::vector<uint8_t>(size_t(spec.bytes()))};
    store.read(i * all / count, spec, image.pixels);
    numbers.push_back(measure(image));
    if (inference == nullptr) continue;
    batch.push_back(std::move(image));
    if (int64_t(batch.size()) < kBatch && i + 1 < count) continue;
    for (auto& answer : inference->run(batch, false)) features.push_back(std::move(answer.features));
    batch.clear();
  }
  return typical_of(numbers, features);
}

double feature_distance(const Typical& typical, std::span<const float> features) {
  if (typical.feature_mean.empty() || typical.feature_mean.size() != features.size()) return 0;
  double sum = 0;
  for (size_t k = 0; k < features.size(); ++k) {
    const double off = (double(features[k]) - typical.feature_mean[k]) / typical.feature_deviation[k];
    sum += off * off;
  }
  return std::sqrt(sum / double(features.size()));
}

std::vector<std::string> warnings_for(const Answer& answer, const data::Image& prepared,
                                      const std::optional<Typical>& typical) {
  std::vector<std::string> warnings;
  const double best = answer.probabilities[size_t(answer.ranking.front())];
  if (best < kUncertain)
    warnings.push_back(fmt::format("unsure: the best guess has only {:.0f}%", 100 * best));
  if (!typical) return warnings;
  const PictureNumbers numbers = measure(prepared);
  const double border = outside(numbers.border, typical->border);
  if (border != 0) {
    warnings.push_back(fmt::format(
        "the background is {} than in the training pictures (brightness {:.2f}; "
        "there {:.2f} to {:.2f})",
        border > 0 ? "brighter" : "darker", numbers.border, typical->border.low, typical->border.high));
  }
  const double filled = outside(numbers.filled, typical->filled);
  if (border == 0 && filled != 0) {
    warnings.push_back(
        fmt::format("what is shown fills {} of the picture than in training ({:.0f}%; there {:.0f}% "
                    "to {:.0f}%): {}",
                    filled > 0 ? "more" : "less", 100 * numbers.filled, 100 * typical->filled.low,
                    100 * typical->filled.high, filled > 0 ? "step back" : "come closer"));
  }
  const double distance = feature_distance(*typical, answer.features);
  if (distance > kDistanceMargin * typical->feature_distance) {
    warnings.push_back(
        fmt::format("unlike the training pictures as the network sees them (distance {:.1f}; 99% of "
                    "them within {:.1f})",
                    distance, typical->feature_distance));
  }
  return warnings;
}

}  // namespace signet::study
