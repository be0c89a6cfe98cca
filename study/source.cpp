#include "study/source.h"

#include <algorithm>
#include <cstring>

#include "data/device_batches.h"
#include "study/interrupt.h"
#include "tensor/autograd.h"

namespace signet::study {

data::Preprocessing preprocessing_of(const models::InputSpec& input) {
  return {input.size, input.channels, input.mean, input.deviation};
}

ImageSource::ImageSource(const data::ImageStore& store, const models::InputSpec& input,
                         std::optional<data::Augmentation> augmentation, uint64_t seed, int64_t epoch,
                         Device device)
    : store_(store), device_(device) {
  options_.preprocessing = preprocessing_of(input);
  options_.augmentation = augmentation;
  options_.seed = seed;
  options_.epoch = epoch;
  options_.device = device;
  // Pixels at hand become a batch sooner by all threads, between two steps, than by a thread that competes
  // with the step's own.
  if (device.on_host() && store.keeps_all(options_.preprocessing.spec())) options_.prefetch = 0;
}

void ImageSource::each_batch(const std::vector<int>& order, int batch_size,
                             const std::function<void(const Input&)>& consume) const {
  auto options = options_;
  options.batch_size = batch_size;
  if (device_.on_host()) {
    data::BatchLoader loader(store_, order, options);
    for (data::Batch batch; loader.next(batch);) {
      check_stop();
      consume({std::move(batch.images), Tensor::from(batch.labels, {batch.count}, device_), batch.labels});
    }
  } else {
    data::DeviceBatchLoader loader(store_, order, options);
    for (data::DeviceBatch batch; loader.next(batch);) {
      check_stop();
      consume({std::move(batch.images), std::move(batch.labels), batch.label_values});
    }
  }
}

FeatureSource::FeatureSource(Tensor features, std::vector<int32_t> labels, int stage, Device device)
    : features_(std::move(features)), labels_(std::move(labels)), stage_(stage), device_(device) {}

void FeatureSource::each_batch(const std::vector<int>& order, int batch_size,
                               const std::function<void(const Input&)>& consume) const {
  const int64_t row = features_.shape()[0] > 0 ? features_.size() / features_.shape()[0] : 0;
  for (size_t begin = 0; begin < order.size(); begin += size_t(batch_size)) {
    check_stop();
    const auto rows = std::span(order).subspan(begin, std::min(size_t(batch_size), order.size() - begin));
    auto extents = features_.shape().extents();
    extents[0] = int64_t(rows.size());
    const Tensor x = Tensor::empty(Shape(extents));
    std::vector<int32_t> labels;
    float* out = x.data();
    for (const int index : rows) {
      std::memcpy(out, features_.data() + index * row, size_t(row) * sizeof(float));
      out += row;
      labels.push_back(labels_[size_t(index)]);
    }
    consume({x.to(device_), Tensor::from(labels, {int64_t(rows.size())}, device_), labels});
  }
}

namespace {

// Where an image has become so few numbers, the images of several batches go on together: the deep
// convolutions of a ResNet transform weights that are larger than a batch's activations, and have few pixels
// an image to fill their tiles with.
constexpr int64_t kFewNumbers = 7 << 14;
constexpr int64_t kBatchesTogether = 2;

}  // namespace

Tensor run_prefix(models::Network& network, int last, const Source& source, const std::vector<int>& order,
                  int64_t samples, int batch_size, const std::function<void(int64_t)>& progress) {
  const NoGrad no_grad;
  network.evaluate();
  Tensor table;
  size_t done = 0;
  const auto keep = [&](const Tensor& on_device) {
    const Tensor features = on_device.to({});
    const int64_t count = features.shape()[0], row = features.size() / count;
    if (!table.defined()) {
      auto extents = features.shape().extents();
      extents[0] = samples;
      table = Tensor::zeros(Shape(extents));
    }
    for (int64_t i = 0; i < count; ++i) {
      std::memcpy(table.data() + order[done++] * row, features.data() + i * row, size_t(row) * sizeof(float));
    }
  };
  Tensor joined;
  int64_t seen = 0, held = 0;
  source.each_batch(order, batch_size, [&](const Input& input) {
    Tensor x = input.x;
    int stage = source.stage();
    const int64_t count = x.shape()[0];
    for (; stage < last && x.size() > count * kFewNumbers; ++stage) x = network.forward(x, stage, stage + 1);
    if (!joined.defined()) {
      auto extents = x.shape().extents();
      extents[0] = std::min(kBatchesTogether * batch_size, int64_t(order.size()));
      joined = Tensor::empty(Shape(extents), x.device(), x.dtype());
    }
    joined.rows(held, held + count).copy_from(x);
    held += count;
    seen += count;
    x = {};
    if (held == joined.shape()[0] || seen == int64_t(order.size())) {
      keep(network.forward(joined.rows(0, held), stage, last));
      held = 0;
    }
    progress(count);
  });
  return table;
}

}  // namespace signet::study
