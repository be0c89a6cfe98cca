// Memory, devices and errors of the runtime API.

#include "kernels/simt/runtime_api.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "kernels/simt/block.h"
#include "kernels/simt/device.h"
#include "kernels/simt/memory.h"
#include "kernels/simt/stream.h"

namespace signet::simt {
namespace {

thread_local cudaError_t last_error = cudaSuccess;
thread_local int current_device = 0;

std::atomic<int>& count_slot() {
  static std::atomic<int> count([] {
    const char* text = std::getenv("SIGNET_SIMT_DEVICES");
    return text ? std::atoi(text) : 1;
  }());
  return count;
}

constexpr int kRuntimeVersion = 13000;

// SIGNET_SIMT_DRIVER (12040 for CUDA 12.4), or one that suffices.
int driver_version() {
  const char* text = std::getenv("SIGNET_SIMT_DRIVER");
  return text ? std::atoi(text) : kRuntimeVersion;
}

// Page-locked host memory is host memory; which of it lives is known, so that a double free is refused.
struct Pinned {
  std::mutex mutex;
  std::map<void*, size_t> living;  // with their sizes

  bool has(const void* address) {
    const std::lock_guard lock(mutex);
    const auto after = living.upper_bound(const_cast<void*>(address));
    if (after == living.begin()) return false;
    const auto& [base, bytes] = *std::prev(after);
    return address < static_cast<const char*>(base) + bytes;
  }
};
Pinned& pinned() {
  static Pinned& instance = *new Pinned;
  return instance;
}

cudaError_t refuse(cudaError_t error) {
  return last_error = error;
}

bool valid_device(int device) {
  return device >= 0 && device < device_count();
}

// What a copy's pointers must be.
bool sides_are_right(const void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  const bool to_device = is_device_address(to), from_device = is_device_address(from);
  const bool to_must = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_must = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (kind != cudaMemcpyDefault && (to_must != to_device || from_must != from_device)) return false;
  if (!to || !from) return false;
  return (!to_device || is_device_range(to, bytes)) && (!from_device || is_device_range(from, bytes));
}

void copy(void* to, const void* from, size_t bytes) {
  std::memmove(to, from, bytes);
  ByteState* written = is_device_address(to) ? byte_states(to) : nullptr;
  if (!written) return;
  const ByteState* read = is_device_address(from) ? byte_states(from) : nullptr;
  if (read) {
    std::memmove(written, read, bytes);  // a copy of unwritten bytes is still unwritten
  } else {
    mark_written(to, bytes);
  }
}

}  // namespace

int device_count() {
  return count_slot().load();
}
void set_device_count(int count) {
  count_slot().store(count);
}

cudaError_t set_last_error(cudaError_t error) {
  return refuse(error);
}

}  // namespace signet::simt

using namespace signet::simt;

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration:
      return "cudaErrorInvalidConfiguration";
    case cudaErrorInsufficientDriver:
      return "cudaErrorInsufficientDriver";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    case cudaErrorNoKernelImageForDevice:
      return "cudaErrorNoKernelImageForDevice";
    case cudaErrorInvalidResourceHandle:
      return "cudaErrorInvalidResourceHandle";
    case cudaErrorIllegalState:
      return "cudaErrorIllegalState";
    case cudaErrorNotReady:
      return "cudaErrorNotReady";
    case cudaErrorIllegalAddress:
      return "cudaErrorIllegalAddress";
    case cudaErrorLaunchFailure:
      return "cudaErrorLaunchFailure";
    case cudaErrorStreamCaptureUnsupported:
      return "cudaErrorStreamCaptureUnsupported";
  }
  return "unrecognized error code";
}

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidValue:
      return "an argument is out of range, or not memory of the kind that it should be";
    case cudaErrorMemoryAllocation:
      return "the device is out of memory";
    case cudaErrorInvalidConfiguration:
      return "the device cannot run a grid of that shape";
    case cudaErrorInsufficientDriver:
      return "the driver is older than the runtime";
    case cudaErrorNoDevice:
      return "no device";
    case cudaErrorInvalidDevice:
      return "no device has that number";
    case cudaErrorNoKernelImageForDevice:
      return "the program has no kernels for this device";
    case cudaErrorInvalidResourceHandle:
      return "not a living stream, event or graph";
    case cudaErrorIllegalState:
      return "the call does not fit the state of the object";
    case cudaErrorNotReady:
      return "not finished";
    case cudaErrorIllegalAddress:
      return "memory beside an allocation was written";
    case cudaErrorLaunchFailure:
      return "a kernel failed";
    case cudaErrorStreamCaptureUnsupported:
      return "not allowed while a stream is captured";
  }
  return "unrecognized error code";
}

