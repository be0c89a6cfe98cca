// The matrix unit's products against plain sums, and that convolutions of bfloat16 are made by it. That they
// are right is the parity test's business, for which it is one more instruction set.

#include "kernels/cpu/matrix_unit.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "kernels/cpu/bf16_products.h"
#include "tests/kernels/backend.h"
#include "tests/kernels/emulated_amx.h"

using namespace signet;
using namespace signet::test;

namespace {

constexpr int64_t kRows = 14;

/// Pairs of small whole numbers, whose sums are exact in any order.
struct Pairs {
  Pairs(int64_t rows, int64_t pitch, int seed) : numbers(size_t(2 * rows * pitch)) {
    for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = BFloat16(float((int(i) * 7 + seed) % 13 - 6));
  }
  const float* places() const { return reinterpret_cast<const float*>(numbers.data()); }

  std::vector<BFloat16> numbers;
};

const cpu::MatrixUnit& emulated() {
  return cpu::AmxUnit<EmulatedAmx>::table;
}

}  // namespace

TEST_CASE("the matrix unit multiplies pairs, with one tile of columns or two, from nothing or onto sums") {
  std::vector<const cpu::MatrixUnit*> units{&emulated()};
  if (cpu::detected_matrix_unit()) units.push_back(cpu::detected_matrix_unit());
  for (const cpu::MatrixUnit* unit : units) {
    for (const int64_t columns : {16, 32}) {
      for (const int64_t k : {16, 48}) {
        for (const bool accumulate : {false, true}) {
          const int64_t a_pitch = 80, b_pitch = 32, c_pitch = 48;
          const Pairs a(kRows, a_pitch, 1), b(k, b_pitch, 5);
          constexpr float kBefore = 1000, kUntouched = -7;
          std::vector<float> c(size_t(kRows * c_pitch), kUntouched);
          for (int64_t m = 0; m < kRows; ++m)
            for (int64_t n = 0; n < columns; ++n) c[size_t(m * c_pitch + n)] = kBefore;
          unit->begin(int(kRows));
          unit->multiply({.c = c.data(),
                          .a = a.places(),
                          .b = b.places(),
                          .c_pitch = c_pitch,
                          .a_pitch = a_pitch,
                          .b_pitch = b_pitch,
                          .columns = columns,
                          .k = k,
                          .accumulate = accumulate});
          unit->end();
          int wrong = 0;
          for (int64_t m = 0; m < kRows; ++m) {
            for (int64_t n = 0; n < c_pitch; ++n) {
              float expected = n < columns ? (accumulate ? kBefore : 0) : kUntouched;
              for (int64_t i = 0; i < k && n < columns; ++i)
                for (int64_t half = 0; half < 2; ++half)
                  expected += float(a.numbers[size_t(2 * (m * a_pitch + i) + half)]) *
                              float(b.numbers[size_t(2 * (i * b_pitch + n) + half)]);
              wrong += !(c[size_t(m * c_pitch + n)] == expected);
            }
          }
          CHECK_MESSAGE(wrong == 0, columns, " columns, k ", k, ", accumulated: ", accumulate);
        }
      }
    }
  }
}

TEST_CASE("the matrix unit's operations count every product of every pair") {
  const int64_t before = emulated_products();
  const int64_t operations = emulated().multiply_and_add(3);
  // A product of tiles is 16 by 16 sums of 16 pairs, two operations a number.
  CHECK(operations == (emulated_products() - before) * 16 * 16 * 16 * 2 * 2);
  CHECK(operations > 0);
}

TEST_CASE("the emulated unit refuses what the processor would") {
  CHECK_THROWS_WITH(EmulatedAmx::zero<0>(), doctest::Contains("before LDTILECFG"));
  cpu::TileConfig config;
  config.rows[0] = config.rows[1] = config.rows[2] = 16;
  config.row_bytes[0] = config.row_bytes[1] = 64;
  config.row_bytes[2] = 32;
  EmulatedAmx::configure(config);
  CHECK_THROWS_WITH((EmulatedAmx::dot<0, 1, 2>()), doctest::Contains("shapes"));
  CHECK_THROWS_WITH((EmulatedAmx::dot<0, 0, 1>()), doctest::Contains("differ"));
  CHECK_THROWS_WITH(EmulatedAmx::zero<3>(), doctest::Contains("no rows"));
  config.rows[1] = 17;
  CHECK_THROWS_WITH(EmulatedAmx::configure(config), doctest::Contains("too large"));
  EmulatedAmx::release();
}

TEST_CASE("convolutions of bfloat16 are made by the matrix unit") {
  if (!cpu::has_bf16_products()) return;
  const auto backends = cpu_bf16_backends();
  const auto backend = std::find_if(backends.begin(), backends.end(), [](const auto& b) {
    return b.name.find("emulated matrix unit") != std::string::npos;
  });
  REQUIRE(backend != backends.end());
  backend->activate();
  for (const int64_t side : {3, 1}) {
    const Conv2dShape shape{.batch = 1,
                            .in_height = 8,
                            .in_width = 8,
                            .in_channels = 32,
                            .out_channels = 32,
                            .kernel_height = side,
                            .kernel_width = side,
                            .stride = 1,
                            .padding = side / 2};
    const std::vector<BFloat16> x(size_t(shape.in_size()), BFloat16(1.0f));
    std::vector<BFloat16> y(size_t(shape.out_size()));
    const std::vector<float> w(size_t(shape.weight_size()), 0.5f);
    const int64_t before = emulated_products();
    backend->kernels.conv2d_forward(y.data(), x.data(), w.data(), nullptr, nullptr, false, shape);
    CHECK(emulated_products() > before);
  }
  backends.front().activate();
}
