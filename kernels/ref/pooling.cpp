// Pooling over NHWC planes: the maximum of square windows, and the mean of the whole plane.

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/ref/scalar.h"

namespace signet::ref {

// The search starts at the window's first pixel inside the plane and moves on for a greater value, or for
// NaN: hence the first of equals.
template <class act>
void maxpool_forward(act* y, int32_t* index, const act* x, bool relu, const Pool2dShape& s) {
  for (int64_t b = 0; b < s.batch; ++b) {
    for (int64_t oy = 0; oy < s.out_height(); ++oy) {
      for (int64_t ox = 0; ox < s.out_width(); ++ox) {
        const int64_t top = std::max<int64_t>(oy * s.stride - s.padding, 0);
        const int64_t left = std::max<int64_t>(ox * s.stride - s.padding, 0);
        const int64_t bottom = std::min(oy * s.stride - s.padding + s.kernel, s.in_height);
        const int64_t right = std::min(ox * s.stride - s.padding + s.kernel, s.in_width);
        for (int64_t c = 0; c < s.channels; ++c) {
          const auto pixel = [&](int64_t place) {
            return x[(b * s.in_height * s.in_width + place) * s.channels + c];
          };
          int64_t best = top * s.in_width + left;
          for (int64_t iy = top; iy < bottom; ++iy) {
            for (int64_t ix = left; ix < right; ++ix) {
              const int64_t place = iy * s.in_width + ix;
              const double value = std::real(Sum<act>(pixel(place)));
              if (value > std::real(Sum<act>(pixel(best))) || std::isnan(value)) best = place;
            }
          }
          const int64_t out = ((b * s.out_height() + oy) * s.out_width() + ox) * s.channels + c;
          const bool cut = relu && std::real(Sum<act>(pixel(best))) <= 0;  // not NaN
          y[out] = cut ? act(0) : pixel(best);
          if (index) index[out] = cut ? -1 : int32_t(best);
        }
      }
    }
  }
}

// Windows overlap when stride < kernel, so a pixel may have won several of them.
template <class act>
void maxpool_backward(act* dx, const act* dy, const int32_t* index, const Pool2dShape& s) {
  const int64_t in_pixels = s.in_height * s.in_width, out_pixels = s.out_height() * s.out_width();
  std::vector<Sum<act>> plane(static_cast<size_t>(in_pixels));
  for (int64_t b = 0; b < s.batch; ++b) {
    for (int64_t c = 0; c < s.channels; ++c) {
      std::fill(plane.begin(), plane.end(), Sum<act>(0));
      for (int64_t o = 0; o < out_pixels; ++o) {
        const int64_t out = (b * out_pixels + o) * s.channels + c;
        if (index[out] >= 0) plane[size_t(index[out])] += Sum<act>(dy[out]);
      }
      for (int64_t i = 0; i < in_pixels; ++i)
        dx[(b * in_pixels + i) * s.channels + c] = act(plane[size_t(i)]);
    }
  }
}

template <class act>
void global_avgpool_forward(Real<act>* y, const act* x, int64_t batch, int64_t pixels, int64_t channels) {
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t c = 0; c < channels; ++c) {
      Sum<act> sum = 0;
      for (int64_t i = 0; i < pixels; ++i) sum += Sum<act>(x[(b * pixels + i) * channels + c]);
      y[b * channels + c] = Real<act>(sum / double(pixels));
    }
  }
}

template <class act>
void global_avgpool_backward(act* dx, const Real<act>* dy, int64_t batch, int64_t pixels, int64_t channels) {
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t i = 0; i < pixels; ++i)
      for (int64_t c = 0; c < channels; ++c)
        dx[(b * pixels + i) * channels + c] = act(Sum<act>(dy[b * channels + c]) / double(pixels));
}

SIGNET_INSTANTIATE_ACTIVATIONS(maxpool_forward);
SIGNET_INSTANTIATE_ACTIVATIONS(maxpool_backward);
SIGNET_INSTANTIATE_ACTIVATIONS(global_avgpool_forward);
SIGNET_INSTANTIATE_ACTIVATIONS(global_avgpool_backward);

}  // namespace signet::ref
