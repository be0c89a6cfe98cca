// The device as the rest of Signet knows it: the CUDA runtime API with one stream a thread and device.

#include "kernels/cuda/runtime.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "kernels/cuda/platform.cuh"
#include "kernels/cuda/stream.cuh"

namespace signet::cuda {
namespace {

/// What a thread has of one device, made when it is first asked for.
struct Lane {
  cudaStream_t stream = nullptr;
  cudaStream_t uploads = nullptr;   ///< made when first used
  std::shared_ptr<void> workspace;  ///< shared with the graphs whose kernels write to it
  int64_t workspace_bytes = 0;
};

// Errors are of no use here: at the program's end the driver may already be gone, and take its memory along.
void release_quietly(void* memory) {
  static_cast<void>(cudaFree(memory));
}

/// What a thread has of all devices.
class Lanes {
 public:
  Lanes() = default;
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;

  ~Lanes() {
    for (size_t device = 0; device < lanes_.size(); ++device) {
      const Lane& lane = lanes_[device];
      for (const cudaStream_t stream : {lane.uploads, lane.stream}) {
        if (stream == nullptr) continue;
        static_cast<void>(cudaSetDevice(int(device)));
        static_cast<void>(cudaStreamSynchronize(stream));
        static_cast<void>(cudaStreamDestroy(stream));
      }
    }
  }

  void set_device(int device) {
    if (device == device_) return;
    SIGNET_CUDA_CHECK(cudaSetDevice(device));
    device_ = device;
  }

  Lane& current() {
    const auto device = size_t(device_);
    if (device >= lanes_.size()) lanes_.resize(device + 1);
    Lane& lane = lanes_[device];
    if (lane.stream == nullptr) {
      SIGNET_CUDA_CHECK(cudaStreamCreateWithFlags(&lane.stream, cudaStreamNonBlocking));
    }
    return lane;
  }

 private:
  int device_ = 0;  // as CUDA begins every thread
  std::vector<Lane> lanes_;
};

Lanes& lanes() {
  thread_local Lanes of_thread;
  return of_thread;
}

std::atomic<MatrixMath> chosen_math{MatrixMath::f32};
std::atomic<TileChoice> chosen_tile{TileChoice::automatic};
std::atomic<ConvChoice> chosen_conv{ConvChoice::automatic};
std::atomic<int64_t> winograd_bytes{int64_t(32) << 20};
std::atomic<void (*)()> reclaimer{nullptr};

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

/// How many devices there are, or why none can be used.
struct Devices {
  int count = 0;
  std::string reason;
};

Devices find_devices() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaSuccess && count > 0) return {count, {}};
  static_cast<void>(cudaGetLastError());  // later calls are not to report this one's failure
  if (status == cudaSuccess || status == cudaErrorNoDevice) {
    return {0, "no CUDA device was found; use --device cpu, or see why nvidia-smi does not list the card"};
  }
  if (status == cudaErrorInsufficientDriver) {
    int driver = 0, needed = 0;
    static_cast<void>(cudaDriverGetVersion(&driver));
    static_cast<void>(cudaRuntimeGetVersion(&needed));
    const std::string present = driver > 0 ? "is for CUDA " + version_text(driver) : "is missing";
    return {0, "the NVIDIA driver " + present + ", and this program needs one for CUDA " +
                   version_text(needed) + "; update the driver, or use --device cpu"};
  }
  return {0, std::string("CUDA cannot be used: ") + cudaGetErrorName(status) + ", " +
                 cudaGetErrorString(status) + "; use --device cpu, or reinstall the NVIDIA driver"};
}

const Devices& devices() {
  static const Devices found = find_devices();
  return found;
}

int attribute(cudaDeviceAttr which, int device) {
  int value = 0;
  SIGNET_CUDA_CHECK(cudaDeviceGetAttribute(&value, which, device));
  return value;
}

/// Of the thread's device.
bool is_compute_capability(int major, int minor) {
  int device = 0;
  SIGNET_CUDA_CHECK(cudaGetDevice(&device));
  return attribute(cudaDevAttrComputeCapabilityMajor, device) == major &&
         attribute(cudaDevAttrComputeCapabilityMinor, device) == minor;
}

void copy(void* to, const void* from, int64_t bytes, cudaMemcpyKind kind) {
  if (bytes > 0) SIGNET_CUDA_CHECK(cudaMemcpyAsync(to, from, size_t(bytes), kind, current_stream()));
}

