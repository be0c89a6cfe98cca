#include "tensor/allocator.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "kernels/cuda/runtime.h"
#include "tensor/caching_allocator.h"
#include "tensor/error.h"

namespace signet {
namespace {

int64_t round_up(int64_t bytes, int64_t unit) {
  return std::max(unit, (bytes + unit - 1) / unit * unit);
}

int64_t in_megabytes(int64_t bytes) {
  return round_up(bytes, int64_t{1} << 20) >> 20;
}

class HostMemory : public MemorySource {
 public:
  int64_t rounded(int64_t bytes) const override {
    return round_up(bytes, bytes >= kHugePage ? kPage : kAlignment);
  }

  void* take(int64_t bytes) override {
    if (bytes < kHugePage) return std::aligned_alloc(size_t(kAlignment), size_t(bytes));
    // Large blocks come from the system and go back to it: in malloc's heap, what is freed between blocks in
    // use would stay resident. A huge page more is mapped, to cut an aligned block out of it.
    void* mapped = ::mmap(nullptr, size_t(bytes + kHugePage), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) return nullptr;
    auto* const first = static_cast<std::byte*>(mapped);
    const int64_t before = (kHugePage - int64_t(reinterpret_cast<uintptr_t>(first) % kHugePage)) % kHugePage;
    if (before > 0) ::munmap(first, size_t(before));
    std::byte* const block = first + before;
    if (before < kHugePage) ::munmap(block + bytes, size_t(kHugePage - before));
    ::madvise(block, size_t(bytes), MADV_HUGEPAGE);
    return block;
  }

  void give_back(void* block, int64_t bytes) override {
    if (bytes < kHugePage) {
      std::free(block);
    } else {
      ::munmap(block, size_t(bytes));
    }
  }

  void fail_short_of(int64_t bytes) const override {
    fail<OutOfMemory>("out of memory: {} MB more were asked for; use a smaller --batch-size or --image-size",
                      in_megabytes(bytes));
  }

 private:
  static constexpr int64_t kAlignment = 64;
  static constexpr int64_t kPage = 4096;
  static constexpr int64_t kHugePage = int64_t{2} << 20;
};

/// The pool that this thread allocates device memory from; 0: none.
thread_local uint64_t current_pool = 0;

class CudaMemory : public MemorySource {
 public:
  explicit CudaMemory(int device) : device_(device) {}

  int64_t rounded(int64_t bytes) const override { return round_up(bytes, kAlignment); }

  void* take(int64_t bytes) override {
    cuda::set_device(device_);
    try {
      return cuda::allocate(bytes);
    } catch (const cuda::OutOfMemory&) {
      return nullptr;
    }
  }

  void give_back(void* block, int64_t /*bytes*/) override { cuda::release(block); }

  void fail_short_of(int64_t bytes) const override {
    fail<OutOfMemory>(
        "out of memory on cuda:{}: {} MB more were asked for; use a smaller --batch-size or --image-size",
        device_, in_megabytes(bytes));
  }

  /// Each thread has a stream of its own (kernels/cuda/runtime.h).
  Place place() const override {
    static std::atomic<uint64_t> threads{0};
    thread_local const uint64_t number = ++threads;
    return {number, current_pool};
  }

  void wait() override {
    cuda::set_device(device_);
    cuda::synchronize();
  }

 private:
  static constexpr int64_t kAlignment = 256;

  int device_;
};

/// Page-locked memory of the CPU. Whoever frees a block has waited for the copies from it.
class PinnedMemory : public MemorySource {
 public:
  int64_t rounded(int64_t bytes) const override { return round_up(bytes, kAlignment); }

  void* take(int64_t bytes) override {
    try {
      return cuda::allocate_pinned(bytes);
    } catch (const cuda::OutOfMemory&) {
      return nullptr;
    }
  }

  void give_back(void* block, int64_t /*bytes*/) override { cuda::release_pinned(block); }

  void fail_short_of(int64_t bytes) const override {
    fail<OutOfMemory>(
        "out of page-locked memory: {} MB more were asked for; use a smaller --batch-size or --image-size",
        in_megabytes(bytes));
  }

 private:
  static constexpr int64_t kAlignment = 4096;
};

/// A kind of memory with its cache.
template <class Source>
struct Memory {
  template <class... Arguments>
  explicit Memory(Arguments... arguments) : source(arguments...), allocator(source) {}

