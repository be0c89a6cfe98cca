#include "kernels/cuda/winograd.cuh"

#include <algorithm>

#include "kernels/winograd_points.h"

namespace signet::cuda {
namespace {

using implicit_gemm::Divider;
using Four = Pack<float, 4>;

constexpr int kOutSide = 4, kPatchSide = 6, kPoints = kPatchSide * kPatchSide;
// A thread of a transform keeps up to 144 floats of a tile in registers, and has up to 36 loads of 16 bytes
// on their way: few warps ask for enough of memory. 12 may have 168 registers each. For the transform of
// patches those do not suffice on sm_100, and 8 warps may have 255.
constexpr int kThreads = 128, kResidentBlocks = 3, kResidentBlocksOfInput = 2;

using Points = WinogradPoints<float>;

/// B' d.
struct InputTransform {
  static constexpr int kFrom = kPatchSide, kTo = kPatchSide;
  __device__ __forceinline__ static void apply(float (&v)[6], const float (&d)[6]) {
    const float even_a = fmaf(-Points::kB2, d[2], d[4]), even_b = fmaf(-Points::kA2, d[2], d[4]);
    const float odd_a = fmaf(-Points::kB2, d[1], d[3]), odd_b = fmaf(-Points::kA2, d[1], d[3]);
    constexpr float kMiddle = Points::kA2 + Points::kB2, kOuter = Points::kA2 * Points::kB2;
    v[0] = fmaf(kOuter, d[0], fmaf(-kMiddle, d[2], d[4]));
    v[1] = fmaf(Points::kA, odd_a, even_a);
    v[2] = fmaf(-Points::kA, odd_a, even_a);
    v[3] = fmaf(Points::kB, odd_b, even_b);
    v[4] = fmaf(-Points::kB, odd_b, even_b);
    v[5] = fmaf(kOuter, d[1], fmaf(-kMiddle, d[3], d[5]));
  }
};

/// G g.
struct FilterTransform {
  static constexpr int kFrom = 3, kTo = kPatchSide;
  __device__ __forceinline__ static void apply(float (&u)[6], const float (&g)[3]) {
    const float even_a = Points::kScaleA * fmaf(Points::kA2, g[2], g[0]);
    const float even_b = Points::kScaleB * fmaf(Points::kB2, g[2], g[0]);
    constexpr float kOddA = Points::kScaleA * Points::kA, kOddB = Points::kScaleB * Points::kB;
    u[0] = Points::kScale0 * g[0];
    u[1] = fmaf(kOddA, g[1], even_a);
    u[2] = fmaf(-kOddA, g[1], even_a);
    u[3] = fmaf(kOddB, g[1], even_b);
    u[4] = fmaf(-kOddB, g[1], even_b);
    u[5] = g[2];
  }
};

/// A' m.
struct OutputTransform {
  static constexpr int kFrom = kPatchSide, kTo = kOutSide;
  __device__ __forceinline__ static void apply(float (&y)[4], const float (&m)[6]) {
    const float sum_a = m[1] + m[2], difference_a = m[1] - m[2];
    const float sum_b = m[3] + m[4], difference_b = m[3] - m[4];
    y[0] = m[0] + (sum_a + sum_b);
    y[1] = fmaf(Points::kA, difference_a, Points::kB * difference_b);
    y[2] = fmaf(Points::kA2, sum_a, Points::kB2 * sum_b);
    y[3] = fmaf(Points::kA3, difference_a, fmaf(Points::kB3, difference_b, m[5]));
  }
};

/// The transform of each of four channels.
template <class Transform>
__device__ __forceinline__ void apply(Four (&to)[Transform::kTo], const Four (&from)[Transform::kFrom]) {
#pragma unroll
  for (int channel = 0; channel < 4; ++channel) {
    float a[Transform::kFrom], b[Transform::kTo];
#pragma unroll
    for (int i = 0; i < Transform::kFrom; ++i) a[i] = from[i].v[channel];
    Transform::apply(b, a);
#pragma unroll
    for (int i = 0; i < Transform::kTo; ++i) to[i].v[channel] = b[i];
  }
}

/// T d T' of a transform T and four channels of d = get(y, x), into put(y, x, value).
template <class Transform, class Get, class Put>
__device__ __forceinline__ void apply_both_ways(const Get& get, const Put& put) {
  Four half[Transform::kTo][Transform::kFrom];
#pragma unroll
  for (int x = 0; x < Transform::kFrom; ++x) {
    Four column[Transform::kFrom], turned[Transform::kTo];
#pragma unroll
    for (int y = 0; y < Transform::kFrom; ++y) column[y] = get(y, x);
    apply<Transform>(turned, column);
#pragma unroll
    for (int y = 0; y < Transform::kTo; ++y) half[y][x] = turned[y];
  }
#pragma unroll
  for (int y = 0; y < Transform::kTo; ++y) {
    Four line[Transform::kTo];
    apply<Transform>(line, half[y]);
#pragma unroll
    for (int x = 0; x < Transform::kTo; ++x) put(y, x, line[x]);
  }
}

__device__ __forceinline__ Four load_four(const float* from, bool packed) {
  if (packed) return load<4>(from);
  return {from[0], from[1], from[2], from[3]};
}

/// Tiles, numbered over images, rows and columns, and groups of four channels of each: a thread's work.
struct Tiles {
  int first, groups_of_all;  // of a chunk: its first tile, and the groups of all its tiles
  Divider by_groups, by_across, by_down;

