// Multiply-adds a multiprocessor and clock. FP32: the arithmetic throughput table of the CUDA C++ Programming
// Guide. Tensor cores, dense, accumulating in FP32: from the peak rates, boost clocks and numbers of
// multiprocessors in NVIDIA's architecture whitepapers (A100 2020, GA102 2020, Ada 2022, H100 2022, Blackwell
// and RTX Blackwell 2025); e.g. A100: 156 TFLOP/s TF32 = 108 multiprocessors x 1.41 GHz x 2 x 512. GeForce
// cards accumulate in FP32 at half the rate of their professional siblings.

#include "bench/gpu/peaks.h"

#include <string>

namespace signet::bench {
namespace {

struct PerClock {
  int capability;  ///< 10 * major + minor
  int f32, tf32, bf16;
  bool halved_on_geforce;
};

constexpr PerClock kTable[] = {
    {75, 64, 0, 0, false},      {80, 64, 512, 1024, false},   {86, 128, 256, 512, true},
    {89, 128, 256, 512, true},  {90, 128, 1024, 2048, false}, {100, 128, 2048, 4096, false},
    {120, 128, 256, 512, true},
};

}  // namespace

Peaks peaks_of(const cuda::DeviceProperties& device) {
  Peaks peaks{.bandwidth = device.memory_gb_per_s};
  for (const PerClock& row : kTable) {
    if (row.capability != 10 * device.major + device.minor) continue;
    const double tera = 2e-3 * device.multiprocessors * device.clock_ghz;  // of one multiply-add a clock
    const bool halved = row.halved_on_geforce && device.name.find("GeForce") != std::string::npos;
    peaks.f32 = tera * row.f32;
    peaks.tf32 = tera * row.tf32 / (halved ? 2 : 1);
    peaks.bf16 = tera * row.bf16 / (halved ? 2 : 1);
  }
  return peaks;
}

}  // namespace signet::bench
