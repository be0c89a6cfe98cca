// The tiles of a device's matrix products: all of them run, whatever the product's size, and give the same
// bits; those of warpgroups, and those with sums in tensor memory, where a device has these, the same among
// themselves.

#include <doctest/doctest.h>

#include <span>

#include "kernels/cuda/runtime.h"
#include "tests/kernels/op_checks.h"
#include "tests/kernels/tile_guard.h"

using namespace signet;
using namespace signet::test;

namespace {

using cuda::TileChoice;

constexpr TileChoice kOfWarpgroups[] = {TileChoice::warpgroup_small, TileChoice::warpgroup_narrow,
                                        TileChoice::warpgroup_large};
constexpr TileChoice kOfTensorMemory[] = {TileChoice::tensor_memory_small, TileChoice::tensor_memory_narrow,
                                          TileChoice::tensor_memory_large};

// More than one of the largest tile along rows and columns, and rows of 16 bytes: other rows leave no choice.
// Values that round, so that an order of summation shows.
constexpr int64_t kRows = 150, kColumns = 136, kDepth = 36;

OpCase matrix_product(Transpose ta, Transpose tb) {
  Data data("tiles");
  return {.kernel = "gemm",
          .options = std::string(ta == Transpose::yes ? "A^T " : "A ") + (tb == Transpose::yes ? "B^T" : "B"),
          .args = {output("c", kRows * kColumns), input("a", data.uniform(kRows * kDepth)),
                   input("b", data.uniform(kDepth * kColumns))},
          .call = [=](const auto& k, Pointers p) {
            k.gemm(p[0], p[1], p[2], ta, tb, kRows, kColumns, kDepth, Accumulate::no);
          }};
}

/// The three products of a convolution, which have 162 rows and 136 columns, or 136 and 216.
std::vector<OpCase> convolution_products() {
  const auto square = [](int64_t in, int64_t out) {
    return Conv2dShape{.batch = 2,
                       .in_height = 9,
                       .in_width = 9,
                       .in_channels = in,
                       .out_channels = out,
                       .kernel_height = 3,
                       .kernel_width = 3,
                       .stride = 1,
                       .padding = 1};
  };
  const Conv2dShape widening = square(24, kColumns), narrowing = square(kColumns, 24);
  Data data("tiles");
  const auto values = [&](const char* name, int64_t size) { return input(name, data.uniform(size)); };
  constexpr auto no = Accumulate::no;
  return {
      {.kernel = "conv2d_forward",
       .args = {output("y", widening.out_size()), values("x", widening.in_size()),
                values("w", widening.weight_size()), absent("bias"), absent("residual")},
       .call = [=](const auto& k,
                   Pointers p) { k.conv2d_forward(p[0], p[1], p[2], p[3], p[4], false, widening); }},
      {.kernel = "conv2d_backward_data",
       .args = {output("dx", narrowing.in_size()), values("dy", narrowing.out_size()),
                values("w", narrowing.weight_size())},
       .call = [=](const auto& k, Pointers p) { k.conv2d_backward_data(p[0], p[1], p[2], no, narrowing); }},
      {.kernel = "conv2d_backward_weight",
       .args = {output("dw", widening.weight_size()), values("dy", widening.out_size()),
                values("x", widening.in_size())},
       .call = [=](const auto& k, Pointers p) { k.conv2d_backward_weight(p[0], p[1], p[2], no, widening); }}};
}

std::vector<OpCase> products() {
  std::vector<OpCase> all = convolution_products();
  for (const auto ta : {Transpose::no, Transpose::yes})
    for (const auto tb : {Transpose::no, Transpose::yes}) all.push_back(matrix_product(ta, tb));
  return all;
}

}  // namespace

TEST_CASE("the tile that a product is cut into changes no bit") {
  const TileGuard guard;
  const auto check = [](const std::vector<OpCase>& ops, const auto& backend,
                        std::span<const TileChoice> tiles) {
    for (const OpCase& op : ops) {
      cuda::set_tile_choice(tiles.front());
      const auto expected = output_bytes(op, backend);
      for (const TileChoice tile : tiles) {
        cuda::set_tile_choice(tile);
        CHECK_MESSAGE(output_bytes(op, backend) == expected, backend.name, ": ", op.label(), " with tile ",
                      int(tile));
      }
    }
  };
  constexpr TileChoice kOfWarps[] = {TileChoice::small, TileChoice::narrow, TileChoice::large};
  for (const Backend<float>& backend : cuda_backends()) check(products(), backend, kOfWarps);
  for (const Backend<BFloat16>& backend : cuda_bf16_backends()) {
    for (const auto& tiles : {kOfWarps, kOfWarpgroups, kOfTensorMemory})
      check(convolution_products(), backend, std::span(tiles, 3));
    // A card may add up the 16 products of an instruction in its own way.
    constexpr TileChoice kOfEach[] = {kOfWarps[0], kOfWarpgroups[0], kOfTensorMemory[0]};
    if (cuda::device_properties(0).simulated) check(convolution_products(), backend, kOfEach);
  }
}

TEST_CASE("by warpgroups, and with sums in tensor memory, an image has the same bits in any batch") {
  const TileGuard guard;
  if (cuda_bf16_backends().empty()) return;
  const Backend<BFloat16> backend = cuda_bf16_backends().front();
  // 81 pixels an image: in a batch it begins within a tile, and within the rows of a warp.
  constexpr int64_t kBatch = 3;
  Conv2dShape shape = Conv2dShape::square(kBatch, 9, 24, 40, 3, 1, 1);
  const int64_t image = shape.in_size() / kBatch, result = shape.out_size() / kBatch;
  Data data("batches");
  const std::vector<double> x = data.uniform(shape.in_size()), w = data.uniform(shape.weight_size());
  const auto convolve = [&](int64_t first, int64_t count, TileChoice tile) {
    Conv2dShape s = shape;
    s.batch = count;
    const OpCase op{
        .kernel = "conv2d_forward",
        .args = {output("y", s.out_size()),
                 input("x", {x.begin() + first * image, x.begin() + (first + count) * image}), input("w", w),
                 absent("bias"), absent("residual")},
        .call = [=](const auto& k, Pointers p) { k.conv2d_forward(p[0], p[1], p[2], p[3], p[4], false, s); }};
    cuda::set_tile_choice(tile);
    return output_bytes(op, backend).front();
  };
  const auto bytes = ptrdiff_t(result * int64_t(sizeof(BFloat16)));
  for (const auto& tiles : {kOfWarpgroups, kOfTensorMemory}) {
    const auto together = convolve(0, kBatch, tiles[2]);
    for (const TileChoice tile : std::span(tiles, 3)) {
      for (int64_t i = 0; i < kBatch; ++i) {
        const auto alone = convolve(i, 1, tile);
        CHECK_MESSAGE(std::equal(alone.begin(), alone.begin() + bytes, together.begin() + i * bytes),
                      "image ", i, " with tile ", int(tile));
      }
    }
  }
}
