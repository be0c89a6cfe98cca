#pragma once
// Batches of images, made ahead of time on a background thread: normalised ones for the CPU, or pixels and
// warps, of which a device makes the normalised ones (data/device_batches.h).

#include <array>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "data/augment.h"
#include "data/shuffle.h"
#include "data/store.h"
#include "tensor/staging.h"
#include "tensor/tensor.h"

namespace signet::data {

/// How pixels become a network's input: (pixel / 255 - mean) / deviation at size x size.
struct Preprocessing {
  int size = 224;
  int channels = 3;
  std::array<float, 3> mean{0.485f, 0.456f, 0.406f};
  std::array<float, 3> deviation{0.229f, 0.224f, 0.225f};
  bool operator==(const Preprocessing&) const = default;
  ImageSpec spec() const { return {size, channels}; }
};

struct Batch {
  int count = 0, height = 0, width = 0, channels = 0;
  Tensor images;                ///< [count, height, width, channels], normalised; memory of its own
  std::vector<int32_t> labels;  ///< [count]
  std::vector<int> indices;     ///< [count], into the store's data set
};

/// Fills `batch` with the images `indices` of the store. With an augmentation each image is varied by its
/// draw_warp for (seed, epoch); without one it passes through exactly. `batch` may be one that was filled
/// before.
void load_batch(Batch& batch, const ImageStore& store, std::span<const int> indices,
                const Preprocessing& preprocessing, const Augmentation* augmentation = nullptr,
                uint64_t seed = 0, int64_t epoch = 0);

/// What image_warp makes a batch of, in memory from which a device is given copies.
struct RawBatch {
  explicit RawBatch(Device device = {}) : pixels(device), warps(device), labels(device) {}

  int count = 0, height = 0, width = 0, channels = 0;
  Staging<uint8_t> pixels;   ///< [count, height, width, channels]
  Staging<ImageWarp> warps;  ///< [count]
  Staging<int32_t> labels;   ///< [count]
  std::vector<int> indices;  ///< [count]
};

/// The same images before their warp.
void load_batch(RawBatch& batch, const ImageStore& store, std::span<const int> indices,
                const Preprocessing& preprocessing, const Augmentation* augmentation = nullptr,
                uint64_t seed = 0, int64_t epoch = 0);

struct LoaderOptions {
  int batch_size = 32;
  Preprocessing preprocessing = {};
  std::optional<Augmentation> augmentation = {};  ///< none: validation
  uint64_t seed = 0;
  int64_t epoch = 0;
  int prefetch = 2;    ///< batches made ahead; 0 makes each batch when it is asked for, without a thread
  Device device = {};  ///< where raw batches go
};

/// Hands out the images of `order`, batch by batch, the last one shorter if need be. Contents depend only on
/// order, preprocessing, augmentation, seed and epoch: not on prefetch, threads or (for an image) batch size.
template <class AnyBatch>
class Loader {
 public:
  /// The store must outlive the loader. Throws std::invalid_argument for a batch size below 1, a negative
  /// prefetch or an index that the store lacks.
  Loader(const ImageStore& store, std::vector<int> order, LoaderOptions options);
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;
  /// Stops the thread after the batch it is making; batches not taken are dropped.
  ~Loader();

  /// The number of batches in all.
  int64_t batches() const;

  /// Puts the next batch into `batch`, whose old buffers are used again; false after the last one. Rethrows
  /// here what went wrong while the batch was made.
  bool next(AnyBatch& batch);

 private:
  void make(AnyBatch& batch, int64_t number) const;
  void work(const std::stop_token& stop);

  const ImageStore& store_;
  const std::vector<int> order_;
  const LoaderOptions options_;
  int64_t taken_ = 0;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<AnyBatch> ready_, spare_;
  std::exception_ptr failure_;
  std::jthread thread_;  // last: it is joined before what it uses goes
};

using BatchLoader = Loader<Batch>;
using RawBatchLoader = Loader<RawBatch>;

}  // namespace signet::data
