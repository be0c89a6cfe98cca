// The register tile that convolutions and matrix products share, for each target (see targets.h):
//
//   C[M][V * lanes] = (or +=) A[M][k] B[k][V * lanes]
//
// with C in registers for the whole of k. One step of k loads V vectors of B and broadcasts M values of A for
// M * V fused multiply-adds. M * V accumulators have to cover the latency of the multiply-add (4 cycles, two
// a cycle: 8 at least) and leave registers for B and a broadcast: 28 of 32 with AVX-512, 12 of 16 with AVX2.
// Every element of C is one chain of multiply-adds in the order of k, whatever M and V are; continuing a
// chain from memory gives the same bits as never having stored it.

#if defined(SIGNET_CPU_MICROKERNEL_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef SIGNET_CPU_MICROKERNEL_INL
#undef SIGNET_CPU_MICROKERNEL_INL
#else
#define SIGNET_CPU_MICROKERNEL_INL
#endif

#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace signet::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_AVX3
using Lanes = hn::FixedTag<float, 16>;
constexpr int kTileRows = 14, kTileVectors = 2;
constexpr int kRankRows = 8, kRankVectors = 3;
#elif HWY_TARGET == HWY_AVX2
using Lanes = hn::FixedTag<float, 8>;
constexpr int kTileRows = 6, kTileVectors = 2;
constexpr int kRankRows = 6, kRankVectors = 2;
#else
using Lanes = hn::CappedTag<float, 4>;
constexpr int kTileRows = 4, kTileVectors = 2;
constexpr int kRankRows = 2, kRankVectors = 16 / int(hn::MaxLanes(Lanes()));
#endif
// Rows and vectors of the tile: kTile* where rows are gathered pixels, kRank* for sums over pixels.
using Vector = hn::Vec<Lanes>;
constexpr int kLanes = int(hn::MaxLanes(Lanes()));

// How A is laid out. by_row: [M][pitch], rows as they are gathered, kPitch apart unless told; by_step:
// [k][pitch].
enum class Panel { by_row, by_step };

// Steps of k in a block: 256 of a panel of 32 columns are 32 KiB, within an L1 cache. The pitch is an odd
// number of cache lines, so that the rows of a tile spread over all sets of the cache.
constexpr int64_t kDepth = 256, kPitch = kDepth + 16;

// What a float's place of A and B holds: a float, or two steps of k as a pair of bfloat16 (bf16-inl.h), whose
// products are added in float.
enum class Operand { floats, pairs };

template <Operand O>
HWY_INLINE Vector multiply_add(Vector a, Vector b, Vector sum) {
#if HWY_TARGET == HWY_AVX3
  if constexpr (O == Operand::pairs) {
    asm("vdpbf16ps %2, %1, %0" : "+v"(sum.raw) : "v"(a.raw), "v"(b.raw));
    return sum;
  }
#endif
  return hn::MulAdd(a, b, sum);
}

template <int M, int V, Panel P, int kPitchOfA, Operand O>
HWY_INLINE void multiply_step(Vector (&sums)[M][V], const float* HWY_RESTRICT a,
                              const float* HWY_RESTRICT b) {
  const Lanes d;
  Vector right[V];
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) right[v] = hn::Load(d, b + v * kLanes);
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) {
    const Vector left = hn::Set(d, a[P == Panel::by_row ? m * kPitchOfA : m]);
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) sums[m][v] = multiply_add<O>(left, right[v], sums[m][v]);
  }
}

// c is [M][width], b [k][width], both aligned to a vector, of which the first V vectors count. Meanwhile
// 4 * k floats at `ahead` are fetched: the next panel into L2 (by_row), the next tile of sums into L1
// (by_step).
template <int M, int V, Panel P, int kWidth = V* kLanes, int kPitchOfA = int(kPitch),
          Operand O = Operand::floats>
void multiply_tile(float* HWY_RESTRICT c, const float* HWY_RESTRICT a, const float* HWY_RESTRICT b, int64_t k,
                   bool accumulate, const float* ahead) {
  constexpr int kStep = P == Panel::by_row ? 1 : kPitchOfA;
  const Lanes d;
  Vector sums[M][V];
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v)
      sums[m][v] = accumulate ? hn::Load(d, c + m * kWidth + v * kLanes) : hn::Zero(d);
  }
  int64_t step = 0;
  for (; step + 4 <= k; step += 4, a += 4 * kStep, b += 4 * kWidth) {
    if constexpr (P == Panel::by_row) {
      __builtin_prefetch(ahead + 4 * step, 0, 2);
    } else {
      __builtin_prefetch(ahead + 4 * step, 1, 3);
    }
    multiply_step<M, V, P, kPitchOfA, O>(sums, a, b);
    multiply_step<M, V, P, kPitchOfA, O>(sums, a + kStep, b + kWidth);
    multiply_step<M, V, P, kPitchOfA, O>(sums, a + 2 * kStep, b + 2 * kWidth);
    multiply_step<M, V, P, kPitchOfA, O>(sums, a + 3 * kStep, b + 3 * kWidth);
  }
  for (; step < k; ++step, a += kStep, b += kWidth) multiply_step<M, V, P, kPitchOfA, O>(sums, a, b);
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) hn::Store(sums[m][v], d, c + m * kWidth + v * kLanes);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace signet::cpu
HWY_AFTER_NAMESPACE();

#endif
