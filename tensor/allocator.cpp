#include "tensor/allocator.h"

#include <sys/mman.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "tensor/error.h"

namespace signet {
namespace {

constexpr int64_t kAlignment = 64;
constexpr int64_t kHugePage = int64_t{2} << 20;

/// Best-fit cache of CPU blocks. What it holds from the system stays within kSlack of the highest use ever
/// seen: beyond that, cached blocks are given back before a new one is taken.
class CpuAllocator {
 public:
  void* allocate(int64_t bytes) {
    bytes = rounded(bytes);
    const std::scoped_lock lock(mutex_);
    void* block = nullptr;
    int64_t capacity = bytes;
    const auto fit = free_.lower_bound(bytes);
    if (fit != free_.end() && fit->first <= bytes + bytes / 8) {
      capacity = fit->first;
      block = fit->second;
      free_.erase(fit);
      cached_ -= capacity;
    } else {
      const auto ceiling = int64_t(kSlack * double(std::max(statistics_.peak, statistics_.in_use + bytes)));
      while (!free_.empty() && statistics_.in_use + cached_ + bytes > ceiling) release_largest();
      block = take_from_system(bytes);
    }
    sizes_[block] = capacity;
    statistics_.in_use += capacity;
    statistics_.peak = std::max(statistics_.peak, statistics_.in_use);
    return block;
  }

  void free(void* block) {
    const std::scoped_lock lock(mutex_);
    const auto entry = sizes_.find(block);
    const int64_t capacity = entry->second;
    sizes_.erase(entry);
    statistics_.in_use -= capacity;
    free_.emplace(capacity, block);
    cached_ += capacity;
  }

  void release_all() {
    const std::scoped_lock lock(mutex_);
    while (!free_.empty()) release_largest();
  }

  MemoryStatistics statistics() {
    const std::scoped_lock lock(mutex_);
    auto result = statistics_;
    result.reserved = statistics_.in_use + cached_;
    return result;
  }

  void reset_peak() {
    const std::scoped_lock lock(mutex_);
    statistics_.peak = statistics_.in_use;
  }

 private:
  static constexpr double kSlack = 1.1;

  static int64_t rounded(int64_t bytes) {
    const int64_t unit = bytes >= kHugePage ? 4096 : kAlignment;
    return std::max(unit, (bytes + unit - 1) / unit * unit);
  }

  static void* take_from_system(int64_t bytes) {
    const bool large = bytes >= kHugePage;
    void* block = std::aligned_alloc(size_t(large ? 4096 : kAlignment), size_t(bytes));
    if (block == nullptr) {
      fail("out of memory: {} MB more were asked for; use a smaller --batch-size or --image-size",
           bytes >> 20);
    }
    if (large) ::madvise(block, size_t(bytes), MADV_HUGEPAGE);
    return block;
  }

  void release_largest() {
    const auto last = std::prev(free_.end());
    cached_ -= last->first;
    std::free(last->second);
    free_.erase(last);
  }

  std::mutex mutex_;
  std::multimap<int64_t, void*> free_;
  std::map<void*, int64_t> sizes_;
  int64_t cached_ = 0;
  MemoryStatistics statistics_;
};

/// Never destroyed: tensors in static objects may outlive any other static object.
CpuAllocator& cpu_allocator() {
  static auto* allocator = new CpuAllocator;
  return *allocator;
}

std::atomic<bool> poison_new_memory{false};

}  // namespace

MemoryStatistics memory_statistics() {
  return cpu_allocator().statistics();
}
void reset_peak_memory() {
  cpu_allocator().reset_peak();
}
void release_cached_memory() {
  cpu_allocator().release_all();
}
void set_poison_new_memory(bool poison) {
  poison_new_memory = poison;
}

Storage::Storage(int64_t bytes, Device device)
    : data_(cpu_allocator().allocate(bytes)), bytes_(bytes), device_(device) {
  if (poison_new_memory) std::memset(data_, 0xFF, size_t(bytes));
}

Storage::~Storage() {
  cpu_allocator().free(data_);
}

}  // namespace signet
