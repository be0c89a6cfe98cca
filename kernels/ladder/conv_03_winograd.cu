// Idea: fewer multiplications. F(2x2, 3x3) computes 2 x 2 pixels from 4 x 4: transform both tile and
// filter, multiply 16 pairs of numbers instead of 36, transform back (Lavin and Gray, "Fast algorithms for
// convolutional neural networks", CVPR 2016). Summed over channels the 16 pairs are 16 products of
// matrices.
//
//   y = A^T [(G g G^T) * (B^T d B)] A
//
// Limiter: memory. The transformed tiles are 4 times as large as x and are written and read, and so are
// the products; the transforms pay only where channels are many.
//
// What ships is F(4x4, 3x3), whose products are one launch (kernels/cuda/winograd.cu).
//
// Counted for 2 images of 28 x 28 x 64, 3 x 3 to 64 channels: 29.4 million fused multiply-adds where
// conv_01 has 59.0; 19 launches; the input's transform reads 46,656 sectors and writes 50,176, 4 times x's
// 12,544, the output's reads 50,176. All were asked for. The transforms take 32 registers.
//
// Refuses everything but 3 x 3 with stride and dilation 1, transformed tiles of 2^31 elements, and what
// conv_00 does.

#include "kernels/cuda/platform.cuh"
#include "kernels/cuda/stream.cuh"
#include "kernels/ladder/rungs.h"

namespace signet::cuda::ladder {
namespace {

constexpr int kThreads = 256;

/// V[place, tile, c] = (B^T d B)[place], with d the 4 x 4 pixels that tile sees. A thread takes one channel
/// of one tile.
__global__ void __launch_bounds__(kThreads)
    winograd_input_kernel(float* v, const float* x, ConvSizes s, int tiles_y, int tiles_x, int tile_count) {
  const int item = blockIdx.x * kThreads + threadIdx.x;
  if (item >= tile_count * s.in_channels) return;
  const int c = item % s.in_channels, tile = item / s.in_channels;
  const int top = tile / tiles_x % tiles_y * 2 - s.padding, left = tile % tiles_x * 2 - s.padding;
  const int image = tile / (tiles_x * tiles_y);

  float d[4][4];
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 4; ++j) {
      const int iy = top + i, ix = left + j;
      const bool inside = iy >= 0 && iy < s.in_height && ix >= 0 && ix < s.in_width;
      d[i][j] = inside ? x[((image * s.in_height + iy) * s.in_width + ix) * s.in_channels + c] : 0.0F;
    }
  }
  float t[4][4];  // B^T d
  for (int j = 0; j < 4; ++j) {
    t[0][j] = d[0][j] - d[2][j];
    t[1][j] = d[1][j] + d[2][j];
    t[2][j] = d[2][j] - d[1][j];
    t[3][j] = d[1][j] - d[3][j];
  }
  const int plane = tile_count * s.in_channels;  // from one of the 16 places to the next
  for (int i = 0; i < 4; ++i) {
    v[(4 * i + 0) * plane + item] = t[i][0] - t[i][2];
    v[(4 * i + 1) * plane + item] = t[i][1] + t[i][2];
    v[(4 * i + 2) * plane + item] = t[i][2] - t[i][1];
    v[(4 * i + 3) * plane + item] = t[i][1] - t[i][3];
  }
}

/// U[place, o, c] = (G g G^T)[place], with g the 3 x 3 weights of channels o and c.
__global__ void __launch_bounds__(kThreads) winograd_filter_kernel(float* u, const float* w, ConvSizes s) {
  const int item = blockIdx.x * kThreads + threadIdx.x;
  const int plane = s.out_channels * s.in_channels;
  if (item >= plane) return;
  const int c = item % s.in_channels, o = item / s.in_channels;

  float t[4][3];  // G g
  for (int j = 0; j < 3; ++j) {
    const float g0 = w[(o * 9 + j) * s.in_channels + c];
    const float g1 = w[(o * 9 + 3 + j) * s.in_channels + c];
    const float g2 = w[(o * 9 + 6 + j) * s.in_channels + c];
    t[0][j] = g0;
    t[1][j] = 0.5F * (g0 + g1 + g2);
    t[2][j] = 0.5F * (g0 - g1 + g2);
    t[3][j] = g2;
  }
  for (int i = 0; i < 4; ++i) {
    u[(4 * i + 0) * plane + item] = t[i][0];
    u[(4 * i + 1) * plane + item] = 0.5F * (t[i][0] + t[i][1] + t[i][2]);
    u[(4 * i + 2) * plane + item] = 0.5F * (t[i][0] - t[i][1] + t[i][2]);
    u[(4 * i + 3) * plane + item] = t[i][2];
  }
}

