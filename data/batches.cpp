#include "data/batches.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "kernels/parallel.h"

namespace signet::data {

namespace {

template <class AnyBatch>
void set_form(AnyBatch& batch, std::span<const int> indices, const ImageSpec& spec) {
  batch.count = int(indices.size());
  batch.height = batch.width = spec.size;
  batch.channels = spec.channels;
  batch.indices.assign(indices.begin(), indices.end());
}

ImageWarp warp_of(const Sample& sample, const ImageSpec& spec, const Augmentation* augmentation,
                  uint64_t seed, int64_t epoch) {
  if (!augmentation) return {};
  return draw_warp(*augmentation, seed, epoch, image_key(sample.path), spec.size, spec.size);
}

Batch empty_batch(const Batch* /*kind*/, const LoaderOptions& /*options*/) {
  return {};
}
RawBatch empty_batch(const RawBatch* /*kind*/, const LoaderOptions& options) {
  return RawBatch(options.device);
}

}  // namespace

void load_batch(Batch& batch, const ImageStore& store, std::span<const int> indices,
                const Preprocessing& preprocessing, const Augmentation* augmentation, uint64_t seed,
                int64_t epoch) {
  const ImageSpec spec = preprocessing.spec();
  set_form(batch, indices, spec);
  // Whoever took the images before may keep them; if nobody did, their memory is used again.
  batch.images = Tensor();
  batch.images = Tensor::empty({batch.count, batch.height, batch.width, batch.channels});
  batch.labels.resize(indices.size());
  float* const images = batch.images.data();
  parallel_for(batch.count, [&](int64_t i) {
    const int64_t index = indices[size_t(i)];
    const auto& sample = store.dataset().samples.at(size_t(index));
    batch.labels[size_t(i)] = sample.label;
    auto pixels = store.kept(index, spec);
    std::vector<uint8_t> decoded;
    if (pixels.empty()) {
      decoded.resize(size_t(spec.bytes()));
      store.read(index, spec, decoded);
      pixels = decoded;
    }
    const ImageWarp warp = warp_of(sample, spec, augmentation, seed, epoch);
    cpu::image_warp(images + i * spec.bytes(), pixels.data(), &warp, preprocessing.mean.data(),
                    preprocessing.deviation.data(), 1, spec.size, spec.size, spec.channels);
  });
}

void load_batch(RawBatch& batch, const ImageStore& store, std::span<const int> indices,
                const Preprocessing& preprocessing, const Augmentation* augmentation, uint64_t seed,
                int64_t epoch) {
  const ImageSpec spec = preprocessing.spec();
  set_form(batch, indices, spec);
  batch.pixels.resize(batch.count * spec.bytes());
  batch.warps.resize(batch.count);
  batch.labels.resize(batch.count);
  parallel_for(batch.count, [&](int64_t i) {
    const int64_t index = indices[size_t(i)];
    const auto& sample = store.dataset().samples.at(size_t(index));
    store.read(index, spec, batch.pixels.span().subspan(size_t(i * spec.bytes()), size_t(spec.bytes())));
    batch.warps.data()[i] = warp_of(sample, spec, augmentation, seed, epoch);
    batch.labels.data()[i] = sample.label;
  });
}

template <class AnyBatch>
Loader<AnyBatch>::Loader(const ImageStore& store, std::vector<int> order, LoaderOptions options)
    : store_(store), order_(std::move(order)), options_(options) {
  if (options_.batch_size < 1 || options_.prefetch < 0) {
    throw std::invalid_argument("[BatchLoader] a batch has at least one image, prefetch is not negative");
  }
  for (const int i : order_) {
    if (i < 0 || i >= store_.dataset().size()) {
      throw std::invalid_argument("[BatchLoader] the order names an image that the store lacks");
    }
  }
  if (options_.prefetch > 0 && !order_.empty()) {
    thread_ = std::jthread([this](const std::stop_token& stop) { work(stop); });
  }
}

template <class AnyBatch>
Loader<AnyBatch>::~Loader() = default;

template <class AnyBatch>
int64_t Loader<AnyBatch>::batches() const {
  const auto size = int64_t{options_.batch_size};
  return (int64_t(order_.size()) + size - 1) / size;
}

template <class AnyBatch>
bool Loader<AnyBatch>::next(AnyBatch& batch) {
  if (taken_ == batches()) return false;
  if (options_.prefetch == 0) {
    make(batch, taken_);
  } else {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !ready_.empty() || failure_; });
    if (ready_.empty()) std::rethrow_exception(failure_);
    std::swap(batch, ready_.front());
    spare_.push_back(std::move(ready_.front()));
    ready_.pop_front();
    changed_.notify_all();
  }
  ++taken_;
  return true;
}

template <class AnyBatch>
void Loader<AnyBatch>::make(AnyBatch& batch, int64_t number) const {
  const auto first = size_t(number) * size_t(options_.batch_size);
  const auto count = std::min(size_t(options_.batch_size), order_.size() - first);
  load_batch(batch, store_, std::span(order_).subspan(first, count), options_.preprocessing,
             options_.augmentation ? &*options_.augmentation : nullptr, options_.seed, options_.epoch);
}

template <class AnyBatch>
void Loader<AnyBatch>::work(const std::stop_token& stop) {
  try {
    for (int64_t number = 0; number < batches(); ++number) {
      AnyBatch batch = empty_batch(static_cast<const AnyBatch*>(nullptr), options_);
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, stop, [&] { return ready_.size() < size_t(options_.prefetch); });
        if (stop.stop_requested()) return;
        if (!spare_.empty()) {
          batch = std::move(spare_.front());
          spare_.pop_front();
        }
      }
      make(batch, number);
      const std::lock_guard lock(mutex_);
      ready_.push_back(std::move(batch));
      changed_.notify_all();
    }
  } catch (...) {
    const std::lock_guard lock(mutex_);
    failure_ = std::current_exception();
    changed_.notify_all();
  }
}

template class Loader<Batch>;
template class Loader<RawBatch>;

}  // namespace signet::data
