#include "tensor/caching_allocator.h"

#include <algorithm>
#include <exception>

namespace signet {

void* CachingAllocator::allocate(int64_t bytes) {
  bytes = source_.rounded(bytes);
  const uint64_t order = source_.order();
  const std::scoped_lock lock(mutex_);
  void* block = nullptr;
  int64_t capacity = bytes;
  const auto fit = free_.lower_bound({order, bytes});
  if (fit != free_.end() && fit->first.order == order && fit->first.bytes <= bytes + bytes / 8) {
    capacity = fit->first.bytes;
    block = fit->second;
    free_.erase(fit);
    cached_ -= capacity;
  } else {
    const auto ceiling = int64_t(kSlack * double(std::max(statistics_.peak, statistics_.in_use + bytes)));
    while (!free_.empty() && statistics_.in_use + cached_ + bytes > ceiling) release_largest();
    block = take(bytes);
  }
  used_[block] = {order, capacity};
  statistics_.in_use += capacity;
  statistics_.peak = std::max(statistics_.peak, statistics_.in_use);
  return block;
}

void* CachingAllocator::take(int64_t bytes) {
  for (;;) {
    if (void* block = source_.take(bytes)) return block;
    if (free_.empty()) source_.fail_short_of(bytes);
    release_largest();
  }
}

void CachingAllocator::free(void* block) noexcept {
  const std::scoped_lock lock(mutex_);
  const auto entry = used_.find(block);
  const Block freed = entry->second;
  used_.erase(entry);
  statistics_.in_use -= freed.bytes;
  if (freed.order != source_.order()) {
    try {
      source_.wait();
    } catch (const std::exception&) {
      return;
    }
  }
  free_.emplace(freed, block);
  cached_ += freed.bytes;
}

void CachingAllocator::release_all() {
  const std::scoped_lock lock(mutex_);
  while (!free_.empty()) release_largest();
}

MemoryStatistics CachingAllocator::statistics() {
  const std::scoped_lock lock(mutex_);
  auto result = statistics_;
  result.reserved = statistics_.in_use + cached_;
  return result;
}

void CachingAllocator::reset_peak() {
  const std::scoped_lock lock(mutex_);
  statistics_.peak = statistics_.in_use;
}

void CachingAllocator::release_largest() {
  const auto largest = std::max_element(
      free_.begin(), free_.end(), [](const auto& a, const auto& b) { return a.first.bytes < b.first.bytes; });
  cached_ -= largest->first.bytes;
  source_.give_back(largest->second);
  free_.erase(largest);
}

}  // namespace signet
