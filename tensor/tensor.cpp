#include "tensor/tensor.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <type_traits>

#include "tensor/autograd.h"
#include "tensor/graph.h"
#include "tensor/launch.h"

namespace signet {
namespace {

void require_type(DType actual, DType wanted) {
  if (actual != wanted) {
    throw std::logic_error(
        fmt::format("[Tensor] {} elements asked of a tensor of {}", name_of(wanted), name_of(actual)));
  }
}

void require_size(int64_t count, const Shape& shape, const char* what) {
  if (count != shape.size()) {
    throw std::invalid_argument(
        fmt::format("[{}] {} elements do not fill shape {}", what, count, shape.to_string()));
  }
}

}  // namespace

Tensor Tensor::empty(const Shape& shape, Device device, DType dtype) {
  Tensor t;
  t.shape_ = shape;
  t.dtype_ = dtype;
  t.storage_ = std::make_shared<Storage>(shape.size() * size_of(dtype), device);
  return t;
}

Tensor Tensor::zeros(const Shape& shape, Device device) {
  return full(shape, 0, device);
}

Tensor Tensor::full(const Shape& shape, double value, Device device) {
  Tensor t = empty(shape, device);
  SIGNET_LAUNCH(device, fill, t.data(), value, t.size());
  return t;
}

Tensor Tensor::from(std::span<const float> values, const Shape& shape, Device device) {
  require_size(int64_t(values.size()), shape, "Tensor::from");
  Tensor t = empty(shape, device);
  copy_bytes(t.address(), device, values.data(), {}, int64_t(values.size_bytes()));
  return t;
}

Tensor Tensor::from(std::span<const int32_t> values, const Shape& shape, Device device) {
  require_size(int64_t(values.size()), shape, "Tensor::from");
  Tensor t = empty(shape, device, DType::i32);
  copy_bytes(t.address(), device, values.data(), {}, int64_t(values.size_bytes()));
  return t;
}

std::byte* Tensor::address() const {
  return static_cast<std::byte*>(storage_->data()) + offset_;
}

template <class T>
T* Tensor::data() const {
  if (!storage_) return nullptr;
  require_type(dtype_, dtype_of<T>);
  return reinterpret_cast<T*>(address());
}
template float* Tensor::data<float>() const;
template BFloat16* Tensor::data<BFloat16>() const;

int32_t* Tensor::data_i32() const {
  if (!storage_) return nullptr;
  require_type(dtype_, DType::i32);
  return reinterpret_cast<int32_t*>(address());
}

uint8_t* Tensor::data_u8() const {
  if (!storage_) return nullptr;
  require_type(dtype_, DType::u8);
  return reinterpret_cast<uint8_t*>(address());
}

std::vector<float> Tensor::to_vector() const {
  std::vector<float> values(static_cast<size_t>(size()));
  const auto copy = [&](auto* to) {
    copy_bytes(to, {}, data<std::remove_pointer_t<decltype(to)>>(), device(), size() * size_of(dtype_));
  };
  if (dtype_ == DType::bf16) {
    std::vector<BFloat16> stored(values.size());
    copy(stored.data());
    std::copy(stored.begin(), stored.end(), values.begin());
  } else {
    copy(values.data());
  }
  return values;
}

float Tensor::item() const {
  require_size(1, shape_, "Tensor::item");
  return to_vector().front();
}

Tensor Tensor::viewed_as(const Shape& shape) const {
  require_size(size(), shape, "Tensor::viewed_as");
  Tensor t;
  t.shape_ = shape;
  t.dtype_ = dtype_;
  t.storage_ = storage_;
  t.offset_ = offset_;
  return t;
}

Tensor Tensor::rows(int64_t begin, int64_t end) const {
  if (shape_.rank() == 0 || begin < 0 || end < begin || end > shape_[0]) {
    throw std::out_of_range(
        fmt::format("[Tensor::rows] {} to {} are no rows of {}", begin, end, shape_.to_string()));
  }
  auto extents = shape_.extents();
  const int64_t row = shape_[0] > 0 ? size() / shape_[0] : 0;
  extents[0] = end - begin;
  Tensor t = viewed_as(shape_);
  t.shape_ = Shape(extents);
  t.offset_ += begin * row * size_of(dtype_);
  return t;
}

Tensor Tensor::clone() const {
  Tensor t = empty(shape_, device(), dtype_);
  t.copy_from(*this);
  return t;
}

Tensor Tensor::to(Device device) const {
  if (device == this->device()) return *this;
  Tensor t = empty(shape_, device, dtype_);
  t.copy_from(*this);
  return t;
}

Tensor Tensor::detach() const {
  return viewed_as(shape_);
}

void Tensor::copy_from(const Tensor& other) const {
  if (shape_ != other.shape_ || dtype_ != other.dtype_) {
    throw std::invalid_argument(fmt::format("[Tensor::copy_from] {} {} cannot be copied into {} {}",
                                            name_of(other.dtype_), other.shape_.to_string(), name_of(dtype_),
                                            shape_.to_string()));
  }
  copy_bytes(address(), device(), other.address(), other.device(), size() * size_of(dtype_));
  mark_modified();
}

void Tensor::mark_modified() const {
  do_at_each_launch([storage = storage_] { storage->bump_version(); });
}

bool Tensor::requires_grad() const {
  return slot_ != nullptr;
}

void Tensor::set_requires_grad(bool required) {
  if (!required) {
    slot_.reset();
  } else if (!slot_) {
    slot_ = std::make_shared<GradientSlot>();
  }
}

Tensor Tensor::grad() const {
  return slot_ ? slot_->gradient : Tensor();
}

void Tensor::clear_grad() const {
  if (slot_) slot_->gradient = Tensor();
}

}  // namespace signet
