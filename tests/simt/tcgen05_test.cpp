// tcgen05.mma against plain matrix products, both operands in either order, at strides that no kernel has.
// Where elements lie in shared memory, in tensor memory and in what tcgen05.ld gives a thread is written down
// here from the PTX ISA 9.0 (9.7.16.2.3, data movement shape; 9.7.16.4, descriptors; 9.7.16.10.5, data path
// layout organization), apart from kernels/simt/tcgen05.cpp and from kernels/cuda/tcgen05_tile.cuh.

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

constexpr int kSteps = 48, kThreads = 128;  // three instructions: the first assigns

/// A matrix in shared memory: `count` rows of A or columns of B, kSteps steps.
struct Place {
  int begin;            // bytes from the start of the dynamic shared memory
  int leading, stride;  // bytes
  bool turned;

  /// Byte of an element, before it is swizzled: blocks of 8 lines of 128 bytes. Steps lie at 16 .. 63 of
  /// their line.
  int byte(int row, int step) const {
    if (turned) return begin + row / 64 * leading + step / 8 * stride + step % 8 * 128 + row % 64 * 2;
    return begin + row / 8 * stride + row % 8 * 128 + 32 + step * 2;
  }
  uint64_t descriptor(uint32_t shared, int step) const {
    const uint64_t start = shared + uint32_t(byte(0, step));
    return (start >> 4) + (uint64_t(leading >> 4) << 16) + (uint64_t(stride >> 4) << 32) +
           (uint64_t(0b001) << 46) + (uint64_t(2) << 61);
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

/// bf16 times bf16, sums in float.
uint32_t instruction(int rows, int columns, bool turned_a, bool turned_b) {
  return 1u << 4 | 1u << 7 | 1u << 10 | uint32_t(turned_a) << 15 | uint32_t(turned_b) << 16 |
         uint32_t(columns >> 3) << 17 | uint32_t(rows >> 4) << 24;
}

template <int kRows, int kColumns>
__global__ void product(float* d, Place a, Place b) {
  namespace ptx = cuda::ptx;
  char* shared = cuda::dynamic_shared<char>();
  auto* finished = reinterpret_cast<uint64_t*>(shared);
  auto* begin = reinterpret_cast<uint32_t*>(shared + 8);
  const int warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32;
  if (warp == 1) {
    ptx::tcgen05_alloc(begin, 128);
    ptx::tcgen05_relinquish();
  }
  if (threadIdx.x == 70) ptx::mbarrier_init(finished, 1);
  a.put(shared, 0, kRows);
  b.put(shared, 1, kColumns);
  ptx::fence_proxy_async();
  __syncthreads();
  // Not where the block's columns begin.
  const uint32_t sums = *begin + (128 - kColumns);
  if (threadIdx.x == 37) {
    const uint32_t base = ptx::shared_address(shared);
    ptx::tcgen05_fence_after();
    for (int step = 0; step < kSteps; step += 16) {
      ptx::tcgen05_mma_bf16(sums, a.descriptor(base, step), b.descriptor(base, step),
                            instruction(kRows, kColumns, a.turned, b.turned), step > 0);
    }
    ptx::tcgen05_commit(finished);
  }
  ptx::mbarrier_wait(finished, 0);
  ptx::tcgen05_fence_after();
  for (int rows = 0; rows < kRows / 4; rows += 16) {
    float part[kColumns / 2];
    ptx::tcgen05_ld(part, sums + (uint32_t(32 * warp + rows) << 16));
    ptx::tcgen05_wait_ld(part);
    for (int i = 0; i < kColumns / 2; ++i) {
      const int row = kRows / 4 * warp + rows + lane / 4 + i / 2 % 2 * 8,
                column = i / 4 * 8 + lane % 4 * 2 + i % 2;
      d[row * kColumns + column] = part[i];
    }
  }
  ptx::tcgen05_fence_before();
  __syncthreads();
  if (warp == 1) ptx::tcgen05_dealloc(*begin, 128);
}

template <int kRows, int kColumns>
void check_product(bool turned_a, bool turned_b) {
  // Gaps between blocks, and the rows of either in two halves far apart.
  const Place a{.begin = 1024, .leading = 20 << 10, .stride = 2048, .turned = turned_a};
  const Place b{.begin = 48 << 10, .leading = 16 << 10, .stride = 3072, .turned = turned_b};
  constexpr int kBytes = 110 << 10;
  auto* d = static_cast<float*>(cuda::allocate(kRows * kColumns * 4));
  cuda::launch(product<kRows, kColumns>, 3, kThreads, size_t(kBytes), cuda::current_stream(), d, a, b);
  std::vector<float> computed(kRows * kColumns);
  cuda::copy_to_host(computed.data(), d, kRows * kColumns * 4);
  cuda::release(d);
  int wrong = 0;
  for (int row = 0; row < kRows; ++row) {
    for (int column = 0; column < kColumns; ++column) {
      float sum = 0;
      for (int k = 0; k < kSteps; ++k) sum += entry(0, row, k) * entry(1, column, k);
      if (!(computed[size_t(row * kColumns + column)] == sum)) ++wrong;
    }
  }
  CHECK_MESSAGE(wrong == 0, wrong, " of ", kRows, "x", kColumns, " sums are wrong; turned: ", turned_a, ", ",
                turned_b);
}

template <int kRows, int kColumns>
void check_products() {
  for (const bool turned_a : {false, true})
    for (const bool turned_b : {false, true}) check_product<kRows, kColumns>(turned_a, turned_b);
}

}  // namespace

TEST_CASE("tcgen05.mma of 64 rows is a matrix product, whichever way its operands lie") {
  check_products<64, 64>();
  check_products<64, 32>();
}

TEST_CASE("tcgen05.mma of 128 rows is a matrix product, whichever way its operands lie") {
  check_products<128, 64>();
  check_products<128, 32>();
}
