// A convolution with ReLU and a max-pool: its kernels one after another, the convolution's result in between.

#include "kernels/instantiate.h"

namespace signet::cuda {

template <class act>
void conv2d_relu_maxpool_forward(act* y, int32_t* index, act* between, const act* x, const float* w,
                                 const float* bias, const Conv2dShape& s) {
  const act* no_residual = nullptr;
  conv2d_forward(between, x, w, bias, no_residual, false, s);
  maxpool_forward(y, index, between, true, s.pooled());
}
SIGNET_INSTANTIATE_ACTIVATIONS(conv2d_relu_maxpool_forward);

template <class act>
void conv2d_relu_maxpool_backward(act* dx, float* dw, float* dbias, act* between, const act* dy,
                                  const int32_t* index, const act* x, const float* w,
                                  Accumulate accumulate_dx, Accumulate accumulate_dw,
                                  Accumulate accumulate_dbias, const Conv2dShape& s) {
  maxpool_backward(between, dy, index, s.pooled());
  if (dbias) sum_rows(dbias, between, s.out_size() / s.out_channels, s.out_channels, accumulate_dbias);
  if (dw) conv2d_backward_weight(dw, between, x, accumulate_dw, s);
  if (dx) conv2d_backward_data(dx, between, w, accumulate_dx, s);
}
SIGNET_INSTANTIATE_ACTIVATIONS(conv2d_relu_maxpool_backward);

}  // namespace signet::cuda
