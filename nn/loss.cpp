#include <algorithm>

#include "nn/check.h"
#include "nn/functions.h"
#include "tensor/launch.h"

namespace signet::nn {

Tensor cross_entropy(const Tensor& logits, const Tensor& target, double label_smoothing,
                     const Tensor& class_weight) {
  require(logits.shape().rank() == 2 && target.shape() == Shape{logits.shape()[0]}, "cross_entropy",
          "logits {} and target {} do not fit", logits.shape().to_string(), target.shape().to_string());
  const int64_t rows = logits.shape()[0], classes = logits.shape()[1];
  require(!class_weight.defined() || class_weight.shape() == Shape{classes}, "cross_entropy",
          "class weights do not fit logits {}", logits.shape().to_string());
  require(label_smoothing >= 0 && label_smoothing < 1, "cross_entropy", "label smoothing {} is not in [0, 1)",
          label_smoothing);
  const int32_t* labels = target.data_i32();
  // Elsewhere reading them would mean waiting for the device in every step.
  require(!target.device().on_host() ||
              std::all_of(labels, labels + rows, [&](int32_t t) { return t >= 0 && t < classes; }),
          "cross_entropy", "a target is outside [0, {})", classes);
  Tensor loss = Tensor::empty({1}, logits.device());
  Tensor p = Tensor::empty(logits.shape(), logits.device());
  SIGNET_LAUNCH(logits.device(), cross_entropy_forward, loss.data(), p.data(), logits.data(), labels,
                class_weight.data(), label_smoothing, rows, classes);
  const Gradient dlogits = gradient_of(logits);
  record("cross_entropy", loss, {dlogits}, [=](const Tensor& dloss) {
    Tensor result = Tensor::empty(p.shape(), p.device());
    SIGNET_LAUNCH(p.device(), cross_entropy_backward, result.data(), dloss.data(), p.data(),
                  target.data_i32(), class_weight.data(), label_smoothing, rows, classes);
    dlogits.add(result);
  });
  return loss;
}

Tensor softmax(const Tensor& logits) {
  require(logits.shape().rank() == 2, "softmax", "logits {} are not [batch, classes]",
          logits.shape().to_string());
  Tensor p = Tensor::empty(logits.shape(), logits.device());
  SIGNET_LAUNCH(logits.device(), softmax_forward, p.data(), logits.data(), logits.shape()[0],
                logits.shape()[1]);
  return p;
}

}  // namespace signet::nn
