// What every kernel owes, derived from its op cases.

#include <doctest/doctest.h>

#include <fstream>
#include <set>
#include <string>

#include "tests/kernels/compare.h"
#include "tests/kernels/op_checks.h"
#include "tests/kernels/suite.h"
#include "tests/kernels/threads_guard.h"

using namespace signet;
using namespace signet::test;

namespace {

const Suite& suite() {
  static const Suite instance = whole_suite(Scale::test);
  return instance;
}

const std::vector<OpCase>& cases() {
  static const std::vector<OpCase> instance = all_cases(suite());
  return instance;
}

}  // namespace

TEST_CASE("every kernel that is declared is in the tables and has an op case") {
  std::set<std::string> covered;
  for (const OpCase& op : cases()) covered.insert(op.kernel);
  const auto check = [&](const char* path, const std::set<std::string>& listed, size_t at_least) {
    std::ifstream file(std::string(SIGNET_SOURCE_DIR) + path);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    std::set<std::string> declared;
    const std::string declaration = "\nKERNEL void ";
    for (size_t at = 0; (at = text.find(declaration, at)) != std::string::npos;) {
      at += declaration.size();
      declared.insert(text.substr(at, text.find('(', at) - at));
    }
    CHECK(declared.size() >= at_least);
    for (const std::string& name : declared) {
      CHECK_MESSAGE(listed.contains(name), name, " is missing in the list of backend.h");
      CHECK_MESSAGE(covered.contains(name), name, " has no op case");
    }
    CHECK(listed == declared);
  };
#define SIGNET_TEST_ENTRY(name) #name,
  check("/kernels/functions.h", {SIGNET_TEST_KERNELS(SIGNET_TEST_ENTRY)}, 18);
  check("/kernels/activations.h", {SIGNET_TEST_ACTIVATION_KERNELS(SIGNET_TEST_ENTRY)}, 19);
#undef SIGNET_TEST_ENTRY
}

TEST_CASE("every backend keeps activations in bfloat16 as the reference does") {
  const std::vector<Backend<BFloat16>> backends = bf16_backends();
  int compared = 0;
  for (const OpCase& wide : cases()) {
    if (!takes_activations(wide)) continue;
    if (wide.for_processors && device_is_simulated()) continue;
    const OpCase op = with_bf16_inputs(wide);
    const Expected expected = expect_bf16(op);
    for (const Backend<BFloat16>& backend : backends) {
      if (!adds_to(backend, op)) continue;
      for (const Placement placement : kPlacements) {
        const std::string failure = parity_failure(op, expected, backend, placement);
        CHECK_MESSAGE(failure.empty(), failure);
        ++compared;
        // The reference takes one number at a time: where it lies is nothing to it.
        if (&backend == backends.data()) break;
        if (!failure.empty()) break;
      }
      for (const auto& alias : op.may_alias) {
        const std::string failure = parity_failure(op, expected, backend, Placement::aligned, alias);
        CHECK_MESSAGE(failure.empty(), failure, " (", op.args[size_t(alias.first)].name, " is ",
                      op.args[size_t(alias.second)].name, ")");
      }
    }
  }
  CHECK(compared > 1000);
}

TEST_CASE("every backend agrees with the reference, wherever its arguments lie") {
  const std::vector<Backend<float>> backends = float_backends();
  for (const OpCase& op : cases()) {
    if (op.for_processors && device_is_simulated()) continue;
    const Expected expected = expect(op);
    for (const Backend<float>& backend : backends) {
      if (!adds_to(backend, op)) continue;
      for (const Placement placement : kPlacements) {
        const std::string failure = parity_failure(op, expected, backend, placement);
        CHECK_MESSAGE(failure.empty(), failure);
        // The reference takes one number at a time: where it lies is nothing to it.
        if (&backend == backends.data()) break;
        if (!failure.empty()) break;
      }
      for (const auto& alias : op.may_alias) {
        const std::string failure = parity_failure(op, expected, backend, Placement::aligned, alias);
        CHECK_MESSAGE(failure.empty(), failure, " (", op.args[size_t(alias.first)].name, " is ",
                      op.args[size_t(alias.second)].name, ")");
      }
    }
  }
}

namespace {

template <class real>
void check_threads(const Backend<real>& backend, const std::vector<OpCase>& ops) {
  const ThreadsGuard guard;
  std::vector<std::vector<std::vector<std::byte>>> first;
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    for (size_t i = 0; i < ops.size(); ++i) {
      auto bytes = output_bytes(ops[i], backend);
      if (threads == 1) {
        first.push_back(std::move(bytes));
      } else {
        CHECK_MESSAGE(bytes == first[i], ops[i].label(), " differs with ", threads, " threads");
      }
    }
  }
}

}  // namespace

TEST_CASE("the number of threads does not change a bit") {
  check_threads(cpu_backends().front(), cases());
  std::vector<OpCase> of_activations;
  for (const OpCase& op : cases())
    if (takes_activations(op)) of_activations.push_back(op);
  check_threads(cpu_bf16_backends().front(), of_activations);
}

// This is about the reference alone, in a type that no other kernel computes in: one build is enough.
TEST_CASE("every backward kernel gives the derivative of its forward kernel") {
  if (kWatched || device_is_simulated()) return;
  for (const Gradient& gradient : suite().gradients) {
    const std::string failure = gradient_failure(gradient);
    CHECK_MESSAGE(failure.empty(), failure);
  }
}
