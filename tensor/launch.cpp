#include "tensor/launch.h"

#include <mutex>
#include <string_view>

#include "tensor/graph.h"

namespace signet {
namespace {

std::mutex mutex;

std::map<std::string, int64_t, std::less<>>& counts() {
  static std::map<std::string, int64_t, std::less<>> map;
  return map;
}

}  // namespace

std::map<std::string, int64_t> launch_counts() {
  const std::scoped_lock lock(mutex);
  return {counts().begin(), counts().end()};
}

void reset_launch_counts() {
  const std::scoped_lock lock(mutex);
  counts().clear();
}

void detail::count_launch(const char* kernel) {
  do_at_each_launch([kernel] {
    const std::scoped_lock lock(mutex);
    const auto entry = counts().find(std::string_view(kernel));
    if (entry != counts().end()) {
      ++entry->second;
    } else {
      counts().emplace(kernel, 1);
    }
  });
}

}  // namespace signet
