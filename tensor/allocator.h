#pragma once
// Memory of tensors. Freed blocks are kept and handed out again, since every training step asks for the same
// sizes.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "tensor/device.h"

namespace signet {

/// Bytes in tensors now, the highest that has ever been, and what the allocator holds from the system in all.
struct MemoryStatistics {
  int64_t in_use = 0;
  int64_t peak = 0;
  int64_t reserved = 0;
};

/// Of one device's memory; `reference` shares the CPU's.
MemoryStatistics memory_statistics(Device device = {});
/// Starts the measurement of the peak anew from what is in use.
void reset_peak_memory(Device device = {});
/// Gives every block that no tensor uses back to the system and the devices, or those of one device.
void release_cached_memory();
void release_cached_memory(Device device);

/// Whether new tensors are filled with NaN (0xFF bytes), so that a test sees a kernel that leaves part of its
/// output unwritten. Off unless a test asks.
void set_poison_new_memory(bool poison);

class CachingAllocator;

/// One block of memory on a device, aligned to 64 bytes; freed (to the cache) on destruction. A tensor on a
/// CUDA device is for one thread at a time: before another thread touches it, synchronize() its device.
class Storage {
 public:
  /// Throws Error if the device has no more memory.
  Storage(int64_t bytes, Device device);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  void* data() const { return data_; }
  int64_t bytes() const { return bytes_; }
  Device device() const { return device_; }
  /// Counts changes in place (see Tensor::version).
  uint64_t version() const { return version_; }
  void bump_version() { ++version_; }

 private:
  CachingAllocator& allocator_;
  void* data_ = nullptr;
  int64_t bytes_ = 0;
  Device device_;
  uint64_t version_ = 0;
};

/// Memory of the CPU from which a device is given copies: page-locked for a CUDA device. To be freed only
/// when no copy from it is under way.
class StagingMemory {
 public:
  /// Throws Error if there is no more such memory.
  StagingMemory(int64_t bytes, Device device);
  ~StagingMemory();
  StagingMemory(const StagingMemory&) = delete;
  StagingMemory& operator=(const StagingMemory&) = delete;

  void* data() const { return data_; }

 private:
  CachingAllocator& allocator_;
  void* data_ = nullptr;
};

/// A part of a CUDA device's memory that nothing else gets while the pool lives, even between the lives of
/// the tensors in it: a captured graph writes to those addresses at every launch.
class MemoryPool {
 public:
  explicit MemoryPool(Device device);
  ~MemoryPool();
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;

  /// While one lives, tensors that this thread makes on the device are made in the pool.
  class Use {
   public:
    explicit Use(const MemoryPool& pool);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    uint64_t before_;
  };

 private:
  CachingAllocator& allocator_;
  uint64_t number_;
};

/// Copies between the memories of two devices, in order with the kernels of the calling thread; waits where
/// the bytes go to the CPU.
void copy_bytes(void* to, Device to_device, const void* from, Device from_device, int64_t bytes);

/// Waits until the calling thread's kernels on the device are done; at once on the CPU, whose kernels are
/// done when they return.
void synchronize(Device device);

}  // namespace signet
