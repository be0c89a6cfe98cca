#include "kernels/simt/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <new>

namespace signet::simt {
namespace {

constexpr size_t kAlignment = 256;
constexpr size_t kRedZone = 256;
constexpr unsigned char kPoison = 0xFF;
constexpr unsigned char kRedPattern = 0xA5;
// Freed memory is not used again before this many freed bytes have followed it.
constexpr size_t kQuarantine = size_t{64} << 20;

size_t round_up(size_t value, size_t unit) {
  return (value + unit - 1) / unit * unit;
}

char* reserve(size_t bytes) {
  void* memory =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<char*>(memory);
}

Arena reserve_arena() {
  for (size_t bytes = size_t{64} << 30; bytes >= size_t{64} << 20; bytes /= 2) {
    if (char* base = reserve(bytes)) return {base, bytes};
  }
  throw std::bad_alloc();
}

// SIGNET_SIMT_MEMORY_MB, or 16 GiB.
size_t initial_total() {
  const char* text = std::getenv("SIGNET_SIMT_MEMORY_MB");
  return text ? std::strtoull(text, nullptr, 10) << 20 : size_t{16} << 30;
}

// An allocation with its red zones occupies [base - kRedZone, base + round_up(bytes) + kRedZone).
class Memory {
 public:
  Memory() { free_[0] = arena().bytes; }

  void* allocate(size_t bytes) {
    const std::lock_guard lock(mutex_);
    if (bytes > total_ - std::min(total_, used_)) return nullptr;
    const size_t span = span_of(bytes);
    auto room = std::find_if(free_.begin(), free_.end(), [&](const auto& r) { return r.second >= span; });
    while (room == free_.end() && !quarantine_.empty()) {
      leave_quarantine();
      room = std::find_if(free_.begin(), free_.end(), [&](const auto& r) { return r.second >= span; });
    }
    if (room == free_.end()) return nullptr;
    const auto [start, size] = *room;
    free_.erase(room);
    if (size > span) free_[start + span] = size - span;
    char* base = arena().base + start + kRedZone;
    std::memset(base - kRedZone, kRedPattern, kRedZone);
    std::memset(base, kPoison, bytes);
    std::memset(base + bytes, kRedPattern, span - kRedZone - bytes);
    if (states_) set_states(base, bytes, ByteState::unwritten);
    living_[base] = {base, bytes, ++serial_, false};
    used_ += bytes;
    return base;
  }

  FreeResult release(void* memory) {
    const std::lock_guard lock(mutex_);
    const auto found = living_.find(static_cast<char*>(memory));
    if (found == living_.end()) {
      const bool before = std::any_of(quarantine_.begin(), quarantine_.end(),
                                      [&](const Allocation& a) { return a.base == memory; });
      return before ? FreeResult::freed_before : FreeResult::not_allocated;
    }
    Allocation allocation = found->second;
    living_.erase(found);
    used_ -= allocation.bytes;
    char* base = static_cast<char*>(memory);
    const bool whole =
        is_red(base - kRedZone, kRedZone) &&
        is_red(base + allocation.bytes, span_of(allocation.bytes) - kRedZone - allocation.bytes);
    std::memset(base, kPoison, allocation.bytes);
    if (states_) set_states(base, allocation.bytes, ByteState::unowned);
    allocation.freed = true;
    quarantine_.push_back(allocation);
    quarantined_ += allocation.bytes;
    while (quarantined_ > kQuarantine) leave_quarantine();
    return whole ? FreeResult::done : FreeResult::overrun;
  }

  bool is_range(const char* address, size_t bytes) {
    const std::lock_guard lock(mutex_);
    auto after = living_.upper_bound(const_cast<char*>(address));
    if (after == living_.begin()) return false;
    const Allocation& a = std::prev(after)->second;
    const size_t offset = address - static_cast<const char*>(a.base);
    return offset <= a.bytes && bytes <= a.bytes - offset;
  }

  Allocation nearest(const char* address) {
    const std::lock_guard lock(mutex_);
    Allocation best;
    size_t best_distance = SIZE_MAX;
    const auto consider = [&](const Allocation& a) {
      const char* base = static_cast<const char*>(a.base);
      const size_t distance =
          address < base ? base - address : (address < base + a.bytes ? 0 : address - (base + a.bytes) + 1);
      if (distance < best_distance) best = a, best_distance = distance;
    };
    for (const auto& entry : living_) consider(entry.second);
    for (const Allocation& a : quarantine_) consider(a);
    return best;
  }

  std::vector<Allocation> living() {
    const std::lock_guard lock(mutex_);
    std::vector<Allocation> all;
    for (const auto& entry : living_) all.push_back(entry.second);
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.serial < b.serial; });
    return all;
  }

