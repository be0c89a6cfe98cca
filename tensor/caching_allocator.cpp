#include "tensor/caching_allocator.h"

#include <algorithm>
#include <exception>

namespace signet {

void* CachingAllocator::allocate(int64_t bytes) {
  bytes = source_.rounded(bytes);
  const Place place = source_.place();
  const std::scoped_lock lock(mutex_);
  const int64_t peak = std::max(statistics_.peak, statistics_.in_use + bytes);
  const int64_t ceiling = std::max(int64_t(kSlack * double(peak)), peak + kFloor);
  const auto beyond = [&] { return taken_ + cached_ + bytes > ceiling; };
  const auto fit = free_.lower_bound({place, bytes});
  const bool fits = fit != free_.end() && fit->first.place == place &&
                    fit->first.bytes <= (beyond() ? kStretch * bytes : bytes + bytes / 8);
  void* block = nullptr;
  int64_t capacity = bytes;
  if (fits) {
    capacity = fit->first.bytes;
    block = fit->second;
    (is_kept(fit->first) ? kept_ : cached_) -= capacity;
    free_.erase(fit);
  } else {
    // Giving a block back waits for the device, which may not be done while a graph is recorded.
    const bool may_release = place.pool == 0;
    while (may_release && beyond() && release_largest()) {
    }
    block = take(bytes, may_release);
  }
  used_[block] = {{place, capacity}, bytes};
  taken_ += capacity;
  statistics_.in_use += bytes;
  statistics_.peak = std::max(statistics_.peak, statistics_.in_use);
  return block;
}

void* CachingAllocator::take(int64_t bytes, bool may_release) {
  for (;;) {
    if (void* block = source_.take(bytes)) return block;
    if (!may_release || !release_largest()) source_.fail_short_of(bytes);
  }
}

void CachingAllocator::free(void* block) noexcept {
  const std::scoped_lock lock(mutex_);
  const auto entry = used_.find(block);
  const auto [freed, bytes] = entry->second;
  used_.erase(entry);
  taken_ -= freed.bytes;
  statistics_.in_use -= bytes;
  if (freed.place.stream != source_.place().stream) {
    try {
      source_.wait();
    } catch (const std::exception&) {
      return;
    }
  }
  // First among its equals: the block that was used last is the likeliest to be in a cache of the processor.
  free_.emplace_hint(free_.lower_bound(freed), freed, block);
  (is_kept(freed) ? kept_ : cached_) += freed.bytes;
}

void CachingAllocator::release_all() {
  const std::scoped_lock lock(mutex_);
  while (release_largest()) {
  }
}

void CachingAllocator::keep_pool(uint64_t pool) {
  const std::scoped_lock lock(mutex_);
  kept_pools_.insert(pool);
}

void CachingAllocator::let_go_of_pool(uint64_t pool) {
  const std::scoped_lock lock(mutex_);
  kept_pools_.erase(pool);
  for (const auto& [block, memory] : free_) {
    if (block.place.pool != pool) continue;
    kept_ -= block.bytes;
    cached_ += block.bytes;
  }
}

MemoryStatistics CachingAllocator::statistics() {
  const std::scoped_lock lock(mutex_);
  auto result = statistics_;
  result.reserved = taken_ + cached_ + kept_;
  return result;
}

void CachingAllocator::reset_peak() {
  const std::scoped_lock lock(mutex_);
  statistics_.peak = statistics_.in_use;
}

bool CachingAllocator::release_largest() {
  auto largest = free_.end();
  for (auto block = free_.begin(); block != free_.end(); ++block) {
    if (is_kept(block->first)) continue;
    if (largest == free_.end() || block->first.bytes > largest->first.bytes) largest = block;
  }
  if (largest == free_.end()) return false;
  release(largest);
  return true;
}

void CachingAllocator::release(FreeBlocks::iterator block) {
  cached_ -= block->first.bytes;
  source_.give_back(block->second, block->first.bytes);
  free_.erase(block);
}

}  // namespace signet