  struct Item {
    int tile, channel, image, y, x;  // the tile counted in the chunk; y and x of its first pixel
  };
  __device__ bool has(int item) const { return item < groups_of_all; }
  __device__ Item item(int number) const {
    const int tile = by_groups.quotient(number), line = by_across.quotient(first + tile);
    const int image = by_down.quotient(line);
    return {tile, 4 * by_groups.remainder(number, tile), image, by_down.remainder(line, image) * kOutSide,
            by_across.remainder(first + tile, line) * kOutSide};
  }
};

/// v[point][tile][channel], a plane a point.
struct InputTiles {
  float* v;
  const float* x;
  int64_t plane;
  Tiles tiles;
  int height, width, channels, padding;
  bool packed;
};

__global__ void __launch_bounds__(kThreads, kResidentBlocksOfInput)
    transform_input_kernel(const InputTiles t) {
  const auto number = int(thread_in_grid());
  if (!t.tiles.has(number)) return;
  const Tiles::Item at = t.tiles.item(number);
  const int top = at.y - t.padding, left = at.x - t.padding, first = at.image * t.height;
  float* v = t.v + int64_t(at.tile) * t.channels + at.channel;
  apply_both_ways<InputTransform>(
      [&](int y, int x) -> Four {
        const bool inside = unsigned(top + y) < unsigned(t.height) && unsigned(left + x) < unsigned(t.width);
        const int pixel = (first + top + y) * t.width + left + x;
        return inside ? load_four(t.x + int64_t(pixel) * t.channels + at.channel, t.packed) : Four{};
      },
      [&](int y, int x, const Four& value) { ptx::store_four(v + (y * kPatchSide + x) * t.plane, value.v); });
}

/// u[point][i][j] of w [i][3][3][j], j < channels, of which a thread takes four.
struct Filters {
  float* u;
  const float* w;
  int64_t plane;
  int items, channels;
  Divider by_groups;
  bool turned, packed;
};

__global__ void __launch_bounds__(kThreads, kResidentBlocks) transform_filters_kernel(const Filters f) {
  const auto number = int(thread_in_grid());
  if (number >= f.items) return;
  const int filter = f.by_groups.quotient(number);
  const float* w = f.w + int64_t(filter) * 9 * f.channels + 4 * f.by_groups.remainder(number, filter);
  float* u = f.u + 4 * int64_t(number);
  apply_both_ways<FilterTransform>(
      [&](int y, int x) {
        const int tap = y * 3 + x;
        return load_four(w + int64_t(f.turned ? 8 - tap : tap) * f.channels, f.packed);
      },
      [&](int y, int x, const Four& value) { store(u + (y * kPatchSide + x) * f.plane, value); });
}

/// The pixels of out that sums[point][tile][column] are transformed to.
struct OutputTiles {
  const float* sums;
  int64_t plane;
  Tiles tiles;
  int height, width, columns;
  implicit_gemm::Output<float> out;
};

__global__ void __launch_bounds__(kThreads, kResidentBlocks) transform_output_kernel(const OutputTiles t) {
  const auto number = int(thread_in_grid());
  if (!t.tiles.has(number)) return;
  const Tiles::Item at = t.tiles.item(number);
  const float* sums = t.sums + int64_t(at.tile) * t.columns + at.channel;
  apply_both_ways<OutputTransform>(
      [&](int y, int x) { return load<4>(sums + (y * kPatchSide + x) * t.plane); },
      [&](int y, int x, const Four& value) {
        if (at.y + y >= t.height || at.x + x >= t.width) return;
        const int pixel = (at.image * t.height + at.y + y) * t.width + at.x + x;
        implicit_gemm::store_pack(t.out, int64_t(pixel) * t.columns + at.channel, at.channel, 4, value);
      });
}

/// The products at all points, each a part: [tiles][channels] x [channels][columns].
template <bool kTurned>
struct PointsProblem {
  using A = implicit_gemm::Matrix<float, false>;
  using B = implicit_gemm::Matrix<float, kTurned>;
  static constexpr auto kLayoutA = implicit_gemm::Layout::row_major;
  static constexpr auto kLayoutB =
      kTurned ? implicit_gemm::Layout::column_major : implicit_gemm::Layout::row_major;