/// The 2 x 2 pixels A^T M A of one tile and output channel, those of them that y has.
__global__ void __launch_bounds__(kThreads)
    winograd_output_kernel(float* y, const float* products, ConvSizes s, int tiles_y, int tiles_x,
                           int tile_count) {
  const int item = blockIdx.x * kThreads + threadIdx.x;
  const int plane = tile_count * s.out_channels;
  if (item >= plane) return;
  const int o = item % s.out_channels, tile = item / s.out_channels;
  const int oy = tile / tiles_x % tiles_y * 2, ox = tile % tiles_x * 2;
  const int image = tile / (tiles_x * tiles_y);

  float t[2][4];  // A^T M
  for (int j = 0; j < 4; ++j) {
    const float m0 = products[j * plane + item], m1 = products[(4 + j) * plane + item];
    const float m2 = products[(8 + j) * plane + item], m3 = products[(12 + j) * plane + item];
    t[0][j] = m0 + m1 + m2;
    t[1][j] = m1 - m2 - m3;
  }
  for (int i = 0; i < 2; ++i) {
    if (oy + i >= s.out_height) continue;
    float* out = y + ((image * s.out_height + oy + i) * s.out_width + ox) * s.out_channels + o;
    out[0] = t[i][0] + t[i][1] + t[i][2];
    if (ox + 1 < s.out_width) out[s.out_channels] = t[i][1] - t[i][2] - t[i][3];
  }
}

int64_t tile_count(const Conv2dShape& s) {
  return s.batch * tiles(s.out_height(), 2) * tiles(s.out_width(), 2);
}

void run(float* y, const float* x, const float* w, const Conv2dShape& shape) {
  const ConvSizes s = conv_sizes(shape);
  const int64_t count = tile_count(shape), in = shape.in_channels, out = shape.out_channels;
  const int64_t v_plane = count * in, u_plane = out * in, product_plane = count * out;
  // 16 planes of each; the parts begin at multiples of 64 bytes. gemm needs no workspace of its own.
  auto* v = static_cast<float*>(workspace(16 * (v_plane + u_plane + product_plane) * int64_t(sizeof(float))));
  float* u = v + 16 * v_plane;
  float* products = u + 16 * u_plane;

  const int tiles_y = int(tiles(s.out_height, 2)), tiles_x = int(tiles(s.out_width, 2));
  launch(winograd_input_kernel, dim3(tiles(v_plane, kThreads)), dim3(kThreads), 0, current_stream(), v, x, s,
         tiles_y, tiles_x, int(count));
  launch(winograd_filter_kernel, dim3(tiles(u_plane, kThreads)), dim3(kThreads), 0, current_stream(), u, w,
         s);
  const ScopedMatrixMath math(MatrixMath::f32);
  for (int place = 0; place < 16; ++place) {
    gemm(products + place * product_plane, v + place * v_plane, u + place * u_plane, Transpose::no,
         Transpose::yes, count, out, in, Accumulate::no);
  }
  launch(winograd_output_kernel, dim3(tiles(product_plane, kThreads)), dim3(kThreads), 0, current_stream(), y,
         products, s, tiles_y, tiles_x, int(count));
}

std::string refusal(const Conv2dShape& s) {
  if (s.kernel_height != 3 || s.kernel_width != 3 || s.stride != 1 || s.dilation != 1)
    return "Winograd's F(2x2, 3x3) is for 3 x 3 kernels with stride 1 and dilation 1.";
  constexpr int64_t kPlaneLimit = int64_t(1) << 27;
  if (tile_count(s) * s.in_channels >= kPlaneLimit || tile_count(s) * s.out_channels >= kPlaneLimit ||
      s.out_channels * s.in_channels >= kPlaneLimit)
    return "The 16 transformed planes have 2^31 elements or more, and the kernels index with int.";
  return conv_size_refusal(s);
}

}  // namespace

ConvRung conv_03_winograd() {
  return {.name = "conv_03_winograd",
          .idea = "Four pixels of y cost 16 products instead of 36, after a change of basis.",
          .run = run,
          .refusal = refusal};
}

}  // namespace signet::cuda::ladder
