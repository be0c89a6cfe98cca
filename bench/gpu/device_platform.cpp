#include "bench/gpu/contenders.h"
#include "bench/gpu/peaks.h"
#include "bench/gpu/timer.h"

namespace signet::bench {
namespace {

constexpr int64_t kFloat = sizeof(float);

class DevicePlatform : public Platform {
 public:
  float* allocate(int64_t floats) const override {
    return static_cast<float*>(cuda::allocate(floats * kFloat));
  }
  void release(float* memory) const override { cuda::release(memory); }
  void fill_random(float* memory, int64_t floats, PhiloxKey key) const override {
    cuda::random_uniform(memory, -1, 1, key, floats);
  }
  void poison(float* memory, int64_t floats) const override {
    cuda::fill_bytes(memory, 0xFF, floats * kFloat);
  }
  void fetch(float* to, const float* memory, int64_t floats) const override {
    cuda::copy_to_host(to, memory, floats * kFloat);
  }
  void batchnorm_forward(float* y, float* mean, float* inv_std, const float* x, const float* weight,
                         const float* bias, bool relu, int64_t rows, int64_t channels) const override {
    cuda::batchnorm_forward_train<float>(y, mean, inv_std, nullptr, nullptr, x, weight, bias, nullptr, relu,
                                         0, kBatchnormEps, rows, channels);
    cuda::synchronize();
  }
  std::vector<double> times(const std::function<void()>& run, int warm_up, int count) const override {
    return time_cold(run, warm_up, count);
  }
  Peaks peaks() const override { return peaks_of(cuda::device_properties(0)); }

  std::vector<Contender> signet_contenders(const Problem& problem) const override {
    return bench::signet_contenders(problem);
  }
  std::vector<Contender> vendor_contenders(const Problem& problem) const override {
    return bench::vendor_contenders(problem);
  }
};

}  // namespace

const Platform& device_platform() {
  static const DevicePlatform platform;
  return platform;
}

}  // namespace signet::bench
