#include "bench/comparison.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <ostream>

#include "bench/spread.h"
#include "bench/workbench.h"

namespace signet::bench {
namespace {

constexpr const char* kRefused = "refused: ";

/// The buffers of the problem whose rows are running, and what each side makes of it in f32.
class Round {
 public:
  explicit Round(const Platform& platform) : platform_(platform) {}

  Workbench& workbench(const Problem& problem) {
    if (!workbench_ || workbench_->problem().label() != problem.label()) {
      expected_[0].reset();
      expected_[1].reset();
      workbench_.reset();  // before the next one takes its memory
      workbench_ = std::make_unique<Workbench>(platform_, problem);
    }
    return *workbench_;
  }

  struct Expected {
    Results results;
    MatrixMath math = MatrixMath::f32;
  };
  /// What the vendor's side or Signet's makes of the problem, in f32 if it can: cuDNN has no plan without
  /// tensor cores for some large convolutions. On Signet's side it is the shipped kernel. Null if nobody
  /// takes the problem.
  const Expected* expected(const Problem& problem, bool vendor) {
    std::optional<Expected>& known = expected_[vendor ? 1 : 0];
    if (known) return &*known;
    std::vector<Contender> contenders =
        vendor ? platform_.vendor_contenders(problem) : platform_.signet_contenders(problem);
    if (!vendor) std::reverse(contenders.begin(), contenders.end());
    for (const MatrixMath math : {MatrixMath::f32, MatrixMath::tf32}) {
      for (const Contender& contender : contenders) {
        if (contender.math != math) continue;
        const Prepared prepared = contender.prepare(problem, workbench(problem).buffers());
        if (!prepared.refusal.empty()) continue;
        known = Expected{workbench(problem).run(prepared), math};
        return &*known;
      }
    }
    return nullptr;
  }

 private:
  const Platform& platform_;
  std::unique_ptr<Workbench> workbench_;
  std::optional<Expected> expected_[2];
};

/// What is wrong with a contender's results; empty if nothing.
std::string fault(Round& round, const Problem& problem, const Contender& contender,
                  const Prepared& prepared) {
  const Round::Expected* expected = round.expected(problem, !contender.vendor);
  if (expected == nullptr)
    return "nothing of the other side takes this problem, so the row cannot be checked";
  const Results results = round.workbench(problem).run(prepared);
  const MatrixMath coarser = contender.math == MatrixMath::f32 ? expected->math : contender.math;
  for (size_t i = 0; i < results.size(); ++i) {
    const std::string difference =
        disagreement(results[i], expected->results[i], tolerance_of(problem, coarser));
    if (!difference.empty())
      return fmt::format("output {} disagrees with {}: {}", i, contender.vendor ? "Signet's" : "the vendor's",
                         difference);
  }
  return {};
}

/// Gives the state its iterations and counters.
void report(benchmark::State& state, const Platform& platform, const ComparisonOptions& options,
            const std::function<void()>& run, double flops, double bytes, MatrixMath math) {
  if (!options.timed) {
    for ([[maybe_unused]] auto iteration : state) state.SetIterationTime(0);
    return;
  }
  const std::vector<double> times = platform.times(run, options.warm_up, options.samples);
  size_t next = 0;
  for ([[maybe_unused]] auto iteration : state) state.SetIterationTime(1e-6 * times[next++]);
  const Spread spread = spread_of(times);
  state.counters["median_us"] = spread.median;
  state.counters["noise_percent"] = spread.noise_percent;
  const Peaks peaks = platform.peaks();
  const double tflops = 1e-6 * flops / spread.median, gb_per_s = 1e-3 * bytes / spread.median;
  if (flops > 0) {
    state.counters["tflops"] = tflops;
    if (peaks.tflops(math) > 0) state.counters["percent_of_arithmetic"] = 100 * tflops / peaks.tflops(math);
  }
  if (bytes > 0) {
    state.counters["gb_per_s"] = gb_per_s;
    if (peaks.bandwidth > 0) state.counters["percent_of_bandwidth"] = 100 * gb_per_s / peaks.bandwidth;
  }
}

void run_row(benchmark::State& state, const Platform& platform, const ComparisonOptions& options,
             Round& round, const Problem& problem, const Contender& contender) {
  try {
    const Prepared prepared = contender.prepare(problem, round.workbench(problem).buffers());
    if (!prepared.refusal.empty()) return state.SkipWithError((kRefused + prepared.refusal).c_str());
    state.SetLabel(prepared.notes);
    const std::string wrong = fault(round, problem, contender, prepared);
    if (!wrong.empty()) return state.SkipWithError(wrong.c_str());
    const double bytes = prepared.bytes > 0 ? prepared.bytes : problem.bytes();
    report(state, platform, options, prepared.run, problem.flops(), bytes, contender.math);
  } catch (const std::exception& error) {
    state.SkipWithError(error.what());
  }
}

void run_special_row(benchmark::State& state, const Platform& platform, const ComparisonOptions& options,
                     const SpecialRow& row) {
  try {
    const SpecialRow::Ready ready = row.prepare_and_check();
    state.SetLabel(ready.notes);
    if (!ready.fault.empty()) return state.SkipWithError(ready.fault.c_str());
    report(state, platform, options, ready.run, row.flops, 0, row.math);
  } catch (const std::exception& error) {
    state.SkipWithError(error.what());
  }
}

/// One line a row, the times left out where they mean nothing.
class Lines : public benchmark::BenchmarkReporter {
 public:
  Lines(std::ostream& out, bool timed) : out_(out), timed_(timed) {}

  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      ++summary.rows;
      out_ << run.benchmark_name() << ": ";
      if (run.error_occurred) {
        const bool refused = run.error_message.starts_with(kRefused);
        ++(refused ? summary.refused : summary.failed);
        out_ << (refused ? "" : "FAILED: ") << run.error_message;
      } else if (timed_) {
        out_ << fmt::format("{:.1f} us, noise {:.1f}%", double(run.counters.at("median_us")),
                            double(run.counters.at("noise_percent")));
      } else {
        out_ << "agrees";
      }
      out_ << std::endl;
    }
  }

