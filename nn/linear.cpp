#include "nn/check.h"
#include "nn/functions.h"
#include "tensor/launch.h"

namespace signet::nn {

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  require(x.shape().rank() == 2 && weight.shape().rank() == 2 && x.shape()[1] == weight.shape()[1], "linear",
          "input {} and weight {} do not fit", x.shape().to_string(), weight.shape().to_string());
  const int64_t batch = x.shape()[0], in = x.shape()[1], out = weight.shape()[0];
  require(!bias.defined() || bias.shape() == Shape{out}, "linear", "bias does not fit weight {}",
          weight.shape().to_string());
  const Device device = x.device();
  Tensor y = Tensor::empty({batch, out}, device);
  if (bias.defined()) SIGNET_LAUNCH(device, broadcast_rows, y.data(), bias.data(), batch, out);
  SIGNET_LAUNCH(device, gemm, y.data(), x.data(), weight.data(), Transpose::no, Transpose::yes, batch, out,
                in, bias.defined() ? Accumulate::yes : Accumulate::no);
  const Gradient dx = gradient_of(x), dw = gradient_of(weight), db = gradient_of(bias);
  record("linear", y, {dx, dw, db},
         [=, x = dw ? x.detach() : Tensor(), w = dx ? weight.detach() : Tensor()](const Tensor& dy) {
           if (db) {
             const auto [buffer, accumulate] = db.target({out}, device);
             SIGNET_LAUNCH(device, sum_rows, buffer.data(), dy.data(), batch, out, accumulate);
           }
           if (dw) {
             const auto [buffer, accumulate] = dw.target({out, in}, device);
             SIGNET_LAUNCH(device, gemm, buffer.data(), dy.data(), x.data(), Transpose::yes, Transpose::no,
                           out, in, batch, accumulate);
           }
           if (dx) {
             const auto [buffer, accumulate] = dx.target({batch, in}, device);
             SIGNET_LAUNCH(device, gemm, buffer.data(), dy.data(), w.data(), Transpose::no, Transpose::no,
                           batch, in, out, accumulate);
           }
         });
  return y;
}

}  // namespace signet::nn
