#pragma once
// Stopping a run from outside (Ctrl-C) at a place from which it can be resumed.

#include <functional>
#include <stdexcept>

namespace signet::study {

/// Thrown out of a run between two batches after request_stop().
class Interrupted : public std::runtime_error {
 public:
  Interrupted() : std::runtime_error("stopped on request") {}
};

/// May be called from a signal handler.
void request_stop();
/// Throws Interrupted if a stop was requested.
void check_stop();

/// A function asked at every check whether to stop, so that a test can stop a run at any batch; empty for
/// none.
void set_stop_probe(std::function<bool()> probe);

}  // namespace signet::study
