#include "tests/kernels/emulated_amx.h"

#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <stdexcept>

namespace signet::test {
namespace {

constexpr int kTiles = 8, kMostRows = 16, kMostBytes = 64;

struct Tile {
  int rows = 0, bytes = 0;
  std::array<std::array<uint32_t, kMostBytes / 4>, kMostRows> words{};
};

struct State {
  bool configured = false;
  std::array<Tile, kTiles> tiles;
};

thread_local State state;
std::atomic<int64_t> products = 0;

void demand(bool condition, const char* what) {
  if (!condition) throw std::logic_error(what);
}

Tile& usable(int tile) {
  demand(state.configured, "AMX: a tile is used before LDTILECFG");
  demand(tile >= 0 && tile < kTiles, "AMX: there are tiles 0 to 7");
  demand(state.tiles[size_t(tile)].rows > 0, "AMX: a tile of no rows is used");
  return state.tiles[size_t(tile)];
}

// Subnormal numbers count as zero, as operands and as results.
float flushed(float x) {
  return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0f, x) : x;
}

float half(uint32_t pair, int which) {
  return flushed(std::bit_cast<float>(which == 0 ? pair << 16 : pair & 0xffff0000u));
}

}  // namespace

void EmulatedAmx::configure(const cpu::TileConfig& config) {
  demand(config.palette == 1, "AMX: palette 1 has the tiles");
  demand(reinterpret_cast<uintptr_t>(&config) % 64 == 0 && sizeof config == 64,
         "AMX: 64 bytes are configured");
  state = {};
  state.configured = true;
  for (size_t tile = 0; tile < 16; ++tile) {
    demand(config.rows[tile] <= kMostRows && config.row_bytes[tile] <= kMostBytes,
           "AMX: a tile is too large");
    demand((config.rows[tile] == 0) == (config.row_bytes[tile] == 0), "AMX: a tile has rows or bytes only");
    if (tile >= kTiles) demand(config.rows[tile] == 0, "AMX: there are eight tiles");
    if (tile < kTiles) {
      state.tiles[tile].rows = config.rows[tile];
      state.tiles[tile].bytes = config.row_bytes[tile];
    }
  }
}

void EmulatedAmx::release() {
  state = {};
}

void EmulatedAmx::zero(int tile) {
  usable(tile).words = {};
}

// Rows and bytes beyond the configured ones are zeros.
void EmulatedAmx::load(int tile, const float* from, int64_t pitch_bytes) {
  Tile& t = usable(tile);
  t.words = {};
  for (int row = 0; row < t.rows; ++row)
    std::memcpy(t.words[size_t(row)].data(), reinterpret_cast<const char*>(from) + row * pitch_bytes,
                size_t(t.bytes));
}

void EmulatedAmx::store(int tile, float* to, int64_t pitch_bytes) {
  const Tile& t = usable(tile);
  for (int row = 0; row < t.rows; ++row)
    std::memcpy(reinterpret_cast<char*>(to) + row * pitch_bytes, t.words[size_t(row)].data(),
                size_t(t.bytes));
}

void EmulatedAmx::dot(int c, int a, int b) {
  demand(c != a && c != b && a != b, "TDPBF16PS: its tiles have to differ");
  Tile& sums = usable(c);
  const Tile &left = usable(a), &right = usable(b);
  demand(sums.rows == left.rows && left.bytes / 4 == right.rows && sums.bytes == right.bytes,
         "TDPBF16PS: the tiles' shapes do not make a product");
  for (size_t m = 0; m < size_t(sums.rows); ++m) {
    for (size_t n = 0; n < size_t(sums.bytes) / 4; ++n) {
      float halves[2] = {};
      for (size_t k = 0; k < size_t(right.rows); ++k)
        for (int i = 0; i < 2; ++i)
          halves[i] = flushed(std::fma(half(left.words[m][k], i), half(right.words[k][n], i), halves[i]));
      const float sum = flushed(std::bit_cast<float>(sums.words[m][n]));
      sums.words[m][n] = std::bit_cast<uint32_t>(flushed(sum + flushed(halves[0] + halves[1])));
    }
  }
  ++products;
}

int64_t emulated_products() {
  return products;
}

}  // namespace signet::test
