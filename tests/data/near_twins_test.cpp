#include "data/near_twins.h"

#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>

#include "data/encode.h"
#include "data/file_facts.h"
#include "data/hog.h"
#include "tests/data/fixtures.h"

using namespace signet;
using namespace signet::data;

namespace {

/// An image of 32x32 pixels in halves of two greys.
Image halves(int left, int right) {
  Image image{32, 32, 3, std::vector<uint8_t>(3072, uint8_t(left))};
  for (int y = 0; y < 32; ++y) {
    for (int x = 16 * 3; x < 96; ++x) image.pixels[size_t(y * 96 + x)] = uint8_t(right);
  }
  return image;
}

}  // namespace

TEST_CASE("near-twins form pairs, closest first, and groups by chains") {
  const TemporaryFolder folder;
  // 0, 12 and 24 levels: neighbours are within 0.06 * 255 = 15.3, the ends are not.
  for (int i = 0; i < 3; ++i)
    write_png(folder.path() / "a" / (std::to_string(i) + ".png"), halves(40 + 12 * i, 90));
  write_png(folder.path() / "b" / "0.png", halves(200, 200));
  write_png(folder.path() / "b" / "1.png", halves(200, 201));
  const ImageStore store(scan_dataset(folder.path()), {kNearTwinSpec});
  const auto twins = find_near_twins(store);
  CHECK(twins.group == std::vector{0, 0, 0, 1, 1});
  // a/0 and a/2 differ by 24 in half of the pixels: 24 / sqrt(2) = 17 is above 15.3.
  REQUIRE(twins.pair_count == 3);
  CHECK(twins.pairs[0].first == 3);
  CHECK(twins.pairs[0].second == 4);
  CHECK(twins.pairs[0].distance == doctest::Approx(1 / std::sqrt(2.0) / 255));
  CHECK(twins.pairs[1].distance == doctest::Approx(12 / std::sqrt(2.0) / 255));
}

TEST_CASE("pairs of many copies are bounded, their count and group are not") {
  const TemporaryFolder folder;
  for (int i = 0; i < 30; ++i)
    write_png(folder.path() / (i < 15 ? "a" : "b") / (std::to_string(i) + ".png"), halves(1, 2));
  const ImageStore store(scan_dataset(folder.path()), {kNearTwinSpec});
  const auto twins = find_near_twins(store);
  CHECK(twins.pair_count == 30 * 29 / 2);
  CHECK(twins.pairs.size() <= size_t(30 * kMostTwinsAnImage));
  CHECK(twins.group == std::vector<int>(30, 0));
}

TEST_CASE("a mirror image's twin is found, its own place included") {
  const TemporaryFolder folder;
  write_png(folder.path() / "a" / "0.png", halves(10, 200));
  write_png(folder.path() / "b" / "0.png", halves(200, 12));
  write_png(folder.path() / "b" / "1.png", halves(90, 90));
  write_png(folder.path() / "b" / "2.png", halves(0, 120));
  const ImageStore store(scan_dataset(folder.path()), {kNearTwinSpec});
  CHECK(find_mirror_twins(store) == std::vector{1, 0, 2, -1});
}

TEST_CASE("groups that share a member are joined") {
  CHECK(join_groups({{0, 0, 1, 2, 2}, {-1, 7, 7, -1, 3}}) == std::vector{0, 0, 0, 1, 1});
  CHECK_THROWS_AS(join_groups({{0}, {0, 1}}), std::invalid_argument);
  CHECK_THROWS_AS(join_groups({}), std::invalid_argument);
}

TEST_CASE("copies are told by pixels, odd sizes by the median") {
  std::vector<FileFacts> facts(7, {100, 100, "x", 1, false});
  facts[1].pixels = 2;
  facts[2] = {100, 100, "y", 2, false};
  facts[3] = {0, 0, "", 0, false};  // unreadable
  facts[4] = {100, 250, "z", 3, false};
  facts[5] = {20, 20, "w", 4, false};
  facts[6] = facts[3];
  const auto copies = find_copies(facts);
  REQUIRE(copies.size() == 1);
  CHECK(copies[0].files == std::vector{1, 2});
  CHECK_FALSE(copies[0].same_bytes);
  facts[2].digest = "x";
  CHECK(find_copies(facts)[0].same_bytes);
  const auto odd = odd_sizes(facts);
  CHECK(odd[0].empty());
  CHECK(odd[3].empty());
  CHECK(contains(odd[4], "250x100 pixels: 2.5 times as wide"));
  CHECK(contains(odd[5], "below 32 pixels"));
  CHECK(odd_sizes({}).empty());
  CHECK(odd_sizes(std::vector<FileFacts>(3, {8, 8, "v", 5, false})) == std::vector<std::string>(3));
}

TEST_CASE("histograms of gradients put an edge into the bin of its direction") {
  // A step along x: the gradient points along x, angle 0, all in bin 0; along y, angle 90 degrees = bin 4.5.
  const Image step = halves(0, 255);
  const auto features = histograms_of_gradients(step, 16);
  REQUIRE(features.size() == 36);
  for (int cell = 0; cell < 4; ++cell) {
    CHECK(features[size_t(cell * 9)] == doctest::Approx(0.2));
    for (int bin = 1; bin < 9; ++bin) CHECK(features[size_t(cell * 9 + bin)] == 0);
  }
  Image turned = step;
  for (int y = 0; y < 32; ++y) {
    for (int x = 0; x < 32; ++x) {
      for (int c = 0; c < 3; ++c)
        turned.pixels[size_t((y * 32 + x) * 3 + c)] = step.pixels[size_t((x * 32 + y) * 3 + c)];
    }
  }
  const auto upright = histograms_of_gradients(turned, 16);
  CHECK(upright[0] == 0);
  CHECK(upright[4] == doctest::Approx(upright[5]));
  CHECK(upright[4] > 0.1);
  CHECK_THROWS_AS(histograms_of_gradients(step, 17), std::invalid_argument);
}

TEST_CASE("a lenient scan and store take what training refuses") {
  const TemporaryFolder folder;
  folder.write_image("a/1.png", 1);
  folder.write("b/1.png", "broken");
  std::filesystem::create_directories(folder.path() / "c");
  const auto dataset = scan_dataset(folder.path(), NamePattern(), Strictness::lenient);
  CHECK(dataset.classes == std::vector<std::string>{"a", "b", "c"});
  CHECK(contains(error_of([&] { scan_dataset(folder.path()); }), "class without images"));
  std::vector<FileFacts> facts(2);
  StoreOptions options;
  options.skip_bad = options.keep_empty_classes = true;
  options.examine = [&](const DecodedFile& file) { facts[size_t(file.index)] = facts_of(file); };
  const ImageStore store(dataset, {}, options);
  CHECK(store.dataset().size() == 1);
  CHECK(facts[0].width == 6);
  CHECK_FALSE(facts[0].blank);
  CHECK(facts[1].width == 0);
  options.keep_empty_classes = false;
  CHECK(contains(error_of([&] { ImageStore strict(dataset, {}, options); }),
                 "none of the images of class 'b'"));
}
