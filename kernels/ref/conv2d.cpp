// y[b, oy, ox, o] = bias[o] + sum over ky, kx, c of w[o, ky, kx, c] * x[b, iy, ix, c]
//   where iy = oy * stride + ky * dilation - padding, ix alike, and x is zero outside its plane.
//
// The sum is a cross-correlation, which the field calls convolution (Dumoulin and Visin, "A guide to
// convolution arithmetic for deep learning", 2016).

#include <algorithm>

#include "kernels/ref/scalar.h"

namespace signet::ref {

template <class act>
void conv2d_forward(act* y, const act* x, const Real<act>* w, const Real<act>* bias, const act* residual,
                    bool relu, const Conv2dShape& s) {
  for (int64_t b = 0; b < s.batch; ++b) {
    for (int64_t oy = 0; oy < s.out_height(); ++oy) {
      for (int64_t ox = 0; ox < s.out_width(); ++ox) {
        for (int64_t o = 0; o < s.out_channels; ++o) {
          const int64_t place = ((b * s.out_height() + oy) * s.out_width() + ox) * s.out_channels + o;
          Sum<act> sum = value_or_zero(bias, o) + value_or_zero(residual, place);
          for (int64_t ky = 0; ky < s.kernel_height; ++ky) {
            const int64_t iy = oy * s.stride + ky * s.dilation - s.padding;
            if (iy < 0 || iy >= s.in_height) continue;
            for (int64_t kx = 0; kx < s.kernel_width; ++kx) {
              const int64_t ix = ox * s.stride + kx * s.dilation - s.padding;
              if (ix < 0 || ix >= s.in_width) continue;
              const act* pixel = x + ((b * s.in_height + iy) * s.in_width + ix) * s.in_channels;
              const Real<act>* tap = w + ((o * s.kernel_height + ky) * s.kernel_width + kx) * s.in_channels;
              for (int64_t c = 0; c < s.in_channels; ++c) sum += Sum<act>(tap[c]) * Sum<act>(pixel[c]);
            }
          }
          y[place] = act(relu ? ref::relu(sum) : sum);
        }
      }
    }
  }
}

template <class act>
void conv2d_prepare(act* prepared, const Real<act>* w, const Conv2dShape& s) {
  std::copy_n(w, s.weight_size(), reinterpret_cast<Real<act>*>(prepared));
}

template <class act>
void conv2d_forward_prepared(act* y, const act* x, const act* prepared, const Real<act>* bias,
                             const act* residual, bool relu, const Conv2dShape& s) {
  conv2d_forward(y, x, reinterpret_cast<const Real<act>*>(prepared), bias, residual, relu, s);
}

SIGNET_INSTANTIATE_ACTIVATIONS(conv2d_forward);
SIGNET_INSTANTIATE_ACTIVATIONS(conv2d_prepare);
SIGNET_INSTANTIATE_ACTIVATIONS(conv2d_forward_prepared);

}  // namespace signet::ref