[[noreturn]] void out_of_memory(const std::string& what, int64_t bytes) {
  throw OutOfMemory("out of " + what + ": " + std::to_string((bytes + (1 << 20) - 1) >> 20) +
                    " MB more were asked for; use a smaller --batch-size or --image-size");
}

}  // namespace

void check(cudaError_t status, const char* call, const char* file, int line) {
  if (status == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());
  std::string sentence = std::string(call) + " failed with " + cudaGetErrorName(status) + ", " +
                         cudaGetErrorString(status) + " (" + file + ":" + std::to_string(line) + ")";
  if (status == cudaErrorMemoryAllocation) {
    throw OutOfMemory(sentence + "; use a smaller --batch-size or --image-size");
  }
  if (status == cudaErrorNoKernelImageForDevice) {
    sentence += "; the program was built for other cards: add this one's to CMAKE_CUDA_ARCHITECTURES";
  }
  throw std::runtime_error(sentence);
}

cudaStream_t current_stream() {
  return lanes().current().stream;
}

namespace {

cudaStream_t stream_of(Stream stream) {
  Lane& lane = lanes().current();
  if (stream == Stream::work) return lane.stream;
  if (lane.uploads == nullptr) {
    SIGNET_CUDA_CHECK(cudaStreamCreateWithFlags(&lane.uploads, cudaStreamNonBlocking));
  }
  return lane.uploads;
}

}  // namespace

void set_matrix_math(MatrixMath math) {
  chosen_math = math;
}
MatrixMath matrix_math() {
  return chosen_math;
}

void set_tile_choice(TileChoice choice) {
  chosen_tile = choice;
}
TileChoice tile_choice() {
  return chosen_tile;
}
bool has_warpgroups() {
  return kSimulated || (kBuiltForSm90a && is_compute_capability(9, 0));
}
bool has_tensor_memory() {
  return kSimulated || (kBuiltForSm100a && is_compute_capability(10, 0));
}

void set_conv_choice(ConvChoice choice) {
  chosen_conv = choice;
}
ConvChoice conv_choice() {
  return chosen_conv;
}

void set_winograd_workspace(int64_t bytes) {
  winograd_bytes = bytes;
}
int64_t winograd_workspace() {
  return winograd_bytes;
}

int device_count() {
  return devices().count;
}
std::string unavailable_reason() {
  return devices().reason;
}

DeviceProperties device_properties(int device) {
  cudaDeviceProp found;
  SIGNET_CUDA_CHECK(cudaGetDeviceProperties(&found, device));
  DeviceProperties properties;
  properties.name = found.name;
  properties.simulated = kSimulated;
  properties.major = found.major;
  properties.minor = found.minor;
  properties.multiprocessors = found.multiProcessorCount;
  properties.memory_bytes = int64_t(found.totalGlobalMem);
  properties.clock_ghz = attribute(cudaDevAttrClockRate, device) * 1e-6;  // told in kHz
  // Memory transfers twice a clock, on a bus whose width is told in bits.
  properties.memory_gb_per_s = 2e-6 * attribute(cudaDevAttrMemoryClockRate, device) *
                               attribute(cudaDevAttrGlobalMemoryBusWidth, device) / 8;
  return properties;
}

void set_device(int device) {
  lanes().set_device(device);
}

void* allocate(int64_t bytes) {
  void* memory = nullptr;
  const cudaError_t status = cudaMalloc(&memory, size_t(std::max<int64_t>(bytes, 1)));
  if (status == cudaErrorMemoryAllocation) {
    static_cast<void>(cudaGetLastError());
    out_of_memory("the device's memory", bytes);
  }
  check(status, "cudaMalloc", __FILE__, __LINE__);
  return memory;
}

void release(void* memory) {
  SIGNET_CUDA_CHECK(cudaFree(memory));
}

void* allocate_pinned(int64_t bytes) {
  void* memory = nullptr;
  const cudaError_t status =
      cudaHostAlloc(&memory, size_t(std::max<int64_t>(bytes, 1)), cudaHostAllocDefault);
  if (status == cudaErrorMemoryAllocation) {
    static_cast<void>(cudaGetLastError());
    out_of_memory("page-locked memory", bytes);
  }
  check(status, "cudaHostAlloc", __FILE__, __LINE__);
  return memory;
}

void release_pinned(void* memory) {
  SIGNET_CUDA_CHECK(cudaFreeHost(memory));
}

