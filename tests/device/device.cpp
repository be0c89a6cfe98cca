#include "tests/device/device.h"

#include <fmt/format.h>

#include <cstdlib>
#include <cstring>

#include "kernels/cuda/runtime.h"

namespace signet::test {
namespace {

/// Ends the suite before its first test on a machine without a device; ctest knows the status.
struct NeedsDevice {
  NeedsDevice() {
    if (cuda::device_count() > 0) return;
    fmt::print("skipped: {}\n", cuda::unavailable_reason());
    std::exit(77);
  }
};
const NeedsDevice needs_device;

}  // namespace

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace signet::test
