// Signet's CUDA kernels beside cuBLAS and cuDNN, layer by layer and as a whole training step:
//
//   bench_gpu [--batches=1,32,256] [--samples=30] [--tiny] [--benchmark_filter=conv_forward]
//             [--benchmark_out=gpu.json --benchmark_out_format=json]
//
// Exit status 1 if a row failed its check, 2 if there is no device or a flag is wrong. bench/README.md tells
// how to read what it writes.

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <charconv>
#include <iostream>
#include <string_view>

#include "bench/comparison.h"
#include "bench/gpu/contenders.h"
#include "bench/gpu/step.h"
#include "bench/gpu/timer.h"

namespace {

using namespace signet;
using namespace signet::bench;

struct Flags {
  std::vector<int64_t> batches{1, 32, 256};
  int samples = 30;
  bool tiny = false;
};

/// Positive whole numbers, separated by commas; empty if the text is something else.
std::vector<int64_t> numbers(std::string_view text) {
  std::vector<int64_t> values;
  while (true) {
    const std::string_view word = text.substr(0, text.find(','));
    int64_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || end != word.data() + word.size() || value < 1) return {};
    values.push_back(value);
    if (word.size() == text.size()) return values;
    text.remove_prefix(word.size() + 1);
  }
}

bool parse(Flags& flags, std::string_view flag) {
  const std::string_view value = flag.substr(std::min(flag.size(), flag.find('=') + 1));
  if (flag == "--tiny") {
    flags.tiny = true;
    return true;
  }
  const auto values = numbers(value);
  if (values.empty()) return false;
  if (flag.starts_with("--batches=")) {
    flags.batches = values;
    return true;
  }
  if (flag.starts_with("--samples=") && values.size() == 1) {
    flags.samples = int(values[0]);
    return true;
  }
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  ::benchmark::Initialize(&argc, argv);
  Flags flags;
  for (int i = 1; i < argc; ++i) {
    if (parse(flags, argv[i])) continue;
    std::cerr << "bench_gpu: unknown flag " << argv[i]
              << "; it has --batches=1,32,256, --samples=30, --tiny and --benchmark_...\n";
    return 2;
  }
  if (cuda::device_count() == 0) {
    std::cerr << "bench_gpu: " << cuda::unavailable_reason() << "\n";
    return 2;
  }
  cuda::set_device(0);
  const cuda::DeviceProperties card = cuda::device_properties(0);
  const CacheAndDriver more = cache_and_driver();
  const std::string times = card.simulated
                                ? "not measured: the device is simulated, and its times mean nothing"
                                : "medians between two events, L2 cache flushed before each repetition";
  ::benchmark::AddCustomContext("card", card.name);
  ::benchmark::AddCustomContext("simulated", card.simulated ? "yes" : "no");
  ::benchmark::AddCustomContext("compute_capability", fmt::format("{}.{}", card.major, card.minor));
  ::benchmark::AddCustomContext("multiprocessors", std::to_string(card.multiprocessors));
  ::benchmark::AddCustomContext("clock_ghz", fmt::format("{:.3f}", card.clock_ghz));
  ::benchmark::AddCustomContext("memory_gb_per_s", fmt::format("{:.0f}", card.memory_gb_per_s));
  ::benchmark::AddCustomContext("l2_bytes", std::to_string(more.l2_bytes));
  ::benchmark::AddCustomContext("cuda_driver", more.driver);
  ::benchmark::AddCustomContext("cuda_runtime", more.runtime);
  ::benchmark::AddCustomContext("vendor", vendor_versions());
  ::benchmark::AddCustomContext("times", times);
  std::cout << card.name << ", " << vendor_versions() << "; times: " << times << std::endl;

  ComparisonOptions options{.samples = flags.samples, .timed = !card.simulated};
  options.problems = flags.tiny ? tiny_problems() : resnet18_problems(flags.batches);
  std::vector<StepProblem> steps{{.batch = 4, .image_size = 64, .width = 8}};
  if (!flags.tiny) {
    steps.clear();
    for (const int64_t batch : flags.batches) steps.push_back({.batch = batch});
  }
  for (const StepProblem& step : steps) {
    for (SpecialRow& row : step_rows(step)) options.special.push_back(std::move(row));
  }
  const ComparisonSummary summary = run_comparison(device_platform(), options, std::cout);
  std::cout << summary.rows << " rows: " << summary.failed << " failed, " << summary.refused << " refused"
            << std::endl;
  ::benchmark::Shutdown();
  return summary.failed > 0 || summary.rows == 0 ? 1 : 0;
}
