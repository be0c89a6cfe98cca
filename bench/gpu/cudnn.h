#pragma once
// cuDNN's graph API, without its header: the graph of one problem, and the plans that can run it.
//
// Plans are made for a device that is described, not necessarily present, so that what cuDNN makes of each
// graph can be seen on a machine without a card.

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/problem.h"

namespace signet::bench::cudnn {

/// cuDNN does not offer what was asked; the message is its own.
class Refusal : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What plans are made for: the current device, or one described in cuDNN's own JSON (for cards that are not
/// there). Made once, at first use.
void describe_device(const std::string& json);

enum class Search : uint8_t {
  heuristic,   ///< the first plan that builds of mode A, else of B, else of fallback
  exhaustive,  ///< the fastest of: all that modes A, B and fallback name, and every engine with its defaults
};

/// Plans with a larger workspace are left out.
constexpr int64_t kWorkspaceLimit = int64_t(1) << 30;

struct Candidate {
  std::string engine;  ///< e.g. "eng 34"
  int64_t workspace_bytes = 0;
  bool tensor_cores = false, winograd = false, fft = false, deterministic = true;
  std::string describe() const;
};

/// The graph of a problem with one engine's plan for it.
class Plan {
 public:
  struct State;
  Plan(std::shared_ptr<State> state, Candidate candidate);
  const Candidate& candidate() const { return candidate_; }
  /// On the current stream. Needs the device.
  void run(const Buffers& buffers) const;

 private:
  std::shared_ptr<State> state_;
  Candidate candidate_;
};

/// All plans that build, in the order in which they are to be tried. With MatrixMath::f32, engines on tensor
/// cores are left out (they round the operands to TF32); with tf32 all take part. Throws Refusal if none
/// builds. `most` ends the search early.
std::vector<Plan> plans(const Problem& problem, MatrixMath math, Search search, int most);

// Outside of the graphs (cudnn_ops.cu). Each gives a call for the current stream; throws Refusal.

/// In cuDNN's spatial-persistent mode; residual and ReLU, where the problem has them, by calls of their own.
std::function<void()> batchnorm_forward(const Problem& problem, const Buffers& buffers);
std::function<void()> batchnorm_backward(const Problem& problem, const Buffers& buffers);

struct Pooling {
  std::function<void()> forward, backward;
};
/// Shapes as for cuda::maxpool_forward and _backward; cuDNN finds the places again instead of keeping them.
Pooling max_pooling(const Pool2dShape& shape, float* y, const float* x, float* dx, const float* dy);
/// x and dx [batch, side, side, channels], y and dy [batch, channels].
Pooling average_pooling(int64_t batch, int64_t side, int64_t channels, float* y, const float* x, float* dx,
                        const float* dy);
/// y[n] += x[n].
std::function<void()> add(float* y, const float* x, int64_t n);

std::string version();

}  // namespace signet::bench::cudnn
