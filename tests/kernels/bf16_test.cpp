// Rounding to bfloat16 where it is easily got wrong: ties, the ends of the range, NaN.

#include "kernels/bf16.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/kernels/backend.h"

using namespace signet;
using namespace signet::test;

namespace {

struct Rounding {
  uint32_t from;
  uint16_t to;
};

constexpr Rounding kRoundings[] = {
    {0x3F800000, 0x3F80},                        // 1
    {0x3F808000, 0x3F80}, {0x3F818000, 0x3F82},  // ties go to the even neighbour
    {0x3F808001, 0x3F81}, {0x3F817FFF, 0x3F81},  // just above one, just below another
    {0xBF808000, 0xBF80}, {0xBF818000, 0xBF82},  // the same below zero
    {0x3FFFFFFF, 0x4000},                        // a carry into the exponent
    {0x7F7FFFFF, 0x7F80},                        // the largest float becomes infinity
    {0x7F800000, 0x7F80}, {0xFF800000, 0xFF80},  // infinity stays
    {0x80000000, 0x8000},                        // minus zero
};

// Quiet and signalling ones, and payloads that a carry would turn into zero or infinity.
constexpr uint32_t kNotNumbers[] = {0x7FC00000, 0xFFC00000, 0x7F800001, 0x7F80FFFF, 0x7FFFFFFF, 0xFFFFFFFF};

}  // namespace

TEST_CASE("bfloat16 is rounded to the nearest, ties to even, and NaN stays NaN") {
  std::vector<Backend<float>> backends = cpu_backends();
  backends.insert(backends.begin(), reference_backend<float>());
  // Vectors and what is left of them.
  for (const size_t copies : {1, 3}) {
    std::vector<float> x;
    for (size_t copy = 0; copy < copies; ++copy) {
      for (const Rounding& rounding : kRoundings) x.push_back(std::bit_cast<float>(rounding.from));
      for (const uint32_t bits : kNotNumbers) x.push_back(std::bit_cast<float>(bits));
    }
    for (const Backend<float>& backend : backends) {
      if (backend.activate) backend.activate();
      std::vector<BFloat16> y(x.size(), BFloat16(-1.0f));
      backend.kernels.to_bf16(y.data(), x.data(), int64_t(x.size()));
      size_t i = 0;
      for (size_t copy = 0; copy < copies; ++copy) {
        for (const Rounding& rounding : kRoundings)
          CHECK_MESSAGE(y[i++].bits == rounding.to, backend.name, " of ", rounding.from);
        for (const uint32_t bits : kNotNumbers) {
          const float kept = y[i++];
          CHECK_MESSAGE(kept != kept, backend.name, " of ", bits);
        }
      }
    }
    cpu_backends().front().activate();
  }
}

TEST_CASE("a weight gradient in bfloat16 of an odd number of steps has nothing of the call before it") {
  // Of two tiles of Winograd's, a pair, and of one, with more outputs than channels, so that nothing else of
  // the second call is written where the missing tile's gradient lies; of 18 pixels, and of nine, with more
  // channels than a chunk takes in one panel.
  struct Case {
    Conv2dShape image;
    int64_t tap;
    float expected;  // sum over the pixels that see the tap
  };
  for (const auto& [image, tap, expected] : {Case{Conv2dShape::square(1, 4, 32, 64, 3, 1, 1), 4, 16},
                                             Case{Conv2dShape::square(1, 3, 1024, 64, 1, 1, 0), 0, 9}}) {
    for (const Backend<BFloat16>& backend : cpu_bf16_backends()) {
      backend.activate();
      std::vector<float> dw(size_t(image.weight_size()));
      const auto gradient = [&](int64_t count, float value) {
        Conv2dShape shape = image;
        shape.batch = count;
        const std::vector<BFloat16> x(size_t(shape.in_size()), BFloat16(value));
        const std::vector<BFloat16> dy(size_t(shape.out_size()), BFloat16(value));
        backend.kernels.conv2d_backward_weight(dw.data(), dy.data(), x.data(), Accumulate::no, shape);
      };
      gradient(2, std::numeric_limits<float>::quiet_NaN());
      gradient(1, 1);
      const int64_t taps = image.kernel_height * image.kernel_width;
      for (int64_t o = 0; o < 64; ++o) {
        CHECK_MESSAGE(std::abs(dw[size_t((o * taps + tap) * image.in_channels)] - expected) < 1, backend.name,
                      " output ", o);
      }
    }
  }
  cpu_bf16_backends().front().activate();
}

