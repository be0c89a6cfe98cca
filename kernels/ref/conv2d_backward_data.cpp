// dx[b, iy, ix, c] = sum over ky, kx, o of w[o, ky, kx, c] * dy[b, oy, ox, o]
//   over the taps for which an output place exists: oy * stride = iy + padding - ky * dilation, ox alike.
//
// It is the forward formula read from the side of x: every output that a pixel helped to make sends back its
// gradient through the same weight.

#include "kernels/ref/scalar.h"

namespace signet::ref {
namespace {

/// The output place whose tap k falls on input place i along one axis, or -1.
int64_t output_place(int64_t i, int64_t k, int64_t out_size, const Conv2dShape& s) {
  const int64_t distance = i + s.padding - k * s.dilation;
  if (distance < 0 || distance % s.stride != 0) return -1;
  return distance / s.stride < out_size ? distance / s.stride : -1;
}

}  // namespace

template <class act>
void conv2d_backward_data(act* dx, const act* dy, const Real<act>* w, Accumulate accumulate,
                          const Conv2dShape& s) {
  for (int64_t b = 0; b < s.batch; ++b) {
    for (int64_t iy = 0; iy < s.in_height; ++iy) {
      for (int64_t ix = 0; ix < s.in_width; ++ix) {
        for (int64_t c = 0; c < s.in_channels; ++c) {
          Sum<act> sum = 0;
          for (int64_t ky = 0; ky < s.kernel_height; ++ky) {
            const int64_t oy = output_place(iy, ky, s.out_height(), s);
            if (oy < 0) continue;
            for (int64_t kx = 0; kx < s.kernel_width; ++kx) {
              const int64_t ox = output_place(ix, kx, s.out_width(), s);
              if (ox < 0) continue;
              const act* pixel = dy + ((b * s.out_height() + oy) * s.out_width() + ox) * s.out_channels;
              for (int64_t o = 0; o < s.out_channels; ++o) {
                const int64_t tap = ((o * s.kernel_height + ky) * s.kernel_width + kx) * s.in_channels + c;
                sum += Sum<act>(w[tap]) * Sum<act>(pixel[o]);
              }
            }
          }
          store(dx[((b * s.in_height + iy) * s.in_width + ix) * s.in_channels + c], sum, accumulate);
        }
      }
    }
  }
}

SIGNET_INSTANTIATE_ACTIVATIONS(conv2d_backward_data);

}  // namespace signet::ref
