// The runtime of a build without CUDA: there is no device, and whatever needs one throws.

#include "kernels/cuda/runtime.h"

namespace signet::cuda {
namespace {
[[noreturn]] void refuse() {
  throw std::runtime_error(unavailable_reason());
}
}  // namespace

void set_matrix_math(MatrixMath /*math*/) {
  refuse();
}
MatrixMath matrix_math() {
  return MatrixMath::f32;
}
void set_tile_choice(TileChoice /*choice*/) {
  refuse();
}
TileChoice tile_choice() {
  return TileChoice::automatic;
}
bool has_warpgroups() {
  return false;
}
bool has_tensor_memory() {
  return false;
}
void set_conv_choice(ConvChoice /*choice*/) {
  refuse();
}
ConvChoice conv_choice() {
  return ConvChoice::automatic;
}
void set_winograd_workspace(int64_t /*bytes*/) {
  refuse();
}
int64_t winograd_workspace() {
  return 0;
}
int device_count() {
  return 0;
}
std::string unavailable_reason() {
  return "this program was built without CUDA (CMake option SIGNET_CUDA=OFF); use --device cpu, or build it "
         "with -DSIGNET_CUDA=ON";
}
DeviceProperties device_properties(int /*device*/) {
  refuse();
}
void set_device(int /*device*/) {
  refuse();
}

void* allocate(int64_t /*bytes*/) {
  refuse();
}
void release(void* /*memory*/) {
  refuse();
}
void* allocate_pinned(int64_t /*bytes*/) {
  refuse();
}
void release_pinned(void* /*memory*/) {
  refuse();
}

void copy_to_device(void* /*to*/, const void* /*from*/, int64_t /*bytes*/) {
  refuse();
}
void copy_to_host(void* /*to*/, const void* /*from*/, int64_t /*bytes*/) {
  refuse();
}
void copy_on_device(void* /*to*/, const void* /*from*/, int64_t /*bytes*/) {
  refuse();
}
void fill_bytes(void* /*memory*/, int /*value*/, int64_t /*bytes*/) {
  refuse();
}
void synchronize() {
  refuse();
}

void upload(void* /*to*/, const void* /*pinned*/, int64_t /*bytes*/) {
  refuse();
}

Mark::Mark() {
  refuse();
}
Mark::~Mark() = default;
void Mark::set(Stream /*stream*/) {
  refuse();
}
void Mark::hold(Stream /*stream*/) const {
  refuse();
}
void Mark::wait() const {
  refuse();
}

Graph::Graph(const std::function<void()>& /*record*/) {
  refuse();
}
Graph::~Graph() = default;
void Graph::launch() {
  refuse();
}

void set_reclaimer(void (* /*reclaim*/)()) {}
void* workspace(int64_t /*bytes*/) {
  refuse();
}

}  // namespace signet::cuda
