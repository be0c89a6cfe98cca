// The op cases of convolutions by the tiles of warpgroups, and by those with sums in tensor memory, which a
// device takes by itself only where it has them.

#include <doctest/doctest.h>

#include <cstdio>

#include "kernels/cuda/runtime.h"
#include "tests/kernels/op_checks.h"
#include "tests/kernels/suite.h"
#include "tests/kernels/tile_guard.h"

using namespace signet;
using namespace signet::test;
using cuda::TileChoice;

TEST_CASE("convolutions by warpgroups, and with sums in tensor memory, agree with the reference") {
  const TileGuard guard;
  if (cuda_bf16_backends().empty()) return;
  const Backend<BFloat16> backend = cuda_bf16_backends().front();
  int compared = 0;
  for (const OpCase& wide : all_cases(whole_suite(Scale::test))) {
    if (!wide.kernel.starts_with("conv2d") || wide.for_processors) continue;
    // Input channels that are no packs are widened, and multiplied as floats.
    int batch, height, width, channels;
    REQUIRE(std::sscanf(wide.options.c_str(), "[%dx%dx%dx%d]", &batch, &height, &width, &channels) == 4);
    if (channels % 8 != 0 || batch == 0) continue;
    const OpCase op = with_bf16_inputs(wide);
    const Expected expected = expect_bf16(op);
    for (const TileChoice tile : {TileChoice::warpgroup_small, TileChoice::warpgroup_narrow,
                                  TileChoice::warpgroup_large, TileChoice::tensor_memory_small,
                                  TileChoice::tensor_memory_narrow, TileChoice::tensor_memory_large}) {
      cuda::set_tile_choice(tile);
      const std::string failure = parity_failure(op, expected, backend, Placement::exact);
      CHECK_MESSAGE(failure.empty(), failure, " with tile ", int(tile));
      ++compared;
    }
  }
  CHECK(compared > 100);
}
