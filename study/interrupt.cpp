#include "study/interrupt.h"

#include <atomic>

namespace signet::study {
namespace {
std::atomic<bool> requested{false};
static_assert(std::atomic<bool>::is_always_lock_free, "request_stop is called from a signal handler");
}  // namespace

void request_stop() {
  requested = true;
}
bool stop_requested() {
  return requested;
}
void check_stop() {
  if (requested) throw Interrupted();
}

}  // namespace signet::study
