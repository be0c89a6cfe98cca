// What links as cuda:: in a build without CUDA: every kernel throws, naming the option that would build it.

#include <stdexcept>
#include <string>

#include "kernels/kernels.h"

namespace {
[[noreturn]] void refuse(const char* kernel) {
  throw std::runtime_error(std::string("[") + kernel +
                           "] this program was built without CUDA (CMake option SIGNET_CUDA=OFF); run with "
                           "--device cpu");
}
}  // namespace

#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wpedantic"

namespace signet::cuda {
#define KERNEL_BODY \
  { refuse(__func__); }
#define REAL float
#define KERNEL
#include "kernels/functions.h"
#undef KERNEL
#define KERNEL template <>
#define ACT float
#include "kernels/activations.h"
#undef ACT
#define ACT BFloat16
#include "kernels/activations.h"
}  // namespace signet::cuda
