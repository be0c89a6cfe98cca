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
      return may_reuse && dy.unique() ? dy.detach() : Tensor::empty(dy.shape(), dy.device(), dy.dtype());
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

/// Records the gradient of y, for which `backward` takes dy and, with ReLU, y. With `recompute` y is not kept
/// for that, nor by those who use it, but computed again by `forward`. (A sum with a residual would need both
/// of its terms, so it is kept.)
template <class Forward, class Backward>
void record_batchnorm(const char* op, Tensor& y, std::initializer_list<Gradient> inputs, bool relu,
                      bool recompute, const Forward& forward, const Backward& backward) {
  const auto recomputed = recompute ? std::make_shared<Recomputed>(forward) : nullptr;
  const Saved mask = !relu ? Saved() : recomputed ? Saved(recomputed) : Saved(y);
  record(op, y, inputs, [backward, mask](Tensor dy) { backward(std::move(dy), mask.get()); });
  if (y.gradient_slot()) y.gradient_slot()->recomputed = recomputed;
}

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
  Tensor mean = Tensor::empty({channels}, x.device()), inv_std = Tensor::empty({channels}, x.device());
  const auto forward = [=, weight = bn.weight.detach(), bias = bn.bias.detach()](
                           const Tensor& input, const Tensor& added, const Tensor& running_mean,
                           const Tensor& running_var) {
    Tensor output = Tensor::empty(input.shape(), input.device(), input.dtype());
    with_activations(input.dtype(), [&]<class act>() {
      SIGNET_LAUNCH(input.device(), batchnorm_forward_train, output.data<act>(), mean.data(), inv_std.data(),
                    running_mean.data(), running_var.data(), input.data<act>(), weight.data(), bias.data(),
                    added.data<act>(), relu, momentum, eps, rows, channels);
    });
    return output;
  };
  Tensor y = forward(x, residual, bn.running_mean, bn.running_var);
  bn.running_mean.mark_modified();
  bn.running_var.mark_modified();
  const Gradient dx = gradient_of(x), dres = gradient_of(residual), dw = gradient_of(bn.weight),
                 db = gradient_of(bn.bias);
  record_batchnorm(
      "batchnorm_train", y, {dx, dres, dw, db}, relu, relu && !residual.defined(),
      [forward, x = x.detach()] { return forward(x, {}, {}, {}); },
      [=, x = x.detach(), weight = bn.weight.detach()](Tensor dy, const Tensor& output) {
        BackwardBuffers out(dy, bool(dx), bool(dres), dw || db, channels);
        with_activations(dy.dtype(), [&]<class act>() {
          SIGNET_LAUNCH(dy.device(), batchnorm_backward_train, out.dx.data<act>(), out.dresidual.data<act>(),
                        out.dweight.data(), out.dbias.data(), dy.data<act>(), x.data<act>(),
                        output.data<act>(), weight.data(), mean.data(), inv_std.data(), relu, Accumulate::no,
                        rows, channels);
        });
        out.hand_over(dx, dres, dw, db);
      });
  return y;
}

Tensor batchnorm_eval(const Tensor& x, const BatchNormTensors& bn, const Tensor& residual, bool relu,
                      double eps) {
  const int64_t channels = checked_channels("batchnorm", x, bn, residual);
  const int64_t rows = x.size() / channels;
  const auto forward = [=, weight = bn.weight.detach(), bias = bn.bias.detach(),
                        mean = bn.running_mean.detach(),
                        var = bn.running_var.detach()](const Tensor& input, const Tensor& added) {
    Tensor output = Tensor::empty(input.shape(), input.device(), input.dtype());
    with_activations(input.dtype(), [&]<class act>() {
      SIGNET_LAUNCH(input.device(), batchnorm_forward_eval, output.data<act>(), input.data<act>(),
                    weight.data(), bias.data(), mean.data(), var.data(), added.data<act>(), relu, eps, rows,
                    channels);
    });
    return output;
  };
  Tensor y = forward(x, residual);
  const Gradient dx = gradient_of(x), dres = gradient_of(residual), dw = gradient_of(bn.weight),
                 db = gradient_of(bn.bias);
  const bool keeps_x = dw || db;
  record_batchnorm(
      "batchnorm_eval", y, {dx, dres, dw, db}, relu, relu && keeps_x && !residual.defined(),
      [forward, x = keeps_x ? x.detach() : Tensor()] { return forward(x, {}); },
      [=, x = keeps_x ? x.detach() : Tensor(), weight = bn.weight.detach(), mean = bn.running_mean.detach(),
       var = bn.running_var.detach()](Tensor dy, const Tensor& output) {
        BackwardBuffers out(dy, bool(dx), bool(dres), dw || db, channels);
        with_activations(dy.dtype(), [&]<class act>() {
          SIGNET_LAUNCH(dy.device(), batchnorm_backward_eval, out.dx.data<act>(), out.dresidual.data<act>(),
                        out.dweight.data(), out.dbias.data(), dy.data<act>(), x.data<act>(),
                        output.data<act>(), weight.data(), mean.data(), var.data(), eps, relu, Accumulate::no,
                        rows, channels);
        });
        out.hand_over(dx, dres, dw, db);
      });
  return y;
}

}  // namespace signet::nn
