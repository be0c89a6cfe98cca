// Every op case on the checked kernels: right, and with nothing for the checker to report.

#include <doctest/doctest.h>

#include "kernels/simt/memory.h"
#include "tests/kernels/op_checks.h"
#include "tests/kernels/suite.h"

using namespace signet;
using namespace signet::test;

TEST_CASE("the checker has nothing to say about the CUDA kernels") {
  const size_t living = simt::living_allocations().size();
  const std::vector<Backend<float>> backends = cuda_backends();
  REQUIRE(backends.size() == 3);
  for (const OpCase& op : all_cases(whole_suite(Scale::test))) {
    const Expected expected = expect(op);
    const bool is_product = op.kernel == "gemm" || op.kernel.starts_with("conv2d");
    for (size_t i = 0; i < (is_product ? backends.size() : 1); ++i) {
      std::string failure;
      try {
        failure = parity_failure(op, expected, backends[i], Placement::exact);
      } catch (const std::exception& error) {
        failure = backends[i].name + " " + op.label() + ": " + error.what();
      }
      CHECK_MESSAGE(failure.empty(), failure);
    }
  }
  // The workspace of the thread stays.
  CHECK(simt::living_allocations().size() <= living + 1);
}
