#include "data/leakage.h"

#include <stdexcept>
#include <vector>

#include "kernels/parallel.h"

namespace signet::data {
namespace {

constexpr int64_t kTwinBytes = kNearTwinSpec.bytes();

/// The images in the twin form, [count, kTwinBytes]. Rows are kept in an order that jumps over the picture,
/// so that two different pictures part soon.
std::vector<uint8_t> small_images(const ImageStore& store) {
  const int64_t count = store.dataset().size();
  constexpr int64_t kRow = kTwinBytes / kNearTwinSpec.size;
  std::vector<uint8_t> pixels(size_t(count * kTwinBytes));
  parallel_for(count, [&](int64_t i) {
    std::vector<uint8_t> image(kTwinBytes);
    store.read(i, kNearTwinSpec, image);
    for (int64_t row = 0; row < kNearTwinSpec.size; ++row) {
      const int64_t from = row * 13 % kNearTwinSpec.size;
      std::copy_n(image.begin() + from * kRow, kRow, pixels.begin() + i * kTwinBytes + row * kRow);
    }
  });
  return pixels;
}

/// Whether the squared differences add up to at most `limit`.
bool are_near(const uint8_t* a, const uint8_t* b, int64_t limit) {
  constexpr int64_t kStep = kTwinBytes / 16;
  int64_t sum = 0;
  for (int64_t first = 0; first < kTwinBytes && sum <= limit; first += kStep) {
    int part = 0;
    for (int64_t i = first; i < first + kStep; ++i) {
      const int difference = int(a[i]) - int(b[i]);
      part += difference * difference;
    }
    sum += part;
  }
  return sum <= limit;
}

bool are_siblings(const Sample& a, const Sample& b) {
  return a.label == b.label && a.signer == b.signer && a.light == b.light;
}

bool is_named(const Sample& sample) {
  return !sample.signer.empty() && !sample.light.empty();
}

}  // namespace

Leakage measure_leakage(const ImageStore& store, std::span<const int> folds) {
  const auto& samples = store.dataset().samples;
  if (folds.size() != samples.size()) {
    throw std::invalid_argument("[measure_leakage] one fold an image is needed");
  }
  const auto pixels = small_images(store);
  const auto limit = int64_t(kNearTwinDistance * kNearTwinDistance * 255 * 255 * double(kTwinBytes));
  std::vector<Leakage> of_image(samples.size());
  parallel_for(int64_t(samples.size()), [&](int64_t i) {
    const auto& sample = samples[size_t(i)];
    if (folds[size_t(i)] < 0) return;
    auto& leakage = of_image[size_t(i)];
    leakage.validation_images = 1;
    leakage.named = is_named(sample);
    for (size_t j = 0; j < samples.size(); ++j) {
      if (folds[j] == folds[size_t(i)]) continue;
      if (leakage.named && are_siblings(sample, samples[j])) leakage.siblings = 1;
      if (!leakage.near_twins) {
        leakage.near_twins =
            are_near(pixels.data() + i * kTwinBytes, pixels.data() + int64_t(j) * kTwinBytes, limit);
      }
    }
  });
  Leakage total;
  for (const auto& leakage : of_image) {
    total.validation_images += leakage.validation_images;
    total.near_twins += leakage.near_twins;
    total.siblings += leakage.siblings;
    total.named += leakage.named;
  }
  return total;
}

}  // namespace signet::data
