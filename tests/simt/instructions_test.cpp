// mma and ldmatrix against plain matrix products. Where the elements of a fragment lie is written down here
// from the PTX ISA 9.0 (9.7.14.5.5, 9.7.14.5.8 and 9.7.14.5.15), apart from kernels/simt/ptx.cpp.

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "kernels/cuda/platform.cuh"
#include "kernels/cuda/stream.cuh"

using namespace signet;

namespace {

// Small whole numbers, all different enough that a transposed or shifted fragment shows.
float entry(int matrix, int row, int column) {
  return float((row * 7 + column * 13 + matrix * 5 + row * column) % 31 - 15);
}

uint32_t bf16_pair(float low, float high) {
  return __float_as_uint(low) >> 16 | (__float_as_uint(high) & 0xFFFF0000u);
}

__global__ void product_tf32(float* d) {
  const int lane = int(threadIdx.x), group = lane >> 2, in_group = lane % 4;
  uint32_t a[4], b[2];
  float c[4];
  for (int i = 0; i < 4; ++i) {
    const int row = i == 0 || i == 2 ? group : group + 8, column = i < 2 ? in_group : in_group + 4;
    a[i] = __float_as_uint(entry(0, row, column));
  }
  for (int i = 0; i < 2; ++i) b[i] = __float_as_uint(entry(1, in_group + 4 * i, group));
  for (int i = 0; i < 4; ++i) c[i] = entry(2, i < 2 ? group : group + 8, in_group * 2 + (i & 1));
  cuda::ptx::mma_tf32_16x8x8(c, a, b);
  for (int i = 0; i < 4; ++i) d[(i < 2 ? group : group + 8) * 8 + in_group * 2 + (i & 1)] = c[i];
}

__global__ void product_bf16(float* d) {
  const int lane = int(threadIdx.x), group = lane >> 2, in_group = lane % 4;
  float elements_a[8], elements_b[4], c[4];
  for (int i = 0; i < 8; ++i) {
    const int row = (i < 2) || (4 <= i && i < 6) ? group : group + 8;
    const int column = in_group * 2 + (i & 1) + (i >= 4 ? 8 : 0);
    elements_a[i] = entry(0, row, column);
  }
  for (int i = 0; i < 4; ++i) elements_b[i] = entry(1, in_group * 2 + (i & 1) + (i >= 2 ? 8 : 0), group);
  uint32_t a[4], b[2];
  for (int i = 0; i < 4; ++i) a[i] = bf16_pair(elements_a[2 * i], elements_a[2 * i + 1]);
  for (int i = 0; i < 2; ++i) b[i] = bf16_pair(elements_b[2 * i], elements_b[2 * i + 1]);
  for (int i = 0; i < 4; ++i) c[i] = entry(2, i < 2 ? group : group + 8, in_group * 2 + (i & 1));
  cuda::ptx::mma_bf16_16x8x16(c, a, b);
  for (int i = 0; i < 4; ++i) d[(i < 2 ? group : group + 8) * 8 + in_group * 2 + (i & 1)] = c[i];
}

// The same product, its fragments read from row-major matrices in shared memory.
__global__ void product_by_ldmatrix(float* d) {
  __shared__ __align__(16) uint16_t a_tile[16][16], b_tile[16][8];
  const int lane = int(threadIdx.x), group = lane >> 2, in_group = lane % 4;
  for (int i = lane; i < 256; i += 32)
    a_tile[i / 16][i % 16] = uint16_t(__float_as_uint(entry(0, i / 16, i % 16)) >> 16);
  for (int i = lane; i < 128; i += 32)
    b_tile[i / 8][i % 8] = uint16_t(__float_as_uint(entry(1, i / 8, i % 8)) >> 16);
  __syncwarp();
  // Matrix 0 is A's upper left quarter, 1 the lower left, 2 the upper right, 3 the lower right.
  const int matrix = lane / 8, row = lane % 8;
  uint32_t a[4], b_twice[4];
  cuda::ptx::ldmatrix_x4(a, &a_tile[row + 8 * (matrix % 2)][8 * (matrix / 2)]);
  cuda::ptx::ldmatrix_x4_transposed(b_twice, &b_tile[row + 8 * (matrix % 2)][0]);
  float c[4];
  for (int i = 0; i < 4; ++i) c[i] = entry(2, i < 2 ? group : group + 8, in_group * 2 + (i & 1));
  cuda::ptx::mma_bf16_16x8x16(c, a, {b_twice[0], b_twice[1]});
  for (int i = 0; i < 4; ++i) d[(i < 2 ? group : group + 8) * 8 + in_group * 2 + (i & 1)] = c[i];
}

__global__ void rounded(uint32_t* tf32, uint32_t* bf16, const float* x) {
  tf32[threadIdx.x] = cuda::ptx::to_tf32(x[threadIdx.x]);
  bf16[threadIdx.x] = cuda::ptx::pack_bf16(x[threadIdx.x], 0);
}

template <class T>
struct OnDevice {
  explicit OnDevice(size_t n) : data(static_cast<T*>(cuda::allocate(int64_t(n * sizeof(T))))), size(n) {}
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;
  ~OnDevice() { cuda::release(data); }
  std::vector<T> values() const {
    std::vector<T> host(size);
    cuda::copy_to_host(host.data(), data, int64_t(size * sizeof(T)));
    return host;
  }
  T* data;
  size_t size;
};

void check_product(void (*kernel)(float*), int depth) {
  const OnDevice<float> d(16 * 8);
  cuda::launch(kernel, 1, 32, 0, cuda::current_stream(), d.data);
  const std::vector<float> computed = d.values();
  for (int row = 0; row < 16; ++row) {
    for (int column = 0; column < 8; ++column) {
      float sum = entry(2, row, column);
      for (int k = 0; k < depth; ++k) sum += entry(0, row, k) * entry(1, k, column);
      CHECK(computed[size_t(row * 8 + column)] == sum);
    }
  }
}

}  // namespace

