// The right matrix is packed once into panels of two vectors' width, [k][width] each. A chunk of work is a
// few tiles of rows: for one block of k after another it gathers its rows into cache and passes every panel
// over all of them, so that a panel's block stays in L1 while the rows come from L2. Unfinished sums wait in
// scratch memory, a contiguous tile for each pair of tile and panel. Where the rows are so few that one chunk
// has them all, as in dense layers, it packs a panel's block when it comes to it: into L1, instead of through
// memory.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/gather_gemm.cpp"
#include "kernels/cpu/targets.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <type_traits>

#include "kernels/cpu/bf16-inl.h"
#include "kernels/cpu/chunks.h"
#include "kernels/cpu/gather-inl.h"
#include "kernels/cpu/gather_gemm.h"
#include "kernels/cpu/microkernel-inl.h"
#include "kernels/cpu/scratch.h"

#ifndef SIGNET_CPU_GATHER_GEMM_ONCE
#define SIGNET_CPU_GATHER_GEMM_ONCE
namespace signet::cpu {
// A chunk: rows [row_begin, row_end) by panels [panel_begin, panel_end).
struct GatherGemmChunk {
  int64_t row_begin, row_end, panel_begin, panel_end;
};
struct GatherGemmTile {
  int64_t rows, columns, depth;
};

/// The steps for operands of a type, for one instruction set.
template <class act>
struct GatherGemmSteps {
  void (*pack_panel)(float* to, const GatherGemm<act>& p, int64_t panel, int64_t k_begin, int64_t k_end);
  void (*chunk)(const GatherGemm<act>& p, const float* panels, const GatherGemmChunk& chunk);
};
}  // namespace signet::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace signet::cpu {
namespace HWY_NAMESPACE {

// Blocks of k begin on a cache line of the gathered rows.
constexpr int64_t kLineFloats = 16;
constexpr int64_t kTileColumns = kTileVectors * kLanes;

using TileKernel = void (*)(float*, const float*, const float*, int64_t, bool, const float*);

struct TileChoice {
  TileKernel full, narrow;
};

template <int M, class act>
constexpr TileChoice kTileOf{multiply_rows<act, M, kTileVectors, kTileVectors * kLanes, int(kPitch)>,
                             multiply_rows<act, M, 1, kLanes, int(kPitch)>};

// The smallest tile with at least that many rows.
template <class act>
HWY_INLINE TileChoice choose_tile(int64_t rows) {
  if (rows <= 1) return kTileOf<1, act>;
  if (rows <= 2) return kTileOf<2, act>;
  if (rows <= 4) return kTileOf<4, act>;
#if HWY_TARGET == HWY_AVX3
  if (rows <= 8) return kTileOf<8, act>;
#endif
  return kTileOf<kTileRows, act>;
}

GatherGemmTile gather_gemm_tile() {
  return {kTileRows, kTileColumns, kDepth};
}

// The vector of columns from `from` on, of which `left` (0 or fewer: none) are of the matrix.
HWY_INLINE Vector load_columns(const float* from, int64_t left) {
  const Lanes d;
  if (left >= kLanes) return hn::LoadU(d, from);
  return left > 0 ? hn::MaskedLoad(hn::FirstN(d, size_t(left)), d, from) : hn::Zero(d);
}

// One step of k, whose numbers stand row_stride apart, of neighbouring columns.
HWY_INLINE Vector load_step(const GatherGemm<float>&, const float* from, int64_t left) {
  return load_columns(from, left);
}
#if HWY_TARGET == HWY_AVX3
HWY_INLINE Vector load_step(const GatherGemm<BFloat16>& p, const float* from, int64_t left) {
  return make_pairs(load_columns(from, left), load_columns(from + p.right_row_stride, left));
}
#endif

// Steps [k_begin, k_end) of panel `panel` of the right matrix: [k][width], width = kTileColumns or, for a
// last panel that needs no more, one vector; columns beyond the matrix are zeros. In pairs for bfloat16.
template <class act>
void gather_gemm_pack_panel(float* to, const GatherGemm<act>& p, int64_t panel, int64_t k_begin,
                            int64_t k_end) {
  constexpr int64_t kNumbers = kPerSlot<act>;
  const int64_t column = panel * kTileColumns;
  const int64_t count = std::min(kTileColumns, p.columns - column);
  const int64_t width = count <= kLanes ? kLanes : kTileColumns;
  const int64_t pitch = p.right_column_stride;
  int64_t k = 0;  // of the tap's first step
  for (const Tap& tap : p.left.taps) {
    int64_t c = std::max<int64_t>(0, k_begin - k);
    const int64_t c_end = std::min(p.left.channels, k_end - k);
    k += p.left.channels;
    if (c >= c_end) continue;
    const float* from = p.right + tap.offset + column * pitch + c * kNumbers * p.right_row_stride;
    if (pitch == 1) {
      for (; c < c_end; ++c, to += width, from += kNumbers * p.right_row_stride) {
        for (int64_t j = 0; j < width; j += kLanes)
          hn::Store(load_step(p, from + j, count - j), Lanes(), to + j);
      }
      continue;
    }
#if HWY_TARGET != HWY_SCALAR
    if (p.right_row_stride == 1) {
      // A cache line of each column at a time, which bfloat16 is rounded from in whole vectors.
      constexpr int64_t kSteps = kLineFloats / kNumbers;
      alignas(64) float lines[kTileColumns * kSteps] = {};
      for (; c + kSteps <= c_end; c += kSteps, to += kSteps * width, from += kLineFloats) {
        for (int64_t j = 0; j < count; ++j) {
          auto* line = reinterpret_cast<act*>(lines + j * kSteps);
          for (int64_t i = 0; i < kLineFloats; i += kLanes) store(load(from + j * pitch + i), line + i);
        }
        for (int64_t j = 0; j < width; j += 4)
          for (int64_t i = 0; i < kSteps; i += 4)
            transpose4(to + i * width + j, width, lines + j * kSteps + i, kSteps);
      }
    }
#endif
    for (; c < c_end; ++c, to += width, from += kNumbers * p.right_row_stride) {
      auto* step = reinterpret_cast<act*>(to);
      for (int64_t j = 0; j < width; ++j)
        for (int64_t i = 0; i < kNumbers; ++i)
          step[j * kNumbers + i] = act(j < count ? from[j * pitch + i * p.right_row_stride] : 0);
    }
  }
}

template <bool kPartial>
HWY_INLINE void finish_vector(const GatherGemm<float>& p, const float* sum, int64_t at, int64_t column,
                              int64_t count) {
  const Lanes d;
  const auto mask = hn::FirstN(d, size_t(count));
  const auto load = [&](const float* from)
                        HWY_ATTR { return kPartial ? hn::MaskedLoad(mask, d, from) : hn::LoadU(d, from); };
  auto v = hn::Load(d, sum);
  if (p.bias) v = hn::Add(v, load(p.bias + column));
  if (p.residual) v = hn::Add(v, load(p.residual + at));
  // NaN <= 0 is false, so NaN stays.
  if (p.relu) v = hn::IfThenZeroElse(hn::Le(v, hn::Zero(d)), v);
  if (kPartial) {
    hn::BlendedStore(v, mask, d, p.out + at);
  } else {
    hn::StoreU(v, d, p.out + at);
  }
}

#if HWY_TARGET == HWY_AVX3
template <bool kPartial>
HWY_INLINE void finish_vector(const GatherGemm<BFloat16>& p, const float* sum, int64_t at, int64_t column,
                              int64_t count) {
  const Lanes d;
  alignas(64) float bias[kLanes] = {};
  BFloat16 residual[kLanes] = {}, out[kLanes];
  if (kPartial) {
    for (int64_t i = 0; i < count; ++i) {
      if (p.bias) bias[i] = p.bias[column + i];
      if (p.residual) residual[i] = p.residual[at + i];
    }
  }
  auto v = hn::Load(d, sum);
  if (p.bias) v = hn::Add(v, load(kPartial ? bias : p.bias + column));
  if (p.residual) v = hn::Add(v, load(kPartial ? residual : p.residual + at));
  // NaN <= 0 is false, so NaN stays.
  if (p.relu) v = hn::IfThenZeroElse(hn::Le(v, hn::Zero(d)), v);
  store(v, kPartial ? out : p.out + at);
  if (kPartial) {
    for (int64_t i = 0; i < count; ++i) p.out[at + i] = out[i];
  }
}
#endif

// Stores a tile whose rows begin at out + offsets[r] and whose first column is `column`, where columns are
// not neighbours.
template <class act>
HWY_INLINE void finish_columns(const GatherGemm<act>& p, const float* sums, int64_t width,
                               const int64_t* offsets, int64_t rows, int64_t column) {
  const int64_t count = std::min(width, p.columns - column);
  for (int64_t j = 0; j < count; ++j) {
    const int64_t at = (column + j) * p.column_stride;
    for (int64_t r = 0; r < rows; ++r) {
      const float sum = sums[r * width + j];
      p.out[offsets[r] + at] = act(p.residual ? sum + float(p.residual[offsets[r] + at]) : sum);
    }
  }
}

// The same wherever they are.
template <class act>
HWY_INLINE void finish_tile(const GatherGemm<act>& p, const float* sums, int64_t width,
                            const int64_t* offsets, int64_t rows, int64_t column) {
  if (p.column_stride != 1) return finish_columns(p, sums, width, offsets, rows, column);
  if (!p.bias && !p.residual && !p.relu && column + width <= p.columns) {
    for (int64_t r = 0; r < rows; ++r, sums += width)
      for (int64_t j = 0; j < width; j += kLanes) store(load(sums + j), p.out + offsets[r] + column + j);
    return;
  }
  for (int64_t r = 0; r < rows; ++r, sums += width) {
    for (int64_t j = 0; j < width; j += kLanes) {
      const int64_t count = p.columns - column - j;
      if (count >= kLanes) {
        finish_vector<false>(p, sums + j, offsets[r] + column + j, column + j, kLanes);
      } else if (count > 0) {
        finish_vector<true>(p, sums + j, offsets[r] + column + j, column + j, count);
      }
    }
  }
}

// Asks for the lines that finish_tile will write, rows of which lie far apart: of a dense layer's gradient
// memory has few in a cache.
template <class act>
HWY_INLINE void fetch_outputs(const GatherGemm<act>& p, const int64_t* offsets, int64_t rows, int64_t width,
                              int64_t column) {
  if (p.column_stride != 1) return;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t j = 0; j < width; j += kLineFloats * kPerSlot<act>)
      __builtin_prefetch(p.out + offsets[r] + column + j, 1, 3);
}

