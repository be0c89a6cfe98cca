#include "tests/data/fixtures.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>

#include "data/encode.h"
#include "kernels/philox.h"
#include "tensor/files.h"

namespace signet::data {

TemporaryFolder::TemporaryFolder() {
  static std::atomic<int> count{0};
  path_ = std::filesystem::temp_directory_path() / fmt::format("signet-data-{}-{}", ::getpid(), count++);
  std::filesystem::create_directories(path_);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

void TemporaryFolder::write(const std::string& name, const std::string& bytes) const {
  write_atomically(path_ / name, bytes);
}

void TemporaryFolder::write_image(const std::string& name, uint64_t seed, int height, int width) const {
  write_png(path_ / name, random_image(seed, height, width, 3));
}

Image random_image(uint64_t seed, int height, int width, int channels) {
  Image image{height, width, channels,
              std::vector<uint8_t>(size_t(height) * size_t(width) * size_t(channels))};
  for (size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = uint8_t(philox({seed, 1}, i)[0]);
  return image;
}

void write_hands(const TemporaryFolder& folder, int classes, int signers, int lights, int takes) {
  const char* const light_names[] = {"bot", "dif", "left", "right", "top"};
  uint64_t seed = 0;
  for (int c = 0; c < classes; ++c) {
    for (int s = 1; s <= signers; ++s) {
      for (int l = 0; l < lights; ++l) {
        for (int t = 1; t <= takes; ++t) {
          const char name = char('a' + c);
          folder.write_image(
              fmt::format("{0}/hand{1}_{0}_{2}_seg_{3}_cropped.png", name, s, light_names[l], t), seed++);
        }
      }
    }
  }
}

}  // namespace signet::data