  ComparisonSummary summary;

 private:
  std::ostream& out_;
  bool timed_;
};

}  // namespace

ComparisonSummary run_comparison(const Platform& platform, const ComparisonOptions& options,
                                 std::ostream& out) {
  const auto round = std::make_shared<Round>(platform);
  const int samples = options.timed ? options.samples : 1;
  const auto add = [&](const std::string& label, bool vendor, const std::string& name, MatrixMath math,
                       auto row) {
    const std::string full =
        fmt::format("{} / {} / {} / {}", label, vendor ? "vendor" : "signet", name, name_of(math));
    benchmark::RegisterBenchmark(full.c_str(), row)
        ->UseManualTime()
        ->Iterations(samples)
        ->Unit(benchmark::kMicrosecond);
  };
  for (const Problem& problem : options.problems) {
    std::vector<Contender> contenders = platform.signet_contenders(problem);
    for (const auto& [operation, contender] : options.more) {
      if (operation == problem.operation) contenders.push_back(contender);
    }
    for (Contender& contender : platform.vendor_contenders(problem))
      contenders.push_back(std::move(contender));
    for (const Contender& contender : contenders) {
      add(problem.label(), contender.vendor, contender.name, contender.math,
          [&platform, &options, round, problem, contender](benchmark::State& state) {
            run_row(state, platform, options, *round, problem, contender);
          });
    }
  }
  for (const SpecialRow& row : options.special) {
    add(row.label, row.vendor, row.contender, row.math, [&platform, &options, &row](benchmark::State& state) {
      run_special_row(state, platform, options, row);
    });
  }
  Lines lines(out, options.timed);
  benchmark::RunSpecifiedBenchmarks(&lines);
  benchmark::ClearRegisteredBenchmarks();
  return lines.summary;
}

}  // namespace signet::bench
