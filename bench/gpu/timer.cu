#include "bench/gpu/timer.h"

#include "kernels/cuda/platform.cuh"
#include "kernels/cuda/runtime.h"
#include "kernels/cuda/stream.cuh"

namespace signet::bench {
namespace {

/// An event of the current device.
class Event {
 public:
  Event() { SIGNET_CUDA_CHECK(cudaEventCreate(&event_)); }
  ~Event() { static_cast<void>(cudaEventDestroy(event_)); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void record() const { SIGNET_CUDA_CHECK(cudaEventRecord(event_, cuda::current_stream())); }
  double microseconds_since(const Event& start) const {
    float milliseconds = 0;
    SIGNET_CUDA_CHECK(cudaEventSynchronize(event_));
    SIGNET_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, start.event_, event_));
    return 1e3 * double(milliseconds);
  }

 private:
  cudaEvent_t event_ = nullptr;
};

/// Memory that is written to push everything else out of the L2 cache.
class Flush {
 public:
  Flush() : bytes_(2 * cache_and_driver().l2_bytes), memory_(cuda::allocate(bytes_)) {}
  ~Flush() { cuda::release(memory_); }
  Flush(const Flush&) = delete;
  Flush& operator=(const Flush&) = delete;
  void write() const { cuda::fill_bytes(memory_, 0, bytes_); }

 private:
  int64_t bytes_;
  void* memory_;
};

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

}  // namespace

CacheAndDriver cache_and_driver() {
  int device = 0, l2 = 0, driver = 0, runtime = 0;
  SIGNET_CUDA_CHECK(cudaGetDevice(&device));
  SIGNET_CUDA_CHECK(cudaDeviceGetAttribute(&l2, cudaDevAttrL2CacheSize, device));
  SIGNET_CUDA_CHECK(cudaDriverGetVersion(&driver));
  SIGNET_CUDA_CHECK(cudaRuntimeGetVersion(&runtime));
  return {.l2_bytes = l2, .driver = version_text(driver), .runtime = version_text(runtime)};
}

std::vector<double> time_cold(const std::function<void()>& run, int warm_up, int count) {
  const Flush flush;
  const Event start, stop;
  for (int i = 0; i < warm_up; ++i) run();
  std::vector<double> times;
  for (int i = 0; i < count; ++i) {
    flush.write();
    start.record();
    run();
    stop.record();
    times.push_back(stop.microseconds_since(start));
  }
  return times;
}

void* current_stream_handle() {
  return cuda::current_stream();
}

}  // namespace signet::bench
