// Signet's side: the rungs of the ladder and the shipped kernels.

#include "bench/gpu/contenders.h"
#include "bench/gpu/step_kernels.h"
#include "kernels/ladder/ladder.h"

namespace signet::bench {
namespace {

using namespace cuda::ladder;

MatrixMath math_of(Operands operands) {
  switch (operands) {
    case Operands::f32:
      return MatrixMath::f32;
    case Operands::tf32:
      return MatrixMath::tf32;
    case Operands::bf16:
      return MatrixMath::bf16;
  }
  return MatrixMath::f32;
}

/// A kernel that takes every problem of its kind; it multiplies as matrix_math() says when it is launched,
/// and convolves as conv_choice() does.
template <class Run>
Contender shipped(const std::string& name, MatrixMath math, Run run,
                  cuda::ConvChoice choice = cuda::ConvChoice::automatic) {
  return {.name = name, .math = math, .prepare = [=](const Problem& p, const Buffers& b) {
            return Prepared{.run = [=] {
              cuda::set_matrix_math(math);
              cuda::set_conv_choice(choice);
              run(p, b);
            }};
          }};
}

/// A rung, which may refuse.
template <class Run>
Contender rung(const std::string& name, MatrixMath math, const std::string& refusal, Run run) {
  if (refusal.empty()) return shipped(name, math, run);
  return {.name = name, .math = math, .prepare = [=](const Problem&, const Buffers&) {
            return Prepared{.refusal = refusal};
          }};
}

std::span<const ConvRung> rungs_of(Operation operation) {
  switch (operation) {
    case Operation::conv_forward:
      return conv_rungs();
    case Operation::conv_backward_data:
      return conv_backward_data_rungs();
    case Operation::conv_backward_weight:
      return conv_backward_weight_rungs();
    default:
      return {};
  }
}

void add_rungs(std::vector<Contender>& contenders, const Problem& p) {
  if (p.operation == Operation::gemm && p.transpose_a == Transpose::no && p.transpose_b == Transpose::no) {
    for (const GemmRung& r : gemm_rungs()) {
      contenders.push_back(rung(
          r.name, math_of(r.operands), r.refusal(p.m, p.n, p.k),
          [&r](const Problem& q, const Buffers& b) { r.run(b.out[0], b.in[0], b.in[1], q.m, q.n, q.k); }));
    }
  }
  for (const ConvRung& r : rungs_of(p.operation)) {
    contenders.push_back(
        rung(r.name, math_of(r.operands), r.refusal(p.conv),
             [&r](const Problem& q, const Buffers& b) { r.run(b.out[0], b.in[0], b.in[1], q.conv); }));
  }
  if (p.operation == Operation::batchnorm_forward) {
    for (const BatchnormRung& r : batchnorm_rungs()) {
      contenders.push_back(rung(r.name, MatrixMath::f32, r.refusal(p.rows, p.channels),
                                [&r](const Problem& q, const Buffers& b) {
                                  r.run(b.out[0], b.out[1], b.out[2], b.in[0], b.in[1], b.in[2], b.in[3],
                                        q.relu, kBatchnormEps, q.rows, q.channels);
                                }));
    }
  }
}

void run_shipped(const Problem& p, const Buffers& b) {
  switch (p.operation) {
    case Operation::gemm:
      return cuda::gemm(b.out[0], b.in[0], b.in[1], p.transpose_a, p.transpose_b, p.m, p.n, p.k,
                        Accumulate::no);
    case Operation::conv_forward:
      return cuda::conv2d_forward<float>(b.out[0], b.in[0], b.in[1], nullptr, nullptr, false, p.conv);
    case Operation::conv_inference:
      return cuda::conv2d_forward(b.out[0], b.in[0], b.in[1], b.in[2], b.in[3], true, p.conv);
    case Operation::conv_backward_data:
      return cuda::conv2d_backward_data(b.out[0], b.in[0], b.in[1], Accumulate::no, p.conv);
    case Operation::conv_backward_weight:
      return cuda::conv2d_backward_weight(b.out[0], b.in[0], b.in[1], Accumulate::no, p.conv);
    case Operation::batchnorm_forward:
      return cuda::batchnorm_forward_train(b.out[0], b.out[1], b.out[2], nullptr, nullptr, b.in[0], b.in[1],
                                           b.in[2], b.in[3], p.relu, 0, kBatchnormEps, p.rows, p.channels);
    case Operation::batchnorm_backward:
      return cuda::batchnorm_backward_train(b.out[0], b.out[3], b.out[1], b.out[2], b.in[0], b.in[1], b.in[2],
                                            b.in[3], b.in[4], b.in[5], p.relu, Accumulate::no, p.rows,
                                            p.channels);
  }
}

/// Whether the shipped kernel may be computed by Winograd's algorithm (kernels/cuda/winograd.cuh).
bool has_choice(const Problem& p) {
  const Conv2dShape& s = p.conv;
  const bool forward = p.operation == Operation::conv_forward || p.operation == Operation::conv_inference;
  return (forward || p.operation == Operation::conv_backward_data) && s.kernel_height == 3 &&
         s.kernel_width == 3 && s.stride == 1 && s.dilation == 1 && s.in_channels % 4 == 0 &&
         s.out_channels % 4 == 0;
}

class SignetStepKernels : public StepKernels {
 public:
  explicit SignetStepKernels(MatrixMath math) : math_(math) {}

  Run layer(const Problem& problem, const Buffers& buffers) override {
    return shipped("", math_, run_shipped).prepare(problem, buffers).run;
  }
  ForwardAndBackward max_pooling(const Pool2dShape& shape, float* y, int32_t* index, const float* x,
                                 float* dx, const float* dy) override {
    return {[=] { cuda::maxpool_forward(y, index, x, false, shape); },
            [=] { cuda::maxpool_backward(dx, dy, index, shape); }};
  }
  ForwardAndBackward average_pooling(int64_t batch, int64_t side, int64_t channels, float* y, const float* x,
                                     float* dx, const float* dy) override {
    return {[=] { cuda::global_avgpool_forward(y, x, batch, side * side, channels); },
            [=] { cuda::global_avgpool_backward(dx, dy, batch, side * side, channels); }};
  }
  Run add(float* y, const float* x, int64_t n) override {
    return [=] { cuda::add(y, y, x, n); };
  }

 private:
  MatrixMath math_;
};

}  // namespace

std::unique_ptr<StepKernels> signet_step_kernels(MatrixMath math) {
  return std::make_unique<SignetStepKernels>(math);
}

std::vector<Contender> signet_contenders(const Problem& problem) {
  std::vector<Contender> contenders;
  add_rungs(contenders, problem);
  const std::string name = "cuda::" + std::string(kernel_of(problem.operation));
  // Which of the two is faster, a card has to say: the rule is a model.
  if (has_choice(problem)) {
    contenders.push_back(
        shipped(name + ", implicit products", MatrixMath::f32, run_shipped, cuda::ConvChoice::implicit_gemm));
    contenders.push_back(
        shipped(name + ", Winograd", MatrixMath::f32, run_shipped, cuda::ConvChoice::winograd));
  }
  for (Contender& contender : stored_bf16_contenders(problem)) contenders.push_back(std::move(contender));
  const bool multiplies = problem.flops() > 0;
  for (const MatrixMath math : {MatrixMath::f32, MatrixMath::tf32, MatrixMath::bf16}) {
    if (multiplies || math == MatrixMath::f32) contenders.push_back(shipped(name, math, run_shipped));
  }
  return contenders;
}

}  // namespace signet::bench
