#pragma once
// Launching a kernel on the simulated device, and the barrier of a block.

#include <cstring>
#include <functional>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include "kernels/cuda/runtime.h"
#include "kernels/simt/block.h"
#include "kernels/simt/runtime_api.h"

// Kernels that are compiled with -fsanitize=thread call the checker's hooks. What a header defines for both
// kinds has a namespace of its own for each, so that the linker does not take one for the other.
#ifdef __SANITIZE_THREAD__
#define SIGNET_SIMT_KIND checked
#define SIGNET_SIMT_CHECKER &::signet::simt::checker_of_this_thread
#else
#define SIGNET_SIMT_KIND unchecked
#define SIGNET_SIMT_CHECKER nullptr
#endif

namespace signet::simt {

struct LaunchRequest {
  const void* kernel = nullptr;
  dim3 grid, block;
  size_t shared_bytes = 0;
  cudaStream_t stream = nullptr;
  Checker& (*checker)() = nullptr;
};

/// Checks the request against the device's limits, then calls run(arguments) in every thread of the grid, or
/// leaves that to the graph if the stream is being captured. Throws KernelError.
void launch(const LaunchRequest& request, void (*run)(const void*), std::shared_ptr<const void> arguments,
            size_t argument_bytes);

inline namespace SIGNET_SIMT_KIND {

template <class... Parameters>
struct Call {
  void (*kernel)(Parameters...);
  std::tuple<std::remove_cv_t<Parameters>...> arguments;

  // Not instrumented: what it reads is a host's memory, as the driver's when it passes a kernel's arguments.
  [[gnu::no_sanitize("thread")]] static void run(const void* self) {
    const auto& call = *static_cast<const Call*>(self);
    call.spread(std::index_sequence_for<Parameters...>());
  }

 private:
  template <size_t... kIndex>
  [[gnu::no_sanitize("thread")]] void spread(std::index_sequence<kIndex...>) const {
    kernel(std::get<kIndex>(arguments)...);
  }
};

}  // namespace SIGNET_SIMT_KIND
}  // namespace signet::simt

namespace signet::cuda {

/// Throws std::runtime_error naming the call, file and line unless `status` is cudaSuccess.
void check(cudaError_t status, const char* call, const char* file, int line);
#define SIGNET_CUDA_CHECK(call) ::signet::cuda::check((call), #call, __FILE__, __LINE__)

inline namespace SIGNET_SIMT_KIND {

/// Runs kernel(arguments...) for grid * block threads, with `shared_bytes` of dynamic shared memory (see
/// dynamic_shared). Throws if the launch is refused or the kernel does something wrong. An empty grid runs
/// nothing.
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
            Arguments&&... arguments) {
  static_assert((!std::is_reference_v<Parameters> && ...), "a kernel takes its arguments by value");
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  using Call = simt::Call<Parameters...>;
  auto call = std::make_shared<const Call>(
      Call{kernel, {static_cast<std::remove_cv_t<Parameters>>(std::forward<Arguments>(arguments))...}});
  simt::launch(
      {reinterpret_cast<const void*>(kernel), grid, block, shared_bytes, stream, SIGNET_SIMT_CHECKER},
      Call::run, std::move(call), sizeof(Call));
}

/// The block's dynamic shared memory, aligned to 1024 bytes.
template <class T>
[[gnu::always_inline]] inline T* dynamic_shared() {
  return reinterpret_cast<T*>(simt::dynamic_shared_memory());
}

}  // namespace SIGNET_SIMT_KIND
}  // namespace signet::cuda
