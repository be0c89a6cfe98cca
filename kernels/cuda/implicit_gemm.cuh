#pragma once
// One kernel for every matrix product: plain matrices, and the three products of a convolution, whose large
// operand is gathered from the image instead of built (Chetlur et al., "cuDNN: efficient primitives for deep
// learning", 2014).
//
// A block computes one tile of C. Its threads copy tiles of A and B, kDepth steps of k at a time, from global
// to shared memory by cp.async, kStages - 1 tiles ahead of the multiplication:
//
//   copies    0 1 2│3  4  5  6 ...                one barrier a step: it says that the tile to be
//   multiply       │0  1  2  3 ...                multiplied is there, and that everybody is done
//   waits for      │0  1  2  3 ...                with the stage that the next copy overwrites
//
// The multiplication of a warpgroup, or of a block with its sums in tensor memory, goes on beside the threads
// (wgmma_tile.cuh, tcgen05_tile.cuh). There the copies of a step start when its multiplication has, and the
// threads wait for that before they come to the next step's barrier; between the two, another block of the
// multiprocessor multiplies.
//
// A problem describes a product; it is the kernel's only parameter:
//   A, B                      the sources of gather.cuh, of the same elements; rows of B are columns of C
//   kLayoutA, kLayoutB        the order of their tiles: the axis along which memory is contiguous
//   void select(int part)     takes one of the parts that blockIdx.y numbers: a phase of the stride, a slice
//   of k a, b, rows, columns, k_begin, k_end, out, place(row)   of that part: C's row begins at out.y +
//   place(row), or is
//                             not to be stored if place(row) < 0

#include <algorithm>
#include <initializer_list>

#include "kernels/cuda/elements.cuh"
#include "kernels/cuda/ffma_tile.cuh"
#include "kernels/cuda/gather.cuh"
#include "kernels/cuda/ldmatrix_tile.cuh"
#include "kernels/cuda/mma_tile.cuh"
#include "kernels/cuda/runtime.h"
#include "kernels/cuda/stream.cuh"
#include "kernels/cuda/tcgen05_tile.cuh"
#include "kernels/cuda/wgmma_tile.cuh"

namespace signet::cuda::implicit_gemm {

/// What becomes of a sum: + bias[column] + residual (shaped as y, or y itself; both may be null), ReLU,
/// rounding, store.
template <class act>
struct Output {
  act* y = nullptr;
  const float* bias = nullptr;
  const act* residual = nullptr;
  bool relu = false;
  bool packed = false;  ///< rows, bias and residual allow four numbers at a time
};

/// Copies tiles of kRows rows and kDepth steps, kCopy elements at a time, which are 16 bytes, or one float. A
/// thread copies at a fixed place along the contiguous axis and every kStride-th along the other.
template <class Tile, Layout kLayout, int kRows, int kCopy, class Source>
class TileCopier {
 public:
  using Element = typename Source::Element;

  __device__ TileCopier(const Source& source, int first_row) : source_(source) {
#pragma unroll
    for (int i = 0; i < kHeld; ++i)
      rows_[i] = source.row(first_row + (kByRow ? across() + i * kStride : along()));
  }

  /// Starts the copies of steps k .. k + kDepth - 1.
  __device__ __forceinline__ void copy(Element* tile, int k) const {
    using Shared = SharedTile<Element, kLayout, kRows, Tile::kDepth>;
    if constexpr (kByRow) {
      const auto step = source_.step(k + along());
#pragma unroll
      for (int i = 0; i < kPasses; ++i)
        copy_unit(tile + Shared::place(across() + i * kStride, along()), rows_[i], step);
    } else {
#pragma unroll
      for (int i = 0; i < kPasses; ++i) {
        const int step = across() + i * kStride;
        copy_unit(tile + Shared::place(along(), step), rows_[0], source_.step(k + step));
      }
    }
  }

 private:
  static constexpr bool kByRow = kLayout == Layout::row_major;
  static constexpr int kUnits = (kByRow ? Tile::kDepth : kRows) / kCopy;  // along the contiguous axis
  static constexpr int kStride = Tile::kThreads / kUnits;
  static constexpr int kPasses = (kByRow ? kRows : Tile::kDepth) / kStride;
  static constexpr int kHeld = kByRow ? kPasses : 1;
  static_assert(std::is_same_v<Element, typename Tile::Element>, "a tile of the source's elements");
  static_assert(kUnits * kStride == Tile::kThreads && kPasses * kStride == (kByRow ? kRows : Tile::kDepth),
                "every thread copies the same number of units");

