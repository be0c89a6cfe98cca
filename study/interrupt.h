#pragma once
// Stopping a run from outside (Ctrl-C) at a place from which it can be resumed.

#include <filesystem>
#include <functional>
#include <stdexcept>
#include <utility>

namespace signet::study {

/// Thrown out of a run between two batches after request_stop().
class Interrupted : public std::runtime_error {
 public:
  explicit Interrupted(std::filesystem::path folder = {})
      : std::runtime_error("stopped on request"), folder_(std::move(folder)) {}
  /// The run's folder, with which it can be resumed; empty if none was begun.
  const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
};

/// May be called from a signal handler.
void request_stop();
/// Whether request_stop() was called.
bool stop_requested();
/// Throws Interrupted if a stop was requested.
void check_stop();

/// A function asked at every check whether to stop, so that a test can stop a run at any batch; empty for
/// none. Threads that train side by side ask at the same time.
void set_stop_probe(std::function<bool()> probe);

}  // namespace signet::study
