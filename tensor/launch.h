#pragma once
// The one place where a kernel's name becomes a call on a device, and where calls are counted: the counts
// show what each way of freezing a network costs.

#include <cstdint>
#include <map>
#include <string>

#include "kernels/cuda/runtime.h"
#include "kernels/kernels.h"
#include "tensor/device.h"

namespace signet {

/// How often each kernel was launched since the last reset, by name.
std::map<std::string, int64_t> launch_counts();
void reset_launch_counts();

namespace detail {
void count_launch(const char* kernel);
}  // namespace detail

/// Calls body.operator()<act>() with act = float or BFloat16, for a kernel of kernels/activations.h:
///   with_activations(x.dtype(), [&]<class act>() {
///     SIGNET_LAUNCH(x.device(), relu_forward, y.data<act>(), x.data<act>(), x.size());
///   });
template <class Body>
void with_activations(DType dtype, Body&& body) {
  if (dtype == DType::bf16) {
    body.template operator()<BFloat16>();
  } else {
    body.template operator()<float>();
  }
}

}  // namespace signet

/// Calls the kernel of kernels/functions.h or activations.h for a device: SIGNET_LAUNCH(x.device(), scale, y,
/// x, 2, n).
#define SIGNET_LAUNCH(device, kernel, ...)          \
  do {                                              \
    ::signet::detail::count_launch(#kernel);        \
    switch ((device).type) {                        \
      case ::signet::Device::Type::cpu:             \
        ::signet::cpu::kernel(__VA_ARGS__);         \
        break;                                      \
      case ::signet::Device::Type::reference:       \
        ::signet::ref::kernel(__VA_ARGS__);         \
        break;                                      \
      case ::signet::Device::Type::cuda:            \
        ::signet::cuda::set_device((device).index); \
        ::signet::cuda::kernel(__VA_ARGS__);        \
        break;                                      \
    }                                               \
  } while (false)
