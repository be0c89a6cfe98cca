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
  const std::vector<Backend<BFloat16>> narrow_backends = cuda_bf16_backends();
  REQUIRE(backends.size() == 3);
  REQUIRE(narrow_backends.size() == 2);
  for (const OpCase& op : all_cases(whole_suite(Scale::test))) {
    if (op.for_processors) continue;
    const auto check = [&](const OpCase& called, const Expected& expected, const auto& of_type) {
      for (const auto& backend : of_type) {
        if (!adds_to(backend, called)) continue;
        std::string failure;
        try {
          failure = parity_failure(called, expected, backend, Placement::exact);
        } catch (const std::exception& error) {
          failure = backend.name + " " + called.label() + ": " + error.what();
        }
        CHECK_MESSAGE(failure.empty(), failure);
      }
    };
    check(op, expect(op), backends);
    if (!takes_activations(op)) continue;
    const OpCase narrow = with_bf16_inputs(op);
    check(narrow, expect_bf16(narrow), narrow_backends);
  }
  // The workspace of the thread stays.
  CHECK(simt::living_allocations().size() <= living + 1);
}
