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

Tensor run_prefix(models::Network& network, int last, const Source& source, const std::vector<int>& order,
                  int64_t samples, int batch_size, const std::function<void(int64_t)>& progress) {
  const NoGrad no_grad;
  network.evaluate();
  Tensor table;
  size_t done = 0;
  source.each_batch(order, batch_size, [&](const Input& input) {
    const Tensor features = network.forward(input.x, source.stage(), last).to({});
    const int64_t count = features.shape()[0], row = features.size() / count;
    if (!table.defined()) {
      auto extents = features.shape().extents();
      extents[0] = samples;
      table = Tensor::zeros(Shape(extents));
    }
    for (int64_t i = 0; i < count; ++i) {
      std::memcpy(table.data() + order[done++] * row, features.data() + i * row, size_t(row) * sizeof(float));
    }
    progress(count);
  });
  return table;
}

}  // namespace signet::study
