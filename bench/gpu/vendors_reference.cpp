// A simulated device runs no vendor's kernels. In their place stands the reference on the host, so that the
// comparison's own working can be tested: what it says about a kernel is true, its time means nothing.

#include <stdexcept>

#include "bench/gpu/contenders.h"
#include "bench/gpu/step_kernels.h"

namespace signet::bench {
namespace {

/// The buffers' contents on the host.
struct OnHost {
  std::vector<std::vector<float>> in, out;

  OnHost(const Problem& problem, const Buffers& buffers) {
    const BufferSizes sizes = buffer_sizes(problem);
    for (size_t i = 0; i < sizes.in.size(); ++i) {
      in.emplace_back(size_t(sizes.in[i]));
      if (sizes.in[i] > 0)
        cuda::copy_to_host(in[i].data(), buffers.in[i], sizes.in[i] * int64_t(sizeof(float)));
    }
    for (const int64_t size : sizes.out) out.emplace_back(size_t(size));
  }
  void upload(const Buffers& buffers) const {
    for (size_t i = 0; i < out.size(); ++i) {
      if (!out[i].empty())
        cuda::copy_to_device(buffers.out[i], out[i].data(), int64_t(out[i].size() * sizeof(float)));
    }
  }
  const float* residual() const { return in[3].empty() ? nullptr : in[3].data(); }
};

void compute(const Problem& p, OnHost& h) {
  float* y = h.out[0].data();
  const float *a = h.in[0].data(), *b = h.in[1].data();
  switch (p.operation) {
    case Operation::gemm:
      return ref::gemm(y, a, b, p.transpose_a, p.transpose_b, p.m, p.n, p.k, Accumulate::no);
    case Operation::conv_forward:
      return ref::conv2d_forward<float>(y, a, b, nullptr, nullptr, false, p.conv);
    case Operation::conv_inference:
      return ref::conv2d_forward<float>(y, a, b, h.in[2].data(), h.in[3].data(), true, p.conv);
    case Operation::conv_backward_data:
      return ref::conv2d_backward_data(y, a, b, Accumulate::no, p.conv);
    case Operation::conv_backward_weight:
      return ref::conv2d_backward_weight(y, a, b, Accumulate::no, p.conv);
    case Operation::batchnorm_forward:
      return ref::batchnorm_forward_train<float>(y, h.out[1].data(), h.out[2].data(), nullptr, nullptr, a, b,
                                                 h.in[2].data(), h.residual(), p.relu, 0, kBatchnormEps,
                                                 p.rows, p.channels);
    case Operation::batchnorm_backward:
      return ref::batchnorm_backward_train<float>(y, h.out[3].empty() ? nullptr : h.out[3].data(),
                                                  h.out[1].data(), h.out[2].data(), a, b, h.in[2].data(),
                                                  h.in[3].data(), h.in[4].data(), h.in[5].data(), p.relu,
                                                  Accumulate::no, p.rows, p.channels);
  }
}

constexpr const char* kName = "reference (no vendor library)";

Run on_host(const Problem& p, const Buffers& b) {
  return [p, b] {
    OnHost host(p, b);
    compute(p, host);
    host.upload(b);
  };
}

std::vector<float> fetched(const float* from, int64_t n) {
  std::vector<float> values(static_cast<size_t>(n));
  cuda::copy_to_host(values.data(), from, n * int64_t(sizeof(float)));
  return values;
}

void put(float* to, const std::vector<float>& values) {
  cuda::copy_to_device(to, values.data(), int64_t(values.size() * sizeof(float)));
}

class ReferenceStepKernels : public StepKernels {
 public:
  Run layer(const Problem& problem, const Buffers& buffers) override { return on_host(problem, buffers); }

  ForwardAndBackward max_pooling(const Pool2dShape& s, float* y, int32_t*, const float* x, float* dx,
                                 const float* dy) override {
    const auto index = std::make_shared<std::vector<int32_t>>(size_t(s.out_size()));
    return {[=] {
              std::vector<float> result(size_t(s.out_size()));
              ref::maxpool_forward(result.data(), index->data(), fetched(x, s.in_size()).data(), false, s);
              put(y, result);
            },
            [=] {
              std::vector<float> result(size_t(s.in_size()));
              ref::maxpool_backward(result.data(), fetched(dy, s.out_size()).data(), index->data(), s);
              put(dx, result);
            }};
  }
  ForwardAndBackward average_pooling(int64_t batch, int64_t side, int64_t channels, float* y, const float* x,
                                     float* dx, const float* dy) override {
    const int64_t all = batch * side * side * channels;
    return {[=] {
              std::vector<float> result(size_t(batch * channels));
              ref::global_avgpool_forward(result.data(), fetched(x, all).data(), batch, side * side,
                                          channels);
              put(y, result);
            },
            [=] {
              std::vector<float> result(static_cast<size_t>(all));
              ref::global_avgpool_backward(result.data(), fetched(dy, batch * channels).data(), batch,
                                           side * side, channels);
              put(dx, result);
            }};
  }
  Run add(float* y, const float* x, int64_t n) override {
    return [=] {
      std::vector<float> sum = fetched(y, n);
      const std::vector<float> more = fetched(x, n);
      ref::add(sum.data(), sum.data(), more.data(), n);
      put(y, sum);
    };
  }
};

}  // namespace

std::vector<Contender> vendor_contenders(const Problem&) {
  return {{.name = kName,
           .vendor = true,
           .math = MatrixMath::f32,
           .prepare = [](const Problem& p, const Buffers& b) { return Prepared{.run = on_host(p, b)}; }}};
}

std::vector<MatrixMath> vendor_step_maths() {
  return {MatrixMath::f32};
}
std::unique_ptr<StepKernels> vendor_step_kernels(MatrixMath) {
  return std::make_unique<ReferenceStepKernels>();
}
const char* vendor_step_name() {
  return kName;
}

int list_vendor_plans(const std::vector<Problem>&, const std::string&, std::ostream&) {
  throw std::runtime_error(
      "plans are cuDNN's, and this build has no vendor's library; configure with -DSIGNET_CUDA=ON");
}

std::string vendor_versions() {
  return "no vendor library (the reference kernels stand in)";
}

}  // namespace signet::bench
