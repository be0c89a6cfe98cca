#pragma once
// Who touched each word of memory last, and whether that came before the present access: what finding races
// takes.

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "kernels/simt/block.h"
#include "kernels/simt/memory.h"

namespace signet::simt {

/// One access.
struct Touch {
  uint32_t stamp = 0;  ///< of the block, ascending in the order of launches; 0: none
  uint32_t clock = 0;  ///< when its thread had last met others
  uint32_t site = 0;   ///< where in the program, see site_of
  uint16_t thread = 0;
  bool atomic = false;
};

/// The last write of a word, and two reads since then, of different threads if there were any.
struct Cell {
  Touch write, read[2];
  bool split = false;  ///< the four bytes are kept apart, elsewhere
};

/// When the threads of one block have met. Time passes when some of them meet.
class Clocks {
 public:
  void begin_block() { barrier_ = ++time_; }
  void block_met() { barrier_ = ++time_; }
  void warp_met(unsigned warp, unsigned mask, unsigned present);

  /// Of the accesses that the thread makes now.
  uint32_t clock(unsigned thread) const { return std::max({barrier_, warp_[thread / kWarp], own_[thread]}); }
  /// Whether the thread has met, directly or through others, the one that made the access, since then.
  bool ordered(const Touch& before, unsigned thread) const {
    if (before.thread == thread || before.clock < barrier_) return true;
    if (before.thread / kWarp != thread / kWarp) return false;
    return before.clock < std::max(warp_[thread / kWarp], met_[thread][before.thread % kWarp]);
  }

 private:
  uint32_t time_ = 0, barrier_ = 0;
  uint32_t warp_[kMaxThreads / kWarp] = {};  // when all lanes have met
  uint32_t own_[kMaxThreads] = {};           // when some of them have
  uint32_t met_[kMaxThreads][kWarp] = {};    // [thread][lane]: accesses of the lane before then are ordered
};

/// Cells of words that are accessed in parts.
class SplitCells {
 public:
  std::array<Cell, 4>& bytes_of(Cell& whole, uint64_t word);

 private:
  std::mutex mutex_;
  std::unordered_map<uint64_t, std::unique_ptr<std::array<Cell, 4>>> cells_;
};

/// The cells of device memory, made when first asked for. They are shared by all host threads, which lock the
/// word's stripe.
class GlobalShadow {
 public:
  static constexpr uint64_t kPageWords = 1 << 14;

  GlobalShadow();
  Cell& cell(uint64_t word);
  std::array<Cell, 4>& bytes_of(Cell& whole, uint64_t word) { return splits_.bytes_of(whole, word); }
  std::atomic_flag& stripe(uint64_t word) { return stripes_[word / 16 % kStripes]; }

 private:
  static constexpr size_t kStripes = 1024;
  std::unique_ptr<std::atomic<Cell*>[]> pages_;
  std::atomic_flag stripes_[kStripes];
  SplitCells splits_;
};

GlobalShadow& global_shadow();

}  // namespace signet::simt
