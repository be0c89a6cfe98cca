// wgmma against plain matrix products, both operands in either order, at strides that no kernel has. Where
// elements lie in shared memory and in the sums is written down here from the PTX ISA 9.0 (9.7.15.5: register
// fragments, shared memory matrix layout, strides, matrix descriptor), apart from kernels/simt/wgmma.cpp and
// from kernels/cuda/wgmma_tile.cuh.

#include <doctest/doctest.h>

#include <vector>

#include "kernels/cuda/platform.cuh"
#include "kernels/cuda/stream.cuh"

using namespace signet;

namespace {

// Small whole numbers, all different enough that a transposed or shifted element shows.
float entry(int matrix, int row, int column) {
  return float((row * 7 + column * 13 + matrix * 5 + row * column) % 31 - 15);
}

constexpr int kRows = 128, kSteps = 32, kThreads = 256;  // two warpgroups, two instructions each

/// A matrix in shared memory: `count` rows of A or columns of B, kSteps steps.
struct Place {
  int begin;            // bytes from the start of the dynamic shared memory
  int leading, stride;  // bytes
  bool turned;

  /// Byte of an element, before it is swizzled: blocks of 8 lines of 128 bytes. Steps lie at 16 .. 47 of
  /// their line.
  int byte(int row, int step) const {
    if (turned) return begin + row / 64 * leading + step / 8 * stride + step % 8 * 128 + row % 64 * 2;
    return begin + row / 8 * stride + row % 8 * 128 + 32 + step * 2;
  }
  uint64_t descriptor(uint32_t shared, int row, int step) const {
    const uint64_t start = shared + uint32_t(byte(row, step));
    return (start >> 4) + (uint64_t(leading >> 4) << 16) + (uint64_t(stride >> 4) << 32) +
           (uint64_t(1) << 62);
  }
  void put(char* shared, int matrix, int count) const {
    for (int i = int(threadIdx.x); i < count * kSteps; i += kThreads) {
      const int row = i / kSteps, step = i % kSteps, at = byte(row, step), line = at / 128 % 8;
      const int chunk = at / 16 % 8, swizzled = at - 16 * chunk + 16 * (chunk ^ line);
      const uint32_t bits = __float_as_uint(entry(matrix, row, step));
      *reinterpret_cast<uint16_t*>(shared + swizzled) = uint16_t(bits >> 16);
    }
  }
};

template <int kColumns, bool kTurnedA, bool kTurnedB>
__global__ void product(float* d, Place a, Place b) {
  char* shared = cuda::dynamic_shared<char>();
  a.put(shared, 0, kRows);
  b.put(shared, 1, kColumns);
  cuda::ptx::fence_proxy_async();
  __syncthreads();
  const int thread = int(threadIdx.x), first = thread / 128 * 64;
  const int row = first + thread % 128 / 32 * 16 + thread % 32 / 4, column = thread % 4 * 2;
  float sums[kColumns / 2];
  for (int i = 0; i < kColumns / 2; ++i)
    sums[i] = entry(2, row + (i / 2 % 2) * 8, column + i / 4 * 8 + i % 2);
  const uint32_t base = cuda::ptx::shared_address(shared);
  cuda::ptx::wgmma_fence(sums);
  for (int step = 0; step < kSteps; step += 16) {
    cuda::ptx::wgmma_bf16<kTurnedA, kTurnedB>(sums, a.descriptor(base, first, step),
                                              b.descriptor(base, 0, step));
  }
  cuda::ptx::wgmma_commit();
  cuda::ptx::wgmma_wait<0>(sums);
  for (int i = 0; i < kColumns / 2; ++i)
    d[(row + i / 2 % 2 * 8) * kColumns + column + i / 4 * 8 + i % 2] = sums[i];
}

template <int kColumns, bool kTurnedA, bool kTurnedB>
void check_product() {
  // Gaps between blocks, and the columns of B in two halves far apart.
  const Place a{.begin = 1024, .leading = 12 << 10, .stride = 2048, .turned = kTurnedA};
  const Place b{.begin = 40 << 10, .leading = 16 << 10, .stride = 3072, .turned = kTurnedB};
  constexpr int kBytes = 96 << 10;
  auto* d = static_cast<float*>(cuda::allocate(kRows * kColumns * 4));
  cuda::launch(product<kColumns, kTurnedA, kTurnedB>, 1, kThreads, size_t(kBytes), cuda::current_stream(), d,
               a, b);
  std::vector<float> computed(size_t(kRows) * kColumns);
  cuda::copy_to_host(computed.data(), d, kRows * kColumns * 4);
  cuda::release(d);
  int wrong = 0;
  for (int row = 0; row < kRows; ++row) {
    for (int column = 0; column < kColumns; ++column) {
      float sum = entry(2, row, column);
      for (int k = 0; k < kSteps; ++k) sum += entry(0, row, k) * entry(1, column, k);
      if (!(computed[size_t(row * kColumns + column)] == sum)) ++wrong;
    }
  }
  CHECK_MESSAGE(wrong == 0, wrong, " of ", kRows, "x", kColumns, " sums are wrong; turned: ", kTurnedA, ", ",
                kTurnedB);
}

template <int kColumns>
void check_products() {
  check_product<kColumns, false, false>();
  check_product<kColumns, false, true>();
  check_product<kColumns, true, false>();
  check_product<kColumns, true, true>();
}

}  // namespace

TEST_CASE("wgmma of 64 columns is a matrix product, whichever way its operands lie") {
  check_products<64>();
}

TEST_CASE("wgmma of 128 columns is a matrix product, whichever way its operands lie") {
  check_products<128>();
}
