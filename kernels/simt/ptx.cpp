#include "kernels/simt/ptx.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "kernels/simt/mutation.h"

namespace signet::simt {
namespace {

constexpr unsigned kFullMask = 0xFFFFFFFFu;

struct MatrixLane {
  const void* row = nullptr;
  uint32_t d[4] = {};
};

template <bool kTransposed>
void compute_matrices(void* const* payloads, unsigned) {
  for (unsigned i = 0; i < 4; ++i) {
    uint16_t matrix[8][8];
    for (unsigned r = 0; r < 8; ++r)
      std::memcpy(matrix[r], static_cast<const MatrixLane*>(payloads[8 * i + r])->row, 16);
    for (unsigned lane = 0; lane < kWarp; ++lane) {
      const unsigned g = lane / 4, t = 2 * (lane % 4);
      const uint16_t low = kTransposed ? matrix[t][g] : matrix[g][t];
      const uint16_t high = kTransposed ? matrix[t + 1][g] : matrix[g][t + 1];
      static_cast<MatrixLane*>(payloads[lane])->d[i] = uint32_t{high} << 16 | low;
    }
  }
}

struct ProductLane {
  float* d;
  const uint32_t *a, *b;
};

float tf32(uint32_t bits) {
  return std::bit_cast<float>(bits & 0xFFFFE000u);
}
float bf16(uint32_t half) {
  return std::bit_cast<float>(half << 16);
}

// d += a b for all lanes at once. Sums are made in double and rounded to float once.
template <int kDepth>
void multiply(const float (&a)[kDepth][16], const float (&b)[kDepth][8], void* const* payloads) {
  double c[16][8] = {};
  for (int k = 0; k < kDepth; ++k) {
    for (int row = 0; row < 16; ++row) {
      const double left = a[k][row];
      for (int column = 0; column < 8; ++column) c[row][column] += left * double(b[k][column]);
    }
  }
  for (unsigned lane = 0; lane < kWarp; ++lane) {
    const unsigned g = lane / 4, t = lane % 4;
    float* d = static_cast<ProductLane*>(payloads[lane])->d;
    for (unsigned i = 0; i < 4; ++i) d[i] = float(double(d[i]) + c[g + 8 * (i / 2)][2 * t + i % 2]);
  }
}

void compute_tf32(void* const* payloads, unsigned) {
  float a[8][16], b[8][8];
  for (unsigned lane = 0; lane < kWarp; ++lane) {
    const unsigned g = lane / 4, t = lane % 4;
    const auto& from = *static_cast<const ProductLane*>(payloads[lane]);
    for (unsigned i = 0; i < 4; ++i) a[t + 4 * (i / 2)][g + 8 * (i % 2)] = tf32(from.a[i]);
    for (unsigned i = 0; i < 2; ++i) b[t + 4 * i][g] = tf32(from.b[i]);
  }
  multiply<8>(a, b, payloads);
}

void compute_bf16(void* const* payloads, unsigned) {
  float a[16][16], b[16][8];
  for (unsigned lane = 0; lane < kWarp; ++lane) {
    const unsigned g = lane / 4, t = lane % 4;
    const auto& from = *static_cast<const ProductLane*>(payloads[lane]);
    for (unsigned half = 0; half < 2; ++half) {
      for (unsigned i = 0; i < 4; ++i)
        a[2 * t + 8 * (i / 2) + half][g + 8 * (i % 2)] = bf16(from.a[i] >> 16 * half & 0xFFFF);
      for (unsigned i = 0; i < 2; ++i) b[2 * t + 8 * i + half][g] = bf16(from.b[i] >> 16 * half & 0xFFFF);
    }
  }
  multiply<16>(a, b, payloads);
}

void arrive(const PendingCopy& copy) {
  if (copy.from) {
    std::memcpy(copy.to, copy.from, copy.bytes);
  } else {
    std::memset(copy.to, 0, copy.bytes);
  }
  Block& block = *current_block;
  if (block.checker()) block.checker()->copy_arrived(copy.to, copy.bytes);
}

}  // namespace

const void* return_address() {
  return __builtin_return_address(0);
}

void copy_async(void* to, const void* from, unsigned bytes, Site site, const void* caller) {
  Block& block = *current_block;
  const auto aligned = [&](const void* p) { return reinterpret_cast<uintptr_t>(p) % bytes == 0; };
  if (!aligned(to) || !aligned(from))
    block.fail(Fault::misaligned,
               "cp.async of " + std::to_string(bytes) + " bytes: an address is no multiple of that", site);
  if (block.checker()) block.checker()->copy_issued(to, from, bytes, caller);
  Thread& thread = block.current();
  std::memset(to, 0xFF, bytes);  // until it has been waited for
  thread.copies.push_back({to, from, bytes, thread.groups});
}

void commit_copies() {
  ++current_block->current().groups;
}

void wait_copies(unsigned pending, Site site) {
  if (is_left_out(site)) return;
  Thread& thread = current_block->current();
  if (thread.groups < pending) return;
  const unsigned finished = thread.groups - pending;  // groups below this number
  size_t kept = 0;
  for (const PendingCopy& copy : thread.copies) {
    if (copy.group < finished) {
      arrive(copy);
    } else {
      thread.copies[kept++] = copy;
    }
  }
  thread.copies.resize(kept);
}

void fence_proxy_async(Site site) {
  if (is_left_out(site)) return;
  if (current_block->checker()) current_block->checker()->proxy_fence();
}

void load_matrices(uint32_t (&d)[4], const void* row, bool transposed, Site site, const void* caller) {
  Block& block = *current_block;
  if (reinterpret_cast<uintptr_t>(row) % 16 != 0)
    block.fail(Fault::misaligned, "ldmatrix: the address of a row is no multiple of 16", site);
  if (block.checker()) block.checker()->access(row, 16, Access::read, caller);
  MatrixLane lane{row, {}};
  block.warp_operation(WarpKind::ldmatrix, kFullMask, site, &lane,
                       transposed ? compute_matrices<true> : compute_matrices<false>);
  std::memcpy(d, lane.d, sizeof d);
}

void multiply_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], Site site) {
  ProductLane lane{d, a, b};
  current_block->warp_operation(WarpKind::mma, kFullMask, site, &lane, compute_tf32);
}
void multiply_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], Site site) {
  ProductLane lane{d, a, b};
  current_block->warp_operation(WarpKind::mma, kFullMask, site, &lane, compute_bf16);
}

uint32_t round_to_tf32(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if (!std::isfinite(value)) return std::isnan(value) ? 0x7FFFE000u : bits;
  return (bits + 0x1000u) & 0xFFFFE000u;  // half a unit of the last place that stays: ties go away from zero
}

uint32_t round_to_bf16_pair(float low, float high) {
  const auto round = [](float value) -> uint32_t {
    const auto bits = std::bit_cast<uint32_t>(value);
    if (std::isnan(value)) return 0x7FFF;
    return (bits + 0x7FFFu + (bits >> 16 & 1)) >> 16;
  };
  return round(high) << 16 | round(low);
}

}  // namespace signet::simt