  size_t total() {
    const std::lock_guard lock(mutex_);
    return total_;
  }
  size_t free() {
    const std::lock_guard lock(mutex_);
    return total_ - std::min(total_, used_);
  }
  void set_total(size_t bytes) {
    const std::lock_guard lock(mutex_);
    total_ = bytes;
  }

  void keep_states() {
    const std::lock_guard lock(mutex_);
    if (states_) return;
    states_ = reserve(arena().bytes);
    if (!states_) throw std::bad_alloc();
    for (const auto& [base, a] : living_) set_states(base, a.bytes, ByteState::written);
  }
  ByteState* states() const { return reinterpret_cast<ByteState*>(states_); }
  void mark_all() {
    const std::lock_guard lock(mutex_);
    if (!states_) return;
    for (const auto& [base, a] : living_) set_states(base, a.bytes, ByteState::written);
  }
  void set_states(const char* base, size_t bytes, ByteState state) const {
    std::memset(states_ + (base - arena().base), int(state), bytes);
  }

 private:
  static size_t span_of(size_t bytes) { return round_up(bytes, kAlignment) + 2 * kRedZone; }
  static bool is_red(const char* from, size_t bytes) {
    return std::all_of(from, from + bytes,
                       [](char c) { return static_cast<unsigned char>(c) == kRedPattern; });
  }

  void leave_quarantine() {
    const Allocation a = quarantine_.front();
    quarantine_.pop_front();
    quarantined_ -= a.bytes;
    const size_t size = span_of(a.bytes);
    const size_t start = static_cast<const char*>(a.base) - kRedZone - arena().base;
    // Whole pages go back to the system.
    const size_t first = round_up(start, 4096), last = (start + size) / 4096 * 4096;
    if (last > first + (size_t{1} << 20)) madvise(arena().base + first, last - first, MADV_DONTNEED);
    auto [here, inserted] = free_.emplace(start, size);
    if (const auto next = std::next(here); next != free_.end() && here->first + here->second == next->first) {
      here->second += next->second;
      free_.erase(next);
    }
    if (here != free_.begin()) {
      const auto before = std::prev(here);
      if (before->first + before->second == here->first) {
        before->second += here->second;
        free_.erase(here);
      }
    }
  }

  std::mutex mutex_;
  std::map<size_t, size_t> free_;  // start in the arena -> size
  std::map<char*, Allocation> living_;
  std::deque<Allocation> quarantine_;
  size_t quarantined_ = 0, used_ = 0, total_ = initial_total();
  uint64_t serial_ = 0;
  char* states_ = nullptr;
};

// Never destroyed: caches of other translation units free their memory at the end of the process.
Memory& memory() {
  static Memory& instance = *new Memory;
  return instance;
}

}  // namespace

const Arena& arena() {
  static const Arena instance = reserve_arena();
  return instance;
}

void* device_allocate(size_t bytes) {
  return bytes == 0 ? nullptr : memory().allocate(bytes);
}
FreeResult device_free(void* address) {
  return memory().release(address);
}
bool is_device_address(const void* address) {
  return size_t(static_cast<const char*>(address) - arena().base) < arena().bytes;
}
bool is_device_range(const void* address, size_t bytes) {
  return is_device_address(address) && memory().is_range(static_cast<const char*>(address), bytes);
}
Allocation nearest_allocation(const void* address) {
  return memory().nearest(static_cast<const char*>(address));
}

std::string describe_device_address(const void* address) {
  const Allocation a = nearest_allocation(address);
  if (!a.base) return "no allocation is near";
  const char* base = static_cast<const char*>(a.base);
  const char* at = static_cast<const char*>(address);
  const std::string what = (a.freed ? "freed allocation " : "allocation ") + std::to_string(a.serial) + " (" +
                           std::to_string(a.bytes) + " bytes)";
  if (at < base) return std::to_string(base - at) + " bytes before " + what;
  if (at < base + a.bytes) return "byte " + std::to_string(at - base) + " of " + what;
  return std::to_string(at - (base + a.bytes)) + " bytes after the end of " + what;
}

std::vector<Allocation> living_allocations() {
  return memory().living();
}
size_t device_memory_total() {
  return memory().total();
}
size_t device_memory_free() {
  return memory().free();
}
void set_device_memory_total(size_t bytes) {
  memory().set_total(bytes);
}

void keep_byte_states() {
  memory().keep_states();
}
ByteState* byte_states(const void* device_address) {
  ByteState* states = memory().states();
  return states ? states + (static_cast<const char*>(device_address) - arena().base) : nullptr;
}
void mark_written(const void* device_address, size_t bytes) {
  if (memory().states())
    memory().set_states(static_cast<const char*>(device_address), bytes, ByteState::written);
}
void mark_all_written() {
  memory().mark_all();
}

}  // namespace signet::simt
