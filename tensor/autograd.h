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
#include <vector>

#include "kernels/kernels.h"
#include "tensor/tensor.h"

namespace signet {

struct TapeNode;

/// The place of one tensor's gradient, apart from its elements, so that the tape does not keep those alive.
struct GradientSlot {
  Tensor gradient;
  std::shared_ptr<TapeNode> producer;  ///< null for a leaf
};

/// A handle to the gradient of an op's input; false if none is needed.
class Gradient {
 public:
  Gradient() = default;
  explicit Gradient(std::shared_ptr<GradientSlot> slot) : slot_(std::move(slot)) {}
  explicit operator bool() const { return slot_ != nullptr; }

  /// A buffer of this shape to write the gradient to, and whether to add to what it holds or to assign.
  std::pair<Tensor, Accumulate> target(const Shape& shape, Device device) const;
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