TEST_CASE("the errors of a colour filter's rounded weights cancel where an image is all one colour") {
  const Conv2dShape shape = Conv2dShape::square(1, 15, 3, 32, 7, 2, 0);
  const std::vector<BFloat16> x(size_t(shape.in_size()), BFloat16(1.0f));
  std::vector<float> w(size_t(shape.weight_size())), bias(32);
  ref::random_uniform(w.data(), -1.0, 1.0, PhiloxKey{3, 1}, int64_t(w.size()));
  for (size_t i = 0; i < w.size(); ++i) bias[i / 147] -= w[i];
  for (const Backend<BFloat16>& backend : cpu_bf16_backends()) {
    backend.activate();
    std::vector<BFloat16> y(size_t(shape.out_size()), BFloat16(NAN));
    backend.kernels.conv2d_forward(y.data(), x.data(), w.data(), bias.data(), nullptr, false, shape);
    // Of each colour what the last weight's rounding left over is missing, at most half a unit in the last
    // place of a weight below 2; sums of 147 numbers in float may add 1e-5. Weights that are each rounded to
    // the nearest miss by five times as much.
    double most = 0;
    for (const BFloat16 value : y) most = std::max(most, std::abs(double(value)));
    CHECK_MESSAGE(most <= 3 * 0x1p-8 + 1e-5, backend.name);
  }
  cpu_bf16_backends().front().activate();
}

TEST_CASE("a pixel that is not a number spoils the windows that see it, and no other") {
  const Conv2dShape shape = Conv2dShape::square(1, 15, 3, 32, 7, 2, 3);
  const std::vector<float> w(size_t(shape.weight_size()), 1.0f);
  for (int64_t pixel = 0; pixel < 15; ++pixel) {
    std::vector<BFloat16> x(size_t(shape.in_size()), BFloat16(1.0f));
    x[size_t((7 * 15 + pixel) * 3)] = BFloat16(NAN);
    for (const Backend<BFloat16>& backend : cpu_bf16_backends()) {
      backend.activate();
      std::vector<BFloat16> y(size_t(shape.out_size()), BFloat16(1.0f));
      backend.kernels.conv2d_forward(y.data(), x.data(), w.data(), nullptr, nullptr, false, shape);
      for (int64_t row = 0; row < 8; ++row) {
        for (int64_t column = 0; column < 8; ++column) {
          const float value = y[size_t((row * 8 + column) * 32)];
          const bool sees = std::abs(2 * row - 7) <= 3 && std::abs(2 * column - pixel) <= 3;
          CHECK_MESSAGE((value != value) == sees, backend.name, " pixel ", pixel, " window ", column);
        }
      }
    }
  }
  cpu_bf16_backends().front().activate();
}

TEST_CASE("a pixel that no window sees has no part in the gradient of a colour filter") {
  // Three windows of two steps see columns 0 to 6 of 8.
  const Conv2dShape shape = Conv2dShape::square(2, 8, 3, 32, 3, 2, 0);
  std::vector<BFloat16> x(size_t(shape.in_size()), BFloat16(1.0f));
  for (size_t i = 0; i < x.size(); ++i) {
    if (i / 3 % 8 == 7) x[i] = BFloat16(NAN);
  }
  const std::vector<BFloat16> dy(size_t(shape.out_size()), BFloat16(1.0f));
  for (const Backend<BFloat16>& backend : cpu_bf16_backends()) {
    backend.activate();
    std::vector<float> dw(size_t(shape.weight_size()), NAN);
    backend.kernels.conv2d_backward_weight(dw.data(), dy.data(), x.data(), Accumulate::no, shape);
    for (const float value : dw) CHECK_MESSAGE(value == 18, backend.name);
  }
  cpu_bf16_backends().front().activate();
}
