#include "kernels/cuda/colour_images.cuh"

#include <algorithm>

#include "kernels/cuda/elements.cuh"

namespace signet::cuda {
namespace {

constexpr int kThreads = 256, kSumThreads = 64;
constexpr int kSegment = 128;  // blocks of a line that one block of threads puts
constexpr int kSector = 8;     // floats

__host__ __device__ constexpr int channels_of(int side) {
  return (3 * side * side + 3) / 4 * 4;
}

/// Images (or filters) of height x row_floats / 3 pixels, and where they go: lines of `pitch` blocks.
struct Blocks {
  float* to;
  const float* from;
  int height, row_floats, padding;
  int lines, pitch, segments;
  int64_t image_pitch;  // floats
};

// Through shared memory, so that reads are coalesced; what is outside of the image is zero there. A row is
// staged from the sector on that its first float stands in, up to kSector - 1 floats before it.
template <int kSide>
__global__ void put_blocks_kernel(const Blocks b) {
  constexpr int kRow = 3 * kSide, kUnits = channels_of(kSide) / 4;
  constexpr int kStaged = kSector + kSegment * kRow + 1;  // odd, for fewer bank conflicts between the rows
  __shared__ float staged[kSide * kStaged];
  const int first = int(blockIdx.x) % b.segments * kSegment, count = min(b.pitch - first, kSegment);
  const int line = int(blockIdx.x) / b.segments % b.lines, image = int(blockIdx.x) / b.segments / b.lines;
  const int begin = (first * kSide - b.padding) * 3;  // in floats of a row
  for (int side = 0; side < kSide; ++side) {
    const int y = line * kSide - b.padding + side;
    const bool row_inside = unsigned(y) < unsigned(b.height);
    const int64_t row = (int64_t(image) * b.height + y) * b.row_floats;
    for (int i = int(threadIdx.x) - int((row + begin) & (kSector - 1)); i < count * kRow; i += kThreads) {
      const bool inside = row_inside && unsigned(begin + i) < unsigned(b.row_floats);
      staged[side * kStaged + kSector + i] = inside ? b.from[row + begin + i] : 0;
    }
  }
  __syncthreads();
  float* to = b.to + image * b.image_pitch + (int64_t(line) * b.pitch + first) * (4 * kUnits);
  for (int unit = int(threadIdx.x); unit < count * kUnits; unit += kThreads) {
    const float* block = staged + kSector + unit / kUnits * kRow;
    const auto value = [&](int j) {
      const int channel = unit % kUnits * 4 + j, side = channel / kRow;
      return side < kSide ? block[side * kStaged + channel % kRow] : 0;
    };
    reinterpret_cast<float4*>(to)[unit] = make_float4(value(0), value(1), value(2), value(3));
  }
}

/// Filters of `floats` floats in blocks, `across` blocks a line, and the height x width pixels that they are
/// of.
struct FilterSums {
  float* dw;
  const float* sums;
  int64_t slice_pitch;
  int slices, floats, across, height, width;
  bool accumulate;
};

// A block of threads a filter. The sums pass through shared memory, so that both sides are read in one piece.
template <int kSide>
__global__ void add_filters_kernel(const FilterSums f) {
  constexpr int kRow = 3 * kSide;
  float* total_of = dynamic_shared<float>();
  const float* sums = f.sums + int64_t(blockIdx.x) * f.floats;
  for (int i = 4 * int(threadIdx.x); i < f.floats; i += 4 * kSumThreads) {
    auto total = load<4>(sums + i);
    for (int slice = 1; slice < f.slices; ++slice) {
      const auto next = load<4>(sums + slice * f.slice_pitch + i);
      for (int j = 0; j < 4; ++j) total.v[j] += next.v[j];
    }
    store(total_of + i, total);
  }
  __syncthreads();
  const int weights = 3 * f.height * f.width;
  float* dw = f.dw + int64_t(blockIdx.x) * weights;
  for (int i = int(threadIdx.x); i < weights; i += kSumThreads) {
    const int y = i / (3 * f.width), along = i % (3 * f.width);
    const int block = y / kSide * f.across + along / kRow;
    const float total = total_of[block * channels_of(kSide) + y % kSide * kRow + along % kRow];
    dw[i] = f.accumulate ? total + dw[i] : total;
  }
}

int64_t round_up(int64_t n, int64_t multiple) {
  return ceil_div(n, multiple) * multiple;
}

void put(int side, int64_t images, const Blocks& blocks) {
  const int64_t count = images * blocks.lines * blocks.segments;
  implicit_gemm::check_index_range("conv2d", {count});
  launch(side == 2 ? put_blocks_kernel<2> : put_blocks_kernel<1>, dim3(unsigned(count)), dim3(kThreads), 0,
         current_stream(), blocks);
}

}  // namespace

ColourBlocks::ColourBlocks(const Conv2dShape& given) : given_(given), shape_(given) {
  const Conv2dShape& s = given;
  // Blocks of two where they do not take more steps of k than a fourth channel does.
  const int64_t halves = ceil_div(s.kernel_height, 2) * ceil_div(s.kernel_width, 2);
  const bool two = s.stride == 2 && s.dilation == 1 &&
                   halves * channels_of(2) <= s.kernel_height * s.kernel_width * channels_of(1);
  side_ = two ? 2 : 1;
  shape_.in_channels = channels_of(side_);
  shape_.kernel_height = ceil_div(s.kernel_height, side_);
  shape_.kernel_width = ceil_div(s.kernel_width, side_);
  shape_.stride = s.stride / side_;
  shape_.padding = 0;
  const auto reach = [&](int64_t outputs, int64_t kernel) {
    return (outputs - 1) * shape_.stride + s.dilation * (kernel - 1) + 1;
  };
  shape_.in_height = reach(s.out_height(), shape_.kernel_height);
  shape_.in_width = reach(s.out_width(), shape_.kernel_width);
  pitch_ = round_up(shape_.in_width, 2);
  filter_pitch_ = round_up(shape_.weight_size() / std::max<int64_t>(s.out_channels, 1), kSector);
}

void ColourBlocks::put_images(float* to, const float* x) const {
  put(side_, shape_.batch,
      {.to = to,
       .from = x,
       .height = int(given_.in_height),
       .row_floats = int(3 * given_.in_width),
       .padding = int(given_.padding),
       .lines = int(shape_.in_height),
       .pitch = int(pitch_),
       .segments = int(ceil_div(pitch_, kSegment)),
       .image_pitch = shape_.in_height * pitch_ * shape_.in_channels});
}

void ColourBlocks::put_filters(float* to, const float* w) const {
  put(side_, shape_.out_channels,
      {.to = to,
       .from = w,
       .height = int(given_.kernel_height),
       .row_floats = int(3 * given_.kernel_width),
       .padding = 0,
       .lines = int(shape_.kernel_height),
       .pitch = int(shape_.kernel_width),
       .segments = int(ceil_div(shape_.kernel_width, kSegment)),
       .image_pitch = filter_pitch_});
}

void ColourBlocks::add_filters(float* dw, const float* sums, int64_t slices, Accumulate accumulate) const {
  const int64_t floats = shape_.weight_size() / shape_.out_channels;
  launch(side_ == 2 ? add_filters_kernel<2> : add_filters_kernel<1>, dim3(unsigned(shape_.out_channels)),
         dim3(kSumThreads), size_t(floats) * sizeof(float), current_stream(),
         FilterSums{.dw = dw,
                    .sums = sums,
                    .slice_pitch = shape_.weight_size(),
                    .slices = int(slices),
                    .floats = int(floats),
                    .across = int(shape_.kernel_width),
                    .height = int(given_.kernel_height),
                    .width = int(given_.kernel_width),
                    .accumulate = accumulate == Accumulate::yes});
}

implicit_gemm::PixelGather<float> ColourBlocks::gather(const float* images) const {
  implicit_gemm::PixelGather<float> gather = implicit_gemm::gather_windows(images, shape_);
  gather.width = int(pitch_);
  return gather;
}

}  // namespace signet::cuda
