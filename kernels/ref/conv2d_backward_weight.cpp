// dw[o, ky, kx, c] = sum over b, oy, ox of dy[b, oy, ox, o] * x[b, iy, ix, c]
//   where iy = oy * stride + ky * dilation - padding, ix alike, and x is zero outside its plane.
//
// It is the forward formula read from the side of w: a weight meets one pixel for every output place. (The
// gradient of the bias is the sum of dy over b, oy and ox: sum_rows.)

#include "kernels/ref/scalar.h"

namespace signet::ref {

template <class act>
void conv2d_backward_weight(Real<act>* dw, const act* dy, const act* x, Accumulate accumulate,
                            const Conv2dShape& s) {
  for (int64_t o = 0; o < s.out_channels; ++o) {
    for (int64_t ky = 0; ky < s.kernel_height; ++ky) {
      for (int64_t kx = 0; kx < s.kernel_width; ++kx) {
        for (int64_t c = 0; c < s.in_channels; ++c) {
          Sum<act> sum = 0;
          for (int64_t b = 0; b < s.batch; ++b) {
            for (int64_t oy = 0; oy < s.out_height(); ++oy) {
              const int64_t iy = oy * s.stride + ky * s.dilation - s.padding;
              if (iy < 0 || iy >= s.in_height) continue;
              for (int64_t ox = 0; ox < s.out_width(); ++ox) {
                const int64_t ix = ox * s.stride + kx * s.dilation - s.padding;
                if (ix < 0 || ix >= s.in_width) continue;
                const int64_t out = ((b * s.out_height() + oy) * s.out_width() + ox) * s.out_channels + o;
                const int64_t in = ((b * s.in_height + iy) * s.in_width + ix) * s.in_channels + c;
                sum += Sum<act>(dy[out]) * Sum<act>(x[in]);
              }
            }
          }
          store(dw[((o * s.kernel_height + ky) * s.kernel_width + kx) * s.in_channels + c], sum, accumulate);
        }
      }
    }
  }
}

SIGNET_INSTANTIATE_ACTIVATIONS(conv2d_backward_weight);

}  // namespace signet::ref
