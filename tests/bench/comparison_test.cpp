// The comparison on a device, at sizes for a simulated one: right kernels agree, and a wrong one does not get
// a time, whatever is wrong with it.

#include "bench/comparison.h"

#include <benchmark/benchmark.h>
#include <doctest/doctest.h>

#include <limits>
#include <sstream>

#include "bench/gpu/contenders.h"
#include "bench/gpu/peaks.h"
#include "bench/gpu/step.h"
#include "bench/spread.h"
#include "bench/workbench.h"

namespace {

using namespace signet;
using namespace signet::bench;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

Problem product(int64_t n) {
  return {.name = "product", .m = n, .n = n, .k = n};
}

/// The shipped product with one element spoiled afterwards.
Contender spoiled(float value) {
  return {.name = "spoiled", .prepare = [=](const Problem& p, const Buffers& b) {
            return Prepared{.run = [=] {
              cuda::set_matrix_math(MatrixMath::f32);
              cuda::gemm(b.out[0], b.in[0], b.in[1], Transpose::no, Transpose::no, p.m, p.n, p.k,
                         Accumulate::no);
              cuda::copy_to_device(b.out[0] + p.m * p.n - 1, &value, sizeof value);
            }};
          }};
}

Contender idle() {
  return {.name = "idle", .prepare = [](const Problem&, const Buffers&) { return Prepared{.run = [] {}}; }};
}

Contender refusing() {
  return {.name = "refusing",
          .prepare = [](const Problem&, const Buffers&) { return Prepared{.refusal = "It takes nothing."}; }};
}

struct Outcome {
  ComparisonSummary summary;
  std::string text;
};

Outcome compare(std::vector<Problem> problems, std::vector<std::pair<Operation, Contender>> more) {
  static const bool initialized = [] {
    int argc = 1;
    char name[] = "test_bench";
    char* argv[] = {name, nullptr};
    ::benchmark::Initialize(&argc, argv);
    return true;
  }();
  static_cast<void>(initialized);
  std::ostringstream out;
  const ComparisonOptions options{.problems = std::move(problems), .more = std::move(more), .timed = false};
  const ComparisonSummary summary = run_comparison(device_platform(), options, out);
  return {summary, out.str()};
}

TEST_CASE("every rung, every shipped kernel and the stand-in for the vendor agree with each other") {
  const Outcome outcome = compare(tiny_problems(), {});
  INFO(outcome.text);
  CHECK(outcome.summary.rows > 60);
  CHECK(outcome.summary.failed == 0);
}

TEST_CASE("one wrong element, NaN, and a kernel that writes nothing are caught") {
  for (const Contender& wrong : {spoiled(3.5F), spoiled(kNaN), idle()}) {
    const Outcome outcome = compare({product(24)}, {{Operation::gemm, wrong}});
    INFO(outcome.text);
    CHECK(outcome.summary.failed == 1);
    CHECK(outcome.text.find("/ signet / " + wrong.name + " / f32") != std::string::npos);
    CHECK(outcome.text.find("FAILED: output 0 disagrees with the vendor's") != std::string::npos);
  }
}

TEST_CASE("a refusal is neither right nor wrong") {
  const Outcome before = compare({product(24)}, {});
  const Outcome outcome = compare({product(24)}, {{Operation::gemm, refusing()}});
  CHECK(outcome.summary.failed == 0);
  CHECK(outcome.summary.refused == before.summary.refused + 1);
  CHECK(outcome.summary.rows == before.summary.rows + 1);
}

/// The device, with a vendor of one's own.
class WithVendor : public Platform {
 public:
  explicit WithVendor(std::vector<Contender> vendor) : vendor_(std::move(vendor)) {}
  float* allocate(int64_t floats) const override { return device_.allocate(floats); }
  void release(float* memory) const override { device_.release(memory); }
  void fill_random(float* memory, int64_t floats, PhiloxKey key) const override {
    device_.fill_random(memory, floats, key);
  }
  void poison(float* memory, int64_t floats) const override { device_.poison(memory, floats); }
  void fetch(float* to, const float* memory, int64_t floats) const override {
    device_.fetch(to, memory, floats);
  }
  void batchnorm_forward(float* y, float* mean, float* inv_std, const float* x, const float* weight,
                         const float* bias, bool relu, int64_t rows, int64_t channels) const override {
    device_.batchnorm_forward(y, mean, inv_std, x, weight, bias, relu, rows, channels);
  }
  std::vector<double> times(const std::function<void()>& run, int warm_up, int count) const override {
    return device_.times(run, warm_up, count);
  }
  std::vector<Contender> signet_contenders(const Problem& problem) const override {
    return device_.signet_contenders(problem);
  }
  std::vector<Contender> vendor_contenders(const Problem&) const override { return vendor_; }

