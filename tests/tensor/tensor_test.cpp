#include "tensor/tensor.h"

#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>

#include "tensor/error.h"
#include "tensor/launch.h"

namespace signet {
namespace {

TEST_CASE("shape: extents, size, equality, messages") {
  const Shape s{2, 3, 4};
  CHECK(s.rank() == 3);
  CHECK(s.size() == 24);
  CHECK(s[-1] == 4);
  CHECK(s == Shape(std::vector<int64_t>{2, 3, 4}));
  CHECK(s != Shape{2, 3});
  CHECK(s.to_string() == "[2, 3, 4]");
  CHECK(Shape{}.size() == 1);
  CHECK(Shape{0, 7}.size() == 0);
  CHECK_THROWS_AS((Shape{1, -1}), std::invalid_argument);
  CHECK_THROWS_AS((Shape{1, 1, 1, 1, 1, 1}), std::invalid_argument);
}

TEST_CASE("tensor: a copy is a handle, a clone is not") {
  const Tensor a = Tensor::from(std::vector<float>{1, 2, 3}, {3});
  const Tensor handle = a, clone = a.clone();
  a.data()[0] = 9;
  CHECK(handle.data()[0] == 9);
  CHECK(clone.data()[0] == 1);
  CHECK_FALSE(a.unique());
  CHECK(clone.unique());
}

TEST_CASE("tensor: sizes and types are checked") {
  const std::vector<float> three{1, 2, 3};
  CHECK_THROWS_AS(Tensor::from(three, {4}), std::invalid_argument);
  const Tensor t = Tensor::from(three, {3});
  CHECK_THROWS_AS(t.item(), std::invalid_argument);
  CHECK_THROWS_AS(t.viewed_as({2, 2}), std::invalid_argument);
  CHECK_THROWS_AS(t.data_i32(), std::logic_error);
  CHECK_THROWS_AS(t.copy_from(Tensor::zeros({2})), std::invalid_argument);
  CHECK(Tensor().data() == nullptr);
}

TEST_CASE("tensor: copy_from counts a version, so that caches notice") {
  const Tensor t = Tensor::zeros({2});
  const auto before = t.version();
  t.copy_from(Tensor::full({2}, 5));
  CHECK(t.version() > before);
  CHECK(t.to_vector() == std::vector<float>{5, 5});
}

TEST_CASE("rows are a view of the same storage") {
  const Tensor t = Tensor::from(std::vector<float>{0, 1, 2, 3, 4, 5}, {3, 2});
  const Tensor last = t.rows(1, 3);
  CHECK(last.shape() == Shape{2, 2});
  CHECK(last.to_vector() == std::vector<float>{2, 3, 4, 5});
  CHECK(last.rows(1, 2).viewed_as({2}).clone().to_vector() == std::vector<float>{4, 5});
  last.rows(0, 1).copy_from(Tensor::full({1, 2}, 7));
  CHECK(t.to_vector() == std::vector<float>{0, 1, 7, 7, 4, 5});
  CHECK_FALSE(t.unique());
  CHECK(t.rows(1, 1).size() == 0);
  CHECK_THROWS_AS(t.rows(2, 4), std::out_of_range);
  CHECK_THROWS_AS(t.rows(2, 1), std::out_of_range);
  CHECK_THROWS_AS(t.rows(-1, 1), std::out_of_range);
}

TEST_CASE("allocator: freed memory is used again and the peak is remembered") {
  release_cached_memory();
  reset_peak_memory();
  const int64_t start = memory_statistics().in_use;
  const void* first = nullptr;
  {
    const Tensor t = Tensor::empty({1024, 1024});
    first = t.data();
    CHECK(memory_statistics().in_use == start + (int64_t{4} << 20));
  }
  CHECK(memory_statistics().in_use == start);
  CHECK(memory_statistics().reserved >= start + (int64_t{4} << 20));
  const Tensor again = Tensor::empty({1024, 1024});
  CHECK(again.data() == first);
  CHECK(memory_statistics().peak == start + (int64_t{4} << 20));
}

TEST_CASE("allocator: what is held stays near the highest use") {
  release_cached_memory();
  reset_peak_memory();
  const int64_t start = memory_statistics().in_use;
  const auto reserved_mb = [&] { return double(memory_statistics().reserved - start) / (1 << 20); };
  // Sizes that never fit one another: without a bound each would stay cached.
  for (int64_t mb = 1; mb <= 32; ++mb) Tensor::empty({mb, 1 << 18});
  CHECK(reserved_mb() <= 2 * 32);
  for (int64_t mb = 50; mb <= 500; mb += 50) Tensor::empty({mb, 1 << 18});
  CHECK(reserved_mb() <= 1.1 * 500);
}

TEST_CASE("allocator: at its bound a block twice as large serves, instead of giving it back") {
  release_cached_memory();
  reset_peak_memory();
  const int64_t start = memory_statistics().in_use;
  const auto megabytes = [](int64_t mb) { return Tensor::empty({mb, 1 << 18}); };
  const void* large = nullptr;
  {
    const Tensor first = megabytes(400), second = megabytes(200);
    large = second.data();
  }
  // 600 MB are held, with room for 60 more.
  const Tensor half = megabytes(100);
  CHECK(half.data() == large);
  CHECK(memory_statistics().in_use == start + (int64_t{100} << 20));
  CHECK(memory_statistics().reserved == start + (int64_t{600} << 20));
  // Within the bound, blocks are not wasted so.
  const Tensor small = megabytes(50);
  CHECK(memory_statistics().reserved == start + (int64_t{650} << 20));
  // Less than half of a block is no reason to take it: 400 MB are given back.
  const Tensor less = megabytes(60);
  CHECK(memory_statistics().reserved == start + (int64_t{310} << 20));
}

TEST_CASE("allocator: poisoned memory is NaN") {
  set_poison_new_memory(true);
  const Tensor t = Tensor::empty({5});
  set_poison_new_memory(false);
  for (const float v : t.to_vector()) CHECK(std::isnan(v));
}

TEST_CASE("allocator: storage is aligned for vector loads") {
  for (int64_t n : {1, 3, 17, 1000, 1 << 20})
    CHECK(reinterpret_cast<uintptr_t>(Tensor::empty({n}).data()) % 64 == 0);
}

TEST_CASE("device: names") {
  CHECK(Device::parse("cpu") == Device{});
  CHECK(Device::parse("auto") == Device{});
  CHECK(Device::parse("reference").type == Device::Type::reference);
  CHECK_THROWS_WITH_AS(Device::parse("gpu"), doctest::Contains("gpu"), Error);
}

TEST_CASE("launches are counted by kernel") {
  reset_launch_counts();
  Tensor::zeros({3});
  Tensor::full({3}, 1);
  CHECK(launch_counts() == std::map<std::string, int64_t>{{"fill", 2}});
  reset_launch_counts();
  CHECK(launch_counts().empty());
}

#if defined(SIGNET_CUDA_OFF)
TEST_CASE("a device that is not built is refused, and its kernels say which option builds them") {
  CHECK_THROWS_AS(Device::parse("cuda:0"), Error);
  CHECK_THROWS_WITH(cuda::fill(nullptr, 0, 0), doctest::Contains("SIGNET_CUDA"));
}
#endif

}  // namespace
}  // namespace signet
