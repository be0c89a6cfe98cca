// What Pillow and torchvision make of real photographs: decoding, the antialiased resize, grey,
// normalisation.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "data/batches.h"
#include "data/decode.h"
#include "data/store.h"
#include "models/safetensors.h"
#include "tensor/files.h"
#include "tests/golden/golden.h"

using namespace signet;
using namespace signet::data;

namespace {

std::filesystem::path golden_folder() {
  const char* named = std::getenv("SIGNET_GOLDEN");
  return named ? std::filesystem::path(named) : golden::shared_folder() / "golden";
}

/// images.safetensors, or nothing (with a line that says so) where it is absent.
std::optional<models::Archive> golden_images() {
  const auto path = golden_folder() / "images.safetensors";
  if (std::filesystem::exists(path)) return models::read_safetensors(path);
  fmt::print("skipped: {} is not there (SIGNET_GOLDEN names its folder)\n", path.string());
  return {};
}

/// An array of bytes [height, width] or [height, width, channels].
Image image_of(const models::Archive& archive, const std::string& name) {
  const models::Array* array = archive.find(name);
  REQUIRE_MESSAGE(array != nullptr, name, " is missing");
  REQUIRE(array->dtype == "U8");
  Image image{int(array->shape[0]), int(array->shape[1]), array->shape.size() == 3 ? int(array->shape[2]) : 1,
              std::vector<uint8_t>(array->bytes.size())};
  std::memcpy(image.pixels.data(), array->bytes.data(), array->bytes.size());
  return image;
}

struct Difference {
  int largest = 0;
  double mean = 0;
};

Difference compare(const Image& a, const Image& b) {
  REQUIRE(a.height == b.height);
  REQUIRE(a.width == b.width);
  REQUIRE(a.channels == b.channels);
  REQUIRE(a.pixels.size() == b.pixels.size());
  Difference difference;
  for (size_t i = 0; i < a.pixels.size(); ++i) {
    const int d = std::abs(int(a.pixels[i]) - int(b.pixels[i]));
    difference.largest = std::max(difference.largest, d);
    difference.mean += d / double(a.pixels.size());
  }
  return difference;
}

/// The photographs of the figures in the data set; empty (with a line that says so) where it is absent.
std::map<std::string, std::filesystem::path> photographs() {
  const auto folder = golden::shared_folder() / "data" / "asl_dataset";
  const auto json = golden_folder() / "images.json";
  std::map<std::string, std::filesystem::path> paths;
  if (std::filesystem::exists(folder) && std::filesystem::exists(json)) {
    const auto names = nlohmann::json::parse(read_file(json));
    for (const auto& [key, name] : names.items()) paths[key] = folder / name.get<std::string>();
  } else {
    fmt::print("skipped: {} or {} is not there\n", folder.string(), json.string());
  }
  return paths;
}

}  // namespace

TEST_CASE("golden images: the resize is Pillow's to the bit") {
  const auto archive = golden_images();
  if (!archive) return;
  for (int i = 0; archive->find(fmt::format("{}.decoded", i)); ++i) {
    CAPTURE(i);
    const Image decoded = image_of(*archive, fmt::format("{}.decoded", i));
    CHECK(compare(prepare(decoded, {224, 3}), image_of(*archive, fmt::format("{}.resized224", i))).largest ==
          0);
    CHECK(compare(prepare(decoded, {32, 3}), image_of(*archive, fmt::format("{}.resized32", i))).largest ==
          0);
    CHECK(compare(prepare(decoded, {28, 1}), image_of(*archive, fmt::format("{}.gray28", i))).largest == 0);
  }
  CHECK(archive->find("0.decoded") != nullptr);
}

TEST_CASE("golden images: the decoder agrees with Pillow's") {
  const auto archive = golden_images();
  if (!archive) return;
  for (const auto& [key, path] : photographs()) {
    CAPTURE(path.string());
    const Image image = load_image(path);
    // The JPEG standard leaves the rounding of the inverse transform and the colour conversion open (ITU-T
    // T.83): decoders differ by one or two levels here and there, and after the reduction hardly at all.
    const auto decoded = compare(image, image_of(*archive, key + ".decoded"));
    CHECK(decoded.largest <= 4);
    CHECK(decoded.mean < 0.1);
    const auto resized = compare(prepare(image, {224, 3}), image_of(*archive, key + ".resized224"));
    CHECK(resized.largest <= 2);
    CHECK(resized.mean < 0.1);
  }
}

TEST_CASE("golden images: a batch holds torchvision's input") {
  const auto archive = golden_images();
  if (!archive) return;
  const auto paths = photographs();
  if (paths.empty()) return;
  Dataset dataset;
  for (const auto& [key, path] : paths) {
    dataset.classes.push_back(key);
    dataset.samples.push_back({path.string(), int(dataset.samples.size()), "", "", "", Part::any});
  }
  const ImageStore store(dataset, {{224, 3}});
  Batch batch;
  std::vector<int> all;
  for (int i = 0; i < int(paths.size()); ++i) all.push_back(i);
  load_batch(batch, store, all, Preprocessing{});
  for (const auto& [key, path] : paths) {
    const models::Array* array = archive->find(key + ".input224");
    REQUIRE(array != nullptr);
    const auto expected = models::to_f32(*array);  // [3, 224, 224]
    const int64_t plane = 224 * 224;
    const float* image = batch.images.data() + std::stol(key) * plane * 3;
    double largest = 0;
    for (int64_t p = 0; p < plane * 3; ++p) {
      const double d = std::abs(double(image[p % plane * 3 + p / plane]) - double(expected[size_t(p)]));
      if (!(d <= largest)) largest = d;
    }
    CAPTURE(path.string());
    // Two levels of 255 (see above), over the smallest deviation, 0.224.
    CHECK(largest <= 2.0 / 255 / 0.224 + 1e-5);
  }
}
