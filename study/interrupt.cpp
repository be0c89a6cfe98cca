#include "study/interrupt.h"

#include <atomic>
#include <utility>

namespace signet::study {
namespace {

std::atomic<bool> requested{false};
static_assert(std::atomic<bool>::is_always_lock_free, "request_stop is called from a signal handler");

std::function<bool()>& probe() {
  static std::function<bool()> function;
  return function;
}

}  // namespace

void request_stop() {
  requested = true;
}

bool stop_requested() {
  return requested;
}

void check_stop() {
  if (requested || (probe() && probe()())) throw Interrupted();
}

void set_stop_probe(std::function<bool()> function) {
  probe() = std::move(function);
}

}  // namespace signet::study
