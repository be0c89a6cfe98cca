// What links as cuda:: in a build without CUDA: every kernel throws, naming the option that would build it.

#include <stdexcept>
#include <string>

namespace {
[[noreturn]] void refuse(const char* kernel) {
  throw std::runtime_error(std::string("[") + kernel +
                           "] this program was built without CUDA (CMake option SIGNET_CUDA=OFF); run with "
                           "--device cpu");
}
}  // namespace

#define SIGNET_CUDA_BODY \
  { refuse(__func__); }
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wpedantic"
#include "kernels/kernels.h"
