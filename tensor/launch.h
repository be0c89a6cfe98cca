#pragma once
// The one place where a kernel's name becomes a call on a device, and where calls are counted: the counts
// show what each way of freezing a network costs.

#include <cstdint>
#include <map>
#include <string>
#include <type_traits>

#include "kernels/cuda/runtime.h"
#include "kernels/kernels.h"
#include "tensor/device.h"

namespace signet {

/// How often each kernel was launched since the last reset, by name.
std::map<std::string, int64_t> launch_counts();
void reset_launch_counts();

namespace detail {
void count_launch(const char* kernel);
[[noreturn]] void refuse_type(const char* kernel);

/// kernel(arguments...) where it takes them; where not, refuse_type.
template <class Kernel, class... Arguments>
void launch_if_taken(const char* name, Kernel kernel, const Arguments&... arguments) {
  if constexpr (std::is_invocable_v<Kernel, const Arguments&...>) {
    kernel(arguments...);
  } else {
    refuse_type(name);
  }
}
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
/// x, 2, n). In a template the arguments may be of types that the kernel does not take on CUDA devices.
#define SIGNET_LAUNCH(device, kernel, ...)                                                   \
  do {                                                                                       \
    ::signet::detail::count_launch(#kernel);                                                 \
    switch ((device).type) {                                                                 \
      case ::signet::Device::Type::cpu:                                                      \
        ::signet::cpu::kernel(__VA_ARGS__);                                                  \
        break;                                                                               \
      case ::signet::Device::Type::reference:                                                \
        ::signet::ref::kernel(__VA_ARGS__);                                                  \
        break;                                                                               \
      case ::signet::Device::Type::cuda:                                                     \
        ::signet::cuda::set_device((device).index);                                          \
        ::signet::detail::launch_if_taken(                                                   \
            #kernel,                                                                         \
            [](const auto&... arguments) -> decltype(::signet::cuda::kernel(arguments...)) { \
              ::signet::cuda::kernel(arguments...);                                          \
            },                                                                               \
            __VA_ARGS__);                                                                    \
        break;                                                                               \
    }                                                                                        \
  } while (false)
