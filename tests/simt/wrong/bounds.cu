// Addresses that a kernel must not touch, or not like that, or not yet.

#include "kernels/cuda/platform.cuh"
#include "kernels/cuda/stream.cuh"
#include "tests/simt/wrong/wrong.h"

namespace signet::test {
namespace {

using cuda::dynamic_shared;
using simt::Fault;

__global__ void global_past_the_end(float* data) {
  const float x = data[kFloats + threadIdx.x];  // caught: global_past_the_end
  data[threadIdx.x] = x;
}

__global__ void global_before_the_start(float* data) {
  data[int(threadIdx.x) - 1] = 1;  // caught: global_before_the_start
}

__global__ void one_too_many(float* data, unsigned n) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i <= n) data[i] = 1;  // caught: one_too_many
}

__global__ void after_free(const float* freed, float* data) {
  data[threadIdx.x] = freed[threadIdx.x];  // caught: after_free
}

__global__ void static_shared_past_the_end(float* data) {
  __shared__ float tile[32];
  tile[threadIdx.x + 1] = data[threadIdx.x];  // caught: static_shared_past_the_end
  __syncthreads();
  data[threadIdx.x] = tile[31 - threadIdx.x];
}

__global__ void into_the_next_array(float* data, unsigned step) {
  __shared__ float first[32];
  __shared__ float second[32];
  second[threadIdx.x] = first[threadIdx.x] = data[threadIdx.x];
  __syncthreads();
  data[threadIdx.x] += first[threadIdx.x + step] + second[threadIdx.x];  // caught: into_the_next_array
}

__global__ void dynamic_shared_past_the_end(float* data) {
  float* tile = dynamic_shared<float>();
  tile[threadIdx.x * 2] = data[threadIdx.x];  // caught: dynamic_shared_past_the_end
}

__global__ void dynamic_shared_before_the_start(float* data) {
  float* tile = dynamic_shared<float>();
  tile[int(threadIdx.x) - 2] = data[threadIdx.x];  // caught: dynamic_shared_before_the_start
}

__global__ void misaligned_global_vector(float* data) {
  const float4 v =
      reinterpret_cast<const float4*>(data + 1)[threadIdx.x];  // caught: misaligned_global_vector
  data[threadIdx.x] = v.x + v.y + v.z + v.w;
}

__global__ void misaligned_shared_vector(float* data, unsigned pitch) {
  __shared__ __align__(16) float tile[5 * 32];
  float4* row = reinterpret_cast<float4*>(tile + threadIdx.x * pitch);
  *row = make_float4(data[0], data[1], data[2], data[3]);  // caught: misaligned_shared_vector
  __syncthreads();
  data[threadIdx.x] = tile[threadIdx.x];
}

__global__ void misaligned_copy(float* data) {
  float* tile = dynamic_shared<float>();
  cuda::ptx::cp_async_16(tile + 4 * threadIdx.x, data + 4 * threadIdx.x + 2);  // caught: misaligned_copy
  cuda::ptx::cp_async_commit();
  cuda::ptx::cp_async_wait<0>();
}

__global__ void misaligned_matrix_row(float* data) {
  float* tile = dynamic_shared<float>();
  for (unsigned i = threadIdx.x; i < 256; i += 32) tile[i] = data[i];
  __syncwarp();
  uint32_t d[4];
  cuda::ptx::ldmatrix_x4(d, tile + 5 * threadIdx.x);  // caught: misaligned_matrix_row
  data[threadIdx.x] = float(d[0]);
}

__global__ void null_pointer(const float* nothing, float* data) {
  data[threadIdx.x] = nothing[threadIdx.x];  // caught: null_pointer
}

__global__ void host_pointer(const float* host, float* data) {
  data[threadIdx.x] = host[threadIdx.x];  // caught: host_pointer
}

__global__ void variable_of_another_thread(float* data) {
  __shared__ const float* published;
  float own[4] = {data[0], data[1], data[2], data[3]};
  if (threadIdx.x == 0) published = own;
  __syncthreads();
  data[threadIdx.x] =
      threadIdx.x == 1 ? published[3] : own[threadIdx.x % 4];  // caught: variable_of_another_thread
  __syncthreads();
}

__global__ void unwritten_shared(float* data) {
  __shared__ float tile[64];
  tile[threadIdx.x] = data[threadIdx.x];
  __syncthreads();
  data[threadIdx.x] = tile[63 - threadIdx.x];  // caught: unwritten_shared
}

__global__ void unwritten_edge_of_a_tile(float* data, int columns) {
  __shared__ float tile[8][8];
  const int x = int(threadIdx.x) % 8, y = int(threadIdx.x) / 8;
  if (x < columns) tile[y][x] = data[threadIdx.x];  // the rest should have become zero
  __syncthreads();
  float sum = 0;
  for (int i = 0; i < 8; ++i) sum += tile[y][i];  // caught: unwritten_edge_of_a_tile
  data[threadIdx.x] = sum;
}

