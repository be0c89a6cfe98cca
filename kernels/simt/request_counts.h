#pragma once
// What a launch asks of memory, counted line by line: a profiler without a card. The k-th access of each lane
// of a warp at one place in the program is taken as one request of the warp.

#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "kernels/simt/checker.h"
#include "kernels/simt/faults.h"

namespace signet::simt {

enum class Space : uint8_t { global, shared };

/// Global memory moves in sectors of 32 bytes; the ideal is what the bytes asked for, each counted once,
/// fill. Shared memory serves a request in wavefronts, each a word of each of the 32 banks at most; the ideal
/// is one for up to 128 bytes: a wavefront for a warp's words, two or four for its 8- or 16-byte accesses,
/// half or a quarter of the warp at a time. What is more are conflicts.
struct RequestTotals {
  int64_t requests = 0, lanes = 0, moved = 0, ideal = 0;  ///< moved: sectors, or wavefronts
  RequestTotals& operator+=(const RequestTotals& other);
};

struct LineCounts {
  Place place;
  std::string function;
  Space space = Space::global;
  Access kind = Access::read;
  unsigned bytes = 0;  ///< of one lane's access
  RequestTotals totals;
};

/// Checked kernels are counted from the first call on until the second, and meanwhile not searched for races.
void start_counting_requests();
/// One row for each line, width and direction, those that move most first.
std::vector<LineCounts> stop_counting_requests();
bool counting_requests();

/// The requests of the block that a host thread is running.
class RequestCounts {
 public:
  /// An access of the lane `thread` % 32.
  void count(unsigned thread, Space space, const void* address, size_t bytes, Access kind, const void* site);
  /// The block is at its end.
  void add_to_totals();

 private:
  struct Request {
    uint32_t mask = 0;
    std::array<uintptr_t, 32> address{};
  };
  struct Warp {
    std::array<uint32_t, 32> next{};  // request of each lane
    std::vector<Request> requests;
  };
  struct Key {
    const void* site = nullptr;
    unsigned bytes = 0;
    Space space = Space::global;
    Access kind = Access::read;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    size_t operator()(const Key& k) const {
      return reinterpret_cast<uintptr_t>(k.site) * 4 + size_t(k.space) * 2 + size_t(k.kind) +
             k.bytes * 0x9E3779B9u;
    }
  };
  std::unordered_map<Key, std::vector<Warp>, Hash> sites_;
};

RequestCounts& request_counts_of_this_thread();

}  // namespace signet::simt
