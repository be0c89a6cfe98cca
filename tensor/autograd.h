#pragma once
// Reverse-mode differentiation by an eager tape. An op computes its result, asks each input whether it needs
// a gradient, and records a function that, given the gradient of the result, adds to those of the inputs.
// What that function captures is all that the tape keeps: activations that no gradient needs are freed at
// once, and the rest as soon as backward() has passed them.
//
//   Tensor y = Tensor::empty(...);
//   SIGNET_LAUNCH(x.device(), relu_forward, y.data(), x.data(), x.size());
//   if (Gradient dx = gradient_of(x)) {
//     record("relu", y, {dx}, [dx, y = y.detach()](Tensor dy) { ... dx.add(...); });
//   }

#include <functional>
#include <initializer_list>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/kernels.h"
#include "tensor/tensor.h"

namespace signet {

struct TapeNode;

/// An activation that the tape does not keep, because what its op has kept anyway gives it again, bit for
/// bit, at the cost of a pass over memory (activation recomputation: Chen et al., "Training Deep Nets with
/// Sublinear Memory Cost", 2016).
class Recomputed {
 public:
  explicit Recomputed(std::function<Tensor()> compute) : compute_(std::move(compute)) {}
  /// Computed at the first call, then held as long as anyone holds this object.
  const Tensor& get();

 private:
  std::function<Tensor()> compute_;
  Tensor value_;
};

/// The place of one tensor's gradient, apart from its elements, so that the tape does not keep those alive.
struct GradientSlot {
  Tensor gradient;
  std::shared_ptr<TapeNode> producer;      ///< null for a leaf
  std::shared_ptr<Recomputed> recomputed;  ///< null if the elements must be kept by whoever needs them again
};

/// What a gradient function captures of a tensor to have its elements later: themselves, or the way to them.
class Saved {
 public:
  Saved() = default;
  explicit Saved(const Tensor& tensor);
  explicit Saved(std::shared_ptr<Recomputed> recomputed) : recomputed_(std::move(recomputed)) {}
  /// Undefined if nothing was saved.
  Tensor get() const { return recomputed_ ? recomputed_->get() : tensor_; }

 private:
  Tensor tensor_;
  std::shared_ptr<Recomputed> recomputed_;
};

/// A handle to the gradient of an op's input; false if none is needed.
class Gradient {
 public:
  Gradient() = default;
  explicit Gradient(std::shared_ptr<GradientSlot> slot) : slot_(std::move(slot)) {}
  explicit operator bool() const { return slot_ != nullptr; }

  /// A buffer of this shape to write the gradient to, and whether to add to what it holds or to assign.
  std::pair<Tensor, Accumulate> target(const Shape& shape, Device device, DType dtype = DType::f32) const;
  /// Adds a gradient that an op computed; the first one is kept as it is.
  void add(const Tensor& gradient) const;
  const std::shared_ptr<GradientSlot>& slot() const { return slot_; }

 private:
  std::shared_ptr<GradientSlot> slot_;
};

/// The place of a tensor's gradient, or a false Gradient where it needs none or NoGrad is in force.
Gradient gradient_of(const Tensor& tensor);

/// Makes `output` the result of an op, whose gradient function gets the gradient of the output (by value: if
/// it is unique() it may be overwritten). Does nothing if all of `inputs` are false.
void record(const char* op, Tensor& output, std::initializer_list<Gradient> inputs,
            std::function<void(Tensor)> gradient_function);

/// Computes the gradients of all leaves that `root` depends on; they are added to what grad() holds.
/// `cotangent` is shaped as the root; without it the root must have size 1. The tape behind the root is
/// consumed. Throws std::logic_error if the root does not need a gradient.
void backward(const Tensor& root, const Tensor& cotangent = {});

/// While one lives, ops of this thread record nothing.
class NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;
  /// Whether one is in force on this thread.
  static bool in_force();

 private:
  bool before_;
};

}  // namespace signet
