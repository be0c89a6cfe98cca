// Every __syncthreads, __syncwarp, cp_async_wait, and fence or wait of wgmma or tensor memory, of the shipped
// kernels and of the ladder, left out one at a time: an op case, or the ladder's, must then be wrong in a way
// that is noticed. What is not noticed is a wait that the kernel does not need, or a hole in the checker.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <regex>
#include <string>

#include "kernels/cuda/runtime.h"
#include "kernels/simt/faults.h"
#include "kernels/simt/mutation.h"
#include "kernels/simt/profile.h"
#include "tests/kernels/op_checks.h"
#include "tests/kernels/suite.h"
#include "tests/kernels/tile_guard.h"

using namespace signet;
using namespace signet::test;

namespace {

/// Something that runs kernels: empty if all went well, else what was noticed.
using Trial = std::function<std::string()>;

std::map<simt::WaitPlace, std::string> waits_in_the_sources() {
  std::map<simt::WaitPlace, std::string> waits;
  const std::regex wait(
      R"(__syncthreads\(\)|__syncwarp\(\)|cp_async_wait<|wgmma_wait<|wgmma_fence\(|fence_proxy_async\(|)"
      R"(mbarrier_wait\(|tcgen05_wait_ld\(|tcgen05_fence_(before|after)\()");
  for (const char* folder : {"cuda", "ladder"}) {
    for (const auto& entry :
         std::filesystem::directory_iterator(SIGNET_SOURCE_DIR "/kernels/" + std::string(folder))) {
      const std::string name = entry.path().filename().string();
      if (!name.ends_with(".cu") && !name.ends_with(".cuh")) continue;
      if (name.starts_with("nvcc")) continue;  // the other device
      std::ifstream in(entry.path());
      std::string text;
      for (int line = 1; std::getline(in, text); ++line) {
        const std::string code = text.substr(0, text.find("//"));
        std::smatch match;
        if (std::regex_search(code, match, wait)) waits[{name, line}] = match.str();
      }
    }
  }
  return waits;
}

std::string noticed(const std::function<std::string()>& run) {
  try {
    return run();
  } catch (const simt::KernelError& error) {
    return fmt::format("{}, line {} of {}", simt::fault_name(error.report.kind), error.report.place.line,
                       std::filesystem::path(error.report.place.file).filename().string());
  }
}

std::vector<Trial> trials() {
  std::vector<Trial> all;
  for (const OpCase& op : all_cases(whole_suite(Scale::test))) {
    if (op.terms > 700 || op.for_processors) continue;  // big cases show nothing that smaller ones do not
    if (takes_activations(op)) {
      const OpCase narrow = with_bf16_inputs(op);
      all.push_back([narrow, expected = std::make_shared<Expected>(expect_bf16(narrow)),
                     backend = cuda_bf16_backends().front()] {
        return parity_failure(narrow, *expected, backend, Placement::exact).empty() ? "" : "wrong values";
      });
      if (op.kernel.starts_with("conv2d")) {
        const Trial trial = all.back();
        for (const auto tile : {cuda::TileChoice::warpgroup_small, cuda::TileChoice::tensor_memory_small}) {
          all.push_back([trial, tile] {
            const TileGuard guard;
            cuda::set_tile_choice(tile);
            return trial();
          });
        }
      }
    }
    const auto expected = std::make_shared<Expected>(expect(op));
    for (const Backend<float>& backend : cuda_backends()) {
      if (!adds_to(backend, op)) continue;
      all.push_back([op, expected, backend] {
        return parity_failure(op, *expected, backend, Placement::exact).empty() ? "" : "wrong values";
      });
    }
  }
  // The rungs of the ladder, by what the profiler runs. Their values are compared elsewhere.
  simt::ProfileSizes sizes;
  sizes.conv = {1, 9, 9, 16, 40, 3, 3, 1, 1, 1};
  sizes.m = 132, sizes.n = 136, sizes.k = 68, sizes.rows = 300, sizes.channels = 40;
  for (const std::string& name : simt::profiled_kernels("f32")) {
    all.push_back([name, sizes] {
      simt::run_kernel(name, sizes);
      return "";
    });
  }
  return all;
}

}  // namespace

TEST_CASE("no wait can be left out unnoticed") {
  const std::map<simt::WaitPlace, std::string> waits = waits_in_the_sources();
  CHECK(waits.size() > 20);
  const std::vector<Trial> all = trials();
  std::map<simt::WaitPlace, std::vector<size_t>> reached;  // trials that come to the wait
  for (size_t i = 0; i < all.size(); ++i) {
    simt::start_recording_waits();
    const std::string wrong = noticed(all[i]);
    CHECK_MESSAGE(wrong.empty(), wrong);
    for (const auto& place : simt::stop_recording_waits()) reached[place].push_back(i);
  }
  constexpr size_t kMost = 60;  // trials for one wait
  for (const auto& [place, wait] : waits) {
    const auto& candidates = reached[place];
    std::string found;
    simt::leave_out(place);
    const size_t step = std::max<size_t>(1, candidates.size() / kMost);
    for (size_t i = 0; i < candidates.size() && found.empty(); i += step) found = noticed(all[candidates[i]]);
    simt::leave_out_nothing();
    const std::string row =
        fmt::format("{:<34} {:<16} {}", fmt::format("{}:{}", place.first, place.second), wait,
                    candidates.empty() ? "no trial comes here"
                    : found.empty()    ? "NOT NOTICED"
                                       : found);
    MESSAGE(row);
    CHECK_MESSAGE(!found.empty(), row);
  }
}
