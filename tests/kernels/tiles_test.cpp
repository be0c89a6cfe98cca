// The tiles of a device's matrix products: all of them run, whatever the product's size, and give the same
// bits.

#include <doctest/doctest.h>

#include "kernels/cuda/runtime.h"
#include "tests/kernels/op_checks.h"
#include "tests/kernels/suite.h"

using namespace signet;
using namespace signet::test;

namespace {

struct AutomaticAgain {
  ~AutomaticAgain() {
    if (cuda::device_count() > 0) cuda::set_tile_choice(cuda::TileChoice::automatic);
  }
};

/// A product for each pair of layouts, with rows of 16 bytes: other rows leave no choice.
bool is_chosen(const OpCase& op) {
  const std::string label = op.label();
  const auto has = [&](const char* part) { return label.find(part) != std::string::npos; };
  if (!has("whole")) return false;
  return op.kernel == "gemm" ? has("n=36 k=96") && !has("accumulate") : has("[2x7x7x64]");
}

}  // namespace

TEST_CASE("the tile that a product is cut into changes no bit") {
  const AutomaticAgain automatic_again;
  for (const Backend<float>& backend : cuda_backends()) {
    int products = 0;
    for (const OpCase& op : all_cases(whole_suite(Scale::test))) {
      if (!is_chosen(op)) continue;
      ++products;
      cuda::set_tile_choice(cuda::TileChoice::small);
      const auto expected = output_bytes(op, backend);
      for (const auto tile : {cuda::TileChoice::narrow, cuda::TileChoice::large}) {
        cuda::set_tile_choice(tile);
        CHECK_MESSAGE(output_bytes(op, backend) == expected, backend.name, ": ", op.label(), " with tile ",
                      int(tile));
      }
    }
    CHECK(products == 7);
  }
}
