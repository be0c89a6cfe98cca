// The device itself: the order in which it runs threads, and the runtime API's answers to wrong calls.

#include <doctest/doctest.h>

#include <map>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "kernels/cuda/platform.cuh"
#include "kernels/cuda/stream.cuh"
#include "kernels/simt/device.h"
#include "kernels/simt/memory.h"
#include "tests/kernels/op_checks.h"
#include "tests/kernels/suite.h"

using namespace signet;
using namespace signet::test;

namespace {

__global__ void order_of_arrival(int* order, int* arrived) {
  order[atomicAdd(arrived, 1)] = int(blockIdx.x * blockDim.x + threadIdx.x);
}

__global__ void increment(int* value) {
  if (threadIdx.x == 0) *value += 1;
}

__global__ void write_past_the_end(int* data, int n) {
  data[n] = 1;
}

/// Device memory, freed at the end of the test.
struct Ints {
  explicit Ints(int64_t n) : data(static_cast<int*>(cuda::allocate(n * 4))), size(n) {
    cuda::fill_bytes(data, 0, n * 4);
  }
  Ints(const Ints&) = delete;
  Ints& operator=(const Ints&) = delete;
  ~Ints() { cuda::release(data); }
  std::vector<int> values() const {
    std::vector<int> host(static_cast<size_t>(size));
    cuda::copy_to_host(host.data(), data, size * 4);
    return host;
  }
  int* data;
  int64_t size;
};

std::vector<int> arrivals(uint64_t seed) {
  simt::set_schedule_seed(seed);
  const Ints order(256), arrived(1);
  cuda::launch(order_of_arrival, 4, 64, 0, cuda::current_stream(), order.data, arrived.data);
  simt::set_schedule_seed(0);
  return order.values();
}

std::string refusal(dim3 grid, dim3 block, size_t shared) {
  const Ints value(1);
  try {
    cuda::launch(increment, grid, block, shared, cuda::current_stream(), value.data);
  } catch (const simt::KernelError& error) {
    CHECK(error.report.kind == simt::Fault::launch);
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("the seed shuffles the threads, and each of them runs once") {
  std::set<std::vector<int>> orders;
  std::vector<int> all(256);
  std::iota(all.begin(), all.end(), 0);
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    std::vector<int> order = arrivals(seed);
    orders.insert(order);
    std::sort(order.begin(), order.end());
    CHECK(order == all);
  }
  CHECK(orders.size() == 8);
}

TEST_CASE("kernels give the same bits in whatever order their threads run") {
  const auto check = [](const OpCase& op, const auto& backend) {
    const auto first = output_bytes(op, backend);
    for (uint64_t seed = 1; seed <= 2; ++seed) {
      simt::set_schedule_seed(seed);
      CHECK_MESSAGE(output_bytes(op, backend) == first, op.label());
    }
    simt::set_schedule_seed(0);
  };
  std::map<std::string, int> met;
  for (const OpCase& op : all_cases(whole_suite(Scale::test))) {
    if (op.terms < 20 || ++met[op.kernel] > 6) continue;
    check(op, cuda_backends().front());
  }
  met.clear();
  for (const OpCase& op : all_cases(whole_suite(Scale::test))) {
    // The largest cases: theirs are whole packs of channels.
    if (!takes_activations(op) || op.terms < 288 || ++met[op.kernel] > 6) continue;
    check(with_bf16_inputs(op), cuda_bf16_backends().front());
  }
}

TEST_CASE("launches that a device would refuse") {
  CHECK(refusal(1, 1024, 0) == "");
  CHECK(refusal(1, 1025, 0).find("1025") != std::string::npos);
  CHECK(refusal(1, dim3(1, 1, 65), 0).find("at most 64 along z") != std::string::npos);
  CHECK(refusal(dim3(1, 65536), 32, 0).find("65535") != std::string::npos);
  CHECK(refusal(1, 32, 227 << 10) == "");
  CHECK(refusal(1, 32, (227 << 10) + 1).find("shared memory") != std::string::npos);
}

TEST_CASE("memory: sizes, double frees, wrong sides, overruns and leaks") {
  const size_t before = simt::living_allocations().size();
  void* memory = nullptr;
  REQUIRE(cudaMalloc(&memory, 100) == cudaSuccess);
  CHECK(simt::living_allocations().size() == before + 1);
  CHECK(simt::living_allocations().back().bytes == 100);
  char host[128] = {};
  CHECK(cudaMemcpy(memory, host, 100, cudaMemcpyHostToDevice) == cudaSuccess);
  CHECK(cudaMemcpy(memory, host, 101, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  CHECK(cudaMemcpy(host, memory, 100, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  CHECK(cudaMemset(host, 0, 100) == cudaErrorInvalidValue);
  CHECK(cudaFree(static_cast<char*>(memory) + 4) == cudaErrorInvalidValue);
  CHECK(cudaFree(memory) == cudaSuccess);
  CHECK(cudaFree(memory) == cudaErrorInvalidValue);
  CHECK(cudaMemcpy(memory, host, 100, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  CHECK(cudaGetLastError() == cudaErrorInvalidValue);
  CHECK(cudaGetLastError() == cudaSuccess);

  // Kernels that are not checked: what they write beside their memory shows when it is freed.
  REQUIRE(cudaMalloc(&memory, 64) == cudaSuccess);
  cuda::launch(write_past_the_end, 1, 1, 0, cuda::current_stream(), static_cast<int*>(memory), 16);
  CHECK(cudaFree(memory) == cudaErrorIllegalAddress);

  const size_t total = simt::device_memory_total();
  simt::set_device_memory_total((simt::device_memory_total() - simt::device_memory_free()) + 1000);
  CHECK(cudaMalloc(&memory, 1001) == cudaErrorMemoryAllocation);
  CHECK_THROWS_AS(static_cast<void>(cuda::allocate(1001)), cuda::OutOfMemory);
  CHECK(cudaMalloc(&memory, 1000) == cudaSuccess);
  CHECK(cudaFree(memory) == cudaSuccess);
  simt::set_device_memory_total(total);
  CHECK(simt::living_allocations().size() == before);

  void* pinned = nullptr;
  REQUIRE(cudaMallocHost(&pinned, 10) == cudaSuccess);
  CHECK(cudaFreeHost(pinned) == cudaSuccess);
  CHECK(cudaFreeHost(pinned) == cudaErrorInvalidValue);
}

TEST_CASE("devices, streams and events: dead handles are refused") {
  CHECK(cudaSetDevice(1) == cudaErrorInvalidDevice);
  CHECK_THROWS_WITH_AS(cuda::set_device(7), doctest::Contains("cudaErrorInvalidDevice"), std::runtime_error);
  cudaStream_t stream = nullptr;
  REQUIRE(cudaStreamCreate(&stream) == cudaSuccess);
  CHECK(cudaStreamDestroy(stream) == cudaSuccess);
  CHECK(cudaStreamDestroy(stream) == cudaErrorInvalidResourceHandle);
  CHECK(cudaStreamSynchronize(stream) == cudaErrorInvalidResourceHandle);
  cudaEvent_t start = nullptr, stop = nullptr;
  REQUIRE(cudaEventCreate(&start) == cudaSuccess);
  REQUIRE(cudaEventCreate(&stop) == cudaSuccess);
  float ms = -1;
  CHECK(cudaEventElapsedTime(&ms, start, stop) == cudaErrorInvalidResourceHandle);  // not recorded yet
  CHECK(cudaEventRecord(start) == cudaSuccess);
  CHECK(cudaEventRecord(stop) == cudaSuccess);
  CHECK(cudaEventElapsedTime(&ms, start, stop) == cudaSuccess);
  CHECK(ms >= 0);
  CHECK(cudaEventDestroy(start) == cudaSuccess);
  CHECK(cudaEventDestroy(stop) == cudaSuccess);
  CHECK(cudaEventRecord(start) == cudaErrorInvalidResourceHandle);
  static_cast<void>(cudaGetLastError());
}

TEST_CASE("a captured stream does its work when the graph is launched, each time") {
  const Ints value(1);
  cudaStream_t stream = nullptr;
  REQUIRE(cudaStreamCreate(&stream) == cudaSuccess);
  REQUIRE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed) == cudaSuccess);
  CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed) == cudaErrorIllegalState);
  cuda::launch(increment, 1, 32, 0, stream, value.data);
  CHECK(cudaStreamSynchronize(stream) == cudaErrorStreamCaptureUnsupported);
  cudaGraph_t graph = nullptr;
  REQUIRE(cudaStreamEndCapture(stream, &graph) == cudaSuccess);
  CHECK(value.values()[0] == 0);
  cudaGraphExec_t exec = nullptr;
  REQUIRE(cudaGraphInstantiate(&exec, graph) == cudaSuccess);
  CHECK(cudaGraphDestroy(graph) == cudaSuccess);
  CHECK(cudaGraphLaunch(exec, stream) == cudaSuccess);
  CHECK(cudaGraphLaunch(exec, stream) == cudaSuccess);
  CHECK(value.values()[0] == 2);
  CHECK(cudaGraphExecDestroy(exec) == cudaSuccess);
  CHECK(cudaGraphLaunch(exec, stream) == cudaErrorInvalidResourceHandle);
  CHECK(cudaStreamDestroy(stream) == cudaSuccess);
  static_cast<void>(cudaGetLastError());
}
