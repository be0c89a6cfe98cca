#pragma once
// Batches of normalised images, made ahead of time on a background thread.

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
  std::vector<float> images;    ///< [count, height, width, channels], normalised
  std::vector<int32_t> labels;  ///< [count]
  std::vector<int> indices;     ///< [count], into the store's data set
};

/// Fills `batch` with the images `indices` of the store. With an augmentation each image is varied by its
/// draw_warp for (seed, epoch); without one it passes through exactly. Buffers of `batch` are used again.
void load_batch(Batch& batch, const ImageStore& store, std::span<const int> indices,
                const Preprocessing& preprocessing, const Augmentation* augmentation = nullptr,
                uint64_t seed = 0, int64_t epoch = 0);

struct LoaderOptions {
  int batch_size = 32;
  Preprocessing preprocessing = {};
  std::optional<Augmentation> augmentation = {};  ///< none: validation
  uint64_t seed = 0;
  int64_t epoch = 0;
  int prefetch = 2;  ///< batches made ahead; 0 makes each batch when it is asked for, without a thread
};

/// Hands out the images of `order`, batch by batch, the last one shorter if need be. Contents depend only on
/// order, preprocessing, augmentation, seed and epoch: not on prefetch, threads or (for an image) batch size.
class BatchLoader {
 public:
  /// The store must outlive the loader. Throws std::invalid_argument for a batch size below 1, a negative
  /// prefetch or an index that the store lacks.
  BatchLoader(const ImageStore& store, std::vector<int> order, LoaderOptions options);
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;
  /// Stops the thread after the batch it is making; batches not taken are dropped.
  ~BatchLoader();

  /// The number of batches in all.
  int64_t batches() const;

  /// Puts the next batch into `batch`, whose old buffers are used again; false after the last one. Rethrows
  /// here what went wrong while the batch was made.
  bool next(Batch& batch);

 private:
  void make(Batch& batch, int64_t number) const;
  void work(const std::stop_token& stop);

  const ImageStore& store_;
  const std::vector<int> order_;
  const LoaderOptions options_;
  int64_t taken_ = 0;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Batch> ready_, spare_;
  std::exception_ptr failure_;
  std::jthread thread_;  // last: it is joined before what it uses goes
};

}  // namespace signet::data