  A a;
  B b;
  implicit_gemm::Output<float> out;
  int rows, columns, k_begin, k_end;
  int64_t plane_a, plane_b, plane_out;

  __device__ void select(int point) {
    a.x += point * plane_a;
    b.x += point * plane_b;
    out.y += point * plane_out;
  }
  __device__ int64_t place(int row) const { return int64_t(row) * columns; }
};

template <bool kTurned>
void multiply_points(float* sums, const float* v, const float* filters, int64_t tiles,
                     const WinogradConv& conv) {
  const PointsProblem<kTurned> problem{
      .a = {.x = v, .pitch = conv.channels, .rows = int(tiles), .depth = int(conv.channels)},
      .b = {.x = filters,
            .pitch = kTurned ? conv.columns : conv.channels,
            .rows = int(conv.columns),
            .depth = int(conv.channels)},
      .out = {.y = sums, .packed = true},
      .rows = int(tiles),
      .columns = int(conv.columns),
      .k_begin = 0,
      .k_end = int(conv.channels),
      .plane_a = tiles * conv.channels,
      .plane_b = conv.channels * conv.columns,
      .plane_out = tiles * conv.columns};
  implicit_gemm::multiply_packs<implicit_gemm::WarpTiles<float, false>, implicit_gemm::FfmaTile>(problem,
                                                                                                 kPoints);
}

int64_t tiles_of_image(const WinogradConv& conv) {
  return ceil_div(conv.out_height(), kOutSide) * ceil_div(conv.out_width(), kOutSide);
}

/// Whether the algorithm is the faster one, by a model that no card has confirmed: what it saves in
/// multiplications at the card's peak against what the planes of its points, each written once and read once,
/// take of the card's memory. Tiles that stick out of the image count in full.
///
/// A card does so many operations in float while it moves a byte: A100 10, H200 14, RTX 3090 38, RTX 4090 82.
/// The last keeps the planes of a chunk in its second-level cache of 72 MB, so that the third asks for most.
/// With 40, ResNet18's layers from 128 channels on pass. Its 64 channels do not: there the model has H200
/// gain a fifth and RTX 3090 take two thirds longer (docs/kernels-static.md).
///
/// Filters that have to be transformed for each call are not in the model, since how many images share them
/// is not to matter. Where those are few, the 36 parts keep a device busy that a product of few rows does
/// not.
bool winograd_pays(const WinogradConv& conv) {
  constexpr double kOperationsPerByte = 40;
  const auto tiles = double(tiles_of_image(conv));
  const auto channels = double(conv.channels), columns = double(conv.columns);
  const double direct = 9.0 * double(conv.out_height() * conv.out_width());
  const double saved = 2 * channels * columns * (direct - kPoints * tiles);
  const double moved = 2 * kPoints * tiles * (channels + columns) * double(sizeof(float));
  return saved > kOperationsPerByte * moved;
}

bool winograd_applies(const Conv2dShape& s) {
  return s.kernel_height == 3 && s.kernel_width == 3 && s.stride == 1 && s.dilation == 1 &&
         s.in_channels > 0 && s.in_channels % 4 == 0 && s.out_channels > 0 && s.out_channels % 4 == 0 &&
         s.in_height > 0 && s.in_width > 0 && s.out_height() > 0 && s.out_width() > 0 &&
         implicit_gemm::usable_math() == MatrixMath::f32;
}

std::optional<WinogradConv> if_chosen(const WinogradConv& conv) {
  const ConvChoice choice = conv_choice();
  const bool chosen = choice == ConvChoice::automatic ? winograd_pays(conv) : choice == ConvChoice::winograd;
  return chosen ? std::optional(conv) : std::nullopt;
}

}  // namespace

std::optional<WinogradConv> winograd_forward(const Conv2dShape& s) {
  if (!winograd_applies(s)) return std::nullopt;
  return if_chosen({.kernel = "conv2d_forward",
                    .batch = s.batch,
                    .height = s.in_height,
                    .width = s.in_width,
                    .channels = s.in_channels,
                    .columns = s.out_channels,
                    .padding = s.padding,
                    .turned = false});
}

std::optional<WinogradConv> winograd_backward_data(const Conv2dShape& s) {
  if (!winograd_applies(s)) return std::nullopt;
  return if_chosen({.kernel = "conv2d_backward_data",
                    .batch = s.batch,
                    .height = s.out_height(),
                    .width = s.out_width(),
                    .channels = s.out_channels,
                    .columns = s.in_channels,
                    .padding = 2 - s.padding,
                    .turned = true});
}

void winograd_transform_filters(float* filters, const WinogradConv& conv) {
  const int64_t line = conv.turned ? conv.columns : conv.channels;
  const int64_t plane = conv.channels * conv.columns;
  implicit_gemm::check_index_range(conv.kernel, {plane / 4});
  launch(transform_filters_kernel, dim3(unsigned(ceil_div(plane / 4, kThreads))), dim3(kThreads), 0,
         current_stream(),
         Filters{.u = filters,
                 .w = conv.w,
                 .plane = plane,
                 .items = int(plane / 4),
                 .channels = int(line),
                 .by_groups = Divider(line / 4),
                 .turned = conv.turned,
                 .packed = allow_packs(conv.w)});
}

void winograd(const WinogradConv& conv) {
  const int64_t height = conv.out_height(), width = conv.out_width();
  const int64_t total = conv.batch * tiles_of_image(conv);
  implicit_gemm::check_index_range(
      conv.kernel, {conv.batch * height * width, conv.batch * conv.height * conv.width, total, conv.channels,
                    conv.columns});

  // Chunks of equal size, but for the last: a multiple of what the largest tile of the product has of rows.
  constexpr int64_t kRows = 128;
  const int64_t floats_of_tile = kPoints * (conv.channels + conv.columns);
  const int64_t fitting = winograd_workspace() / (floats_of_tile * int64_t(sizeof(float))) / kRows;
  const int64_t chunks = ceil_div(total, std::max<int64_t>(fitting, 1) * kRows);
  const int64_t most = std::min(total, ceil_div(ceil_div(total, chunks), kRows) * kRows);
  implicit_gemm::check_index_range(conv.kernel, {most * (conv.channels / 4), most * (conv.columns / 4)});

  const int64_t filter_floats = conv.filters ? 0 : kPoints * conv.channels * conv.columns;
  auto* filters =
      static_cast<float*>(workspace((filter_floats + most * floats_of_tile) * int64_t(sizeof(float))));
  if (!conv.filters) winograd_transform_filters(filters, conv);
  float* v = filters + filter_floats;
  float* sums = v + kPoints * most * conv.channels;
  implicit_gemm::Output<float> out = conv.out;
  out.packed = allow_packs(out.y, out.bias, out.residual);

  for (int64_t first = 0; first < total; first += most) {
    const int64_t tiles = std::min(most, total - first);
    const auto grid_of = [&](int64_t channels) {
      return Tiles{.first = int(first),
                   .groups_of_all = int(tiles * (channels / 4)),
                   .by_groups = Divider(channels / 4),
                   .by_across = Divider(ceil_div(width, kOutSide)),
                   .by_down = Divider(ceil_div(height, kOutSide))};
    };
    const auto transform = [&](auto kernel, const auto& given) {
      launch(kernel, dim3(unsigned(ceil_div(given.tiles.groups_of_all, kThreads))), dim3(kThreads), 0,
             current_stream(), given);
    };
    transform(transform_input_kernel, InputTiles{.v = v,
                                                 .x = conv.x,
                                                 .plane = tiles * conv.channels,
                                                 .tiles = grid_of(conv.channels),
                                                 .height = int(conv.height),
                                                 .width = int(conv.width),
                                                 .channels = int(conv.channels),
                                                 .padding = int(conv.padding),
                                                 .packed = allow_packs(conv.x)});
    const float* u = conv.filters ? conv.filters : filters;
    if (conv.turned) {
      multiply_points<true>(sums, v, u, tiles, conv);
    } else {
      multiply_points<false>(sums, v, u, tiles, conv);
    }
    transform(transform_output_kernel, OutputTiles{.sums = sums,
                                                   .plane = tiles * conv.columns,
                                                   .tiles = grid_of(conv.columns),
                                                   .height = int(height),
                                                   .width = int(width),
                                                   .columns = int(conv.columns),
                                                   .out = out});
  }
}

}  // namespace signet::cuda
