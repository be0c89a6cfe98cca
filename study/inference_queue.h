#pragma once
// Many callers, one network: what waits while a batch is computed becomes the next batch.

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <future>
#include <mutex>
#include <optional>
#include <thread>

#include "study/inference.h"

namespace signet::study {

class InferenceQueue {
 public:
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
  /// the futures. Safe from any number of threads.
  std::optional<std::vector<std::future<Answer>>> submit(std::vector<data::Image> prepared, bool with_heat);

  Counts counts() const;

 private:
  struct Task {
    data::Image image;
    bool with_heat;
    std::promise<Answer> promise;
  };

  void work();
  std::vector<Task> take_batch();

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