  __device__ static int along() {
    return int(threadIdx.x) % kUnits * kCopy;
  }
  __device__ static int across() {
    return int(threadIdx.x) / kUnits;
  }

  __device__ __forceinline__ void copy_unit(Element* to, const typename Source::Row& row,
                                            const typename Source::Step& step) const {
    bool inside;
    const Element* from = source_.at(row, step, inside);
    if constexpr (kCopy * sizeof(Element) == 16) {
      ptx::cp_async_16(to, from, inside);
    } else {
      ptx::cp_async_4(to, from, inside);
    }
  }

  Source source_;
  typename Source::Row rows_[kHeld];
};

__device__ __forceinline__ float finish(float sum, float bias, float residual, bool relu) {
  sum += bias;
  sum += residual;
  return relu && sum <= 0 ? 0 : sum;  // not fmaxf, which would turn NaN into 0
}

/// Stores up to `count` neighbours of one row of C, of which the first is `place` in memory and in column
/// `column`.
template <class act>
__device__ __forceinline__ void store_pack(const Output<act>& out, int64_t place, int column, int count,
                                           Pack<float, 4> sum) {
  if (out.packed) {
    Pack<float, 4> bias = {}, residual = {};
    if (out.bias) bias = load<4>(out.bias + column);
    if (out.residual) residual = load_floats<4>(out.residual + place);
#pragma unroll
    for (int i = 0; i < 4; ++i) sum.v[i] = finish(sum.v[i], bias.v[i], residual.v[i], out.relu);
    store(out.y + place, sum);
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (i >= count) continue;
      const float bias = out.bias ? out.bias[column + i] : 0,
                  residual = out.residual ? float(out.residual[place + i]) : 0;
      out.y[place + i] = rounded<act>(finish(sum.v[i], bias, residual, out.relu));
    }
  }
}

template <class Tile, class Sums, int kCopy, class Problem>
__device__ __forceinline__ void multiply_tile(const Problem& problem) {
  const int tiles_along_columns = (problem.columns + Tile::kColumns - 1) / Tile::kColumns;
  const int first_row = int(blockIdx.x) / tiles_along_columns * Tile::kRows;
  const int first_column = int(blockIdx.x) % tiles_along_columns * Tile::kColumns;

  using Element = typename Tile::Element;
  auto* stages = dynamic_shared<Element>();
  const TileCopier<Tile, Problem::kLayoutA, Tile::kRows, kCopy, typename Problem::A> a(problem.a, first_row);
  const TileCopier<Tile, Problem::kLayoutB, Tile::kColumns, kCopy, typename Problem::B> b(problem.b,
                                                                                          first_column);
  // A group of copies closes in every step, with nothing in it after the last tile, so that the number of
  // groups to wait for stays the same.
  const auto start_copy = [&](int stage, int k) {
    if (k < problem.k_end) {
      Element* tile = stages + stage * Tile::kStageElements;
      a.copy(tile, k);
      b.copy(tile + Tile::kRows * Tile::kDepth, k);
    }
    ptx::cp_async_commit();
  };
#pragma unroll
  for (int stage = 0; stage < Tile::kStages - 1; ++stage)
    start_copy(stage, problem.k_begin + stage * Tile::kDepth);

  Sums sums;
  int stage = 0, free_stage = Tile::kStages - 1;
  for (int k = problem.k_begin; k < problem.k_end; k += Tile::kDepth) {
    ptx::cp_async_wait<Tile::kStages - 2>();
    if constexpr (Sums::kAsynchronous) {
      ptx::fence_proxy_async();
      sums.wait();  // for the last step's multiplication
    }
    __syncthreads();
    const int next = k + (Tile::kStages - 1) * Tile::kDepth, tile = stage * Tile::kStageElements;
    if constexpr (!Sums::kAsynchronous) start_copy(free_stage, next);
    sums.multiply(stages, tile, tile + Tile::kRows * Tile::kDepth);
    if constexpr (Sums::kAsynchronous) start_copy(free_stage, next);
    free_stage = stage;
    stage = stage + 1 == Tile::kStages ? 0 : stage + 1;
  }
  if constexpr (Sums::kAsynchronous) sums.finish();

#pragma unroll
  for (int i = 0; i < sums.kRows; ++i) {
    const int row = first_row + sums.row(i);
    const int64_t place = row < problem.rows ? problem.place(row) : -1;
#pragma unroll
    for (int pack = 0; pack < sums.kPacks; ++pack) {
      const int column = first_column + sums.column(pack), count = problem.columns - column;
      const Pack<float, 4> sum = sums.pack(i, pack);  // by all lanes, which may exchange sums
      if (place >= 0 && count > 0) store_pack(problem.out, place + column, column, count, sum);
    }
  }
}

