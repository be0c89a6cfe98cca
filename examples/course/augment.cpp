// Course, chapter 6: what augmentation makes of three images in seven epochs, as a picture, and the numbers
// behind it.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "data/batches.h"
#include "data/encode.h"
#include "tensor/error.h"

using namespace signet;
using data::Augmentation;

namespace {

constexpr int kSize = 64, kImages = 3, kEpochs = 7;

/// The angle in degrees by which a warp turns, and whether it mirrors.
std::pair<double, bool> read_off(const ImageWarp& warp) {
  const bool mirrored = warp.m[0] * warp.m[4] - warp.m[1] * warp.m[3] < 0;
  const double sign = mirrored ? -1 : 1;
  return {std::atan2(sign * warp.m[1], sign * warp.m[0]) * 180 / std::numbers::pi, mirrored};
}

void print_warps(const char* name, const Augmentation& augmentation, const std::string& path) {
  fmt::print("{:<16}", name);
  for (int epoch = 1; epoch <= kEpochs; ++epoch) {
    const auto warp = data::draw_warp(augmentation, 0, epoch, data::image_key(path), kSize, kSize);
    const auto [angle, mirrored] = read_off(warp);
    fmt::print(" {:6.1f}{}", angle, mirrored ? "m" : " ");
  }
  fmt::print("\n");
}

}  // namespace

int main(int count, char** words) try {
  if (count != 3) fail("course_augment: give the folder of images and the PNG file to write");
  data::Preprocessing pixels{.size = kSize, .channels = 3, .mean = {0, 0, 0}, .deviation = {1, 1, 1}};
  const data::ImageStore store(data::scan_dataset(words[1]), {pixels.spec()});
  const auto& samples = store.dataset().samples;
  const std::vector<int> chosen{0, int(samples.size() / 3), int(2 * samples.size() / 3)};

  // Column 0 is the image as validation sees it; the others are the epochs of a training.
  data::Image grid{kSize * kImages, kSize * (kEpochs + 1), 3, {}};
  grid.pixels.resize(size_t(grid.height) * size_t(grid.width) * 3);
  const Augmentation augmentation{.scale = 0.1, .brightness = 0.2};
  for (int epoch = 0; epoch <= kEpochs; ++epoch) {
    data::Batch batch;
    data::load_batch(batch, store, chosen, pixels, epoch == 0 ? nullptr : &augmentation, 0, epoch);
    for (int image = 0; image < kImages; ++image)
      for (int y = 0; y < kSize; ++y)
        for (int x = 0; x < 3 * kSize; ++x) {
          const float value = batch.images.data()[((image * kSize) + y) * 3 * kSize + x];
          const size_t to = size_t(((image * kSize + y) * (kEpochs + 1) + epoch) * 3 * kSize + x);
          grid.pixels[to] = uint8_t(std::lround(255 * std::clamp(value, 0.0F, 1.0F)));
        }
  }
  data::write_png(words[2], grid);

  const std::string& path = samples[0].path;
  fmt::print("{}\ndegrees; m: mirrored", path);
  fmt::print("\n{:<16}", "epoch");
  for (int epoch = 1; epoch <= kEpochs; ++epoch) fmt::print(" {:>6} ", epoch);
  fmt::print("\n");
  print_warps("as it is", {}, path);
  print_warps("--translate 0.3", {.translate = 0.3}, path);
  print_warps("--degrees 30", {.degrees = 30}, path);
  print_warps("--fliplr 0", {.fliplr = 0}, path);
  return 0;
} catch (const Error& error) {
  fmt::print(stderr, "{}\n", error.what());
  return 2;
}
