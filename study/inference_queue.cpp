#include "study/inference_queue.h"

#include <exception>

namespace signet::study {

InferenceQueue::InferenceQueue(const Inference& inference, int batch_size, int most_waiting)
    : inference_(inference), batch_size_(size_t(batch_size)), most_waiting_(size_t(most_waiting)) {
  thread_ = std::thread([this] { work(); });
}

InferenceQueue::~InferenceQueue() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

std::optional<std::vector<std::future<Answer>>> InferenceQueue::submit(std::vector<data::Image> prepared,
                                                                       bool with_heat,
                                                                       Clock::time_point deadline) {
  std::vector<std::future<Answer>> answers;
  {
    const std::lock_guard lock(mutex_);
    if (tasks_.size() + prepared.size() > most_waiting_) return std::nullopt;
    for (auto& image : prepared) {
      Task task{std::move(image), with_heat, deadline, {}};
      answers.push_back(task.promise.get_future());
      tasks_.push_back(std::move(task));
    }
  }
  changed_.notify_all();
  return answers;
}

InferenceQueue::Counts InferenceQueue::counts() const {
  const std::lock_guard lock(mutex_);
  Counts counts = counts_;
  counts.waiting = int64_t(tasks_.size());
  return counts;
}

/// The pictures that have waited longest, not too long, and want the same as the first; empty at the end.
std::vector<InferenceQueue::Task> InferenceQueue::take_batch() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !tasks_.empty() || ending_; });
  std::vector<Task> batch;
  std::deque<Task> others;
  const auto now = Clock::now();
  while (!tasks_.empty() && batch.size() < batch_size_) {
    if (tasks_.front().deadline < now) {
      tasks_.front().promise.set_exception(std::make_exception_ptr(Overdue()));
      tasks_.pop_front();
      continue;
    }
    const bool fits = batch.empty() || batch.front().with_heat == tasks_.front().with_heat;
    if (fits) {
      batch.push_back(std::move(tasks_.front()));
    } else {
      others.push_back(std::move(tasks_.front()));
    }
    tasks_.pop_front();
  }
  for (; !others.empty(); others.pop_back()) tasks_.push_front(std::move(others.back()));
  return batch;
}

bool InferenceQueue::at_end() const {
  const std::lock_guard lock(mutex_);
  return ending_ && tasks_.empty();
}

void InferenceQueue::work() {
  for (auto batch = take_batch(); !batch.empty() || !at_end(); batch = take_batch()) {
    if (batch.empty()) continue;  // all were overdue
    std::vector<data::Image> images;
    for (auto& task : batch) images.push_back(std::move(task.image));
    std::vector<Answer> answers;
    std::exception_ptr failure;
    try {
      answers = inference_.run(images, batch.front().with_heat);
    } catch (...) {
      failure = std::current_exception();
    }
    {
      const std::lock_guard lock(mutex_);
      counts_.images += int64_t(batch.size());
      ++counts_.batches;
    }
    for (size_t i = 0; i < batch.size(); ++i) {
      failure ? batch[i].promise.set_exception(failure) : batch[i].promise.set_value(std::move(answers[i]));
    }
  }
}

}  // namespace signet::study
