#include "data/batches.h"

#include <chrono>
#include <cmath>
#include <limits>
#include <set>
#include <stdexcept>

#include "kernels/parallel.h"
#include "tensor/allocator.h"
#include "tests/data/fixtures.h"

using namespace signet;
using namespace signet::data;

namespace {

const Preprocessing kSmall{
    .size = 10, .channels = 3, .mean = {0.5f, 0.4f, 0.3f}, .deviation = {0.5f, 0.25f, 2}};
const Preprocessing kSmallGrey{.size = 7, .channels = 1, .mean = {0.5f, 9, 9}, .deviation = {0.5f, 9, 9}};

struct Hands {
  Hands() { write_hands(folder, 3, 2, 1, 3); }
  TemporaryFolder folder;
};

/// Everything that a loader hands out, one image after the other.
struct Epoch {
  std::vector<float> images;
  std::vector<int32_t> labels;
  std::vector<int> indices;
  std::vector<int> counts;
  bool operator==(const Epoch&) const = default;
};

Epoch run(BatchLoader& loader) {
  Epoch epoch;
  Batch batch;
  while (loader.next(batch)) {
    REQUIRE(batch.images.shape() == Shape{batch.count, batch.height, batch.width, batch.channels});
    REQUIRE(batch.labels.size() == size_t(batch.count));
    REQUIRE(batch.indices.size() == size_t(batch.count));
    const auto images = batch.images.to_vector();
    epoch.images.insert(epoch.images.end(), images.begin(), images.end());
    epoch.labels.insert(epoch.labels.end(), batch.labels.begin(), batch.labels.end());
    epoch.indices.insert(epoch.indices.end(), batch.indices.begin(), batch.indices.end());
    epoch.counts.push_back(batch.count);
    // Memory that comes back must be filled anew.
    std::fill_n(batch.images.data(), batch.images.size(), std::numeric_limits<float>::quiet_NaN());
  }
  CHECK_FALSE(loader.next(batch));
  return epoch;
}

std::vector<int> order_of(const ImageStore& store) {
  std::vector<int> order;
  for (int i = 0; i < int(store.dataset().size()); ++i) order.push_back(i);
  return shuffled(order, 4, 0, 0);
}

}  // namespace

