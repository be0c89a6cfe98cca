#pragma once
// Arrays of the CPU from which a CUDA device is given copies.

#include <memory>
#include <span>

#include "tensor/allocator.h"

namespace signet {

/// `size` elements, not initialised, in StagingMemory for a device.
template <class T>
class Staging {
 public:
  explicit Staging(Device device = {}) : device_(device) {}

  /// Loses the elements if the array grows.
  void resize(int64_t size) {
    if (size > capacity_) {
      memory_.reset();
      memory_ = std::make_unique<StagingMemory>(size * int64_t(sizeof(T)), device_);
      capacity_ = size;
    }
    size_ = size;
  }
  T* data() const { return memory_ ? static_cast<T*>(memory_->data()) : nullptr; }
  int64_t size() const { return size_; }
  int64_t bytes() const { return size_ * int64_t(sizeof(T)); }
  std::span<T> span() const { return {data(), size_t(size_)}; }

 private:
  Device device_;
  std::unique_ptr<StagingMemory> memory_;
  int64_t size_ = 0, capacity_ = 0;
};

}  // namespace signet
