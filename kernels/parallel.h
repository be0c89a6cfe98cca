#pragma once
// The thread pool of the CPU kernels. Work is cut into chunks whose number the caller fixes from the problem
// alone; threads only decide who runs a chunk, so results do not depend on the number of threads.

#include <cstdint>
#include <memory>
#include <type_traits>

namespace signet {

/// Sets how many threads `parallel_for` uses, the calling one included. Throws std::invalid_argument below 1.
void set_num_threads(int count);
int num_threads();

namespace detail {
void parallel_run(int64_t chunks, void (*body)(void*, int64_t), void* context);
}

/// Calls body(chunk) once for each chunk in [0, chunks), on all threads of the pool, and returns when all are
/// done. Called from inside a body it runs inline. The first exception thrown by a body is rethrown here.
/// Floating-point numbers below the smallest normal one are zero in a body, on x86-64.
template <class Body>
void parallel_for(int64_t chunks, Body&& body) {
  using B = std::remove_reference_t<Body>;
  detail::parallel_run(
      chunks, [](void* context, int64_t chunk) { (*static_cast<B*>(context))(chunk); },
      const_cast<void*>(static_cast<const void*>(std::addressof(body))));
}

}  // namespace signet
