#pragma once
// The cache of freed blocks, the same for every kind of memory.

#include <compare>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "tensor/allocator.h"

namespace signet {

/// What the use of a block is ordered by. Only requests with the same place get the block again.
struct Place {
  uint64_t stream = 0;  ///< one number a stream, or 0 where work is done by the time a block is freed
  uint64_t pool = 0;    ///< memory that a graph writes to in every launch (MemoryPool); 0: none
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 sees a null pointer in what = default compares
  auto operator<=>(const Place&) const = default;
};

/// Where blocks come from: the system's memory or a device's.
class MemorySource {
 public:
  virtual ~MemorySource() = default;
  /// The size in which `bytes` are asked for.
  virtual int64_t rounded(int64_t bytes) const = 0;
  /// A new block, or null where memory is short.
  virtual void* take(int64_t bytes) = 0;
  /// Takes a block of so many bytes back from take(), whoever used it.
  virtual void give_back(void* block, int64_t bytes) = 0;
  /// Throws Error that so much more could not be had.
  [[noreturn]] virtual void fail_short_of(int64_t bytes) const = 0;
  /// Where the calling thread's use of a block belongs.
  virtual Place place() const { return {}; }
  /// Waits for the work of the calling thread. Throws if it failed.
  virtual void wait() {}
};

/// Best-fit cache over a source. What it holds stays within kSlack of the highest use ever seen, or kFloor
/// bytes above it: beyond that, cached blocks are given back before a new one is taken.
///
/// A device works behind the calling thread's back, on a stream of that thread: when a tensor is freed,
/// kernels that use it may still be waiting. The rule that makes its block safe to use again: a block belongs
/// to the thread that took it, and only that thread gets it from the cache, so that its next use comes after
/// the last in the same stream. A thread that frees another's block first waits for its own stream. Blocks of
/// threads that have ended stay cached until room is needed.
///
/// A captured graph (tensor/graph.h) writes to the same addresses in every launch. What is allocated while it
/// is recorded belongs to its pool: no other request gets those blocks and none is given back until the pool
/// is let go.
class CachingAllocator {
 public:
  /// The source must outlive the allocator.
  explicit CachingAllocator(MemorySource& source) : source_(source) {}

  /// Throws Error if the source has no more, the cache being empty.
  void* allocate(int64_t bytes);
  /// Never throws: a block whose last use failed on the device is not used again.
  void free(void* block) noexcept;
  void release_all();
  /// Keeps a pool's blocks, and ends that: free ones are then given back when room is needed.
  void keep_pool(uint64_t pool);
  void let_go_of_pool(uint64_t pool);
  MemoryStatistics statistics();
  void reset_peak();

 private:
  static constexpr double kSlack = 1.1;
  // Small networks, whose steps take milliseconds, would spend a tenth of them on pages given back and taken
  // anew.
  static constexpr int64_t kFloor = int64_t{32} << 20;
  // A cached block up to so many times larger is used before another is given back and a new one taken, whose
  // pages the system would have to clear.
  static constexpr int64_t kStretch = 2;

  struct Block {
    Place place;
    int64_t bytes = 0;
    // NOLINTNEXTLINE(modernize-use-nullptr)
    auto operator<=>(const Block&) const = default;
  };
  struct Use {
    Block block;
    int64_t bytes = 0;  ///< asked for
  };
  using FreeBlocks = std::multimap<Block, void*>;

  void* take(int64_t bytes, bool may_release);
  bool is_kept(const Block& block) const { return kept_pools_.contains(block.place.pool); }
  /// False if there is none that may be given back.
  bool release_largest();
  void release(FreeBlocks::iterator block);

  MemorySource& source_;
  std::mutex mutex_;
  FreeBlocks free_;
  std::map<void*, Use> used_;
  int64_t taken_ = 0;  ///< bytes of the blocks in used_
  std::set<uint64_t> kept_pools_;
  int64_t cached_ = 0;  ///< bytes in free_, without those of kept pools
  int64_t kept_ = 0;    ///< and of those
  MemoryStatistics statistics_;
};

}  // namespace signet
