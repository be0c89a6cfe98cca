#pragma once
// Tensor memory as a block sees it, what tcgen05.mma has still to put there, the mbarriers that tell when it
// has, and what each thread knows of that.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "kernels/simt/faults.h"

namespace signet::simt {

struct Thread;

/// d (+)= a b, with 16 steps, that tcgen05.mma has started.
struct TensorProduct {
  uint64_t a = 0, b = 0;  ///< descriptors
  bool turned_a = false, turned_b = false, add = false;
  unsigned rows = 0, columns = 0;
  unsigned column = 0;  ///< of tensor memory, the first of d's
  Site site = {};
};

/// A tcgen05.ld that has not been waited for. The registers hold NaN until then.
struct TensorLoad {
  float* registers = nullptr;
  unsigned count = 0, lane = 0, column = 0;
  Site site = {};
};

struct TensorThread {
  uint32_t started = 0;     ///< number of its last product
  uint32_t finished = 0;    ///< products up to this number are finished, as it has been told
  bool unfenced = false;    ///< it has met others, with no fence::after_thread_sync since then
  bool has_read = false;    ///< by tcgen05.ld
  bool read_fenced = true;  ///< by fence::before_thread_sync, having waited, since its last tcgen05.ld
  uint64_t fenced_at = 0;   ///< barriers of the block before that
  std::vector<TensorLoad> loads;

  void clear() {
    started = finished = 0;
    unfenced = has_read = false;
    read_fenced = true;
    fenced_at = 0;
    loads.clear();
  }
};

/// Of one block. Products are numbered from 1 on in the order in which they are started, and finished in it.
struct TensorMemory {
  static constexpr unsigned kLanes = 128, kColumns = 512;

  struct Allocation {
    unsigned column = 0, columns = 0, warp = 0;
    Site site = {};
  };
  /// The last product into a column; 0: none since it was allocated.
  struct Column {
    uint32_t product = 0;
    unsigned rows = 0;
    Site site = {};
  };
  /// A tcgen05.commit that has not arrived yet.
  struct Commit {
    uint32_t products = 0;  ///< that have to be finished
    size_t barrier = 0;
  };
  /// An mbarrier, by its offset in dynamic shared memory.
  struct Barrier {
    unsigned arrivals = 0, missing = 0;
    uint32_t phase = 0;
    uint32_t finished = 0;  ///< products that were when the last phase ended
  };

  std::vector<float> cells;  // lane by lane; none until something is allocated
  std::vector<Allocation> allocations;
  bool relinquished = false;
  Column columns[kColumns];
  uint32_t started = 0, finished = 0;
  std::deque<TensorProduct> pending;  // finished + 1 ..
  std::deque<Commit> commits;
  std::map<size_t, Barrier> barriers;
  std::vector<std::pair<size_t, Thread*>> sleepers;  // at which barrier they wait

  float& cell(unsigned lane, unsigned column) { return cells[size_t(lane) * kColumns + column]; }
  void begin_block() {
    allocations.clear();
    relinquished = false;
    started = finished = 0;
    pending.clear();
    commits.clear();
    barriers.clear();
    sleepers.clear();
  }
};

}  // namespace signet::simt
