// Signet's CUDA kernels beside cuBLAS and cuDNN, layer by layer and as a whole training step:
//
//   bench_gpu [--batches=1,32,256] [--samples=30] [--tiny] [--benchmark_filter=conv_forward]
//             [--benchmark_out=gpu.json --benchmark_out_format=json]
//   bench_gpu --plans=a100.json    what cuDNN would do on a card that need not be there
//
// Exit status 1 if a row failed its check, 2 if there is no device or a flag is wrong. bench/README.md tells
// how to read what it writes.

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <string_view>

#include "bench/command_line.h"
#include "bench/comparison.h"
#include "bench/gpu/contenders.h"
#include "bench/gpu/step.h"
#include "bench/gpu/timer.h"

namespace {

int list_plans(const std::string& path) {
  std::ifstream in(path);
  if (!in) {
    std::cerr << "bench_gpu: " << path << " cannot be read\n";
    return 2;
  }
  try {
    const std::string device(std::istreambuf_iterator<char>(in), {});
    const auto problems = signet::bench::resnet18_problems({1, 32, 256});
    return signet::bench::list_vendor_plans(problems, device, std::cout) > 0 ? 1 : 0;
  } catch (const std::runtime_error& error) {
    std::cerr << "bench_gpu: " << error.what() << "\n";
    return 2;
  }
}

}  // namespace

int main(int argc, char** argv) {
  using namespace signet;
  using namespace signet::bench;
  ::benchmark::Initialize(&argc, argv);
  CommandLine flags{.batches = {1, 32, 256}};
  for (int i = 1; i < argc; ++i) {
    constexpr std::string_view kPlans = "--plans=";
    if (std::string_view(argv[i]).starts_with(kPlans)) return list_plans(argv[i] + kPlans.size());
    if (flags.parse(argv[i])) continue;
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
  return report_summary(run_comparison(device_platform(), options, std::cout), std::cout);
}
