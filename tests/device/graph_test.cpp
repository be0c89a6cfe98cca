// Tensors, memory and graphs on the device.

#include <algorithm>
#include <functional>
#include <optional>
#include <stdexcept>

#include "tensor/graph.h"

#include "tensor/error.h"
#include "tensor/launch.h"
#include "tests/device/device.h"

namespace signet::test {
namespace {

std::vector<float> numbers(int64_t count) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(float(i));
  return values;
}

TEST_CASE("tensors go up, round, and down again") {
  const auto values = numbers(1000);
  const Tensor a = Tensor::from(values, {10, 100}, kCuda);
  CHECK(a.device() == kCuda);
  CHECK(a.to_vector() == values);
  const Tensor b = a.clone();
  SIGNET_LAUNCH(kCuda, scale, a.data(), a.data(), 0.0, a.size());
  CHECK(b.to_vector() == values);
  CHECK(b.to({}).to_vector() == values);
  a.copy_from(b.to({}));
  CHECK(a.to_vector() == values);
  CHECK(Tensor::full({3}, 2, kCuda).to_vector() == std::vector<float>{2, 2, 2});
  CHECK(Tensor::empty({0, 7}, kCuda).to_vector().empty());
}

TEST_CASE("new memory of the device is poisoned where a test asks") {
  set_poison_new_memory(true);
  const auto values = Tensor::empty({100}, kCuda).to_vector();
  set_poison_new_memory(false);
  for (const float v : values) CHECK(v != v);
}

TEST_CASE("the device's memory is counted apart and used again") {
  release_cached_memory();
  const auto before = memory_statistics(kCuda), host = memory_statistics();
  float* first = nullptr;
  {
    const Tensor a = Tensor::empty({1 << 18}, kCuda);
    first = a.data();
    CHECK(memory_statistics(kCuda).in_use == before.in_use + (1 << 20));
    CHECK(memory_statistics().in_use == host.in_use);
  }
  CHECK(Tensor::empty({1 << 18}, kCuda).data() == first);
  release_cached_memory(kCuda);
  CHECK(memory_statistics(kCuda).reserved == before.in_use);
}

TEST_CASE("a pool's memory goes to nobody else while it lives") {
  std::optional<MemoryPool> pool(kCuda);
  float* mine = nullptr;
  {
    const MemoryPool::Use use(*pool);
    mine = Tensor::empty({12345}, kCuda).data();
    CHECK(Tensor::empty({12345}, kCuda).data() == mine);
  }
  const Tensor other = Tensor::empty({12345}, kCuda);
  CHECK(other.data() != mine);
  release_cached_memory(kCuda);
  CHECK(memory_statistics(kCuda).reserved >= memory_statistics(kCuda).in_use + 12345 * 4);
  {
    const MemoryPool::Use use(*pool);
    CHECK(Tensor::empty({12345}, kCuda).data() == mine);
  }
  pool.reset();
  release_cached_memory(kCuda);
  CHECK(memory_statistics(kCuda).reserved == memory_statistics(kCuda).in_use);
}

TEST_CASE("recording does nothing, a launch does it all") {
  const Tensor x = Tensor::from(numbers(100), {100}, kCuda), y = Tensor::zeros({100}, kCuda);
  const Tensor warm_up = Tensor::zeros({1}, kCuda);
  reset_launch_counts();
  const auto version = y.version();
  Tensor z;
  CapturedGraph graph(kCuda, [&] {
    z = Tensor::empty({100}, kCuda);
    SIGNET_LAUNCH(kCuda, add, z.data(), x.data(), y.data(), x.size());
    SIGNET_LAUNCH(kCuda, add, y.data(), z.data(), x.data(), x.size());
    y.mark_modified();
  });
  CHECK(y.to_vector() == std::vector<float>(100, 0));
  CHECK(y.version() == version);
  CHECK(launch_counts().empty());
  for (int launch = 1; launch <= 3; ++launch) {
    graph.launch();
    const auto of_z = z.to_vector(), of_y = y.to_vector();
    for (size_t i = 0; i < 100; ++i) {
      CHECK(of_z[i] == float(2 * launch - 1) * float(i));
      CHECK(of_y[i] == float(2 * launch) * float(i));
    }
    CHECK(y.version() == version + uint64_t(launch));
    CHECK(launch_counts() == std::map<std::string, int64_t>{{"add", 2 * launch}});
  }
  x.copy_from(Tensor::full({100}, 1));
  graph.launch();
  CHECK(y.to_vector().front() == 2);  // 0 + 1 + 1
}

TEST_CASE("what cannot be recorded is refused, and the device goes on") {
  const Tensor x = Tensor::full({64}, 3, kCuda);
  const auto record = [&](const std::function<void()>& work) { const CapturedGraph graph(kCuda, work); };
  CHECK_THROWS_WITH_AS(record([&] { x.to_vector(); }), doctest::Contains("cudaStreamSynchronize"),
                       std::runtime_error);
  CHECK(x.to_vector().front() == 3);
  CHECK_THROWS_WITH_AS(record([&] { cuda::workspace(int64_t{64} << 20); }),
                       doctest::Contains("run the same work once before"), std::logic_error);
  CHECK_THROWS_AS(record([&] { fail("a sentence"); }), Error);
  SIGNET_LAUNCH(kCuda, scale, x.data(), x.data(), 2.0, x.size());
  CHECK(x.to_vector().back() == 6);
  const auto version = x.version();
  x.mark_modified();  // no recording is left behind
  CHECK(x.version() == version + 1);
}

TEST_CASE("a graph keeps the workspace that its kernels write to") {
  const Tensor x = Tensor::full({1 << 20}, 1, kCuda), sum = Tensor::zeros({1}, kCuda);
  const auto work = [&] { SIGNET_LAUNCH(kCuda, sum_of_squares, sum.data(), x.data(), x.size()); };
  work();
  CapturedGraph graph(kCuda, work);
  // A larger one takes its place; were the first one free now, something else would get its memory.
  cuda::workspace(int64_t{32} << 20);
  std::vector<Tensor> others;
  for (int i = 0; i < 40; ++i) cuda::release(cuda::allocate(int64_t{8} << 20));
  for (int64_t size = 64; size <= (1 << 16); size *= 2) {
    for (int k = 0; k < 8; ++k) others.push_back(Tensor::full({size}, 5, kCuda));
  }
  graph.launch();
  CHECK(sum.item() == 1 << 20);
  for (const auto& other : others) {
    const auto values = other.to_vector();
    CHECK(std::all_of(values.begin(), values.end(), [](float v) { return v == 5; }));
  }
}

}  // namespace
}  // namespace signet::test
