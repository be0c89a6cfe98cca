#pragma once
// The tensor: a handle to a shape, a type and shared storage, with the gradient's place beside them.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "tensor/allocator.h"
#include "tensor/device.h"
#include "tensor/shape.h"

namespace signet {

struct GradientSlot;

/// A dense, contiguous array. Copying a Tensor copies the handle: both then name the same elements.
/// A default-constructed one is undefined and only answers defined().
class Tensor {
 public:
  Tensor() = default;

  /// Elements are left uninitialised (see set_poison_new_memory).
  static Tensor empty(const Shape& shape, Device device = {}, DType dtype = DType::f32);
  static Tensor zeros(const Shape& shape, Device device = {});
  static Tensor full(const Shape& shape, double value, Device device = {});
  /// Throws std::invalid_argument if the number of values is not the shape's size.
  static Tensor from(std::span<const float> values, const Shape& shape, Device device = {});
  static Tensor from(std::span<const int32_t> values, const Shape& shape, Device device = {});

  bool defined() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  int64_t size() const { return shape_.size(); }
  DType dtype() const { return dtype_; }
  Device device() const { return storage_->device(); }

  /// The elements, float or BFloat16, in the device's memory: what a kernel takes, and on the CPU anyone may
  /// read. Throws std::logic_error if the type is another; an undefined tensor gives null.
  template <class T = float>
  T* data() const;
  int32_t* data_i32() const;
  uint8_t* data_u8() const;

  /// A copy of the elements on the CPU; bf16 as the floats they stand for.
  std::vector<float> to_vector() const;
  /// The only element of a tensor of size 1.
  float item() const;

  /// The same elements seen in another shape of equal size; not recorded for gradients (nn::flatten is).
  Tensor viewed_as(const Shape& shape) const;
  /// Elements [begin, end) of the first dimension, in the same storage; not recorded for gradients. Throws
  /// std::out_of_range.
  Tensor rows(int64_t begin, int64_t end) const;
  /// A copy with storage of its own, without gradient.
  Tensor clone() const;
  /// A copy on another device, without gradient; the tensor itself if it is there already.
  Tensor to(Device device) const;
  /// The same elements without the place for a gradient.
  Tensor detach() const;
  /// Overwrites the elements, from whatever device. Throws std::invalid_argument if the shapes differ.
  void copy_from(const Tensor& other) const;

  /// How often the elements were changed in place, as told by mark_modified(): what a cache derived from them
  /// compares.
  uint64_t version() const { return storage_->version(); }
  void mark_modified() const;

  /// Whether no other tensor shares the storage, so that a gradient may be computed in place.
  bool unique() const { return storage_.use_count() == 1; }

  // Gradients (tensor/autograd.h)
  // ------------------------------------------------------------------------------
  bool requires_grad() const;
  /// Makes this a leaf whose gradient backward() leaves in grad(), or stops it from being one.
  void set_requires_grad(bool required);
  /// The gradient left by backward(); undefined if there is none.
  Tensor grad() const;
  void clear_grad() const;
  const std::shared_ptr<GradientSlot>& gradient_slot() const { return slot_; }
  void set_gradient_slot(std::shared_ptr<GradientSlot> slot) { slot_ = std::move(slot); }

 private:
  Shape shape_;
  DType dtype_ = DType::f32;
  std::shared_ptr<Storage> storage_;
  int64_t offset_ = 0;  // bytes into the storage
  std::shared_ptr<GradientSlot> slot_;

  std::byte* address() const;
};

}  // namespace signet