// Without `panels` each block of a panel is packed here.
template <class act>
void gather_gemm_chunk(const GatherGemm<act>& p, const float* panels, const GatherGemmChunk& chunk) {
  const Gather<float>& g = p.left;
  const int64_t k_total = g.columns(), row_count = chunk.row_end - chunk.row_begin;
  const int64_t tiles = ceil_div(row_count, kTileRows);
  const int64_t depths = std::max<int64_t>(1, ceil_div(k_total, kDepth));
  const int64_t depth = round_up(ceil_div(k_total, depths), kLineFloats);
  const bool keep = depths > 1;
  float* left = scratch(Scratch::left, (tiles * kTileRows + 1) * kPitch);
  float* sums = scratch(
      Scratch::tile, kTileRows * kTileColumns * (keep ? tiles * (chunk.panel_end - chunk.panel_begin) : 1));
  float* block = panels ? nullptr : scratch(Scratch::right, kDepth * kTileColumns);
  int64_t offsets[kTileRows];
  const UnitSession<act> session;

  for (int64_t k = 0, end;; k = end) {
    end = std::min(k_total, k + depth);
    pack_gather({left, kDepth, 0, kPitch}, g, chunk.row_begin, row_count, k, end);
    // The last tile's spare rows are computed like the others, on zeros.
    std::fill_n(left + row_count * kPitch, (tiles * kTileRows - row_count) * kPitch, 0.0f);
    for (int64_t panel = chunk.panel_begin; panel < chunk.panel_end; ++panel) {
      const int64_t column = panel * kTileColumns;
      const bool narrow = p.columns - column <= kLanes;
      const int64_t width = narrow ? kLanes : kTileColumns;
      if (!panels) gather_gemm_pack_panel(block, p, panel, k, end);
      const float* right = panels ? panels + column * k_total + k * width : block;
      const float* next = panels ? right + kTileColumns * k_total : block;
      for (int64_t tile = 0; tile < tiles; ++tile) {
        const int64_t row = chunk.row_begin + tile * kTileRows;
        const int64_t rows = std::min<int64_t>(kTileRows, chunk.row_end - row);
        const TileChoice choice = choose_tile<act>(rows);
        if (end == k_total) {
          GridPixel pixel = grid_pixel(g, row);
          for (int64_t r = 0; r < rows; ++r, next_pixel(g, pixel))
            offsets[r] = pixel.image * p.image_stride + pixel.y * p.line_stride + pixel.x * p.pixel_stride;
          fetch_outputs(p, offsets, rows, width, column);
        }
        float* sum = sums;
        if (keep) sum += ((panel - chunk.panel_begin) * tiles + tile) * kTileRows * kTileColumns;
        (narrow ? choice.narrow : choice.full)(sum, left + tile * kTileRows * kPitch, right, end - k, k > 0,
                                               next + 4 * (end - k) * tile);
        if (end < k_total) continue;
        finish_tile(p, sum, width, offsets, rows, column);
      }
    }
    if (end == k_total) break;
  }
}

