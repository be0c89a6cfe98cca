#include "kernels/parallel.h"

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <limits>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/kernels/threads_guard.h"

using namespace signet;
using signet::test::ThreadsGuard;

TEST_CASE("parallel_for runs every chunk once") {
  const ThreadsGuard guard;
  for (const int threads : {1, 2, 5}) {
    set_num_threads(threads);
    CHECK(num_threads() == threads);
    for (const int64_t chunks : {0, 1, 2, 3, 7, 1000}) {
      std::vector<std::atomic<int>> runs(static_cast<size_t>(chunks));
      parallel_for(chunks, [&](int64_t chunk) { ++runs[size_t(chunk)]; });
      for (const auto& count : runs) CHECK(count == 1);
    }
  }
}

TEST_CASE("parallel_for ends only when all chunks have ended") {
  const ThreadsGuard guard;
  set_num_threads(3);
  for (int round = 0; round < 300; ++round) {
    std::vector<int> plain(7);
    parallel_for(7, [&](int64_t chunk) { plain[size_t(chunk)] = int(chunk) + round; });
    for (int i = 0; i < 7; ++i) REQUIRE(plain[size_t(i)] == i + round);
  }
}

TEST_CASE("each thread begins with its own part of the chunks") {
  const ThreadsGuard guard;
  set_num_threads(2);
  for (int round = 0; round < 20; ++round) {
    // Each chunk of the first half meets its fellow of the second, so that neither thread gets ahead.
    std::array<std::atomic<bool>, 8> begun{};
    std::array<std::thread::id, 8> threads;
    std::atomic<int> missed = 0;
    parallel_for(8, [&](int64_t chunk) {
      threads[size_t(chunk)] = std::this_thread::get_id();
      begun[size_t(chunk)] = true;
      const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
      while (!begun[size_t(chunk + 4) % 8]) {
        if (std::chrono::steady_clock::now() > deadline) ++missed;
        if (missed > 0) return;
        std::this_thread::yield();
      }
    });
    REQUIRE(missed == 0);
    for (size_t chunk = 0; chunk < 8; ++chunk)
      CHECK((threads[chunk] == std::this_thread::get_id()) == (chunk < 4));
  }
}

TEST_CASE("a nested parallel_for runs its chunks on the calling thread") {
  const ThreadsGuard guard;
  set_num_threads(3);
  std::vector<std::atomic<int>> runs(40);
  std::atomic<int> strangers = 0;
  parallel_for(4, [&](int64_t outer) {
    const std::thread::id caller = std::this_thread::get_id();
    parallel_for(10, [&](int64_t inner) {
      if (std::this_thread::get_id() != caller) ++strangers;
      ++runs[size_t(outer * 10 + inner)];
    });
  });
  for (const auto& count : runs) CHECK(count == 1);
  CHECK(strangers == 0);
}

TEST_CASE("an exception of a body reaches the caller, and the pool goes on") {
  const ThreadsGuard guard;
  for (const int threads : {1, 3}) {
    set_num_threads(threads);
    const auto failing = [](int64_t chunk) {
      if (chunk == 5) throw std::runtime_error("chunk 5");
    };
    CHECK_THROWS_WITH_AS(parallel_for(20, failing), "chunk 5", std::runtime_error);
    std::atomic<int> count = 0;
    parallel_for(20, [&](int64_t) { ++count; });
    CHECK(count == 20);
    // After a nested failure too the outer level must be left as it was found.
    CHECK_THROWS(parallel_for(3, [&](int64_t) { parallel_for(20, failing); }));
    parallel_for(20, [&](int64_t) { ++count; });
    CHECK(count == 40);
  }
}

TEST_CASE("at least one thread is needed") {
  const ThreadsGuard guard;
  CHECK_THROWS_AS(set_num_threads(0), std::invalid_argument);
  CHECK_THROWS_AS(set_num_threads(-2), std::invalid_argument);
  CHECK(num_threads() == guard.before);
}

TEST_CASE("two threads may call parallel_for at the same time") {
  const ThreadsGuard guard;
  set_num_threads(2);
  const auto caller = [](std::atomic<int64_t>& total) {
    for (int round = 0; round < 200; ++round) parallel_for(16, [&](int64_t chunk) { total += chunk; });
  };
  std::atomic<int64_t> first = 0, second = 0;
  std::thread other([&] { caller(second); });
  caller(first);
  other.join();
  CHECK(first == 200 * 120);
  CHECK(second == 200 * 120);
}

#if defined(__x86_64__)
TEST_CASE("subnormal numbers are zero in the bodies, on every thread, and nowhere else") {
  const ThreadsGuard guard;
  volatile float smallest = std::numeric_limits<float>::min();
  const auto halved = [&] { return smallest * 0.5f; };
  const auto doubled = [](volatile const float& x) { return x * 2; };
  const float subnormal = halved();
  for (const int threads : {1, 3}) {
    set_num_threads(threads);
    std::vector<float> results(64), inputs(64);
    parallel_for(64, [&](int64_t chunk) {
      results[size_t(chunk)] = halved();
      inputs[size_t(chunk)] = doubled(subnormal);
    });
    CHECK(results == std::vector<float>(64, 0));
    CHECK(inputs == std::vector<float>(64, 0));
    CHECK(halved() > 0);
    CHECK(doubled(subnormal) == smallest);
  }
}
#endif