/// Blocks: x numbers the tiles of C, columns first, so that blocks that run together share rows of A; y the
/// parts.
template <class Tile, template <class, Layout, Layout> class WarpTile, int kCopy, class Problem>
__global__ void __launch_bounds__(Tile::kThreads,
                                  WarpTile<Tile, Problem::kLayoutA, Problem::kLayoutB>::kResidentBlocks)
    multiply_kernel(const Problem given) {
  using Sums = WarpTile<Tile, Problem::kLayoutA, Problem::kLayoutB>;
  if constexpr (!Sums::kCompiled) {
    __trap();
  } else {
    Problem problem = given;
    problem.select(int(blockIdx.y));
    multiply_tile<Tile, Sums, kCopy>(problem);
  }
}

template <class Tile, Layout kLayoutA, Layout kLayoutB>
using Tf32Tile = MmaTile<Tf32, Tile, kLayoutA, kLayoutB>;
template <class Tile, Layout kLayoutA, Layout kLayoutB>
using Bf16Tile = MmaTile<Bf16, Tile, kLayoutA, kLayoutB>;

/// How this device multiplies: matrix_math(), or in float before sm_80, whose tensor cores know neither type.
inline MatrixMath usable_math() {
  if (matrix_math() == MatrixMath::f32) return MatrixMath::f32;
  int device = 0, major = 0;
  SIGNET_CUDA_CHECK(cudaGetDevice(&device));
  SIGNET_CUDA_CHECK(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
  return major >= 8 ? matrix_math() : MatrixMath::f32;
}

/// The tiles of C, times the parts.
template <class Tile>
int64_t count_blocks(int64_t rows, int64_t columns, int64_t parts) {
  return ceil_div(rows, Tile::kRows) * ceil_div(columns, Tile::kColumns) * parts;
}

// Blocks that keep a large device busy: about as many as it has multiprocessors.
constexpr int64_t kEnoughBlocks = 128;

template <class Tile>
struct TileTag {
  using type = Tile;
};

/// The table of tiles.
///
/// A multiprocessor holds 65536 registers and from 100 KB of shared memory on (sm_86, sm_89). The tiles leave
/// room for two blocks of the large tile and three or four of the others, so that one multiplies while
/// another waits; docs/kernels-static.md has what ptxas made of them. They are 64 bytes deep, whatever the
/// elements.
template <class Element, bool kTensorCores>
struct WarpTiles {
  static constexpr int kDepth = 64 / int(sizeof(Element));
  //                           rows columns      of a warp: rows columns, stages
  using Large = Tile<Element, 128, 128, kDepth, 64, kTensorCores ? 64 : 32, 3>;
  using Narrow = Tile<Element, 128, 64, kDepth, 64, 32, 3>;
  using Small = Tile<Element, 64, 64, kDepth, 32, 32, 4>;
};

/// On sm_90 there are 227 KB: room for two blocks of the large and of the narrow tile, for three of the
/// small.
struct WarpgroupTiles {
  using Large = Tile<BFloat16, 128, 128, 64, 16, 128, 3>;
  using Narrow = Tile<BFloat16, 128, 64, 64, 16, 64, 4>;
  using Small = Tile<BFloat16, 64, 64, 64, 16, 64, 4>;
};

/// The same room on sm_100. Tensor memory has columns for four blocks of the large tile and eight of the
/// others.
struct TensorMemoryTiles {
  using Large = Tile<BFloat16, 128, 128, 64, 32, 64, 3>;
  using Narrow = Tile<BFloat16, 128, 64, 64, 32, 32, 4>;
  using Small = Tile<BFloat16, 64, 64, 64, 16, 64, 4>;
};

/// Calls run(TileTag<Tile>()) with the largest tile that fits the product: no more than half of its rows or
/// columns empty, and enough of it to keep the device busy; or with the tile of the size that tile_choice()
/// names. The choice changes no bit of the result.
template <class Tiles, class Run>
void choose_tile(int64_t rows, int64_t columns, int64_t parts, const Run& run) {
  using Large = typename Tiles::Large;
  using Narrow = typename Tiles::Narrow;
  switch (tile_choice()) {
    case TileChoice::automatic:
      break;
    case TileChoice::small:
    case TileChoice::warpgroup_small:
    case TileChoice::tensor_memory_small:
      return run(TileTag<typename Tiles::Small>());
    case TileChoice::narrow:
    case TileChoice::warpgroup_narrow:
    case TileChoice::tensor_memory_narrow:
      return run(TileTag<Narrow>());
    case TileChoice::large:
    case TileChoice::warpgroup_large:
    case TileChoice::tensor_memory_large:
      return run(TileTag<Large>());
  }
  if (rows > 64 && columns > 64 && count_blocks<Large>(rows, columns, parts) >= kEnoughBlocks)
    return run(TileTag<Large>());
  if (rows > 64 && count_blocks<Narrow>(rows, columns, parts) >= kEnoughBlocks) return run(TileTag<Narrow>());
  run(TileTag<typename Tiles::Small>());
}

/// What multiplies bfloat16. Size has no say in it, so that an image has the same bits in any batch.
enum class Bf16Unit { warps, warpgroups, tensor_memory };

inline Bf16Unit bf16_unit() {
  const TileChoice choice = tile_choice();
  const bool automatic = choice == TileChoice::automatic && !kSimulated;
  if ((automatic || choice >= TileChoice::tensor_memory_small) && has_tensor_memory())
    return Bf16Unit::tensor_memory;
  const bool asked = choice >= TileChoice::warpgroup_small && choice <= TileChoice::warpgroup_large;
  return (automatic || asked) && has_warpgroups() ? Bf16Unit::warpgroups : Bf16Unit::warps;
}

/// Where channels or pointers rule out copies of 16 bytes. Tensor cores would wait for copies of 4, so such
/// products are made in float, whatever matrix_math() is. The depth of 16 keeps the addresses that a thread
/// holds few.
using UnalignedTile = Tile<float, 64, 64, 16, 32, 32, 3>;

template <class Tile, template <class, Layout, Layout> class WarpTile, int kCopy, class Problem>
void launch_multiply(const Problem& problem, int parts) {
  using Sums = WarpTile<Tile, Problem::kLayoutA, Problem::kLayoutB>;
  const int64_t blocks = count_blocks<Tile>(problem.rows, problem.columns, 1);
  launch(multiply_kernel<Tile, WarpTile, kCopy, Problem>, dim3(unsigned(blocks), unsigned(parts)),
         dim3(unsigned(Tile::kThreads)), size_t(Tile::kSharedBytes + Sums::kOwnSharedBytes), current_stream(),
         problem);
}

template <class Tiles, template <class, Layout, Layout> class WarpTile, class Problem>
void multiply_packs(const Problem& problem, int parts) {
  choose_tile<Tiles>(problem.rows, problem.columns, parts, [&]<class Tile>(TileTag<Tile>) {
    launch_multiply<Tile, WarpTile, kPackOf<typename Tile::Element>>(problem, parts);
  });
}

/// Computes a problem. `aligned`: both operands may be copied 16 bytes at a time along their contiguous axes.
/// Of bfloat16 they must, and the device must multiply it (multiplies_bf16).
template <class Problem>
void multiply(const Problem& problem, int parts, bool aligned) {
  if constexpr (std::is_same_v<typename Problem::A::Element, BFloat16>) {
    switch (bf16_unit()) {
      case Bf16Unit::warps:
        return multiply_packs<WarpTiles<BFloat16, true>, LdmatrixTile>(problem, parts);
      case Bf16Unit::warpgroups:
        return multiply_packs<WarpgroupTiles, WgmmaTile>(problem, parts);
      case Bf16Unit::tensor_memory:
        return multiply_packs<TensorMemoryTiles, Tcgen05Tile>(problem, parts);
    }
  } else {
    if (!aligned) return launch_multiply<UnalignedTile, FfmaTile, 1>(problem, parts);
    switch (usable_math()) {
      case MatrixMath::f32:
        return multiply_packs<WarpTiles<float, false>, FfmaTile>(problem, parts);
      case MatrixMath::tf32:
        return multiply_packs<WarpTiles<float, true>, Tf32Tile>(problem, parts);
      case MatrixMath::bf16:
        return multiply_packs<WarpTiles<float, true>, Bf16Tile>(problem, parts);
    }
  }
}

}  // namespace signet::cuda::implicit_gemm
