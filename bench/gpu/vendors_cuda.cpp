// NVIDIA's libraries as contenders: cuBLAS and cuBLASLt for matrix products, cuDNN for the rest.

#include <fmt/format.h>

#include <limits>
#include <ostream>

#include "bench/gpu/contenders.h"
#include "bench/gpu/cublas.h"
#include "bench/gpu/cudnn.h"
#include "bench/gpu/step_kernels.h"
#include "bench/gpu/timer.h"
#include "bench/spread.h"

namespace signet::bench {
namespace {

constexpr int kSearchWarmUp = 1, kSearchSamples = 3;

/// Index of the fastest of the calls, those left out that fail when they run; -1 if all do.
template <class Runs>
int fastest(const Runs& runs) {
  int best = -1;
  double best_time = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < runs.size(); ++i) {
    try {
      const double time = spread_of(time_cold(runs[i], kSearchWarmUp, kSearchSamples)).median;
      if (time < best_time) best = int(i), best_time = time;
    } catch (const cudnn::Refusal&) {
      continue;
    }
  }
  return best;
}

Prepared refused(const std::exception& error) {
  return {.refusal = error.what()};
}

std::string tf32_note(MatrixMath math) {
  return math == MatrixMath::f32 ? "TF32 not allowed" : "TF32 allowed";
}

Prepared prepare_convolution(const Problem& p, const Buffers& b, MatrixMath math, cudnn::Search search) {
  try {
    constexpr int kAll = std::numeric_limits<int>::max();
    const auto plans = cudnn::plans(p, math, search, search == cudnn::Search::heuristic ? 1 : kAll);
    std::vector<std::function<void()>> runs;
    for (const cudnn::Plan& plan : plans) runs.emplace_back([plan, b] { plan.run(b); });
    const int best = search == cudnn::Search::heuristic ? 0 : fastest(runs);
    if (best < 0) return {.refusal = "every plan fails when it runs"};
    return {.run = runs[size_t(best)],
            .notes = fmt::format(
                "NHWC, {}, {}{}", tf32_note(math), plans[size_t(best)].candidate().describe(),
                search == cudnn::Search::heuristic ? std::string()
                                                   : fmt::format(", fastest of {} plans", plans.size()))};
  } catch (const cudnn::Refusal& refusal) {
    return refused(refusal);
  }
}

Prepared prepare_batchnorm(const Problem& p, const Buffers& b) {
  try {
    return {.run = p.operation == Operation::batchnorm_forward ? cudnn::batchnorm_forward(p, b)
                                                               : cudnn::batchnorm_backward(p, b),
            .notes = std::string("NHWC, spatial-persistent") +
                     (p.relu ? ", then residual and ReLU as calls of their own" : "")};
  } catch (const cudnn::Refusal& refusal) {
    return refused(refusal);
  }
}

Prepared prepare_lt(const Problem& p, const Buffers& b, MatrixMath math) {
  try {
    const auto algorithms = cublas::algorithms(p, math, b);
    std::vector<std::function<void()>> runs;
    for (const auto& algorithm : algorithms) runs.push_back(algorithm.run);
    const int best = fastest(runs);
    if (best < 0) return {.refusal = "every algorithm fails when it runs"};
    return {.run = runs[size_t(best)],
            .notes = "row-major, fastest: " + algorithms[size_t(best)].description};
  } catch (const std::runtime_error& error) {
    return refused(error);
  }
}

/// What `prepared` runs; throws cudnn::Refusal if it was refused.
Run run_of(Prepared prepared) {
  if (!prepared.refusal.empty()) throw cudnn::Refusal(prepared.refusal);
  return std::move(prepared.run);
}

class VendorStepKernels : public StepKernels {
 public:
  explicit VendorStepKernels(MatrixMath math) : math_(math) {}

