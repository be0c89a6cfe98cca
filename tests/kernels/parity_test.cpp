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

TEST_CASE("every kernel of functions.h is in the table and has an op case") {
  std::ifstream file(SIGNET_SOURCE_DIR "/kernels/functions.h");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  REQUIRE_FALSE(text.empty());
  std::set<std::string> declared, listed, covered;
  const std::string declaration = "\nKERNEL void ";
  for (size_t at = 0; (at = text.find(declaration, at)) != std::string::npos;) {
    at += declaration.size();
    declared.insert(text.substr(at, text.find('(', at) - at));
  }
#define SIGNET_TEST_ENTRY(name) listed.insert(#name);
  SIGNET_TEST_KERNELS(SIGNET_TEST_ENTRY)
#undef SIGNET_TEST_ENTRY
  for (const OpCase& op : cases()) covered.insert(op.kernel);
  CHECK(declared.size() > 25);
  for (const std::string& name : declared) {
    CHECK_MESSAGE(listed.contains(name), name, " is missing in SIGNET_TEST_KERNELS");
    CHECK_MESSAGE(covered.contains(name), name, " has no op case");
  }
  CHECK(listed == declared);
}

TEST_CASE("every backend agrees with the reference, wherever its arguments lie") {
  const std::vector<Backend<float>> backends = float_backends();
  for (const OpCase& op : cases()) {
    const Expected expected = expect(op);
    for (const Backend<float>& backend : backends) {
      for (const Placement placement : {Placement::aligned, Placement::misaligned, Placement::exact}) {
        const std::string failure = parity_failure(op, expected, backend, placement);
        CHECK_MESSAGE(failure.empty(), failure);
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

TEST_CASE("the number of threads does not change a bit") {
  const ThreadsGuard guard;
  std::vector<std::vector<std::vector<std::byte>>> first;
  const Backend<float> backend = cpu_backends().front();
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    for (size_t i = 0; i < cases().size(); ++i) {
      auto bytes = output_bytes(cases()[i], backend);
      if (threads == 1) {
        first.push_back(std::move(bytes));
      } else {
        CHECK_MESSAGE(bytes == first[i], cases()[i].label(), " differs with ", threads, " threads");
      }
    }
  }
}

TEST_CASE("every backward kernel gives the derivative of its forward kernel") {
  for (const Gradient& gradient : suite().gradients) {
    const std::string failure = gradient_failure(gradient);
    CHECK_MESSAGE(failure.empty(), failure);
  }
}