cudaError_t cudaGetLastError() {
  const cudaError_t error = last_error;
  last_error = cudaSuccess;
  return error;
}
cudaError_t cudaPeekAtLastError() {
  return last_error;
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 0;
  if (driver_version() < kRuntimeVersion) return refuse(cudaErrorInsufficientDriver);
  *count = device_count();
  return *count > 0 ? cudaSuccess : refuse(cudaErrorNoDevice);
}
cudaError_t cudaGetDevice(int* device) {
  *device = current_device;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  if (!valid_device(device)) return refuse(cudaErrorInvalidDevice);
  current_device = device;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (!valid_device(device)) return refuse(cudaErrorInvalidDevice);
  *properties = {};
  std::strcpy(properties->name, "Signet simulated device");
  properties->totalGlobalMem = device_memory_total();
  properties->sharedMemPerBlock = 48 << 10;
  properties->sharedMemPerBlockOptin = kMaxDynamicShared;
  properties->sharedMemPerMultiprocessor = kMaxDynamicShared + 1024;
  properties->regsPerBlock = 65536;
  properties->warpSize = int(kWarp);
  properties->maxThreadsPerBlock = int(kMaxThreads);
  properties->maxThreadsPerMultiProcessor = 2048;
  properties->major = 8;
  properties->minor = 0;
  properties->multiProcessorCount = kMultiprocessors;
  properties->memoryBusWidth = 0;
  properties->l2CacheSize = 40 << 20;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  if (!valid_device(device)) return refuse(cudaErrorInvalidDevice);
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      *value = int(kMaxThreads);
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = 48 << 10;
      return cudaSuccess;
    case cudaDevAttrWarpSize:
      *value = int(kWarp);
      return cudaSuccess;
    case cudaDevAttrMultiProcessorCount:
      *value = kMultiprocessors;
      return cudaSuccess;
    case cudaDevAttrL2CacheSize:
      *value = 40 << 20;
      return cudaSuccess;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      *value = 2048;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor:
      *value = 8;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor:
      *value = 0;
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      *value = int(kMaxDynamicShared + 1024);
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = int(kMaxDynamicShared);
      return cudaSuccess;
    // It has no clock and no bus.
    case cudaDevAttrClockRate:
    case cudaDevAttrMemoryClockRate:
    case cudaDevAttrGlobalMemoryBusWidth:
      *value = 0;
      return cudaSuccess;
  }
  return refuse(cudaErrorInvalidValue);
}

cudaError_t cudaDeviceSynchronize() {
  finish_streams();
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = driver_version();
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = kRuntimeVersion;
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  *free = device_memory_free();
  *total = device_memory_total();
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  if (!memory) return refuse(cudaErrorInvalidValue);
  *memory = device_allocate(bytes);
  return *memory || bytes == 0 ? cudaSuccess : refuse(cudaErrorMemoryAllocation);
}

cudaError_t cudaFree(void* memory) {
  if (!memory) return cudaSuccess;
  finish_streams();
  switch (device_free(memory)) {
    case FreeResult::done:
      return cudaSuccess;
    case FreeResult::overrun:
      return refuse(cudaErrorIllegalAddress);
    case FreeResult::not_allocated:
    case FreeResult::freed_before:
      break;
  }
  return refuse(cudaErrorInvalidValue);
}

cudaError_t cudaMallocHost(void** memory, size_t bytes) {
  *memory = std::aligned_alloc(256, (std::max<size_t>(bytes, 1) + 255) / 256 * 256);
  if (!*memory) return refuse(cudaErrorMemoryAllocation);
  const std::lock_guard lock(pinned().mutex);
  pinned().living.emplace(*memory, bytes);
  return cudaSuccess;
}

cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned) {
  return cudaMallocHost(memory, bytes);
}

cudaError_t cudaFreeHost(void* memory) {
  if (!memory) return cudaSuccess;
  finish_streams();
  {
    const std::lock_guard lock(pinned().mutex);
    if (pinned().living.erase(memory) == 0) return refuse(cudaErrorInvalidValue);
  }
  std::free(memory);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  if (bytes == 0) return cudaSuccess;
  if (!sides_are_right(to, from, bytes, kind)) return refuse(cudaErrorInvalidValue);
  cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
  if (streams_are_delayed() && cudaStreamIsCapturing(stream, &capture) == cudaSuccess &&
      capture == cudaStreamCaptureStatusNone) {
    if (!is_device_address(to) && !pinned().has(to)) {
      // To memory that is not page-locked a copy is done when the call returns,
      if (cudaStreamSynchronize(stream) == cudaSuccess) copy(to, from, bytes);
      return cudaSuccess;
    }
    if (!is_device_address(from) && !pinned().has(from)) {
      // and from such memory its bytes have then been read.
      const auto* begin = static_cast<const char*>(from);
      const auto read = std::make_shared<const std::vector<char>>(begin, begin + bytes);
      enqueue(stream, [=] { copy(to, read->data(), bytes); });
      return cudaSuccess;
    }
  }
  enqueue(stream, [=] { copy(to, from, bytes); });
  return cudaSuccess;
}
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  return cudaMemcpyAsync(to, from, bytes, kind, nullptr);
}

cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t stream) {
  if (bytes == 0) return cudaSuccess;
  if (!is_device_range(memory, bytes)) return refuse(cudaErrorInvalidValue);
  enqueue(stream, [=] {
    std::memset(memory, value, bytes);
    mark_written(memory, bytes);
  });
  return cudaSuccess;
}
cudaError_t cudaMemset(void* memory, int value, size_t bytes) {
  return cudaMemsetAsync(memory, value, bytes, nullptr);
}
