#include "data/leakage.h"

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "data/small_images.h"
#include "kernels/parallel.h"

namespace signet::data {
namespace {

bool are_siblings(const Sample& a, const Sample& b) {
  return a.label == b.label && a.signer == b.signer && a.light == b.light;
}

bool is_named(const Sample& sample) {
  return !sample.signer.empty() && !sample.light.empty();
}

}  // namespace

std::vector<uint8_t> small_images(const ImageStore& store, bool mirrored) {
  const int64_t count = store.dataset().size();
  constexpr int64_t kRow = kTwinBytes / kNearTwinSpec.size, kPixel = kNearTwinSpec.channels;
  std::vector<uint8_t> pixels(size_t(count * kTwinBytes));
  parallel_for(count, [&](int64_t i) {
    std::vector<uint8_t> image(kTwinBytes);
    store.read(i, kNearTwinSpec, image);
    for (int64_t row = 0; row < kNearTwinSpec.size; ++row) {
      const int64_t from = row * 13 % kNearTwinSpec.size;
      uint8_t* const out = pixels.data() + i * kTwinBytes + row * kRow;
      std::copy_n(image.begin() + from * kRow, kRow, out);
      if (!mirrored) continue;
      for (int64_t x = 0; x < kRow / 2; x += kPixel) {
        std::swap_ranges(out + x, out + x + kPixel, out + kRow - kPixel - x);
      }
    }
  });
  return pixels;
}

Leakage measure_leakage(const ImageStore& store, std::span<const int> folds) {
  const auto& samples = store.dataset().samples;
  if (folds.size() != samples.size()) {
    throw std::invalid_argument("[measure_leakage] one fold an image is needed");
  }
  const auto pixels = small_images(store);
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
            squared_difference(pixels.data() + i * kTwinBytes, pixels.data() + int64_t(j) * kTwinBytes,
                               kTwinLimit) <= kTwinLimit;
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
