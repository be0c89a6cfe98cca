#pragma once
// Many callers, one network: what waits while a batch is computed becomes the next batch.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <future>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "study/inference.h"

namespace signet::study {

class InferenceQueue {
 public:
  using Clock = std::chrono::steady_clock;

  /// What comes out of the future of a picture whose turn did not come in time; it is then not computed.
  struct Overdue : std::runtime_error {
    Overdue() : std::runtime_error("too many pictures were before this one") {}
  };

  struct Counts {
    int64_t images = 0, batches = 0;  ///< answered so far
    int64_t waiting = 0;              ///< now
  };

  /// Takes up to `most_waiting` pictures and answers them in batches of up to `batch_size`. `inference` must
  /// outlive the queue and be used by nobody else.
  InferenceQueue(const Inference& inference, int batch_size, int most_waiting);
  InferenceQueue(const InferenceQueue&) = delete;
  InferenceQueue& operator=(const InferenceQueue&) = delete;
  /// Answers what it has taken, then ends.
  ~InferenceQueue();

  /// Takes prepared pictures, all or none: nothing if they do not fit. An error of the network comes out of
  /// the futures, and Overdue where a picture's turn comes after `deadline`. Safe from any number of threads.
  std::optional<std::vector<std::future<Answer>>> submit(
      std::vector<data::Image> prepared, bool with_heat,
      Clock::time_point deadline = Clock::time_point::max());

  Counts counts() const;

 private:
  struct Task {
    data::Image image;
    bool with_heat;
    Clock::time_point deadline;
    std::promise<Answer> promise;
  };

  void work();
  std::vector<Task> take_batch();
  bool at_end() const;

  const Inference& inference_;
  const size_t batch_size_, most_waiting_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> tasks_;
  Counts counts_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace signet::study
