#pragma once
// A backend is a table: the kernels of functions.h as function pointers, and the memory they work on. The op
// cases know nothing else of it, so that another device is one more function in backend.cpp.

#include <cstddef>
#include <string>
#include <vector>

#include "kernels/kernels.h"

/// Calls X(name) for every kernel of functions.h, and of activations.h; a test compares the lists with the
/// files.
// clang-format off
#define SIGNET_TEST_KERNELS(X)                                                                               \
  X(fill) X(to_bf16) X(from_bf16) X(scale) X(sum_of_squares) X(dropout) X(gemm) X(broadcast_rows)            \
  X(batchnorm_fold) X(softmax_forward) X(cross_entropy_forward) X(cross_entropy_backward)                    \
  X(sgd_step) X(adam_step) X(sgd_steps) X(adam_steps)                                                        \
  X(random_uniform) X(random_normal) X(image_warp)
#define SIGNET_TEST_ACTIVATION_KERNELS(X)                                                                    \
  X(add) X(relu_forward) X(relu_backward) X(sum_rows)                                                        \
  X(conv2d_forward) X(conv2d_prepare) X(conv2d_forward_prepared)                                             \
  X(conv2d_backward_data) X(conv2d_backward_weight)                                                          \
  X(conv2d_relu_maxpool_forward) X(conv2d_relu_maxpool_backward)                                             \
  X(batchnorm_forward_train) X(batchnorm_forward_eval) X(batchnorm_backward_train)                           \
  X(batchnorm_backward_eval)                                                                                 \
  X(maxpool_forward) X(maxpool_backward) X(global_avgpool_forward) X(global_avgpool_backward)
// clang-format on

namespace signet::test {

/// By default the reference kernels; the backends in float have functions of the same types. With BFloat16 it
/// is activations that are of this type, and all else is float.
template <class real>
struct Kernels {
// NOLINTBEGIN(bugprone-macro-parentheses): a name to declare takes no parentheses
#define SIGNET_TEST_ENTRY(name) decltype(&ref::name<Real<real>>) name = &ref::name<Real<real>>;
  SIGNET_TEST_KERNELS(SIGNET_TEST_ENTRY)
#undef SIGNET_TEST_ENTRY
#define SIGNET_TEST_ENTRY(name) decltype(&ref::name<real>) name = &ref::name<real>;
  SIGNET_TEST_ACTIVATION_KERNELS(SIGNET_TEST_ENTRY)
#undef SIGNET_TEST_ENTRY
  // NOLINTEND(bugprone-macro-parentheses)
};

/// Copies bytes to, from or within the device.
using Copy = void (*)(void* destination, const void* source, size_t bytes);

template <class real>
struct Backend {
  std::string name;
  Kernels<real> kernels;
  void* (*allocate)(size_t bytes);
  void (*release)(void* pointer);
  Copy upload, download;
  /// Makes the process use this backend's instruction set; may be null.
  void (*activate)() = nullptr;
  /// By how much the operands of matrix products and convolutions are rounded, relatively; 0: not at all.
  double operand_roundoff = 0;
  bool on_processor = false;
  /// Differs from the backend before it by matrix products and convolutions alone.
  bool differs_by_products = false;
};

/// The reference kernels in any scalar.
template <class real>
Backend<real> reference_backend();

/// The fast kernels of this processor, once for each instruction set that it has.
std::vector<Backend<float>> cpu_backends();

/// The kernels of the processor that keep activations in bfloat16, for the same instruction sets.
std::vector<Backend<BFloat16>> cpu_bf16_backends();

/// The kernels of the CUDA device, real or simulated, once for each way to multiply; none without a device.
std::vector<Backend<float>> cuda_backends();

/// The kernels of that device that keep activations in bfloat16, multiplying them as they are and as floats.
std::vector<Backend<BFloat16>> cuda_bf16_backends();

/// All backends whose results are to be compared: the reference and those above. With a simulated device the
/// processor's are left out: they are the same in a build without it, and tested there.
std::vector<Backend<float>> float_backends();
std::vector<Backend<BFloat16>> bf16_backends();
bool device_is_simulated();

}  // namespace signet::test