TEST_CASE("mma m16n8k8 in TF32 is a matrix product") {
  check_product(product_tf32, 8);
}

TEST_CASE("mma m16n8k16 in bf16 is a matrix product") {
  check_product(product_bf16, 16);
}

TEST_CASE("ldmatrix, plain and transposed, gives mma its fragments") {
  check_product(product_by_ldmatrix, 16);
}

TEST_CASE("floats are rounded to TF32 away from zero at ties, to bf16 to even") {
  const float ulp_tf32 = 0x1p-10f, ulp_bf16 = 0x1p-7f, infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> x{1 + ulp_tf32 / 2,
                             -1 - ulp_tf32 / 2,
                             1 + ulp_tf32 * 0.49f,
                             1 + ulp_bf16 / 2,
                             1 + ulp_bf16 * 1.5f,
                             infinity,
                             std::numeric_limits<float>::quiet_NaN()};
  OnDevice<float> in(x.size());
  const OnDevice<uint32_t> tf32(x.size()), bf16(x.size());
  cuda::copy_to_device(in.data, x.data(), int64_t(x.size() * sizeof(float)));
  cuda::launch(rounded, 1, unsigned(x.size()), 0, cuda::current_stream(), tf32.data, bf16.data,
               static_cast<const float*>(in.data));
  const auto as_tf32 = tf32.values(), as_bf16 = bf16.values();
  CHECK(__uint_as_float(as_tf32[0]) == 1 + ulp_tf32);
  CHECK(__uint_as_float(as_tf32[1]) == -1 - ulp_tf32);
  CHECK(__uint_as_float(as_tf32[2]) == 1);
  CHECK(__uint_as_float(as_bf16[3] << 16) == 1);
  CHECK(__uint_as_float(as_bf16[4] << 16) == 1 + 2 * ulp_bf16);
  CHECK(__uint_as_float(as_tf32[5]) == infinity);
  CHECK(__uint_as_float(as_bf16[5] << 16) == infinity);
  CHECK(std::isnan(__uint_as_float(as_tf32[6])));
  CHECK(std::isnan(__uint_as_float(as_bf16[6] << 16)));
}
