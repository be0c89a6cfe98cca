// The pool keeps num_threads() - 1 workers. A worker that finds nothing to do spins for a moment, because the
// kernels of a network follow each other within microseconds, and then sleeps. A job ends when its chunks
// have run out and every worker that had joined has left; a worker that is still waking up then is not
// waited for.
//
// A thread begins with its own part of the chunks, the same part in every job of as many chunks, and helps
// the others when that is done: what it wrote in one kernel it reads in the next, from a cache of its own.
// Where cores do not share a cache, whoever is free taking the next chunk was half as fast on small networks.
//
// In the bodies subnormal numbers (below 1.2e-38) are zero, as inputs and as results. A processor takes some
// 150 cycles for an instruction that meets one, and training breeds them: where a unit is dead, Adam's mean
// is multiplied by 0.9 in every step, down to a few units of the smallest subnormal, where it stays for good.

#include "kernels/parallel.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <span>
#include <stdexcept>
#include <thread>
#include <vector>

namespace signet {
namespace {

/// Waits for a condition without sleeping: a tenth of a millisecond without leaving the processor, for
/// kernels follow each other closely and whoever is given the processor meanwhile keeps it for milliseconds;
/// then, for as long as waking a sleeper can take on a virtual machine, in turn with whoever else wants the
/// processor. Returns whether the condition came to hold.
template <class Condition>
bool holds_soon(const Condition& condition) {
  constexpr int kSpins = 5000;
  constexpr auto kPatience = std::chrono::microseconds(1000);
  for (int spin = 0; spin < kSpins; ++spin) {
    if (condition()) return true;
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
  for (const auto begin = std::chrono::steady_clock::now();
       std::chrono::steady_clock::now() - begin < kPatience;) {
    if (condition()) return true;
    std::this_thread::yield();
  }
  return condition();
}

/// While one lives, this thread takes subnormal numbers for zero.
class SubnormalsAreZero {
 public:
#if defined(__x86_64__)
  // MXCSR's bits "flush to zero" and "denormals are zero" (Intel 64 and IA-32 Architectures Software
  // Developer's Manual, volume 1, 10.2.3).
  SubnormalsAreZero() {
    __builtin_ia32_ldmxcsr(before_ | 1U << 15 | 1U << 6);
  }
  ~SubnormalsAreZero() {
    __builtin_ia32_ldmxcsr(before_);
  }

 private:
  unsigned before_ = __builtin_ia32_stmxcsr();
#else
  SubnormalsAreZero() {}
  ~SubnormalsAreZero() {}

 public:
#endif
  SubnormalsAreZero(const SubnormalsAreZero&) = delete;
  SubnormalsAreZero& operator=(const SubnormalsAreZero&) = delete;
};

// Set while this thread runs a body of parallel_for, so that a nested call runs inline.
thread_local bool inside_body = false;

/// A thread's own chunks; alone in its cache line.
struct alignas(64) Part {
  std::atomic<int64_t> next{0};
  int64_t end = 0;
};

struct Job {
  void (*body)(void*, int64_t);
  void* context;
  std::span<Part> parts;
  std::mutex failure_mutex;
  std::exception_ptr failure;

  /// Works off the part of thread `self`, then what the others have left.
  void work(size_t self) {
    inside_body = true;
    for (size_t i = 0; i < parts.size(); ++i) work_off(parts[(self + i) % parts.size()]);
    inside_body = false;
  }

  void work_off(Part& part) {
    // Looking first leaves the line of a finished part to be read by all.
    while (part.next.load(std::memory_order_relaxed) < part.end) {
      const int64_t chunk = part.next.fetch_add(1, std::memory_order_relaxed);
      if (chunk >= part.end) return;
      try {
        body(context, chunk);
      } catch (...) {
        const std::lock_guard lock(failure_mutex);
        if (!failure) failure = std::current_exception();
        for (Part& any : parts) any.next.store(any.end, std::memory_order_relaxed);
      }
    }
  }
};

class Pool {
 public:
  Pool() { start(int(std::max(1u, std::thread::hardware_concurrency()))); }
  ~Pool() { stop(); }

  int size() const { return size_.load(std::memory_order_relaxed); }

  void resize(int count) {
    const std::lock_guard run(run_mutex_);
    if (count == size()) return;
    stop();
    start(count);
  }

  // False if another thread of the application holds the pool at this moment.
  bool run(Job& job, int64_t chunks) {
    const std::unique_lock run(run_mutex_, std::try_to_lock);
    if (!run.owns_lock()) return false;
    const auto threads = int64_t(parts_.size());
    for (int64_t i = 0; i < threads; ++i) {
      parts_[size_t(i)].next.store(chunks * i / threads, std::memory_order_relaxed);
      parts_[size_t(i)].end = chunks * (i + 1) / threads;
    }
    job.parts = parts_;
    {
      const std::lock_guard lock(mutex_);
      job_ = &job;
      generation_.fetch_add(1, std::memory_order_release);
    }
    if (sleepers_.load() > 0) wake_.notify_all();
    job.work(0);
    {
      const std::lock_guard lock(mutex_);
      job_ = nullptr;
    }
    const auto left = [&] { return joined_.load(std::memory_order_acquire) == 0; };
    holds_soon(left);
    std::unique_lock lock(mutex_);
    done_.wait(lock, left);
    return true;
  }

 private:
  void start(int count) {
    stopping_ = false;
    size_.store(count, std::memory_order_relaxed);
    const uint64_t seen = generation_.load();
    parts_ = std::vector<Part>(size_t(count));
    for (size_t i = 1; i < parts_.size(); ++i) workers_.emplace_back([this, i, seen] { loop(i, seen); });
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      generation_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
  }

  void loop(size_t self, uint64_t seen) {
    const SubnormalsAreZero subnormals_are_zero;
    for (;;) {
      holds_soon([&] { return generation_.load(std::memory_order_acquire) != seen; });
      std::unique_lock lock(mutex_);
      ++sleepers_;
      wake_.wait(lock, [&] { return generation_.load(std::memory_order_relaxed) != seen; });
      --sleepers_;
      if (stopping_) return;
      seen = generation_.load(std::memory_order_relaxed);
      Job* job = job_;
      if (!job) continue;
      joined_.fetch_add(1, std::memory_order_relaxed);
      lock.unlock();
      job->work(self);
      lock.lock();
      if (joined_.fetch_sub(1, std::memory_order_release) == 1) done_.notify_all();
    }
  }

  std::mutex run_mutex_;  // held by the thread whose job the pool runs
  std::mutex mutex_;      // guards job_, stopping_ and the changes of the counters that are waited for
  std::condition_variable wake_, done_;
  Job* job_ = nullptr;
  std::vector<Part> parts_;  // one a thread, the thread that runs the job first
  bool stopping_ = false;
  std::atomic<uint64_t> generation_{0};
  std::atomic<int> joined_{0}, sleepers_{0}, size_{1};
  std::vector<std::thread> workers_;
};

Pool& pool() {
  static Pool instance;
  return instance;
}

}  // namespace

void set_num_threads(int count) {
  if (count < 1) throw std::invalid_argument("[set_num_threads] at least one thread is needed");
  if (inside_body) throw std::logic_error("[set_num_threads] called from inside parallel_for");
  pool().resize(count);
}

int num_threads() {
  return pool().size();
}

void detail::parallel_run(int64_t chunks, void (*body)(void*, int64_t), void* context) {
  const SubnormalsAreZero subnormals_are_zero;
  if (chunks > 1 && !inside_body && num_threads() > 1) {
    Job job{.body = body, .context = context, .parts = {}, .failure_mutex = {}, .failure = {}};
    if (pool().run(job, chunks)) {
      if (job.failure) std::rethrow_exception(job.failure);
      return;
    }
  }
  for (int64_t chunk = 0; chunk < chunks; ++chunk) body(context, chunk);
}

}  // namespace signet
