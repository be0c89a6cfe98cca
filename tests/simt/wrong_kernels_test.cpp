// Each kernel of wrong/ is caught, whatever the schedule: the kind of mistake, the kernel and the line.

#include <doctest/doctest.h>

#include <fstream>
#include <optional>
#include <set>
#include <string>

#include "kernels/cuda/runtime.h"
#include "kernels/simt/block.h"
#include "kernels/simt/memory.h"
#include "tests/simt/wrong/wrong.h"

using namespace signet;
using namespace signet::test;

namespace {

std::set<int> lines_of(const std::string& file, const std::string& kernel) {
  std::ifstream in(SIGNET_SOURCE_DIR "/tests/simt/wrong/" + file);
  REQUIRE(in);
  std::set<int> lines;
  std::string text;
  const std::string mark = "// caught: " + kernel;
  for (int line = 1; std::getline(in, text); ++line) {
    if (text.ends_with(mark)) lines.insert(line);
  }
  return lines;
}

std::optional<simt::Report> run(const WrongKernel& kernel) {
  auto* data = static_cast<float*>(cuda::allocate(kFloats * sizeof(float)));
  cuda::fill_bytes(data, 0, kFloats * sizeof(float));
  std::optional<simt::Report> report;
  try {
    kernel.run(data);
  } catch (const simt::KernelError& error) {
    report = error.report;
  }
  cuda::release(data);
  return report;
}

void check_all(const std::string& file, std::span<const WrongKernel> kernels) {
  simt::keep_byte_states();
  const uint64_t before = simt::schedule_seed();
  for (const WrongKernel& kernel : kernels) {
    const std::set<int> lines = lines_of(file, kernel.name);
    CHECK_MESSAGE(!lines.empty(), std::string(kernel.name), " has no line that says where it is caught");
    for (uint64_t seed = 0; seed < 4; ++seed) {
      simt::set_schedule_seed(seed);
      const std::optional<simt::Report> report = run(kernel);
      REQUIRE_MESSAGE(report, std::string(kernel.name), " was not caught");
      const bool as_it_should = (report->kind == kernel.fault || report->kind == kernel.or_else) &&
                                report->kernel.find(kernel.name) != std::string::npos &&
                                report->place.file.ends_with("tests/simt/wrong/" + file) &&
                                lines.contains(report->place.line);
      CHECK_MESSAGE(as_it_should, std::string(kernel.name), " must be caught as ",
                    std::string(simt::fault_name(kernel.fault)), ", not as: ", report->text());
    }
  }
  simt::set_schedule_seed(before);
}

}  // namespace

TEST_CASE("wrong addresses are caught") {
  check_all("bounds.cu", wrong_bounds());
}

TEST_CASE("races are caught") {
  check_all("races.cu", wrong_races());
}

TEST_CASE("wrong waiting is caught") {
  check_all("waits.cu", wrong_waits());
}

TEST_CASE("wrong products of warpgroups are caught") {
  check_all("products.cu", wrong_products());
}

TEST_CASE("wrong use of tensor memory is caught") {
  check_all("tensor_memory.cu", wrong_tensor_memory());
}

TEST_CASE("kernels that are right are left alone") {
  simt::keep_byte_states();
  for (const std::span<const WrongKernel> kernels :
       {right_kernels(), right_products(), right_tensor_memory()}) {
    for (const WrongKernel& kernel : kernels) {
      for (uint64_t seed = 0; seed < 4; ++seed) {
        simt::set_schedule_seed(seed);
        const std::optional<simt::Report> report = run(kernel);
        CHECK_MESSAGE(!report, (report ? report->text() : ""));
      }
    }
  }
  simt::set_schedule_seed(0);
}