  Source source;
  CachingAllocator allocator;
};

// Never destroyed: tensors in static objects may outlive any other static object.
CachingAllocator& host_allocator() {
  static auto* memory = new Memory<HostMemory>;
  return memory->allocator;
}

CachingAllocator& pinned_allocator() {
  static auto* memory = new Memory<PinnedMemory>;
  return memory->allocator;
}

class CudaAllocators {
 public:
  CudaAllocators() {
    cuda::set_reclaimer([] { release_cached_memory(); });
  }

  CachingAllocator& of(int device) {
    const std::scoped_lock lock(mutex_);
    auto& memory = devices_[device];
    if (!memory) memory = std::make_unique<Memory<CudaMemory>>(device);
    return memory->allocator;
  }

  void release_all() {
    const std::scoped_lock lock(mutex_);
    for (const auto& [device, memory] : devices_) memory->allocator.release_all();
  }

 private:
  std::mutex mutex_;
  std::map<int, std::unique_ptr<Memory<CudaMemory>>> devices_;
};

CudaAllocators& cuda_allocators() {
  static auto* allocators = new CudaAllocators;
  return *allocators;
}

CachingAllocator& allocator_of(Device device) {
  return device.on_host() ? host_allocator() : cuda_allocators().of(device.index);
}

std::atomic<bool> poison_new_memory{false};

}  // namespace

MemoryStatistics memory_statistics(Device device) {
  return allocator_of(device).statistics();
}
void reset_peak_memory(Device device) {
  allocator_of(device).reset_peak();
}
void release_cached_memory() {
  host_allocator().release_all();
  pinned_allocator().release_all();
  cuda_allocators().release_all();
}
void release_cached_memory(Device device) {
  allocator_of(device).release_all();
}
void set_poison_new_memory(bool poison) {
  poison_new_memory = poison;
}

Storage::Storage(int64_t bytes, Device device)
    : allocator_(allocator_of(device)), data_(allocator_.allocate(bytes)), bytes_(bytes), device_(device) {
  if (!poison_new_memory) return;
  if (device.on_host()) {
    std::memset(data_, 0xFF, size_t(bytes));
  } else {
    cuda::set_device(device.index);
    cuda::fill_bytes(data_, 0xFF, bytes);
  }
}

Storage::~Storage() {
  allocator_.free(data_);
}

StagingMemory::StagingMemory(int64_t bytes, Device device)
    : allocator_(device.on_host() ? host_allocator() : pinned_allocator()) {
  if (!device.on_host()) cuda::set_device(device.index);
  data_ = allocator_.allocate(bytes);
}

StagingMemory::~StagingMemory() {
  allocator_.free(data_);
}

namespace {
uint64_t next_pool() {
  static std::atomic<uint64_t> pools{0};
  return ++pools;
}
}  // namespace

MemoryPool::MemoryPool(Device device) : allocator_(allocator_of(device)), number_(next_pool()) {
  allocator_.keep_pool(number_);
}

MemoryPool::~MemoryPool() {
  allocator_.let_go_of_pool(number_);
}

MemoryPool::Use::Use(const MemoryPool& pool) : before_(std::exchange(current_pool, pool.number_)) {}
MemoryPool::Use::~Use() {
  current_pool = before_;
}

void copy_bytes(void* to, Device to_device, const void* from, Device from_device, int64_t bytes) {
  if (bytes == 0) return;
  if (to_device.on_host() && from_device.on_host()) {
    std::memcpy(to, from, size_t(bytes));
  } else if (to_device.on_host()) {
    cuda::set_device(from_device.index);
    cuda::copy_to_host(to, from, bytes);
  } else if (from_device.on_host()) {
    cuda::set_device(to_device.index);
    cuda::copy_to_device(to, from, bytes);
  } else {
    // Between two devices nothing but waiting orders the one's stream against the other's.
    const bool two_devices = to_device != from_device;
    if (two_devices) synchronize(from_device);
    cuda::set_device(to_device.index);
    cuda::copy_on_device(to, from, bytes);
    if (two_devices) synchronize(to_device);
  }
}

void synchronize(Device device) {
  if (device.on_host()) return;
  cuda::set_device(device.index);
  cuda::synchronize();
}

}  // namespace signet
