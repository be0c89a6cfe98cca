#pragma once
// Times what is given to the current stream, between two events, with a cold L2 cache.

#include <functional>
#include <string>
#include <vector>

namespace signet::bench {

/// Bytes of the current device's L2 cache, and its driver's version; what DeviceProperties does not tell.
struct CacheAndDriver {
  int64_t l2_bytes = 0;
  std::string driver;   ///< the CUDA version that the driver supports, e.g. "13.0"
  std::string runtime;  ///< the CUDA version that this program was built with
};
CacheAndDriver cache_and_driver();

/// Microseconds of `count` calls of `run`, one by one, after `warm_up` untimed ones. Before each timed call
/// twice the L2 cache is written, so that nothing the call reads is still there.
std::vector<double> time_cold(const std::function<void()>& run, int warm_up, int count);

/// The calling thread's cudaStream_t, for files that are compiled without Signet's device headers.
void* current_stream_handle();

}  // namespace signet::bench
