#pragma once
// The device's memory: ordinary memory of this process, every allocation known, with unowned bytes on both
// sides. New and freed memory holds 0xFF: as floats, NaN.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace signet::simt {

struct Allocation {
  const void* base = nullptr;
  size_t bytes = 0;
  uint64_t serial = 0;  ///< allocations are numbered from 1
  bool freed = false;
};

/// Aligned to 256 bytes; null if the device has no room. No bytes give a null pointer.
void* device_allocate(size_t bytes);

enum class FreeResult : uint8_t { done, not_allocated, freed_before, overrun };
/// `overrun`: freed, but bytes beside the allocation had been written.
FreeResult device_free(void* memory);

bool is_device_address(const void* address);
/// Whether [address, address + bytes) lies in one living allocation.
bool is_device_range(const void* address, size_t bytes);
/// The allocation nearest to an address, living or among those freed lately; base is null if there is none.
Allocation nearest_allocation(const void* address);
/// E.g. "4 bytes after allocation 7 (1024 bytes)".
std::string describe_device_address(const void* address);

/// Allocations that nobody has freed, oldest first.
std::vector<Allocation> living_allocations();

size_t device_memory_total();
size_t device_memory_free();
/// How much the device says it has: SIGNET_SIMT_MEMORY_MB, or what was set; for tests of running out of
/// memory.
void set_device_memory_total(size_t bytes);

/// The state of each byte of device memory, kept only in a process with checked kernels.
enum class ByteState : uint8_t { unowned = 0, unwritten = 1, written = 2 };
/// From here on states are kept.
void keep_byte_states();
/// The states of the bytes from a device address on, up to the end of device memory; null if none are kept.
ByteState* byte_states(const void* device_address);
void mark_written(const void* device_address, size_t bytes);
/// After a kernel that was not checked, any byte may have been written.
void mark_all_written();

/// Device memory's first byte and its size: fixed for the process.
struct Arena {
  char* base = nullptr;
  size_t bytes = 0;
};
const Arena& arena();

}  // namespace signet::simt