 private:
  const Platform& device_ = device_platform();
  std::vector<Contender> vendor_;
};

TEST_CASE("a vendor without f32 is compared in what it has, and without anything no row passes") {
  Contender refusing_vendor = refusing();
  refusing_vendor.vendor = true;
  Contender rounded{.name = "rounded", .vendor = true, .math = MatrixMath::tf32, .prepare = {}};
  rounded.prepare = [](const Problem& p, const Buffers& b) {
    return Prepared{.run = [=] {
      cuda::set_matrix_math(MatrixMath::tf32);
      cuda::gemm(b.out[0], b.in[0], b.in[1], Transpose::no, Transpose::no, p.m, p.n, p.k, Accumulate::no);
    }};
  };
  const ComparisonOptions options{.problems = {product(24)}, .timed = false};
  std::ostringstream out;
  const ComparisonSummary with = run_comparison(WithVendor({refusing_vendor, rounded}), options, out);
  INFO(out.str());
  CHECK(with.failed == 0);
  CHECK(with.refused == 1);
  const ComparisonSummary without = run_comparison(WithVendor({refusing_vendor}), options, out);
  CHECK(without.failed == without.rows - 1);
}

TEST_CASE("a training step of the engine, the list of layers and the stand-in agree") {
  const StepProblem problem{.batch = 4, .image_size = 64, .width = 8};
  for (const StepContender& contender : step_contenders()) {
    CHECK_MESSAGE(step_fault(problem, contender, contender.prepare(problem)) == "", contender.name, " ",
                  name_of(contender.math));
    // A step whose gradients are another's is found out: in f32 by a single element.
    PreparedStep wrong = contender.prepare(problem);
    wrong.results = [results = wrong.results, rounded = contender.math != MatrixMath::f32] {
      StepResults changed = results();
      if (!rounded) {
        changed.gradients.at("layer2.0.conv1.weight")[7] += 1;
      } else {
        for (auto& [name, gradient] : changed.gradients) gradient.assign(gradient.size(), 0.0F);
      }
      return changed;
    };
    const std::string fault = step_fault(problem, contender, wrong);
    INFO(fault);
    CHECK(fault.starts_with(contender.math == MatrixMath::f32 ? "the gradient of layer2.0.conv1.weight: "
                                                              : "the gradients together differ by 1 "));
  }
}

TEST_CASE("disagreement sees single elements, norms, lengths and NaN on either side") {
  const Tolerance tolerance{.norm = 1e-3, .most = 8e-3};
  std::vector<float> b(1000, 1.0F);
  CHECK(disagreement(b, b, tolerance) == "");
  std::vector<float> a = b;
  a[999] += 0.01F;  // the norm alone would not tell: 0.01 / sqrt(1000)
  CHECK(disagreement(a, b, tolerance) != "");
  a.assign(1000, 1.002F);  // no single element is far off, but all are
  CHECK(disagreement(a, b, tolerance) != "");
  a = b, a[0] = kNaN;
  CHECK(disagreement(a, b, tolerance) != "");
  CHECK(disagreement(b, a, tolerance) != "");
  a.pop_back();
  CHECK(disagreement(a, b, tolerance) != "");
  const std::vector<float> zeros(10, 0.0F);
  CHECK(disagreement(zeros, zeros, tolerance) == "");
  CHECK(disagreement(b, std::vector<float>(1000, 0.0F), tolerance) != "");
}

TEST_CASE("median and quartiles") {
  const Spread spread = spread_of({5, 1, 2, 4, 3});
  CHECK(spread.median == 3);
  CHECK(spread.noise_percent == doctest::Approx(100.0 * (4 - 2) / 3));
  CHECK(spread_of({7}).median == 7);
  CHECK(spread_of({1, 2}).median == 1.5);
}

TEST_CASE("the peaks of cards whose figures NVIDIA has published") {
  const auto card = [](const char* name, int major, int minor, int multiprocessors, double ghz) {
    cuda::DeviceProperties p;
    p.name = name, p.major = major, p.minor = minor, p.multiprocessors = multiprocessors, p.clock_ghz = ghz;
    return peaks_of(p);
  };
  const Peaks a100 = card("NVIDIA A100-SXM4-40GB", 8, 0, 108, 1.41);
  CHECK(a100.f32 == doctest::Approx(19.5).epsilon(0.01));
  CHECK(a100.tf32 == doctest::Approx(156).epsilon(0.01));
  CHECK(a100.bf16 == doctest::Approx(312).epsilon(0.01));
  const Peaks rtx4090 = card("NVIDIA GeForce RTX 4090", 8, 9, 128, 2.52);
  CHECK(rtx4090.f32 == doctest::Approx(82.6).epsilon(0.01));
  CHECK(rtx4090.tf32 == doctest::Approx(82.6).epsilon(0.01));
  CHECK(rtx4090.bf16 == doctest::Approx(165.2).epsilon(0.01));
  const Peaks unknown = card("a card to come", 99, 0, 100, 2);
  CHECK(unknown.f32 == 0);
}

}  // namespace
