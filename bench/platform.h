#pragma once
// Where a comparison takes place: memory, clocks, and who takes part.

#include "bench/problem.h"

namespace signet::bench {

/// 0 where it is not known.
struct Peaks {
  double f32 = 0, tf32 = 0, bf16 = 0;  ///< TFLOP/s, a multiply-add being two; without sparsity
  double bandwidth = 0;                ///< GB/s
  double tflops(MatrixMath math) const {
    return math == MatrixMath::f32 ? f32 : math == MatrixMath::tf32 ? tf32 : bf16;
  }
};

class Platform {
 public:
  virtual ~Platform() = default;

  /// Aligned to 64 bytes at least.
  virtual float* allocate(int64_t floats) const = 0;
  virtual void release(float* memory) const = 0;
  /// Uniform in [-1, 1); the same for the same key.
  virtual void fill_random(float* memory, int64_t floats, PhiloxKey key) const = 0;
  /// Makes every float NaN.
  virtual void poison(float* memory, int64_t floats) const = 0;
  virtual void fetch(float* to, const float* memory, int64_t floats) const = 0;
  /// Signet's batchnorm in training without running statistics, for the inputs of its gradient.
  virtual void batchnorm_forward(float* y, float* mean, float* inv_std, const float* x, const float* weight,
                                 const float* bias, bool relu, int64_t rows, int64_t channels) const = 0;

  /// Microseconds of `count` calls, one by one, after untimed ones.
  virtual std::vector<double> times(const std::function<void()>& run, int warm_up, int count) const = 0;
  virtual Peaks peaks() const { return {}; }

  /// The shipped kernel last, in f32.
  virtual std::vector<Contender> signet_contenders(const Problem& problem) const = 0;
  virtual std::vector<Contender> vendor_contenders(const Problem& problem) const = 0;
};

}  // namespace signet::bench
