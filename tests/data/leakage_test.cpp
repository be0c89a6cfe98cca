#include "data/leakage.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "data/encode.h"
#include "data/folds.h"
#include "kernels/parallel.h"
#include "tests/data/fixtures.h"

using namespace signet;
using namespace signet::data;

namespace {

/// A 32x32 image that is `base` of random_image with every byte moved by `offset` levels.
void write_moved(const TemporaryFolder& folder, const std::string& name, uint64_t base, int offset) {
  Image image = random_image(base, 32, 32, 3);
  for (auto& pixel : image.pixels) pixel = uint8_t(pixel / 2 + 60 + offset);
  write_png(folder.path() / name, image);
}

}  // namespace

TEST_CASE("near-twins are found by pixels on either side of the threshold") {
  const int below = int(std::floor(kNearTwinDistance * 255)), above = below + 1;
  const TemporaryFolder folder;
  write_moved(folder, "a/1.png", 1, 0);
  write_moved(folder, "a/2.png", 1, below);
  write_moved(folder, "a/3.png", 2, 0);
  write_moved(folder, "b/1.png", 2, above);
  write_moved(folder, "b/2.png", 3, 0);
  write_moved(folder, "b/3.png", 3, 1);
  const ImageStore store(scan_dataset(folder.path()), {kNearTwinSpec});

  // a/1 and a/2 find each other across folds; a/3 and b/1 are one level too far; b/2 and b/3 share a fold.
  const auto leakage = measure_leakage(store, std::vector<int>{0, 1, 0, 1, 0, 0});
  CHECK(leakage.validation_images == 6);
  CHECK(leakage.near_twins == 2);
  CHECK(leakage.near_twin_share() == doctest::Approx(2.0 / 6));
  CHECK(leakage.named == 0);
  CHECK(leakage.siblings == 0);

  // Images that are only trained on are no validation images, but they give twins away.
  const auto trained = measure_leakage(store, std::vector<int>{-1, 0, -1, 0, -1, 0});
  CHECK(trained.validation_images == 3);
  CHECK(trained.near_twins == 2);

  CHECK(measure_leakage(store, std::vector<int>(6, -1)).near_twin_share() == 0);
  CHECK_THROWS_AS(measure_leakage(store, std::vector<int>{0, 1}), std::invalid_argument);
}

TEST_CASE("every row of a picture counts") {
  const TemporaryFolder folder;
  const Image image{32, 32, 3, std::vector<uint8_t>(3072, 10)};
  write_png(folder.path() / "a" / "base.png", image);
  for (int row = 0; row < 32; ++row) {
    Image other = image;
    std::fill_n(other.pixels.begin() + row * 96, 96, uint8_t(200));
    write_png(folder.path() / "b" / (std::to_string(row) + ".png"), other);
  }
  const ImageStore store(scan_dataset(folder.path()), {kNearTwinSpec});
  std::vector<int> folds(33, -1);
  folds[0] = 0;
  CHECK(measure_leakage(store, folds).near_twins == 0);
}

TEST_CASE("siblings are counted by name, whatever the number of threads") {
  const TemporaryFolder folder;
  write_hands(folder, 2, 2, 3, 4);
  const ImageStore store(scan_dataset(folder.path()), {}, {.max_bytes = 0});
  const auto random = make_folds(store.dataset(), Split::random, 4, 1);
  const auto group = make_folds(store.dataset(), Split::group, 3, 1);
  const int threads = num_threads();
  for (const int t : {1, 3}) {
    set_num_threads(t);
    const auto leakage = measure_leakage(store, random);
    CHECK(leakage.named == 48);
    // Random folds tear nearly every group of four apart; an image without a sibling would need all in one.
    CHECK(leakage.sibling_share() > 0.9);
    CHECK(measure_leakage(store, group).siblings == 0);
    CHECK(measure_leakage(store, make_folds(store.dataset(), Split::signer, 0, 1)).siblings == 0);
  }
  set_num_threads(threads);
}
