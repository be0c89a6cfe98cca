// Course, chapter 4: one matrix product, climbed from three plain loops to the shipped kernel, on one thread.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <functional>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/parallel.h"

using namespace signet;

namespace {

constexpr int64_t kN = 512;  // C [kN, kN] = A B

/// Rung 0: the definition. B is read down a column, kN floats apart.
void naive(float* c, const float* a, const float* b) {
  for (int64_t i = 0; i < kN; ++i)
    for (int64_t j = 0; j < kN; ++j) {
      float sum = 0;
      for (int64_t l = 0; l < kN; ++l) sum += a[i * kN + l] * b[l * kN + j];
      c[i * kN + j] = sum;
    }
}

/// Rung 1: the two inner loops change places. B and C are read along rows, and the compiler makes vectors of
/// them.
void reordered(float* c, const float* a, const float* b) {
  std::fill_n(c, kN * kN, 0.0F);
  for (int64_t i = 0; i < kN; ++i)
    for (int64_t l = 0; l < kN; ++l)
      for (int64_t j = 0; j < kN; ++j) c[i * kN + j] += a[i * kN + l] * b[l * kN + j];
}

/// Four neighbouring floats in one register, which every processor of the family has.
using Four = float __attribute__((vector_size(16)));
Four load(const float* from) {
  Four four;
  std::memcpy(&four, from, sizeof(four));
  return four;
}

/// kRows x kColumns elements of C, whose sums stay in registers for the whole of l. Rows of B are `pitch`
/// apart.
constexpr int64_t kRows = 4, kColumns = 8;
void tile(float* c, const float* a, const float* b, int64_t pitch) {
  Four sums[kRows][2] = {};
  for (int64_t l = 0; l < kN; ++l) {
    const Four left = load(b + l * pitch), right = load(b + l * pitch + 4);
    for (int64_t r = 0; r < kRows; ++r) {
      sums[r][0] += a[r * kN + l] * left;
      sums[r][1] += a[r * kN + l] * right;
    }
  }
  for (int64_t r = 0; r < kRows; ++r) std::memcpy(c + r * kN, sums[r], sizeof(sums[r]));
}

/// Rung 2: C tile by tile.
void tiled(float* c, const float* a, const float* b) {
  for (int64_t i = 0; i < kN; i += kRows)
    for (int64_t j = 0; j < kN; j += kColumns) tile(c + i * kN + j, a + i * kN, b + j, kN);
}

/// Rung 3: kColumns columns of B are copied into one piece first, which all tiles below each other then read.
void packed(float* c, const float* a, const float* b) {
  float panel[kN * kColumns];
  for (int64_t j = 0; j < kN; j += kColumns) {
    for (int64_t l = 0; l < kN; ++l) std::copy_n(b + l * kN + j, kColumns, panel + l * kColumns);
    for (int64_t i = 0; i < kN; i += kRows) tile(c + i * kN + j, a + i * kN, panel, kColumns);
  }
}

/// Rung 4: what Signet runs.
void shipped(float* c, const float* a, const float* b) {
  cpu::gemm(c, a, b, Transpose::no, Transpose::no, kN, kN, kN, Accumulate::no);
}

}  // namespace

int main() {
  set_num_threads(1);
  std::vector<float> a(size_t(kN * kN)), b(a), c(a), reference(a);
  cpu::random_normal(a.data(), 0, 1, {1, 1}, kN * kN);
  cpu::random_normal(b.data(), 0, 1, {1, 2}, kN * kN);
  ref::gemm<float>(reference.data(), a.data(), b.data(), Transpose::no, Transpose::no, kN, kN, kN,
                   Accumulate::no);
  struct Rung {
    const char* name;
    std::function<void(float*, const float*, const float*)> run;
    double loads;  ///< values of A, B and C loaded for each multiply-add, as the source has it
  };
  const Rung rungs[] = {{"naive", naive, 2},
                        {"reordered", reordered, 2},
                        {"tiled", tiled, 1.0 / kRows + 1.0 / kColumns},
                        {"packed", packed, 1.0 / kRows + 1.0 / kColumns},
                        {"shipped", shipped, NAN}};
  fmt::print("{:<10} {:>14} {:>9}  {}\n", "", "loads per FMA", "GFLOP/s", "right");
  for (const auto& rung : rungs) {
    double best = INFINITY;
    for (int repetition = 0; repetition < 2; ++repetition) {
      const auto start = std::chrono::steady_clock::now();
      rung.run(c.data(), a.data(), b.data());
      best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    float worst = 0;
    for (size_t i = 0; i < c.size(); ++i) worst = std::max(worst, std::abs(c[i] - reference[i]));
    const std::string loads = std::isnan(rung.loads) ? "see text" : fmt::format("{:.3f}", rung.loads);
    fmt::print("{:<10} {:>14} {:9.1f}  {}\n", rung.name, loads, 2e-9 * kN * kN * kN / best,
               worst < 1e-3 ? "yes" : "NO");
  }
}