TEST_CASE_FIXTURE(Hands, "without augmentation a batch holds the normalised pixels exactly") {
  const ImageStore store(scan_dataset(folder.path()), {kSmall.spec(), kSmallGrey.spec()});
  for (const Preprocessing& preprocessing : {kSmall, kSmallGrey}) {
    Batch batch;
    load_batch(batch, store, std::vector<int>{5, 0, 17}, preprocessing);
    CHECK(batch.count == 3);
    CHECK(batch.height == preprocessing.size);
    CHECK(batch.width == preprocessing.size);
    CHECK(batch.channels == preprocessing.channels);
    CHECK(batch.indices == std::vector<int>{5, 0, 17});
    CHECK(batch.labels == std::vector<int32_t>{0, 0, 2});
    const auto bytes = size_t(preprocessing.spec().bytes());
    const auto images = batch.images.to_vector();
    REQUIRE(images.size() == 3 * bytes);
    int wrong = 0;
    for (size_t i = 0; i < images.size(); ++i) {
      const auto pixels = store.kept(batch.indices[i / bytes], preprocessing.spec());
      const size_t c = i % size_t(preprocessing.channels);
      const float value =
          (float(pixels[i % bytes]) / 255 - preprocessing.mean[c]) / preprocessing.deviation[c];
      wrong += !(images[i] == value);
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE_FIXTURE(Hands, "the bits do not depend on prefetch, threads, batch size or memory") {
  const auto dataset = scan_dataset(folder.path());
  const ImageStore store(dataset, {kSmall.spec()}), forgetful(dataset, {kSmall.spec()}, {.max_bytes = 1000});
  const auto order = order_of(store);
  LoaderOptions options{.batch_size = 4, .preprocessing = kSmall, .seed = 3, .epoch = 2};
  options.augmentation = Augmentation{.scale = 0.2, .brightness = 0.3, .contrast = 0.3};
  options.prefetch = 0;
  BatchLoader plain(store, order, options);
  CHECK(plain.batches() == 5);
  const Epoch expected = run(plain);
  CHECK(expected.counts == std::vector<int>{4, 4, 4, 4, 2});
  CHECK(expected.indices == order);

  const int threads = num_threads();
  for (const int t : {1, 2, 3}) {
    set_num_threads(t);
    for (const int prefetch : {0, 1, 2, 50}) {
      for (const ImageStore* from : {&store, &forgetful}) {
        options.prefetch = prefetch;
        BatchLoader loader(*from, order, options);
        CHECK(run(loader) == expected);
      }
    }
  }
  set_num_threads(threads);
  for (const int size : {1, 3, 18, 100}) {
    options.batch_size = size;
    BatchLoader loader(store, order, options);
    CHECK(run(loader).images == expected.images);
  }
}

TEST_CASE_FIXTURE(Hands, "an image is varied by seed and epoch, not by its place or its neighbours") {
  const ImageStore store(scan_dataset(folder.path()), {kSmall.spec()});
  const Augmentation augmentation;
  const auto images = [&](std::vector<int> indices, uint64_t seed, int64_t epoch, bool augmented = true) {
    Batch batch;
    load_batch(batch, store, indices, kSmall, augmented ? &augmentation : nullptr, seed, epoch);
    const auto all = batch.images.to_vector();
    return std::vector<float>(all.end() - kSmall.spec().bytes(), all.end());
  };
  CHECK(images({4}, 1, 1) == images({0, 9, 4}, 1, 1));
  CHECK(images({4}, 1, 1) != images({4}, 1, 2));
  CHECK(images({4}, 1, 1) != images({4}, 2, 1));
  CHECK(images({4}, 1, 1) != images({4}, 1, 1, false));
  CHECK(images({4}, 1, 1, false) == images({4}, 2, 2, false));
}

TEST_CASE_FIXTURE(Hands,
                  "a batch that someone keeps stays as it is, and memory that nobody keeps is used again") {
  const ImageStore store(scan_dataset(folder.path()), {kSmall.spec()});
  for (const int prefetch : {0, 2}) {
    BatchLoader loader(store, order_of(store),
                       {.batch_size = 3, .preprocessing = kSmall, .prefetch = prefetch});
    std::vector<Tensor> kept;
    std::vector<std::vector<float>> as_given;
    for (Batch batch; loader.next(batch);) {
      kept.push_back(batch.images);
      as_given.push_back(batch.images.to_vector());
    }
    REQUIRE(kept.size() == 6);
    for (size_t i = 0; i < kept.size(); ++i) CHECK(kept[i].to_vector() == as_given[i]);

    kept.clear();
    release_cached_memory();
    BatchLoader again(store, order_of(store),
                      {.batch_size = 3, .preprocessing = kSmall, .prefetch = prefetch});
    std::set<const float*> memory;
    for (Batch batch; again.next(batch);) memory.insert(batch.images.data());
    CHECK(memory.size() < 6);
  }
}

TEST_CASE_FIXTURE(Hands, "a loader left midway shuts down") {
  const ImageStore store(scan_dataset(folder.path()), {kSmall.spec()});
  for (int taken = 0; taken < 4; ++taken) {
    for (const int prefetch : {0, 1, 3}) {
      BatchLoader loader(store, order_of(store),
                         {.batch_size = 2, .preprocessing = kSmall, .prefetch = prefetch});
      Batch batch;
      for (int i = 0; i < taken; ++i) CHECK(loader.next(batch));
    }
  }
}

TEST_CASE_FIXTURE(Hands, "what goes wrong in the background reaches the consumer") {
  const ImageStore store(scan_dataset(folder.path()), {}, {.max_bytes = 0});
  std::filesystem::remove(folder.path() / store.dataset().samples[3].path);
  for (const int prefetch : {0, 2}) {
    BatchLoader loader(store, {0, 1, 2, 3, 4},
                       {.batch_size = 2, .preprocessing = kSmall, .prefetch = prefetch});
    Batch batch;
    CHECK(loader.next(batch));
    for (int attempt = 0; attempt < 2; ++attempt) {
      CHECK(contains(error_of([&] { loader.next(batch); }), store.dataset().samples[3].path));
    }
  }
}

TEST_CASE_FIXTURE(Hands, "empty orders and wrong options") {
  const ImageStore store(scan_dataset(folder.path()), {kSmall.spec()});
  BatchLoader empty(store, {}, {});
  Batch batch;
  CHECK(empty.batches() == 0);
  CHECK_FALSE(empty.next(batch));
  CHECK_THROWS_AS(BatchLoader(store, {0}, {.batch_size = 0}), std::invalid_argument);
  CHECK_THROWS_AS(BatchLoader(store, {0}, {.prefetch = -1}), std::invalid_argument);
  CHECK_THROWS_AS(BatchLoader(store, {18}, {}), std::invalid_argument);
  CHECK_THROWS_AS(BatchLoader(store, {-1}, {}), std::invalid_argument);
}