GatherGemmSteps<float> gather_gemm_steps() {
  return {gather_gemm_pack_panel<float>, gather_gemm_chunk<float>};
}
// None where the processor has no products of pairs.
GatherGemmSteps<BFloat16> gather_gemm_steps_bf16() {
#if HWY_TARGET == HWY_AVX3
  return {gather_gemm_pack_panel<BFloat16>, gather_gemm_chunk<BFloat16>};
#else
  return {};
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace signet::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace signet::cpu {

HWY_EXPORT(gather_gemm_tile);
HWY_EXPORT(gather_gemm_steps);
HWY_EXPORT(gather_gemm_steps_bf16);

namespace {
// Tiles in a chunk: their rows, a block of k deep, and their sums fill about half of an L2 cache.
constexpr int64_t kChunkTiles = 8;
// Fewer chunks than this are cut across the panels as well, each part gathering the rows for itself.
constexpr int64_t kChunks = 16;
// Up to so many steps of k, gathering a row is not little beside its products.
constexpr int64_t kShortDepth = 64;

template <class act>
GatherGemmSteps<act> steps() {
  if constexpr (std::is_same_v<act, float>) {
    return HWY_DYNAMIC_DISPATCH(gather_gemm_steps)();
  } else {
    return HWY_DYNAMIC_DISPATCH(gather_gemm_steps_bf16)();
  }
}
}  // namespace

template <class act>
void gather_gemm_pack(float* panels, const GatherGemm<act>& p) {
  const GatherGemmTile tile = HWY_DYNAMIC_DISPATCH(gather_gemm_tile)();
  const int64_t width = tile.columns, k = p.left.columns();
  const auto pack = steps<act>().pack_panel;
  const int64_t blocks = ceil_div(k, tile.depth);
  parallel_for(ceil_div(p.columns, width) * blocks, [&](int64_t i) {
    const int64_t panel = i / blocks, begin = i % blocks * tile.depth, end = std::min(k, begin + tile.depth);
    const bool narrow = p.columns - panel * width <= width / 2;
    pack(panels + panel * width * k + begin * (narrow ? width / 2 : width), p, panel, begin, end);
  });
}

template <class act>
void gather_gemm(const GatherGemm<act>& p) {
  if (p.rows == 0 || p.columns == 0) return;
  const GatherGemmTile tile = HWY_DYNAMIC_DISPATCH(gather_gemm_tile)();
  const int64_t panel_count = ceil_div(p.columns, tile.columns), tiles = ceil_div(p.rows, tile.rows);
  int64_t row_chunks = ceil_div(tiles, kChunkTiles);
  // Rows are cut finer where panels are too few to cut across, and cheaper to pack than the rows, and where k
  // is too short for rows to be gathered by each group of panels anew.
  if (p.columns < p.rows) row_chunks = std::max(row_chunks, std::min(tiles, ceil_div(kChunks, panel_count)));
  if (row_chunks > 1 && p.left.columns() <= kShortDepth)
    row_chunks = std::max(row_chunks, std::min(tiles, kChunks));
  const float* panels = p.panels;
  if (!panels && row_chunks > 1) {
    float* packed = scratch(Scratch::weights, panel_count * tile.columns * p.left.columns());
    gather_gemm_pack(packed, p);
    panels = packed;
  }

  const int64_t rows = ceil_div(tiles, row_chunks) * tile.rows;
  const int64_t groups = std::min(panel_count, ceil_div(kChunks, row_chunks));
  const int64_t group = ceil_div(panel_count, groups);
  const auto kernel = steps<act>().chunk;
  parallel_for(row_chunks * groups, [&](int64_t chunk) {
    const int64_t row = chunk / groups * rows, panel = chunk % groups * group;
    if (row >= p.rows || panel >= panel_count) return;
    kernel(p, panels, {row, std::min(p.rows, row + rows), panel, std::min(panel_count, panel + group)});
  });
}

template void gather_gemm_pack<float>(float*, const GatherGemm<float>&);
template void gather_gemm_pack<BFloat16>(float*, const GatherGemm<BFloat16>&);
template void gather_gemm<float>(const GatherGemm<float>&);
template void gather_gemm<BFloat16>(const GatherGemm<BFloat16>&);

}  // namespace signet::cpu
#endif
