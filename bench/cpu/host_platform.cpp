#include "bench/cpu/host_platform.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <new>

#include "bench/cpu/vendors.h"

namespace signet::bench {
namespace {

constexpr std::align_val_t kAlignment{64};

void run_shipped(const Problem& p, const Buffers& b) {
  switch (p.operation) {
    case Operation::gemm:
      return cpu::gemm(b.out[0], b.in[0], b.in[1], p.transpose_a, p.transpose_b, p.m, p.n, p.k,
                       Accumulate::no);
    case Operation::conv_forward:
      return cpu::conv2d_forward<float>(b.out[0], b.in[0], b.in[1], nullptr, nullptr, false, p.conv);
    case Operation::conv_inference:
      return cpu::conv2d_forward<float>(b.out[0], b.in[0], b.in[1], b.in[2], b.in[3], true, p.conv);
    case Operation::conv_backward_data:
      return cpu::conv2d_backward_data(b.out[0], b.in[0], b.in[1], Accumulate::no, p.conv);
    case Operation::conv_backward_weight:
      return cpu::conv2d_backward_weight(b.out[0], b.in[0], b.in[1], Accumulate::no, p.conv);
    case Operation::batchnorm_forward:
      return cpu::batchnorm_forward_train<float>(b.out[0], b.out[1], b.out[2], nullptr, nullptr, b.in[0],
                                                 b.in[1], b.in[2], b.in[3], p.relu, 0, kBatchnormEps, p.rows,
                                                 p.channels);
    case Operation::batchnorm_backward:
      return cpu::batchnorm_backward_train<float>(b.out[0], b.out[3], b.out[1], b.out[2], b.in[0], b.in[1],
                                                  b.in[2], b.in[3], b.in[4], b.in[5], p.relu, Accumulate::no,
                                                  p.rows, p.channels);
  }
}

class HostPlatform : public Platform {
 public:
  float* allocate(int64_t floats) const override {
    return static_cast<float*>(::operator new(size_t(floats) * sizeof(float), kAlignment));
  }
  void release(float* memory) const override { ::operator delete(memory, kAlignment); }
  void fill_random(float* memory, int64_t floats, PhiloxKey key) const override {
    cpu::random_uniform(memory, -1, 1, key, floats);
  }
  void poison(float* memory, int64_t floats) const override {
    std::memset(memory, 0xFF, size_t(floats) * sizeof(float));
  }
  void fetch(float* to, const float* memory, int64_t floats) const override {
    std::copy_n(memory, floats, to);
  }
  void batchnorm_forward(float* y, float* mean, float* inv_std, const float* x, const float* weight,
                         const float* bias, bool relu, int64_t rows, int64_t channels) const override {
    cpu::batchnorm_forward_train<float>(y, mean, inv_std, nullptr, nullptr, x, weight, bias, nullptr, relu, 0,
                                        kBatchnormEps, rows, channels);
  }

  /// With warm caches: a layer's input has just been written by the layer before it.
  std::vector<double> times(const std::function<void()>& run, int warm_up, int count) const override {
    for (int i = 0; i < warm_up; ++i) run();
    std::vector<double> microseconds;
    for (int i = 0; i < count; ++i) {
      using Clock = std::chrono::steady_clock;
      const auto start = Clock::now();
      run();
      microseconds.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count());
    }
    return microseconds;
  }

  std::vector<Contender> signet_contenders(const Problem& problem) const override {
    return {{.name = "cpu::" + std::string(kernel_of(problem.operation)),
             .prepare = [](const Problem& p, const Buffers& b) {
               return Prepared{.run = [=] { run_shipped(p, b); },
                               .notes = p.flops() > 0 && p.operation != Operation::conv_backward_weight
                                            ? "weights packed in every call"
                                            : ""};
             }}};
  }
  std::vector<Contender> vendor_contenders(const Problem& problem) const override {
    std::vector<Contender> contenders{{.name = "oneDNN", .vendor = true, .prepare = onednn::prepare}};
    if (problem.operation == Operation::gemm)
      contenders.push_back({.name = "OpenBLAS", .vendor = true, .prepare = openblas::prepare});
    return contenders;
  }
};

}  // namespace

const Platform& host_platform() {
  static const HostPlatform platform;
  return platform;
}

}  // namespace signet::bench