// From memory that is not page-locked, cudaMemcpyAsync returns when the bytes are in a staging buffer.
void copy_to_device(void* to, const void* from, int64_t bytes) {
  copy(to, from, bytes, cudaMemcpyHostToDevice);
}

void copy_to_host(void* to, const void* from, int64_t bytes) {
  copy(to, from, bytes, cudaMemcpyDeviceToHost);
  synchronize();
}

void copy_on_device(void* to, const void* from, int64_t bytes) {
  copy(to, from, bytes, cudaMemcpyDeviceToDevice);
}

void fill_bytes(void* memory, int value, int64_t bytes) {
  if (bytes > 0) SIGNET_CUDA_CHECK(cudaMemsetAsync(memory, value, size_t(bytes), current_stream()));
}

void synchronize() {
  SIGNET_CUDA_CHECK(cudaStreamSynchronize(current_stream()));
}

void upload(void* to, const void* pinned, int64_t bytes) {
  if (bytes == 0) return;
  SIGNET_CUDA_CHECK(
      cudaMemcpyAsync(to, pinned, size_t(bytes), cudaMemcpyHostToDevice, stream_of(Stream::uploads)));
}

Mark::Mark() {
  cudaEvent_t event = nullptr;
  SIGNET_CUDA_CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  event_ = event;
}
Mark::~Mark() {
  static_cast<void>(cudaEventDestroy(static_cast<cudaEvent_t>(event_)));
}
void Mark::set(Stream stream) {
  SIGNET_CUDA_CHECK(cudaEventRecord(static_cast<cudaEvent_t>(event_), stream_of(stream)));
}
void Mark::hold(Stream stream) const {
  SIGNET_CUDA_CHECK(cudaStreamWaitEvent(stream_of(stream), static_cast<cudaEvent_t>(event_), 0));
}
void Mark::wait() const {
  SIGNET_CUDA_CHECK(cudaEventSynchronize(static_cast<cudaEvent_t>(event_)));
}

Graph::Graph(const std::function<void()>& record) {
  Lane& lane = lanes().current();
  // Relaxed: memory may be allocated meanwhile, by this thread or another.
  SIGNET_CUDA_CHECK(cudaStreamBeginCapture(lane.stream, cudaStreamCaptureModeRelaxed));
  cudaGraph_t graph = nullptr;
  try {
    record();
  } catch (...) {
    static_cast<void>(cudaStreamEndCapture(lane.stream, &graph));
    if (graph != nullptr) static_cast<void>(cudaGraphDestroy(graph));
    static_cast<void>(cudaGetLastError());
    throw;
  }
  SIGNET_CUDA_CHECK(cudaStreamEndCapture(lane.stream, &graph));
  cudaGraphExec_t executable = nullptr;
  const cudaError_t status = cudaGraphInstantiate(&executable, graph, 0);
  static_cast<void>(cudaGraphDestroy(graph));
  check(status, "cudaGraphInstantiate", __FILE__, __LINE__);
  executable_ = executable;
  workspace_ = lane.workspace;
}
Graph::~Graph() {
  static_cast<void>(cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(executable_)));
}
void Graph::launch() {
  SIGNET_CUDA_CHECK(cudaGraphLaunch(static_cast<cudaGraphExec_t>(executable_), current_stream()));
}

void set_reclaimer(void (*reclaim)()) {
  reclaimer = reclaim;
}

namespace {

void* allocate_workspace(int64_t bytes) {
  void (*const reclaim)() = reclaimer;
  if (reclaim == nullptr) return allocate(bytes);
  try {
    return allocate(bytes);
  } catch (const OutOfMemory&) {
    reclaim();
    return allocate(bytes);
  }
}

}  // namespace

void* workspace(int64_t bytes) {
  Lane& lane = lanes().current();
  if (lane.workspace_bytes < bytes) {
    cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
    SIGNET_CUDA_CHECK(cudaStreamIsCapturing(lane.stream, &capture));
    if (capture != cudaStreamCaptureStatusNone) {
      throw std::logic_error("[workspace] it grows while a graph is recorded: run the same work once before");
    }
    // Not rounded up: a device that watches bounds then sees a kernel that asked for too little.
    lane.workspace.reset();
    lane.workspace_bytes = 0;
    lane.workspace = std::shared_ptr<void>(allocate_workspace(bytes), release_quietly);
    lane.workspace_bytes = bytes;
  }
  return lane.workspace.get();
}

}  // namespace signet::cuda
