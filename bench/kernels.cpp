// Times every kernel on the shapes that ResNet18 gives it, one row for each backend:
//
//   bench_kernels [--threads=N] [--benchmark_filter='conv2d.*cpu$'] [--benchmark_format=json]
//
// The rows are the op cases of tests/kernels at Scale::bench, so that what is timed is what is tested. A row
// shows GB/s over all bytes of the arguments, each counted once (twice if read and written), and GFLOP/s
// where arithmetic is the limit. The reference kernels take part when asked for with --ref.

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <iostream>
#include <string_view>

#include "kernels/parallel.h"
#include "tests/kernels/op_run.h"
#include "tests/kernels/suite.h"

namespace {

using namespace signet;
using namespace signet::test;

double bytes_moved(const OpCase& op) {
  double bytes = 0;
  for (const Arg& arg : op.args) {
    const double size = double(arg.is_raw ? arg.raw.size() : arg.values.size() * sizeof(float));
    bytes += arg.role == Role::in_out ? 2 * size : size;
  }
  return bytes;
}

void time_case(benchmark::State& state, const OpCase& op, const Backend<float>& backend) {
  Prepared<float> prepared(op, backend, Placement::aligned);
  prepared.call();
  while (state.KeepRunning()) prepared.call();
  using benchmark::Counter;
  state.counters["GB/s"] = Counter(bytes_moved(op) * 1e-9, Counter::kIsIterationInvariantRate);
  if (op.flops > 0) state.counters["GFLOP/s"] = Counter(op.flops * 1e-9, Counter::kIsIterationInvariantRate);
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  std::vector<Backend<float>> backends{cpu_backends().front()};
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (flag == "--ref") {
      backends.push_back(reference_backend<float>());
    } else if (flag.starts_with("--threads=")) {
      set_num_threads(std::atoi(argv[i] + flag.find('=') + 1));
    } else {
      std::cerr << "bench_kernels: unknown flag " << flag
                << "; it has --threads=N, --ref and --benchmark_...\n";
      return 2;
    }
  }
  const std::vector<OpCase> cases = all_cases(whole_suite(Scale::bench));
  for (const OpCase& op : cases)
    for (const Backend<float>& backend : backends)
      benchmark::RegisterBenchmark((op.label() + " " + backend.name).c_str(), time_case, op, backend)
          ->UseRealTime()
          ->Unit(benchmark::kMicrosecond);
  benchmark::RunSpecifiedBenchmarks();
}
