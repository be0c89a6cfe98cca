#pragma once
// Batches of normalised images on a CUDA device. Pixels, warps and labels go up, a quarter of the bytes of
// the images that image_warp then makes of them on the device, with the bits that the CPU would give them.
// While the device computes on one batch, the next one's pixels are on their way.

#include <array>
#include <span>

#include "data/batches.h"
#include "kernels/cuda/runtime.h"
#include "tensor/tensor.h"

namespace signet::data {

struct DeviceBatch {
  Tensor images;                          ///< [count, height, width, channels], normalised
  Tensor labels;                          ///< i32 [count]
  std::span<const int32_t> label_values;  ///< the same, for the CPU to read until the next batch is asked for
};

/// Hands out on a CUDA device what a BatchLoader hands out on the CPU. For one thread.
class DeviceBatchLoader {
 public:
  /// As BatchLoader's; `options.device` is the CUDA device.
  DeviceBatchLoader(const ImageStore& store, std::vector<int> order, LoaderOptions options);
  DeviceBatchLoader(const DeviceBatchLoader&) = delete;
  DeviceBatchLoader& operator=(const DeviceBatchLoader&) = delete;
  ~DeviceBatchLoader();

  /// The next batch, or false after the last one. Its images are made in order with the kernels of the
  /// calling thread.
  bool next(DeviceBatch& batch);

 private:
  /// One batch on its way. Two of them take turns.
  struct Upload {
    explicit Upload(Device device) : batch(device) {}

    RawBatch batch;
    Tensor pixels, warps, labels;
    cuda::Mark there;  ///< set on the stream of the uploads, behind this one
    bool started = false;
  };

  /// Starts the upload that is next in turn, unless there are no more batches.
  void start();
  Upload& in_turn(int64_t number) { return *uploads_[size_t(number % 2)]; }

  const Device device_;
  const Preprocessing preprocessing_;
  Tensor mean_, deviation_;
  std::array<std::unique_ptr<Upload>, 2> uploads_;
  cuda::Mark free_;  ///< set on the stream of the kernels, behind the last use of an upload's memory
  int64_t started_ = 0, taken_ = 0;
  RawBatchLoader loader_;  // last: its thread fills the memory above
};

}  // namespace signet::data
