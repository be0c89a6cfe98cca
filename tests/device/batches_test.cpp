// Batches on the device: the CPU's bits, whatever becomes of the loader.

#include <algorithm>
#include <cstring>
#include <numeric>

#include "data/device_batches.h"
#include "tests/data/fixtures.h"
#include "tests/device/device.h"

namespace signet::test {
namespace {

using namespace data;

const Preprocessing kSmall{
    .size = 10, .channels = 3, .mean = {0.5f, 0.4f, 0.3f}, .deviation = {0.5f, 0.25f, 2}};
const Preprocessing kGrey{.size = 7, .channels = 1, .mean = {0.5f, 9, 9}, .deviation = {0.5f, 9, 9}};

struct Files {
  Files() { write_hands(folder, 3, 2, 1, 3); }

  std::vector<int> order(const ImageStore& store) const {
    std::vector<int> all(size_t(store.dataset().size()));
    std::iota(all.begin(), all.end(), 0);
    return shuffled(all, 4, 0, 0);
  }
  static LoaderOptions options(const Preprocessing& preprocessing) {
    LoaderOptions o{.batch_size = 4, .preprocessing = preprocessing, .seed = 3, .epoch = 2};
    o.device = kCuda;
    return o;
  }

  TemporaryFolder folder;
};

TEST_CASE_FIXTURE(Files, "the device's batches are the CPU's to the bit") {
  const auto dataset = scan_dataset(folder.path());
  const ImageStore kept(dataset, {kSmall.spec(), kGrey.spec()}), forgetful(dataset, {}, {.max_bytes = 0});
  const std::vector<std::optional<Augmentation>> augmentations{
      std::nullopt, Augmentation{.scale = 0.2, .brightness = 0.3, .contrast = 0.3},
      Augmentation{.nearest = true}};
  for (const Preprocessing& preprocessing : {kSmall, kGrey}) {
    for (const auto& augmentation : augmentations) {
      for (const ImageStore* store : {&kept, &forgetful}) {
        auto options = Files::options(preprocessing);
        options.augmentation = augmentation;
        BatchLoader on_cpu(*store, order(*store), options);
        DeviceBatchLoader on_device(*store, order(*store), options);
        Batch expected;
        DeviceBatch batch;
        std::vector<DeviceBatch> earlier;  // a batch stays as it is when later ones are made
        std::vector<std::vector<float>> expected_earlier;
        while (on_cpu.next(expected)) {
          REQUIRE(on_device.next(batch));
          CHECK(batch.images.shape() ==
                Shape{expected.count, expected.height, expected.width, expected.channels});
          CHECK(same_bits(batch.images.to_vector(), expected.images.to_vector()));
          CHECK(std::equal(batch.label_values.begin(), batch.label_values.end(), expected.labels.begin(),
                           expected.labels.end()));
          std::vector<int32_t> labels(expected.labels.size());
          const Tensor on_host = batch.labels.to({});
          std::memcpy(labels.data(), on_host.data_i32(), labels.size() * sizeof(int32_t));
          CHECK(labels == expected.labels);
          earlier.push_back(batch);
          expected_earlier.push_back(expected.images.to_vector());
        }
        CHECK_FALSE(on_device.next(batch));
        CHECK(earlier.size() == 5);
        for (size_t i = 0; i < earlier.size(); ++i) {
          CHECK(same_bits(earlier[i].images.to_vector(), expected_earlier[i]));
        }
      }
    }
  }
}

TEST_CASE_FIXTURE(Files, "a loader may be left midway, or have nothing to load") {
  const ImageStore store(scan_dataset(folder.path()), {kSmall.spec()});
  for (int taken = 0; taken < 4; ++taken) {
    DeviceBatchLoader loader(store, order(store), Files::options(kSmall));
    DeviceBatch batch;
    for (int i = 0; i < taken; ++i) CHECK(loader.next(batch));
  }
  DeviceBatchLoader empty(store, {}, Files::options(kSmall));
  DeviceBatch batch;
  CHECK_FALSE(empty.next(batch));
}

TEST_CASE_FIXTURE(Files, "a file that has become unreadable ends the loading with its name") {
  const ImageStore store(scan_dataset(folder.path()), {}, {.max_bytes = 0});
  const std::string gone = store.dataset().samples[17].path;
  std::filesystem::remove(folder.path() / gone);
  std::vector<int> all(18);
  std::iota(all.begin(), all.end(), 0);
  const auto load = [&] {
    DeviceBatchLoader loader(store, all, Files::options(kSmall));
    for (DeviceBatch batch; loader.next(batch);) {
    }
  };
  CHECK(contains(error_of(load), gone));
}

}  // namespace
}  // namespace signet::test
