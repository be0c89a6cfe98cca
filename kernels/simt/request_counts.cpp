#include "kernels/simt/request_counts.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <map>
#include <mutex>
#include <tuple>

#include "kernels/simt/symbols.h"

namespace signet::simt {
namespace {

constexpr uintptr_t kSector = 32, kBankBytes = 4, kBanks = 32;

std::atomic<bool> counting{false};

using TotalsKey = std::tuple<const void*, unsigned, Space, Access>;
std::mutex totals_mutex;
std::map<TotalsKey, RequestTotals>& totals() {
  static auto& all = *new std::map<TotalsKey, RequestTotals>;
  return all;
}

// How many units of `unit` bytes the accesses of the lanes touch.
int64_t units(const uintptr_t* addresses, size_t count, uintptr_t bytes, uintptr_t unit,
              std::vector<uintptr_t>& scratch) {
  scratch.clear();
  for (size_t i = 0; i < count; ++i) {
    for (uintptr_t u = addresses[i] / unit; u <= (addresses[i] + bytes - 1) / unit; ++u) scratch.push_back(u);
  }
  std::sort(scratch.begin(), scratch.end());
  return std::unique(scratch.begin(), scratch.end()) - scratch.begin();
}

// The wavefronts of lanes that shared memory serves together: as many as the fullest bank has words to give.
int64_t wavefronts(const uintptr_t* addresses, size_t count, uintptr_t bytes,
                   std::vector<uintptr_t>& scratch) {
  const auto words = size_t(units(addresses, count, bytes, kBankBytes, scratch));
  int64_t in_bank[kBanks] = {}, most = 0;
  for (size_t i = 0; i < words; ++i) most = std::max(most, ++in_bank[scratch[i] % kBanks]);
  return most;
}

}  // namespace

RequestTotals& RequestTotals::operator+=(const RequestTotals& other) {
  requests += other.requests;
  lanes += other.lanes;
  moved += other.moved;
  ideal += other.ideal;
  return *this;
}

void RequestCounts::count(unsigned thread, Space space, const void* address, size_t bytes, Access kind,
                          const void* site) {
  auto& warps = sites_[{site, unsigned(bytes), space, kind}];
  const unsigned warp = thread / 32, lane = thread % 32;
  if (warps.size() <= warp) warps.resize(warp + 1);
  Warp& w = warps[warp];
  const uint32_t k = w.next[lane]++;
  if (w.requests.size() <= k) w.requests.resize(k + 1);
  w.requests[k].mask |= 1u << lane;
  w.requests[k].address[lane] = reinterpret_cast<uintptr_t>(address);
}

void RequestCounts::add_to_totals() {
  std::vector<uintptr_t> scratch;
  for (auto& [key, warps] : sites_) {
    RequestTotals sum;
    // Shared memory serves so many lanes at a time.
    const size_t together = key.bytes <= 4 ? 32 : key.bytes <= 8 ? 16 : 8;
    for (const Warp& warp : warps) {
      for (const Request& request : warp.requests) {
        ++sum.requests;
        sum.lanes += std::popcount(request.mask);
        uintptr_t addresses[32];
        size_t count = 0;
        if (key.space == Space::global) {
          for (size_t lane = 0; lane < 32; ++lane)
            if (request.mask >> lane & 1) addresses[count++] = request.address[lane];
          sum.moved += units(addresses, count, key.bytes, kSector, scratch);
          const int64_t distinct = units(addresses, count, key.bytes, 1, scratch);
          sum.ideal += (distinct + int64_t(kSector) - 1) / int64_t(kSector);
          continue;
        }
        for (size_t first = 0; first < 32; first += together) {
          count = 0;
          for (size_t lane = first; lane < first + together; ++lane)
            if (request.mask >> lane & 1) addresses[count++] = request.address[lane];
          if (count == 0) continue;
          sum.moved += wavefronts(addresses, count, key.bytes, scratch);
          ++sum.ideal;
        }
      }
    }
    const std::lock_guard lock(totals_mutex);
    totals()[{key.site, key.bytes, key.space, key.kind}] += sum;
  }
  sites_.clear();
}

RequestCounts& request_counts_of_this_thread() {
  static thread_local RequestCounts counts;
  return counts;
}

bool counting_requests() {
  return counting.load(std::memory_order_relaxed);
}

void start_counting_requests() {
  const std::lock_guard lock(totals_mutex);
  totals().clear();
  counting = true;
}

std::vector<LineCounts> stop_counting_requests() {
  counting = false;
  const std::lock_guard lock(totals_mutex);
  std::vector<const void*> sites;
  for (const auto& [key, sum] : totals()) sites.push_back(std::get<0>(key));
  const std::vector<SourceLine> lines = source_lines(sites);
  std::map<std::tuple<std::string, int, unsigned, Space, Access>, LineCounts> by_line;
  size_t i = 0;
  for (const auto& [key, sum] : totals()) {
    const SourceLine& line = lines[i++];
    const auto& [site, bytes, space, kind] = key;
    LineCounts& row = by_line[{line.place.file, line.place.line, bytes, space, kind}];
    row.place = line.place;
    row.function = line.function;
    row.space = space;
    row.kind = kind;
    row.bytes = bytes;
    row.totals += sum;
  }
  std::vector<LineCounts> rows;
  for (auto& [key, row] : by_line) rows.push_back(std::move(row));
  std::sort(rows.begin(), rows.end(),
            [](const auto& a, const auto& b) { return a.totals.moved > b.totals.moved; });
  return rows;
}

}  // namespace signet::simt
