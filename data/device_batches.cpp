#include "data/device_batches.h"

#include <exception>

#include "kernels/kernels.h"

namespace signet::data {
namespace {

/// Room on the device for an array of the CPU.
template <class T>
Tensor room_for(const Staging<T>& array, Device device) {
  return Tensor::empty({array.bytes()}, device, DType::u8);
}

}  // namespace

DeviceBatchLoader::DeviceBatchLoader(const ImageStore& store, std::vector<int> order, LoaderOptions options)
    : device_(options.device),
      preprocessing_(options.preprocessing),
      mean_(Tensor::from(preprocessing_.mean, {3}, device_)),
      deviation_(Tensor::from(preprocessing_.deviation, {3}, device_)),
      uploads_{std::make_unique<Upload>(device_), std::make_unique<Upload>(device_)},
      loader_(store, std::move(order), options) {
  start();
}

DeviceBatchLoader::~DeviceBatchLoader() {
  // A loader that is left midway has an upload under way, from and to memory that is about to be freed.
  for (const auto& upload : uploads_) {
    try {
      if (upload->started) upload->there.wait();
    } catch (const std::exception&) {
      // The device has failed, and nothing is under way any more.
    }
  }
}

void DeviceBatchLoader::start() {
  Upload& upload = in_turn(started_);
  // The loader fills the memory that it is handed here again.
  if (upload.started) upload.there.wait();
  upload.started = false;
  if (!loader_.next(upload.batch)) return;
  upload.pixels = room_for(upload.batch.pixels, device_);
  upload.warps = room_for(upload.batch.warps, device_);
  upload.labels = Tensor::empty({upload.batch.count}, device_, DType::i32);
  // The memory may be that of a tensor which kernels before this point still use.
  free_.set(cuda::Stream::work);
  free_.hold(cuda::Stream::uploads);
  upload.started = true;
  cuda::upload(upload.pixels.data_u8(), upload.batch.pixels.data(), upload.batch.pixels.bytes());
  cuda::upload(upload.warps.data_u8(), upload.batch.warps.data(), upload.batch.warps.bytes());
  cuda::upload(upload.labels.data_i32(), upload.batch.labels.data(), upload.batch.labels.bytes());
  upload.there.set(cuda::Stream::uploads);
  ++started_;
}

bool DeviceBatchLoader::next(DeviceBatch& batch) {
  if (taken_ == started_) return false;
  cuda::set_device(device_.index);
  Upload& upload = in_turn(taken_++);
  start();
  upload.there.hold(cuda::Stream::work);
  const RawBatch& raw = upload.batch;
  batch.images = Tensor::empty({raw.count, raw.height, raw.width, raw.channels}, device_);
  cuda::image_warp(batch.images.data(), upload.pixels.data_u8(),
                   reinterpret_cast<const ImageWarp*>(upload.warps.data_u8()), mean_.data(),
                   deviation_.data(), raw.count, raw.height, raw.width, raw.channels);
  batch.labels = upload.labels;
  batch.label_values = raw.labels.span();
  // Freed in order with the kernels, after image_warp.
  upload.pixels = upload.warps = upload.labels = Tensor();
  return true;
}

}  // namespace signet::data
