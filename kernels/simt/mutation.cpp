#include "kernels/simt/mutation.h"

#include <atomic>
#include <cstring>
#include <mutex>

namespace signet::simt {
namespace {

struct Mutation {
  std::mutex mutex;
  bool recording = false;
  std::set<WaitPlace> met;
  WaitPlace left_out;
};
Mutation& mutation() {
  static Mutation& instance = *new Mutation;
  return instance;
}
std::atomic<bool> active{false};

void update() {
  active = mutation().recording || !mutation().left_out.first.empty();
}

const char* name_of(const char* file) {
  const char* slash = std::strrchr(file, '/');
  return slash ? slash + 1 : file;
}

}  // namespace

void leave_out(const WaitPlace& place) {
  const std::lock_guard lock(mutation().mutex);
  mutation().left_out = place;
  update();
}
void leave_out_nothing() {
  leave_out({});
}

void start_recording_waits() {
  const std::lock_guard lock(mutation().mutex);
  mutation().recording = true;
  mutation().met.clear();
  update();
}
std::set<WaitPlace> stop_recording_waits() {
  const std::lock_guard lock(mutation().mutex);
  mutation().recording = false;
  update();
  return std::move(mutation().met);
}

bool is_left_out(Site site) {
  if (!active.load(std::memory_order_relaxed)) return false;
  Mutation& m = mutation();
  const std::lock_guard lock(m.mutex);
  const char* name = name_of(site.file);
  if (m.recording) m.met.emplace(name, site.line);
  return site.line == m.left_out.second && name == m.left_out.first;
}

}  // namespace signet::simt
