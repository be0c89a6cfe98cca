#pragma once
// What the rest of Signet knows of a CUDA device: memory, copies and the stream of the calling thread. The
// header needs no CUDA; kernels/no_cuda throws in a build without it.
//
// Everything is ordered on one stream a device and thread, but for upload(), which has a second one. Calls
// that a device refuses throw std::runtime_error naming the call, file and line.

#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

namespace signet::cuda {

/// How convolutions and matrix products multiply: in float (FFMA), or on tensor cores with operands rounded
/// to TF32 or bf16 and sums in float. With bf16, activations that are stored as bf16 are multiplied as they
/// are; else they are widened first.
enum class MatrixMath : uint8_t { f32, tf32, bf16 };

/// Of the whole process; f32 unless set.
void set_matrix_math(MatrixMath math);
MatrixMath matrix_math();

/// Which part of a product a block of threads computes: 64x64, 128x64 or 128x128, by warps, or where operands
/// are bfloat16, by warpgroups if has_warpgroups(), or with sums in tensor memory if has_tensor_memory()
/// (else by warps all the same). The size changes no bit of the result; a card may round sums of the three
/// kinds differently. `automatic` picks the size by the product's, and of the kinds the last that the card
/// has; the others are for tests, and for measuring which is best on a card.
enum class TileChoice : uint8_t {
  automatic,
  small,
  narrow,
  large,
  warpgroup_small,
  warpgroup_narrow,
  warpgroup_large,
  tensor_memory_small,
  tensor_memory_narrow,
  tensor_memory_large
};

/// Of the whole process; automatic unless set.
void set_tile_choice(TileChoice choice);
TileChoice tile_choice();

/// Whether the thread's device has the instructions of warpgroups, wgmma, and the program code for it:
/// compute capability 9.0. A simulated device has them, and takes them when told to.
bool has_warpgroups();

/// The same of tcgen05, the instructions of tensor memory: compute capability 10.0.
bool has_tensor_memory();

/// How convolutions and their gradients by the data are computed: `winograd` where the algorithm does (3x3,
/// stride and dilation 1, channels in fours, MatrixMath::f32), `implicit_gemm` for every shape; `automatic`
/// picks by the shape of an image, the others are for tests, and for measuring which is best on a card.
enum class ConvChoice : uint8_t { automatic, implicit_gemm, winograd };

/// Of the whole process; automatic unless set. What conv2d_prepare made is for the choice and the matrix_math
/// that it was made with.
void set_conv_choice(ConvChoice choice);
ConvChoice conv_choice();

/// How many bytes Winograd's algorithm may take for the tiles that it has at hand at a time, or for the 128
/// tiles at least that it takes at once; the results are the same to the bit. 32 MB unless set.
void set_winograd_workspace(int64_t bytes);
int64_t winograd_workspace();

/// The device's memory does not suffice; the message says for what, and a remedy.
class OutOfMemory : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct DeviceProperties {
  std::string name;
  bool simulated = false;    ///< kernels/simt on the CPU: right, and slow
  int major = 0, minor = 0;  ///< compute capability
  int multiprocessors = 0;
  int64_t memory_bytes = 0;
  double clock_ghz = 0, memory_gb_per_s = 0;  ///< peaks that the driver reports; 0 where it does not
};

/// Devices that can be used; 0 where there is none or its driver is too old.
int device_count();
/// Why device_count() is 0, as a sentence with its remedy; empty otherwise.
std::string unavailable_reason();
DeviceProperties device_properties(int device);
/// The device of the calling thread's following calls.
void set_device(int device);

/// On the thread's device, aligned to 256 bytes; never null. Throws OutOfMemory.
void* allocate(int64_t bytes);
/// Waits until the device is done with what it was given before, on any stream.
void release(void* memory);
/// Page-locked host memory: copies from and to it overlap with kernels.
void* allocate_pinned(int64_t bytes);
void release_pinned(void* memory);

/// Ordered after what the stream was given before. Memory that is not pinned may be reused on return; pinned
/// memory only after synchronize().
void copy_to_device(void* to, const void* from, int64_t bytes);
/// Waits for the copy.
void copy_to_host(void* to, const void* from, int64_t bytes);
void copy_on_device(void* to, const void* from, int64_t bytes);
/// Sets every byte.
void fill_bytes(void* memory, int value, int64_t bytes);
/// Waits until all that the stream was given is done.
void synchronize();

/// The streams of a thread on its device: kernels and the copies above are ordered on `work`, upload() on
/// `uploads`.
enum class Stream : uint8_t { work, uploads };

/// Copies from pinned memory on the stream `uploads`, so beside the kernels.
void upload(void* to, const void* pinned, int64_t bytes);

/// A point that a stream of the thread's device has to reach, for others to wait for.
class Mark {
 public:
  /// On the thread's device. Nobody waits for a mark that has not been set.
  Mark();
  ~Mark();
  Mark(const Mark&) = delete;
  Mark& operator=(const Mark&) = delete;

  /// Sets the mark behind all that the stream has been given.
  void set(Stream stream);
  /// What the stream is given from now on comes after the mark.
  void hold(Stream stream) const;
  /// The calling thread waits.
  void wait() const;

 private:
  void* event_ = nullptr;
};

/// Kernels and copies of the thread's stream `work`, recorded once and then launched as one. Their arguments
/// are those of the recording: addresses, sizes, numbers.
class Graph {
 public:
  /// Calls `record`, and records what it gives the stream instead of doing it. Waiting for the stream is an
  /// error meanwhile. Throws what `record` throws; the stream is then as before.
  explicit Graph(const std::function<void()>& record);
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  /// On the stream of the calling thread, which must be the one that recorded.
  void launch();

 private:
  void* executable_ = nullptr;
  /// The kernels' workspace, which each launch uses again.
  std::shared_ptr<void> workspace_;
};

/// What to call when a workspace finds too little memory, before it tries again: gives back memory that is
/// kept for later use.
void set_reclaimer(void (*reclaim)());

/// Device memory for a kernel's intermediate results, at least `bytes` long and aligned to 256; valid until
/// the next call on the same thread and device.
void* workspace(int64_t bytes);

}  // namespace signet::cuda
