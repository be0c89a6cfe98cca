#include "nn/check.h"
#include "nn/functions.h"
#include "tensor/error.h"
#include "tensor/launch.h"

namespace signet::nn {
namespace {

int64_t checked_channels(const char* op, const Tensor& x, const BatchNormTensors& bn,
                         const Tensor& residual) {
  const int64_t channels = bn.weight.size();
  require(x.shape().rank() >= 2 && x.shape()[-1] == channels, op, "input {} does not end in {} channels",
          x.shape().to_string(), channels);
  require(!residual.defined() || residual.shape() == x.shape(), op, "residual {} does not fit input {}",
          residual.defined() ? residual.shape().to_string() : "", x.shape().to_string());
  return channels;
}

/// The buffers a backward kernel writes, laid over dy's own memory where nothing else holds it.
struct BackwardBuffers {
  Tensor dx, dresidual, dweight, dbias;

  BackwardBuffers(const Tensor& dy, bool need_dx, bool need_dresidual, bool need_affine, int64_t channels) {
    const auto fresh_or_dy = [&](bool may_reuse) {
      return may_reuse && dy.unique() ? dy.detach() : Tensor::empty(dy.shape(), dy.device());
    };
    if (need_dresidual) dresidual = fresh_or_dy(true);
    if (need_dx) dx = fresh_or_dy(!need_dresidual);
    if (need_affine) {
      dweight = Tensor::empty({channels}, dy.device());
      dbias = Tensor::empty({channels}, dy.device());
    }
  }

  void hand_over(const Gradient& to_x, const Gradient& to_residual, const Gradient& to_weight,
                 const Gradient& to_bias) {
    if (to_x) to_x.add(dx);
    if (to_residual) to_residual.add(dresidual);
    if (to_weight) to_weight.add(dweight);
    if (to_bias) to_bias.add(dbias);
  }
};

}  // namespace

Tensor batchnorm_train(const Tensor& x, const BatchNormTensors& bn, const Tensor& residual, bool relu,
                       double momentum, double eps) {
  const int64_t channels = checked_channels("batchnorm", x, bn, residual);
  const int64_t rows = x.size() / channels;
  if (rows == 1) {
    fail(
        "batch normalisation in training mode needs more than one value a channel, but its input is {}; use "
        "a larger "
        "batch",
        x.shape().to_string());
  }
  Tensor y = Tensor::empty(x.shape(), x.device());
  Tensor mean = Tensor::empty({channels}, x.device()), inv_std = Tensor::empty({channels}, x.device());
  SIGNET_LAUNCH(x.device(), batchnorm_forward_train, y.data(), mean.data(), inv_std.data(),
                bn.running_mean.data(), bn.running_var.data(), x.data(), bn.weight.data(), bn.bias.data(),
                residual.data(), relu, momentum, eps, rows, channels);
  bn.running_mean.mark_modified();
  bn.running_var.mark_modified();
  const Gradient dx = gradient_of(x), dres = gradient_of(residual), dw = gradient_of(bn.weight),
                 db = gradient_of(bn.bias);
  record("batchnorm_train", y, {dx, dres, dw, db},
         [=, x = x.detach(), y = relu ? y.detach() : Tensor(), weight = bn.weight.detach()](Tensor dy) {
           BackwardBuffers out(dy, bool(dx), bool(dres), dw || db, channels);
           SIGNET_LAUNCH(dy.device(), batchnorm_backward_train, out.dx.data(), out.dresidual.data(),
                         out.dweight.data(), out.dbias.data(), dy.data(), x.data(), y.data(), weight.data(),
                         mean.data(), inv_std.data(), relu, Accumulate::no, rows, channels);
           out.hand_over(dx, dres, dw, db);
         });
  return y;
}

Tensor batchnorm_eval(const Tensor& x, const BatchNormTensors& bn, const Tensor& residual, bool relu,
                      double eps) {
  const int64_t channels = checked_channels("batchnorm", x, bn, residual);
  const int64_t rows = x.size() / channels;
  Tensor y = Tensor::empty(x.shape(), x.device());
  SIGNET_LAUNCH(x.device(), batchnorm_forward_eval, y.data(), x.data(), bn.weight.data(), bn.bias.data(),
                bn.running_mean.data(), bn.running_var.data(), residual.data(), relu, eps, rows, channels);
  const Gradient dx = gradient_of(x), dres = gradient_of(residual), dw = gradient_of(bn.weight),
                 db = gradient_of(bn.bias);
  record(
      "batchnorm_eval", y, {dx, dres, dw, db},
      [=, x = dw || db ? x.detach() : Tensor(), y = relu ? y.detach() : Tensor(), weight = bn.weight.detach(),
       mean = bn.running_mean.detach(), var = bn.running_var.detach()](Tensor dy) {
        BackwardBuffers out(dy, bool(dx), bool(dres), dw || db, channels);
        SIGNET_LAUNCH(dy.device(), batchnorm_backward_eval, out.dx.data(), out.dresidual.data(),
                      out.dweight.data(), out.dbias.data(), dy.data(), x.data(), y.data(), weight.data(),
                      mean.data(), var.data(), eps, relu, Accumulate::no, rows, channels);
        out.hand_over(dx, dres, dw, db);
      });
  return y;
}

}  // namespace signet::nn
