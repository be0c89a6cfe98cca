// Signet's CPU kernels beside oneDNN and OpenBLAS, layer by layer:
//
//   bench_cpu [--threads=N] [--batches=1,32] [--samples=15] [--tiny] [--benchmark_filter=conv_forward]
//             [--benchmark_out=cpu.json --benchmark_out_format=json]
//
// Exit status 1 if a row failed its check, 2 if a flag is wrong. bench/README.md tells how to read what it
// writes.

#include <benchmark/benchmark.h>

#include <iostream>
#include <thread>

#include "bench/command_line.h"
#include "bench/comparison.h"
#include "bench/cpu/host_platform.h"
#include "bench/cpu/vendors.h"
#include "kernels/parallel.h"

int main(int argc, char** argv) {
  using namespace signet;
  using namespace signet::bench;
  ::benchmark::Initialize(&argc, argv);
  CommandLine flags{.batches = {1, 32}, .samples = 15, .threads = num_threads()};
  for (int i = 1; i < argc; ++i) {
    if (flags.parse(argv[i])) continue;
    std::cerr << "bench_cpu: unknown flag " << argv[i]
              << "; it has --threads=N, --batches=1,32, --samples=15, --tiny and --benchmark_...\n";
    return 2;
  }
  set_num_threads(flags.threads);
  onednn::set_threads(flags.threads);
  openblas::set_threads(flags.threads);
  ::benchmark::AddCustomContext("vendor", onednn::version() + ", " + openblas::version());
  ::benchmark::AddCustomContext("threads", std::to_string(flags.threads));
  ::benchmark::AddCustomContext("times", "medians, caches warm");

  ComparisonOptions options{.samples = flags.samples};
  options.problems = flags.tiny ? tiny_problems() : resnet18_problems(flags.batches);
  return report_summary(run_comparison(host_platform(), options, std::cout), std::cout);
}
