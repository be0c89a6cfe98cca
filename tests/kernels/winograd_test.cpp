// A device's convolutions by Winograd's algorithm and by implicit products, whatever its rule would choose.

#include <doctest/doctest.h>

#include <algorithm>

#include "kernels/cuda/runtime.h"
#include "tests/kernels/op_checks.h"
#include "tests/kernels/suite.h"

using namespace signet;
using namespace signet::test;

namespace {

using cuda::ConvChoice;

struct AsBefore {
  int64_t workspace = cuda::winograd_workspace();
  ~AsBefore() {
    if (cuda::device_count() == 0) return;
    cuda::set_conv_choice(ConvChoice::automatic);
    cuda::set_winograd_workspace(workspace);
  }
};

constexpr auto square = &Conv2dShape::square;

OpCase forward(const Conv2dShape& s) {
  Data data("winograd");
  return {
      .kernel = "conv2d_forward",
      .args = {output("y", s.out_size()), input("x", data.uniform(s.in_size())),
               input("w", data.uniform(s.weight_size())), input("bias", data.uniform(s.out_channels)),
               input("residual", data.uniform(s.out_size()))},
      .call = [=](const auto& k, Pointers p) { k.conv2d_forward(p[0], p[1], p[2], p[3], p[4], true, s); }};
}

OpCase backward_data(const Conv2dShape& s) {
  Data data("winograd");
  return {.kernel = "conv2d_backward_data",
          .args = {in_out("dx", data.uniform(s.in_size())), input("dy", data.uniform(s.out_size())),
                   input("w", data.uniform(s.weight_size()))},
          .call = [=](const auto& k, Pointers p) {
            k.conv2d_backward_data(p[0], p[1], p[2], Accumulate::yes, s);
          }};
}

using Bytes = std::vector<std::vector<std::byte>>;

Bytes bytes_by(ConvChoice choice, const OpCase& op, const Backend<float>& backend) {
  cuda::set_conv_choice(choice);
  return output_bytes(op, backend);
}

/// A case of one image with the values that an image of `all` has, and its weights. Arguments whose sizes
/// differ are images.
OpCase image_of(const OpCase& all, OpCase one, int64_t number) {
  for (size_t arg = 1 - size_t(all.args[0].role == Role::in_out); arg < all.args.size(); ++arg) {
    const std::vector<double>& values = all.args[arg].values;
    const auto size = int64_t(one.args[arg].values.size());
    const auto begin = values.begin() + (int64_t(values.size()) > size ? number * size : 0);
    one.args[arg].values.assign(begin, begin + size);
  }
  return one;
}

}  // namespace

TEST_CASE("a device's convolutions agree with the reference, by either algorithm") {
  const std::vector<Backend<float>> backends = cuda_backends();
  if (backends.empty()) return;
  const AsBefore as_before;
  Suite suite;
  add_conv2d(suite, Scale::test);
  int by_winograd = 0;
  for (OpCase op : all_cases(suite)) {
    const bool unit_steps = op.options.find(" of 3x3 stride=1 ") != std::string::npos;
    if (op.kernel == "conv2d_backward_weight" || !unit_steps || op.for_processors) continue;
    const Bytes direct = bytes_by(ConvChoice::implicit_gemm, op, backends[0]);
    if (bytes_by(ConvChoice::winograd, op, backends[0]) == direct) continue;  // not for this shape
    ++by_winograd;
    const Expected expected = expect(op);
    const auto check = [&](ConvChoice choice) {
      cuda::set_conv_choice(choice);
      for (const Placement placement : kPlacements) {
        const std::string failure = parity_failure(op, expected, backends[0], placement);
        CHECK_MESSAGE(failure.empty(), failure, " by algorithm ", int(choice));
      }
    };
    // Else parity_test.cpp has it.
    if (bytes_by(ConvChoice::automatic, op, backends[0]) != direct) check(ConvChoice::implicit_gemm);
    op.exact = false;  // the transforms round
    check(ConvChoice::winograd);
  }
  CHECK(by_winograd > 30);
}

TEST_CASE("odd images, tiles that stick out, and padding, by Winograd's algorithm on a device") {
  const std::vector<Backend<float>> backends = cuda_backends();
  if (backends.empty()) return;
  const AsBefore as_before;
  cuda::set_conv_choice(ConvChoice::winograd);
  for (const Conv2dShape& s :
       {square(1, 1, 12, 16, 3, 1, 1), square(2, 4, 4, 8, 3, 1, 1), square(3, 5, 12, 4, 3, 1, 1),
        square(2, 3, 8, 4, 3, 1, 0), square(2, 6, 4, 12, 3, 1, 2), square(1, 2, 4, 4, 3, 1, 4),
        Conv2dShape{2, 9, 3, 20, 36, 3, 3, 1, 1, 1}, Conv2dShape{1, 3, 17, 68, 132, 3, 3, 1, 1, 1}}) {
    for (OpCase op : {forward(s), backward_data(s)}) {
      const bool is_forward = op.kernel == "conv2d_forward";
      op.options = std::to_string(s.in_height) + "x" + std::to_string(s.in_width) + " padding " +
                   std::to_string(s.padding);
      op.terms = double(9 * (is_forward ? s.in_channels : s.out_channels));
      for (const Placement placement : {Placement::aligned, Placement::misaligned}) {
        const std::string failure = parity_failure(op, expect(op), backends[0], placement);
        CHECK_MESSAGE(failure.empty(), failure);
      }
      CHECK(bytes_by(ConvChoice::winograd, op, backends[0]) !=
            bytes_by(ConvChoice::implicit_gemm, op, backends[0]));
      cuda::set_conv_choice(ConvChoice::winograd);
    }
  }
}

