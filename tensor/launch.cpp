#include "tensor/launch.h"

#include <fmt/format.h>

#include <mutex>
#include <stdexcept>
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

void detail::refuse_type(const char* kernel) {
  throw std::logic_error(
      fmt::format("[{}] CUDA devices hold activations as f32; bf16 is a way of multiplying there", kernel));
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
