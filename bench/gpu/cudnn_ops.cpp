// What cuDNN offers for float outside of its graphs: batchnorm in training, and pooling. Fusing ReLU and the
// residual into the batchnorm is offered for half precision only, so they are calls of their own here, as in
// any framework that trains in float with cuDNN.

#include <cudnn.h>

#include <memory>
#include <stdexcept>

#include "bench/gpu/cudnn.h"
#include "bench/gpu/timer.h"

namespace signet::bench::cudnn {
namespace {

void check(cudnnStatus_t status, const char* call) {
  if (status != CUDNN_STATUS_SUCCESS) throw Refusal(std::string(call) + ": " + cudnnGetErrorString(status));
}
#define SIGNET_CUDNN_CHECK(call) check((call), #call)

cudnnHandle_t handle() {
  static cudnnHandle_t made = [] {
    cudnnHandle_t h = nullptr;
    SIGNET_CUDNN_CHECK(cudnnCreate(&h));
    return h;
  }();
  SIGNET_CUDNN_CHECK(cudnnSetStream(made, static_cast<cudaStream_t>(current_stream_handle())));
  return made;
}

using TensorDescriptor = std::shared_ptr<std::remove_pointer_t<cudnnTensorDescriptor_t>>;
TensorDescriptor nhwc(int64_t n, int64_t c, int64_t h, int64_t w) {
  cudnnTensorDescriptor_t raw = nullptr;
  SIGNET_CUDNN_CHECK(cudnnCreateTensorDescriptor(&raw));
  TensorDescriptor made(raw, cudnnDestroyTensorDescriptor);
  SIGNET_CUDNN_CHECK(
      cudnnSetTensor4dDescriptor(raw, CUDNN_TENSOR_NHWC, CUDNN_DATA_FLOAT, int(n), int(c), int(h), int(w)));
  return made;
}

using ActivationDescriptor = std::shared_ptr<std::remove_pointer_t<cudnnActivationDescriptor_t>>;
ActivationDescriptor relu_descriptor() {
  cudnnActivationDescriptor_t raw = nullptr;
  SIGNET_CUDNN_CHECK(cudnnCreateActivationDescriptor(&raw));
  ActivationDescriptor made(raw, cudnnDestroyActivationDescriptor);
  SIGNET_CUDNN_CHECK(cudnnSetActivationDescriptor(raw, CUDNN_ACTIVATION_RELU, CUDNN_PROPAGATE_NAN, 0));
  return made;
}

using PoolingDescriptor = std::shared_ptr<std::remove_pointer_t<cudnnPoolingDescriptor_t>>;
PoolingDescriptor pooling_descriptor(cudnnPoolingMode_t mode, int64_t height, int64_t width, int64_t padding,
                                     int64_t stride) {
  cudnnPoolingDescriptor_t raw = nullptr;
  SIGNET_CUDNN_CHECK(cudnnCreatePoolingDescriptor(&raw));
  PoolingDescriptor made(raw, cudnnDestroyPoolingDescriptor);
  SIGNET_CUDNN_CHECK(cudnnSetPooling2dDescriptor(raw, mode, CUDNN_PROPAGATE_NAN, int(height), int(width),
                                                 int(padding), int(padding), int(stride), int(stride)));
  return made;
}

constexpr float kOne = 1, kZero = 0;
constexpr auto kMode = CUDNN_BATCHNORM_SPATIAL_PERSISTENT;

}  // namespace

std::function<void()> batchnorm_forward(const Problem& p, const Buffers& b) {
  const TensorDescriptor all = nhwc(p.batch, p.channels, p.rows / p.batch, 1),
                         of_channel = nhwc(1, p.channels, 1, 1);
  const ActivationDescriptor relu = relu_descriptor();
  return [=] {
    SIGNET_CUDNN_CHECK(cudnnBatchNormalizationForwardTraining(
        handle(), kMode, &kOne, &kZero, all.get(), b.in[0], all.get(), b.out[0], of_channel.get(), b.in[1],
        b.in[2], 0, nullptr, nullptr, kBatchnormEps, b.out[1], b.out[2]));
    if (p.residual)
      SIGNET_CUDNN_CHECK(cudnnAddTensor(handle(), &kOne, all.get(), b.in[3], &kOne, all.get(), b.out[0]));
    if (p.relu)
      SIGNET_CUDNN_CHECK(cudnnActivationForward(handle(), relu.get(), &kOne, all.get(), b.out[0], &kZero,
                                                all.get(), b.out[0]));
  };
}

std::function<void()> batchnorm_backward(const Problem& p, const Buffers& b) {
  const TensorDescriptor all = nhwc(p.batch, p.channels, p.rows / p.batch, 1),
                         of_channel = nhwc(1, p.channels, 1, 1);
  const ActivationDescriptor relu = relu_descriptor();
  return [=] {
    const float* dy = b.in[0];
    if (p.relu) {
      // The gradient behind the ReLU is the residual's, where there is one.
      auto* const behind =
          p.residual ? b.out[3]
                     : static_cast<float*>(cuda::workspace(p.rows * p.channels * int64_t(sizeof(float))));
      // For ReLU the gradient depends on the sign of y alone, so that y stands for x too.
      SIGNET_CUDNN_CHECK(cudnnActivationBackward(handle(), relu.get(), &kOne, all.get(), b.in[2], all.get(),
                                                 dy, all.get(), b.in[2], &kZero, all.get(), behind));
      dy = behind;
    }
    SIGNET_CUDNN_CHECK(cudnnBatchNormalizationBackward(
        handle(), kMode, &kOne, &kZero, &kOne, &kZero, all.get(), b.in[1], all.get(), dy, all.get(), b.out[0],
        of_channel.get(), b.in[3], b.out[1], b.out[2], kBatchnormEps, b.in[4], b.in[5]));
  };
}

Pooling max_pooling(const Pool2dShape& s, float* y, const float* x, float* dx, const float* dy) {
  const auto pool =
      pooling_descriptor(CUDNN_POOLING_MAX_DETERMINISTIC, s.kernel, s.kernel, s.padding, s.stride);
  const auto in = nhwc(s.batch, s.channels, s.in_height, s.in_width);
  const auto out = nhwc(s.batch, s.channels, s.out_height(), s.out_width());
  return {[=] {
            SIGNET_CUDNN_CHECK(
                cudnnPoolingForward(handle(), pool.get(), &kOne, in.get(), x, &kZero, out.get(), y));
          },
          [=] {
            SIGNET_CUDNN_CHECK(cudnnPoolingBackward(handle(), pool.get(), &kOne, out.get(), y, out.get(), dy,
                                                    in.get(), x, &kZero, in.get(), dx));
          }};
}

Pooling average_pooling(int64_t batch, int64_t side, int64_t channels, float* y, const float* x, float* dx,
                        const float* dy) {
  const auto pool = pooling_descriptor(CUDNN_POOLING_AVERAGE_COUNT_INCLUDE_PADDING, side, side, 0, 1);
  const auto in = nhwc(batch, channels, side, side), out = nhwc(batch, channels, 1, 1);
  return {[=] {
            SIGNET_CUDNN_CHECK(
                cudnnPoolingForward(handle(), pool.get(), &kOne, in.get(), x, &kZero, out.get(), y));
          },
          [=] {
            SIGNET_CUDNN_CHECK(cudnnPoolingBackward(handle(), pool.get(), &kOne, out.get(), y, out.get(), dy,
                                                    in.get(), x, &kZero, in.get(), dx));
          }};
}

std::function<void()> add(float* y, const float* x, int64_t n) {
  const auto all = nhwc(1, 1, n, 1);
  return [=] { SIGNET_CUDNN_CHECK(cudnnAddTensor(handle(), &kOne, all.get(), x, &kOne, all.get(), y)); };
}

}  // namespace signet::bench::cudnn
