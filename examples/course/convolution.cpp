// Course, chapter 2: one convolution, its two gradients, and the same sums as a matrix product.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <complex>

#include "nn/functions.h"
#include "tensor/autograd.h"

using namespace signet;

namespace {

constexpr int64_t kSide = 5, kTaps = 9;
// A 3 x 3 filter on a plane of 5 x 5, padded so that the result is 5 x 5 too.
constexpr Conv2dShape kShape{.batch = 1,
                             .in_height = kSide,
                             .in_width = kSide,
                             .in_channels = 1,
                             .out_channels = 1,
                             .kernel_height = 3,
                             .kernel_width = 3,
                             .padding = 1};

void print_plane(const char* name, const std::vector<float>& plane, size_t width) {
  fmt::print("{}\n", name);
  for (size_t i = 0; i < plane.size(); ++i)
    fmt::print("{:4.0f}{}", plane[i] + 0.0F, i % width == width - 1 ? "\n" : "");
}

/// A row for each pixel of y: the nine values of x under the filter there. [25, 9]
std::vector<float> patches(const std::vector<float>& x) {
  std::vector<float> rows;
  for (int64_t oy = 0; oy < kSide; ++oy)
    for (int64_t ox = 0; ox < kSide; ++ox)
      for (int64_t tap = 0; tap < kTaps; ++tap) {
        const int64_t iy = oy + tap / 3 - 1, ix = ox + tap % 3 - 1;
        const bool inside = iy >= 0 && iy < kSide && ix >= 0 && ix < kSide;
        rows.push_back(inside ? x[size_t(iy * kSide + ix)] : 0);
      }
  return rows;
}

/// The largest difference between dw by the kernel and dw by the complex step, in a random direction dy.
double complex_step_difference() {
  using Complex = std::complex<double>;
  std::vector<double> x(25), w(9), dy(25), dw(9), y(25);
  ref::random_normal<double>(x.data(), 0, 1, {1, 1}, 25);
  ref::random_normal<double>(w.data(), 0, 1, {1, 2}, 9);
  ref::random_normal<double>(dy.data(), 0, 1, {1, 3}, 25);
  ref::conv2d_backward_weight<double>(dw.data(), dy.data(), x.data(), Accumulate::no, kShape);
  double worst = 0;
  for (size_t tap = 0; tap < 9; ++tap) {
    constexpr double h = 1e-30;
    std::vector<Complex> cx(x.begin(), x.end()), cw(w.begin(), w.end()), cy(25);
    cw[tap] += Complex(0, h);
    ref::conv2d_forward<Complex>(cy.data(), cx.data(), cw.data(), nullptr, nullptr, false, kShape);
    double sum = 0;
    for (size_t i = 0; i < 25; ++i) sum += dy[i] * cy[i].imag() / h;
    worst = std::max(worst, std::abs(sum - dw[tap]));
  }
  return worst;
}

}  // namespace

int main() {
  std::vector<float> image(25);  // dark on the left, bright on the right, brighter below
  for (size_t i = 0; i < 25; ++i) {
    const size_t row = i / 5, column = i % 5;
    image[i] = column < 2 ? 0 : 1 + float(row);
  }
  Tensor x = Tensor::from(image, {1, kSide, kSide, 1});
  Tensor w = Tensor::from(std::vector<float>{-1, 0, 1, -2, 0, 2, -1, 0, 1}, {1, 3, 3, 1});
  x.set_requires_grad(true);
  w.set_requires_grad(true);
  const Tensor y = nn::conv2d(x, w, {}, {.stride = 1, .padding = 1});
  print_plane("x", image, 5);
  print_plane("w", w.to_vector(), 3);
  print_plane("y", y.to_vector(), 5);

  const std::vector<float> matrix = patches(image);
  std::vector<float> product(25);
  cpu::gemm(product.data(), matrix.data(), w.data(), Transpose::no, Transpose::no, 25, 1, kTaps,
            Accumulate::no);
  fmt::print("patches [25, 9] times w [9, 1] gives {}\n\n", product == y.to_vector() ? "the same y" : "no y");

  std::vector<float> cotangent(25);  // only the pixel in row 1, column 2 counts
  cotangent[1 * kSide + 2] = 1;
  backward(y, Tensor::from(cotangent, y.shape()));
  print_plane("dx for dy = 1 in row 1, column 2", x.grad().to_vector(), 5);
  print_plane("dw for the same", w.grad().to_vector(), 3);
  fmt::print("\ndw in a random direction, against the complex step: {} 1e-12\n",
             complex_step_difference() < 1e-12 ? "within" : "NOT within");
}