TEST_CASE("neither the batch nor the chunks of Winograd's tiles change a bit") {
  const std::vector<Backend<float>> backends = cuda_backends();
  if (backends.empty()) return;
  const AsBefore as_before;
  // 400 tiles: a chunk, two of 256 and 144, or 128 at a time.
  const Conv2dShape s = square(16, 18, 8, 12, 3, 1, 1), one = square(1, 18, 8, 12, 3, 1, 1);
  constexpr int64_t kBytesOfTile = 36 * (8 + 12) * 4;
  for (const auto& [all, alone] :
       {std::pair{forward(s), forward(one)}, std::pair{backward_data(s), backward_data(one)}}) {
    const Bytes expected = bytes_by(ConvChoice::winograd, all, backends[0]);
    for (const int64_t tiles : {int64_t{1}, int64_t{128}, int64_t{300}}) {
      cuda::set_winograd_workspace(tiles * kBytesOfTile);
      CHECK_MESSAGE(bytes_by(ConvChoice::winograd, all, backends[0]) == expected, all.kernel,
                    " with room for ", tiles, " tiles");
    }
    cuda::set_winograd_workspace(as_before.workspace);
    const size_t size = expected[0].size() / size_t(s.batch);
    for (const int64_t image : {0, 7, 15}) {
      const Bytes of_one = bytes_by(ConvChoice::winograd, image_of(all, alone, image), backends[0]);
      CHECK(std::equal(of_one[0].begin(), of_one[0].end(), expected[0].begin() + int64_t(size) * image));
    }
  }
}

TEST_CASE("weights prepared for Winograd's algorithm give the bits of those they were made from") {
  const std::vector<Backend<float>> backends = cuda_backends();
  if (backends.empty()) return;
  const AsBefore as_before;
  for (const auto choice : {ConvChoice::winograd, ConvChoice::implicit_gemm}) {
    const Conv2dShape s = square(3, 9, 20, 36, 3, 1, 1), prepared_for = square(1, 9, 20, 36, 3, 1, 1);
    OpCase op = forward(s);
    op.args.push_back(workspace("prepared", s.prepared_bytes() / int64_t(sizeof(float))));
    const Bytes expected = bytes_by(choice, op, backends[0]);
    op.call = [=](const auto& k, Pointers p) {
      k.conv2d_prepare(p[5], p[2], prepared_for);
      k.conv2d_forward_prepared(p[0], p[1], p[5], p[3], p[4], true, s);
    };
    CHECK(bytes_by(choice, op, backends[0])[0] == expected[0]);
  }
}

TEST_CASE("a device takes Winograd's algorithm in float, and where many channels make it worth its bytes") {
  const std::vector<Backend<float>> backends = cuda_backends();
  if (backends.empty()) return;
  const AsBefore as_before;
  const auto chosen = [&](const OpCase& op, const Backend<float>& backend) {
    const Bytes automatic = bytes_by(ConvChoice::automatic, op, backend);
    if (automatic == bytes_by(ConvChoice::implicit_gemm, op, backend)) return ConvChoice::implicit_gemm;
    CHECK(automatic == bytes_by(ConvChoice::winograd, op, backend));
    return ConvChoice::winograd;
  };
  // Channels as those of ResNet18's stages, with as much of a tile empty as there.
  for (const auto& [s, expected] : {std::pair{square(1, 8, 64, 64, 3, 1, 1), ConvChoice::implicit_gemm},
                                    std::pair{square(1, 4, 128, 128, 3, 1, 1), ConvChoice::winograd},
                                    std::pair{square(1, 7, 128, 128, 3, 1, 1), ConvChoice::implicit_gemm},
                                    std::pair{square(1, 7, 256, 256, 3, 1, 1), ConvChoice::winograd}}) {
    CAPTURE(s.in_channels);
    Conv2dShape more = s;
    more.batch = 5;
    for (const OpCase& op : {forward(s), backward_data(s), forward(more), backward_data(more)})
      CHECK(chosen(op, backends[0]) == expected);
  }
  // What the algorithm does not compute, it does not, even if it is asked to.
  const auto differs = [](const Conv2dShape& s, const Backend<float>& backend) {
    return bytes_by(ConvChoice::winograd, forward(s), backend) !=
           bytes_by(ConvChoice::implicit_gemm, forward(s), backend);
  };
  CHECK(differs(square(1, 5, 8, 8, 3, 1, 1), backends[0]));
  CHECK(!differs(square(1, 5, 8, 8, 3, 2, 1), backends[0]));
  CHECK(!differs(square(1, 5, 8, 8, 5, 1, 2), backends[0]));
  CHECK(!differs(square(1, 5, 6, 8, 3, 1, 1), backends[0]));
  CHECK(!differs(square(1, 5, 8, 6, 3, 1, 1), backends[0]));
  CHECK(!differs({1, 7, 7, 8, 8, 3, 3, 1, 1, 2}, backends[0]));
  for (size_t i = 1; i < backends.size(); ++i) CHECK(!differs(square(1, 5, 8, 8, 3, 1, 1), backends[i]));
}
