#include "study/source.h"

#include <doctest/doctest.h>

#include <cstring>
#include <numeric>

#include "models/network.h"
#include "tensor/autograd.h"

using namespace signet;
using namespace signet::study;

namespace {

/// Noise as images, which know nothing of files.
class NoiseSource : public Source {
 public:
  explicit NoiseSource(int size) : size_(size) {}
  int stage() const override { return 0; }
  void each_batch(const std::vector<int>& order, int batch_size,
                  const std::function<void(const Input&)>& consume) const override {
    for (size_t begin = 0; begin < order.size(); begin += size_t(batch_size)) {
      const size_t end = std::min(order.size(), begin + size_t(batch_size));
      std::vector<float> values;
      for (size_t i = begin; i < end; ++i)
        for (int64_t j = 0; j < int64_t{size_} * size_ * 3; ++j)
          values.push_back(float((j * 7919 + order[i] * 104729) % 1000) / 500 - 1);
      const std::vector<int32_t> labels(end - begin, 0);
      const Shape shape{int64_t(end - begin), size_, size_, 3};
      consume({Tensor::from(values, shape), Tensor::from(labels, {int64_t(labels.size())}), labels});
    }
  }

 private:
  int size_;
};

}  // namespace

TEST_CASE(
    "a frozen prefix gives each sample its features, in whatever batches and joined wherever it shrinks") {
  // At 200 pixels an image is joined to others behind the stem, at 64 before it.
  for (const int size : {200, 64}) {
    const auto network = models::make_network("resnet18", 4, size, 8);
    network->initialize({7});
    network->evaluate();
    const NoiseSource source(size);
    const int last = network->stage_index("fc");
    constexpr int kSamples = 12;
    const std::vector<int> order{3, 0, 11, 7, 5, 1, 10, 2, 9, 4, 8};  // all but 6
    int64_t told = 0;
    const Tensor table =
        run_prefix(*network, last, source, order, kSamples, 2, [&](int64_t n) { told += n; });
    CHECK(told == int64_t(order.size()));
    REQUIRE(table.shape()[0] == kSamples);
    const auto row = size_t(table.size() / kSamples);
    const auto features = table.to_vector();
    const NoGrad no_grad;
    for (const int sample : order) {
      source.each_batch({sample}, 1, [&](const Input& input) {
        const auto alone = network->forward(input.x, 0, last).to_vector();
        CHECK_MESSAGE(
            std::memcmp(alone.data(), features.data() + size_t(sample) * row, row * sizeof(float)) == 0,
            "sample ", sample, " at ", size, " pixels");
      });
    }
    CHECK(std::accumulate(features.begin() + std::ptrdiff_t(6 * row),
                          features.begin() + std::ptrdiff_t(7 * row), 0.0f) == 0);
  }
}
