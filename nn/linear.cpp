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
  const DType dtype = x.dtype();
  Tensor y = Tensor::empty({batch, out}, device, dtype);
  // bfloat16 is multiplied by the kernels of convolutions, as images of one pixel.
  const bool as_images = dtype == DType::bf16;
  const Conv2dShape s{.batch = batch, .in_channels = in, .out_channels = out};
  if (as_images) {
    const BFloat16* no_residual = nullptr;
    SIGNET_LAUNCH(device, conv2d_forward, y.data<BFloat16>(), x.data<BFloat16>(), weight.data(),
                  bias.defined() ? bias.data() : nullptr, no_residual, false, s);
  } else {
    if (bias.defined()) SIGNET_LAUNCH(device, broadcast_rows, y.data(), bias.data(), batch, out);
    SIGNET_LAUNCH(device, gemm, y.data(), x.data(), weight.data(), Transpose::no, Transpose::yes, batch, out,
                  in, bias.defined() ? Accumulate::yes : Accumulate::no);
  }
  const Gradient dx = gradient_of(x), dw = gradient_of(weight), db = gradient_of(bias);
  record("linear", y, {dx, dw, db},
         [=, x = dw ? x.detach() : Tensor(), w = dx ? weight.detach() : Tensor()](const Tensor& dy) {
           if (db) {
             const auto [buffer, accumulate] = db.target({out}, device);
             with_activations(dtype, [&, &buffer = buffer, accumulate = accumulate]<class act>() {
               SIGNET_LAUNCH(device, sum_rows, buffer.data(), dy.data<act>(), batch, out, accumulate);
             });
           }
           if (dw) {
             const auto [buffer, accumulate] = dw.target({out, in}, device);
             if (as_images) {
               SIGNET_LAUNCH(device, conv2d_backward_weight, buffer.data(), dy.data<BFloat16>(),
                             x.data<BFloat16>(), accumulate, s);
             } else {
               SIGNET_LAUNCH(device, gemm, buffer.data(), dy.data(), x.data(), Transpose::yes, Transpose::no,
                             out, in, batch, accumulate);
             }
           }
           if (dx) {
             const auto [buffer, accumulate] = dx.target({batch, in}, device, dtype);
             if (as_images) {
               SIGNET_LAUNCH(device, conv2d_backward_data, buffer.data<BFloat16>(), dy.data<BFloat16>(),
                             w.data(), accumulate, s);
             } else {
               SIGNET_LAUNCH(device, gemm, buffer.data(), dy.data(), w.data(), Transpose::no, Transpose::no,
                             batch, in, out, accumulate);
             }
           }
         });
  return y;
}

}  // namespace signet::nn
