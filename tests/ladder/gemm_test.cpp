#include "tests/ladder/rung_checks.h"

#include <fmt/format.h>

using namespace signet;
using namespace signet::test;
using cuda::ladder::gemm_rungs;
using cuda::ladder::GemmRung;
using cuda::ladder::Operands;

namespace {

struct Size {
  int64_t m, n, k;
};

// One, just below and above a warp or a tile, nothing in common, multiples of 4 for the rungs that ask for
// them, several tiles along each axis, and 1x1 convolutions of ResNet's last stages for a single image.
constexpr Size kSizes[] = {{1, 1, 1},   {31, 31, 31},  {33, 33, 33},    {127, 127, 127}, {197, 65, 300},
                           {1, 4, 4},   {33, 4, 128},  {4, 132, 8},     {132, 260, 36},  {197, 68, 300},
                           {1, 257, 3}, {128, 128, 0}, {196, 256, 128}, {49, 512, 256}};

OpCase reference(const Size& size, bool whole) {
  Data data("ladder gemm");
  const auto values = [&](int64_t count) { return whole ? data.whole(count) : data.uniform(count); };
  return {.kernel = "gemm",
          .options = fmt::format("{} {}x{}x{}", whole ? "whole" : "random", size.m, size.n, size.k),
          .args = {output("c", size.m * size.n), input("a", values(size.m * size.k)),
                   input("b", values(size.k * size.n))},
          .call =
              [=](const auto& k, Pointers p) {
                k.gemm(p[0], p[1], p[2], Transpose::no, Transpose::no, size.m, size.n, size.k,
                       Accumulate::no);
              },
          .terms = double(size.k),
          .exact = whole};
}

RungCase rung_case(const GemmRung& rung, const Size& size, bool whole) {
  return {reference(size, whole),
          [run = rung.run, size](Pointers p) { run(p[0], p[1], p[2], size.m, size.n, size.k); }};
}

}  // namespace

TEST_CASE("every GEMM rung computes the product, or refuses with a sentence") {
  for (const GemmRung& rung : gemm_rungs()) {
    int taken = 0;
    for (const Size& size : kSizes) {
      const std::string refusal = rung.refusal(size.m, size.n, size.k);
      if (!refusal.empty()) {
        CHECK_MESSAGE(is_sentence(refusal), std::string(rung.name), ": ", refusal);
        continue;
      }
      ++taken;
      for (const bool whole : {true, false})
        check_rung(rung_case(rung, size, whole), rung.name, rung.operands);
    }
    CHECK_MESSAGE(taken >= 7, std::string(rung.name), " takes only ", taken, " sizes");
  }
}

TEST_CASE("what GEMM rungs refuse") {
  for (const GemmRung& rung : gemm_rungs()) {
    const std::string name = rung.name;
    CHECK_MESSAGE(is_sentence(rung.refusal(int64_t(1) << 31, 4, 4)), name);
    CHECK_MESSAGE(rung.refusal(128, 128, 128).empty(), name);
    const bool vectors = name == "gemm_05_vector_loads" || name == "gemm_06_warp_tiles";
    CHECK_MESSAGE(rung.refusal(4, 33, 4).empty() == !(vectors || name == "gemm_07_double_buffering"), name);
    CHECK_MESSAGE(rung.refusal(4, 4, 33).empty() == !vectors, name);
  }
}

// Each element is one chain of fused multiply-adds in the order of k, on every rung and in the shipped
// kernel.
TEST_CASE("all GEMM rungs in float give the same bits, those of the shipped kernel") {
  for (const Size& size : {Size{132, 260, 36}, Size{197, 68, 300}}) {
    const std::vector<std::byte> shipped =
        output_bytes(reference(size, false), device_for(Operands::f32)).front();
    int compared = 0;
    for (const GemmRung& rung : gemm_rungs()) {
      if (rung.operands != Operands::f32) continue;
      REQUIRE(rung.refusal(size.m, size.n, size.k).empty());
      ++compared;
      const OpCase op = as_op_case(rung_case(rung, size, false), rung.name);
      CHECK_MESSAGE(output_bytes(op, device_for(rung.operands)).front() == shipped, std::string(rung.name));
    }
    CHECK(compared == 8);
  }
}

TEST_CASE("the last GEMM rungs are the shipped kernel, with its number format chosen and put back") {
  const Size size{197, 65, 300};
  for (const GemmRung& rung : gemm_rungs().last(2)) {
    const Backend<float>& device = device_for(rung.operands);
    const auto shipped = output_bytes(reference(size, false), device);
    cuda::set_matrix_math(cuda::MatrixMath::f32);
    Backend<float> untouched = device;
    untouched.activate = nullptr;
    CHECK_MESSAGE(output_bytes(as_op_case(rung_case(rung, size, false), rung.name), untouched) == shipped,
                  rung.name);
    CHECK(cuda::matrix_math() == cuda::MatrixMath::f32);
  }
}
