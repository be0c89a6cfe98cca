// What the products of convolutions ask of memory, counted by the checked device: the swizzles of
// shared_tile.cuh leave no bank conflict, whatever the elements, their layouts and the tile.

#include <doctest/doctest.h>

#include "kernels/simt/profile.h"

using namespace signet;

namespace {

simt::RequestTotals totals_of(const std::vector<simt::LineCounts>& lines, simt::Space space) {
  simt::RequestTotals sum;
  for (const simt::LineCounts& line : lines)
    if (line.space == space) sum += line.totals;
  return sum;
}

void check_products(const std::string& activations, const std::string& precision) {
  simt::ProfileSizes sizes;
  sizes.activations = activations;
  sizes.precision = precision;
  for (const auto& conv :
       {Conv2dShape::square(1, 12, 64, 64, 3, 1, 1), Conv2dShape::square(2, 9, 32, 128, 3, 2, 1)}) {
    sizes.conv = conv;
    for (const std::string tile : {"small", "narrow", "large"}) {
      sizes.tile = tile;
      for (const std::string kernel : {"conv2d_forward", "conv2d_backward_data", "conv2d_backward_weight"}) {
        CAPTURE(kernel);
        CAPTURE(tile);
        const auto lines = simt::profile_kernel(kernel, sizes);
        const auto shared = totals_of(lines, simt::Space::shared),
                   global = totals_of(lines, simt::Space::global);
        CHECK(shared.moved > 0);
        CHECK(shared.moved == shared.ideal);
        CHECK(global.moved == global.ideal);
      }
    }
  }
}

}  // namespace

TEST_CASE("products of convolutions use all of each sector, and no bank twice at once") {
  for (const char* precision : {"f32", "tf32", "bf16"}) check_products("f32", precision);
  check_products("bf16", "bf16");
}