  Run layer(const Problem& p, const Buffers& b) override {
    if (p.operation == Operation::gemm) return cublas::gemm(p, math_, b);
    return run_of(p.flops() == 0 ? prepare_batchnorm(p, b)
                                 : prepare_convolution(p, b, math_, cudnn::Search::heuristic));
  }
  ForwardAndBackward max_pooling(const Pool2dShape& shape, float* y, int32_t*, const float* x, float* dx,
                                 const float* dy) override {
    auto [forward, backward] = cudnn::max_pooling(shape, y, x, dx, dy);
    return {std::move(forward), std::move(backward)};
  }
  ForwardAndBackward average_pooling(int64_t batch, int64_t side, int64_t channels, float* y, const float* x,
                                     float* dx, const float* dy) override {
    auto [forward, backward] = cudnn::average_pooling(batch, side, channels, y, x, dx, dy);
    return {std::move(forward), std::move(backward)};
  }
  Run add(float* y, const float* x, int64_t n) override { return cudnn::add(y, x, n); }

 private:
  MatrixMath math_;
};

}  // namespace

std::vector<MatrixMath> vendor_step_maths() {
  return {MatrixMath::f32, MatrixMath::tf32};
}
std::unique_ptr<StepKernels> vendor_step_kernels(MatrixMath math) {
  return std::make_unique<VendorStepKernels>(math);
}
const char* vendor_step_name() {
  return "list of layers (cuDNN heuristic, cuBLAS)";
}

std::vector<Contender> vendor_contenders(const Problem& problem) {
  std::vector<Contender> contenders;
  const auto add = [&](const std::string& name, MatrixMath math, auto prepare) {
    contenders.push_back({.name = name, .vendor = true, .math = math, .prepare = prepare});
  };
  if (problem.flops() == 0) {
    add("cuDNN", MatrixMath::f32, prepare_batchnorm);
    return contenders;
  }
  if (problem.operation == Operation::gemm) {
    for (const MatrixMath math : {MatrixMath::f32, MatrixMath::tf32, MatrixMath::bf16}) {
      add("cuBLAS", math, [math](const Problem& p, const Buffers& b) {
        return Prepared{.run = cublas::gemm(p, math, b), .notes = "row-major, workspace at most 32 MiB"};
      });
      add("cuBLASLt exhaustive", math,
          [math](const Problem& p, const Buffers& b) { return prepare_lt(p, b, math); });
    }
    return contenders;
  }
  for (const MatrixMath math : {MatrixMath::f32, MatrixMath::tf32}) {
    add("cuDNN heuristic", math, [math](const Problem& p, const Buffers& b) {
      return prepare_convolution(p, b, math, cudnn::Search::heuristic);
    });
    add("cuDNN exhaustive", math, [math](const Problem& p, const Buffers& b) {
      return prepare_convolution(p, b, math, cudnn::Search::exhaustive);
    });
  }
  return contenders;
}

int list_vendor_plans(const std::vector<Problem>& problems, const std::string& device_json,
                      std::ostream& out) {
  constexpr int kAll = std::numeric_limits<int>::max();
  cudnn::describe_device(device_json);
  int without = 0;
  for (const Problem& problem : problems) {
    if (problem.operation == Operation::gemm || problem.flops() == 0) continue;
    for (const MatrixMath math : {MatrixMath::f32, MatrixMath::tf32}) {
      out << problem.label() << " / " << name_of(math) << ": ";
      try {
        const auto first = cudnn::plans(problem, math, cudnn::Search::heuristic, 1);
        const auto all = cudnn::plans(problem, math, cudnn::Search::exhaustive, kAll);
        out << first[0].candidate().describe() << "; " << all.size() << " plans in all" << std::endl;
      } catch (const cudnn::Refusal& refusal) {
        ++without;
        out << refusal.what() << std::endl;
      }
    }
  }
  return without;
}

std::string vendor_versions() {
  return cublas::version() + ", " + cudnn::version();
}

}  // namespace signet::bench