__global__ void unwritten_in_the_second_block(float* data) {
  __shared__ float tile[32];
  if (blockIdx.x == 0) tile[threadIdx.x] = data[threadIdx.x];
  __syncthreads();
  data[32 * blockIdx.x + threadIdx.x] = tile[threadIdx.x];  // caught: unwritten_in_the_second_block
}

__global__ void unwritten_global(const float* fresh, float* data) {
  data[threadIdx.x] = fresh[threadIdx.x];  // caught: unwritten_global
}

__global__ void copy_past_the_end(float* data) {
  float* to = dynamic_shared<float>() + 4 * threadIdx.x;
  const float* row = data + kFloats - 64;
  cuda::ptx::cp_async_16(to, row + 4 * threadIdx.x);  // caught: copy_past_the_end
  cuda::ptx::cp_async_commit();
  cuda::ptx::cp_async_wait<0>();
}

template <class... Parameters, class... Arguments>
void run(void (*kernel)(Parameters...), unsigned blocks, unsigned threads, size_t shared,
         Arguments... arguments) {
  cuda::launch(kernel, blocks, threads, shared, cuda::current_stream(), arguments...);
}

void run_after_free(float* data) {
  auto* freed = static_cast<float*>(cuda::allocate(1024));
  cuda::fill_bytes(freed, 0, 1024);
  cuda::release(freed);
  run(after_free, 1, 32, 0, freed, data);
}

void run_host_pointer(float* data) {
  static const float* const host = new float[32]();
  run(host_pointer, 1, 32, 0, host, data);
}

void run_unwritten_global(float* data) {
  struct Fresh {
    float* memory = static_cast<float*>(cuda::allocate(1024));
    Fresh() = default;
    Fresh(const Fresh&) = delete;
    Fresh& operator=(const Fresh&) = delete;
    ~Fresh() { cuda::release(memory); }
  };
  const Fresh fresh;
  run(unwritten_global, 1, 32, 0, fresh.memory, data);
}

}  // namespace

std::span<const WrongKernel> wrong_bounds() {
  static const WrongKernel all[] = {
      {"global_past_the_end", Fault::out_of_bounds, [](float* d) { run(global_past_the_end, 1, 32, 0, d); }},
      {"global_before_the_start", Fault::out_of_bounds,
       [](float* d) { run(global_before_the_start, 1, 32, 0, d); }},
      {"one_too_many", Fault::out_of_bounds,
       [](float* d) { run(one_too_many, kFloats / 128 + 1, 128, 0, d, unsigned(kFloats)); }},
      {"after_free", Fault::out_of_bounds, run_after_free},
      {"static_shared_past_the_end", Fault::out_of_bounds,
       [](float* d) { run(static_shared_past_the_end, 1, 32, 0, d); }},
      {"into_the_next_array", Fault::out_of_bounds,
       [](float* d) { run(into_the_next_array, 1, 32, 0, d, 1u); }},
      {"dynamic_shared_past_the_end", Fault::out_of_bounds,
       [](float* d) { run(dynamic_shared_past_the_end, 1, 32, 32 * sizeof(float), d); }},
      {"dynamic_shared_before_the_start", Fault::out_of_bounds,
       [](float* d) { run(dynamic_shared_before_the_start, 1, 32, 32 * sizeof(float), d); }},
      {"misaligned_global_vector", Fault::misaligned,
       [](float* d) { run(misaligned_global_vector, 1, 32, 0, d); }},
      {"misaligned_shared_vector", Fault::misaligned,
       [](float* d) { run(misaligned_shared_vector, 1, 32, 0, d, 33 / 8u + 1); }},
      {"misaligned_copy", Fault::misaligned, [](float* d) { run(misaligned_copy, 1, 32, 4096, d); }},
      {"misaligned_matrix_row", Fault::misaligned,
       [](float* d) { run(misaligned_matrix_row, 1, 32, 4096, d); }},
      {"null_pointer", Fault::out_of_bounds,
       [](float* d) { run(null_pointer, 1, 32, 0, static_cast<const float*>(nullptr), d); }},
      {"host_pointer", Fault::out_of_bounds, run_host_pointer},
      {"variable_of_another_thread", Fault::out_of_bounds,
       [](float* d) { run(variable_of_another_thread, 1, 32, 0, d); }},
      {"unwritten_shared", Fault::unwritten, [](float* d) { run(unwritten_shared, 1, 32, 0, d); }},
      {"unwritten_edge_of_a_tile", Fault::unwritten,
       [](float* d) { run(unwritten_edge_of_a_tile, 1, 64, 0, d, 7); }},
      {"unwritten_in_the_second_block", Fault::unwritten,
       [](float* d) { run(unwritten_in_the_second_block, 2, 32, 0, d); }},
      {"unwritten_global", Fault::unwritten, run_unwritten_global},
      {"copy_past_the_end", Fault::out_of_bounds, [](float* d) { run(copy_past_the_end, 1, 32, 4096, d); }},
  };
  return all;
}

}  // namespace signet::test
