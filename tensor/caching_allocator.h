#pragma once
// The cache of freed blocks, the same for every kind of memory.

#include <map>
#include <mutex>
#include <utility>

#include "tensor/allocator.h"

namespace signet {

/// Where blocks come from: the system's memory or a device's.
class MemorySource {
 public:
  virtual ~MemorySource() = default;
  /// The size in which `bytes` are asked for.
  virtual int64_t rounded(int64_t bytes) const = 0;
  /// A new block, or null where memory is short.
  virtual void* take(int64_t bytes) = 0;
  /// Takes a block back from take(), whoever used it.
  virtual void give_back(void* block) = 0;
  /// Throws Error that so much more could not be had.
  [[noreturn]] virtual void fail_short_of(int64_t bytes) const = 0;
  /// The order of work that the calling thread's use of a block belongs to: a number a stream, or one for all
  /// where work is done by the time a block is freed.
  virtual uint64_t order() const { return 0; }
  /// Waits for the work of the calling thread. Throws if it failed.
  virtual void wait() {}
};

/// Best-fit cache over a source. What it holds stays within kSlack of the highest use ever seen: beyond that,
/// cached blocks are given back before a new one is taken.
///
/// A device works behind the calling thread's back, on a stream of that thread: when a tensor is freed,
/// kernels that use it may still be waiting. The rule that makes its block safe to use again: a block belongs
/// to the thread that took it, and only that thread gets it from the cache, so that its next use comes after
/// the last in the same stream. A thread that frees another's block first waits for its own stream. Blocks of
/// threads that have ended stay cached until room is needed.
class CachingAllocator {
 public:
  /// The source must outlive the allocator.
  explicit CachingAllocator(MemorySource& source) : source_(source) {}

  /// Throws Error if the source has no more, the cache being empty.
  void* allocate(int64_t bytes);
  /// Never throws: a block whose last use failed on the device is not used again.
  void free(void* block) noexcept;
  void release_all();
  MemoryStatistics statistics();
  void reset_peak();

 private:
  static constexpr double kSlack = 1.1;

  /// The order that a block belongs to, and its size.
  struct Block {
    uint64_t order;
    int64_t bytes;
    auto operator<=>(const Block&) const = default;
  };

  void* take(int64_t bytes);
  void release_largest();

  MemorySource& source_;
  std::mutex mutex_;
  std::multimap<Block, void*> free_;
  std::map<void*, Block> used_;
  int64_t cached_ = 0;
  MemoryStatistics statistics_;
};

}  // namespace signet
