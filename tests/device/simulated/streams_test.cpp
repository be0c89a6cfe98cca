// Streams that put off what they are given: what only an order by events makes right.

#include "kernels/simt/stream.h"

#include <algorithm>
#include <numeric>

#include "data/device_batches.h"
#include "tests/data/fixtures.h"
#include "tests/device/device.h"

namespace signet::test {
namespace {

using namespace data;

/// Streams are delayed while it lives.
struct Delays {
  explicit Delays(uint64_t seed) { simt::set_stream_delays(seed); }
  ~Delays() { simt::set_stream_delays(0); }
  Delays(const Delays&) = delete;
  Delays& operator=(const Delays&) = delete;
};

TEST_CASE("delayed streams do nothing before somebody waits, and then in the order of the marks") {
  const Tensor x = Tensor::full({4}, 1, kCuda);
  const StagingMemory staging(4 * sizeof(float), kCuda);
  auto* numbers = static_cast<float*>(staging.data());
  const auto upload = [&](float value, bool hold) {
    std::fill_n(numbers, 4, value);
    cuda::upload(x.data(), numbers, 4 * sizeof(float));
    cuda::Mark there;
    there.set(cuda::Stream::uploads);
    if (hold) there.hold(cuda::Stream::work);
    const float seen = x.to_vector().front();
    there.wait();
    return seen;
  };
  int missed = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const Delays delays(seed);
    CHECK(upload(float(seed), true) == float(seed));
    missed += upload(-1, false) != -1;
  }
  CHECK(missed > 0);  // so a forgotten mark is seen
}

TEST_CASE("batches are right however late uploads and kernels are") {
  TemporaryFolder folder;
  write_hands(folder, 3, 2, 1, 3);
  const Preprocessing preprocessing{.size = 24, .channels = 3};
  const ImageStore store(scan_dataset(folder.path()), {preprocessing.spec()});
  std::vector<int> order(size_t(store.dataset().size()));
  std::iota(order.begin(), order.end(), 0);
  LoaderOptions options{.batch_size = 2, .preprocessing = preprocessing, .seed = 3, .epoch = 2};
  options.augmentation = Augmentation{};
  options.device = kCuda;
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    INFO("seed ", seed);
    const Delays delays(seed);
    BatchLoader on_cpu(store, order, options);
    DeviceBatchLoader on_device(store, order, options);
    Batch expected;
    std::vector<std::vector<float>> images;
    while (on_cpu.next(expected)) images.push_back(expected.images.to_vector());
    // Nobody waits between the batches, and the memory of each is used again.
    std::vector<Tensor> copies;
    for (DeviceBatch batch; on_device.next(batch); batch = {}) copies.push_back(batch.images.clone());
    REQUIRE(copies.size() == images.size());
    for (size_t i = 0; i < copies.size(); ++i) {
      INFO("batch ", i);
      CHECK(same_bits(copies[i].to_vector(), images[i]));
    }
  }
}

}  // namespace
}  // namespace signet::test
