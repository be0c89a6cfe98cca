#include "kernels/simt/tcgen05.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels/simt/mutation.h"

namespace signet::simt {
namespace {

constexpr unsigned kFullMask = 0xFFFFFFFFu;

TensorMemory& tensor_memory() {
  return current_block->tensor_memory();
}

/// A warp's operation without a result: all its lanes are there.
void meet(Site site) {
  current_block->warp_operation(WarpKind::tensor_memory, kFullMask, site, nullptr, nullptr);
}

/// Where tensor memory is addressed: bits 16 on are the lane, the others the column (9.7.16.1.1).
struct TensorAddress {
  unsigned lane, column;
  explicit TensorAddress(uint32_t bits) : lane(bits >> 16), column(bits & 0xFFFF) {}
};

void require_allocated(unsigned column, unsigned count, const char* what, Site site) {
  for (const auto& a : tensor_memory().allocations) {
    if (column >= a.column && column + count <= a.column + a.columns) return;
  }
  current_block->fail_with(Fault::out_of_bounds, site, what, " columns ", column, " to ", column + count - 1,
                           " of tensor memory, which the block has not allocated in one");
}

/// Whether what the thread has read of tensor memory may be overwritten by the current one.
bool has_read_all(const Thread& thread) {
  const TensorThread& t = thread.tensor;
  if (!t.has_read) return true;
  if (!t.loads.empty()) return false;
  Block& block = *current_block;
  if (thread.linear / kWarp == block.current().linear / kWarp) return true;
  return t.read_fenced && t.fenced_at < block.barriers();
}

void require_all_read(const char* what, Site site) {
  Block& block = *current_block;
  for (unsigned i = 0; i < block.threads(); ++i) {
    if (has_read_all(block.thread(i))) continue;
    block.fail_with(
        Fault::unfinished_product, site, what, " tensor memory that thread ", i,
        " may still read: no tcgen05.wait::ld and fence::before_thread_sync of it, and a barrier");
  }
}

void require_fence(const char* what, Site site) {
  Block& block = *current_block;
  if (!block.current().tensor.unfenced) return;
  block.fail_with(Fault::unfenced_product, site, "no tcgen05.fence::after_thread_sync orders the ", what,
                  " behind the barrier that the thread has passed");
}

/// Sums are made in double and rounded to float once, as in ptx.cpp.
void compute(const TensorProduct& p) {
  TensorMemory& memory = tensor_memory();
  const SharedMatrix a(p.a, p.turned_a, Reader::tcgen05, p.site), b(p.b, p.turned_b, Reader::tcgen05, p.site);
  std::vector<double> right(size_t(p.columns) * kProductSteps);
  for (unsigned column = 0; column < p.columns; ++column) {
    for (unsigned k = 0; k < kProductSteps; ++k)
      right[column * kProductSteps + k] = double(b.element(column, k));
  }
  for (unsigned row = 0; row < p.rows; ++row) {
    double left[kProductSteps];
    for (unsigned k = 0; k < kProductSteps; ++k) left[k] = double(a.element(row, k));
    // Data path layout D of 128 rows and F of 64 (9.7.16.10.5).
    const unsigned lane = p.rows == 128 ? row : row + row / 16 * 16;
    for (unsigned column = 0; column < p.columns; ++column) {
      double sum = 0;
      for (unsigned k = 0; k < kProductSteps; ++k) sum += left[k] * right[column * kProductSteps + k];
      float& cell = memory.cell(lane, p.column + column);
      cell = float((p.add ? double(cell) : 0) + sum);
    }
  }
}

TensorMemory::Barrier& barrier_at(size_t offset, Site site) {
  auto& barriers = tensor_memory().barriers;
  const auto found = barriers.find(offset);
  if (found == barriers.end()) current_block->fail_with(Fault::unwritten, site, "no mbarrier was made there");
  return found->second;
}

/// Finishes products, and lets arrive what waits for them, up to the first commit for the barrier; false if
/// there is none.
bool finish_commit(size_t barrier) {
  TensorMemory& memory = tensor_memory();
  const auto is_for = [&](const auto& commit) { return commit.barrier == barrier; };
  if (std::none_of(memory.commits.begin(), memory.commits.end(), is_for)) return false;
  for (bool found = false; !found;) {
    const TensorMemory::Commit commit = memory.commits.front();
    memory.commits.pop_front();
    found = commit.barrier == barrier;
    for (; memory.finished < commit.products; ++memory.finished) {
      compute(memory.pending.front());
      memory.pending.pop_front();
    }
    TensorMemory::Barrier& b = memory.barriers.at(commit.barrier);
    if (--b.missing > 0) continue;
    b.missing = b.arrivals;
    b.finished = memory.finished;
    ++b.phase;
    std::erase_if(memory.sleepers, [&](const auto& sleeper) {
      if (sleeper.first != commit.barrier) return false;
      current_block->wake(*sleeper.second);
      return true;
    });
  }
  return true;
}

struct Allocation {
  unsigned columns;
  Site site;
  uint32_t begin;
};

// Where there is room, drawn by the block: no kernel may rely on a place.
void compute_allocation(void* const* payloads, unsigned) {
  Block& block = *current_block;
  TensorMemory& memory = block.tensor_memory();
  const auto& asked = *static_cast<const Allocation*>(payloads[0]);
  const unsigned count = asked.columns;
  if (count < 32 || count > TensorMemory::kColumns || !std::has_single_bit(count))
    block.fail_with(Fault::tensor_memory, asked.site, "tcgen05.alloc of ", count,
                    " columns: it takes a power of two from 32 to 512");
  if (memory.relinquished)
    block.fail_with(Fault::tensor_memory, asked.site, "tcgen05.alloc behind relinquish_alloc_permit");
  std::vector<unsigned> free;
  for (unsigned column = 0; column + count <= TensorMemory::kColumns; column += 32) {
    const bool taken = std::any_of(memory.allocations.begin(), memory.allocations.end(), [&](const auto& a) {
      return column < a.column + a.columns && a.column < column + count;
    });
    if (!taken) free.push_back(column);
  }
  if (free.empty())
    block.fail_with(Fault::tensor_memory, asked.site,
                    "tcgen05.alloc waits for columns that the block itself has");
  const unsigned column = free[block.random_below(unsigned(free.size()))];
  if (memory.cells.empty()) memory.cells.resize(size_t(TensorMemory::kLanes) * TensorMemory::kColumns);
  for (unsigned lane = 0; lane < TensorMemory::kLanes; ++lane)
    std::memset(&memory.cell(lane, column), 0xFF, count * sizeof(float));
  std::fill_n(memory.columns + column, count, TensorMemory::Column());
  memory.allocations.push_back({column, count, block.current().linear / kWarp, asked.site});
  for (unsigned lane = 0; lane < kWarp; ++lane) static_cast<Allocation*>(payloads[lane])->begin = column;
}

void compute_election(void* const* payloads, unsigned) {
  *static_cast<bool*>(payloads[current_block->random_below(kWarp)]) = true;
}

void compute_load_check(void* const* payloads, unsigned) {
  const auto& first = *static_cast<const TensorLoad*>(payloads[0]);
  for (unsigned lane = 1; lane < kWarp; ++lane) {
    const auto& other = *static_cast<const TensorLoad*>(payloads[lane]);
    if (other.lane != first.lane || other.column != first.column)
      current_block->fail_with(Fault::warp, first.site,
                               "tcgen05.ld: the lanes of the warp give different addresses");
  }
}

}  // namespace

void allocate_tensor_memory(uint32_t* to, unsigned columns, Site site, const void* caller) {
  Block& block = *current_block;
  Allocation asked{columns, site, 0};
  block.warp_operation(WarpKind::tensor_memory, kFullMask, site, &asked, compute_allocation);
  if (block.current().linear % kWarp != 0) return;
  if (block.checker()) block.checker()->access(to, sizeof *to, Access::write, caller);
  *to = asked.begin;
}

void relinquish_tensor_memory(Site site) {
  meet(site);
  tensor_memory().relinquished = true;
}

void release_tensor_memory(uint32_t begin, unsigned columns, Site site) {
  Block& block = *current_block;
  TensorMemory& memory = block.tensor_memory();
  const Thread& thread = block.current();
  const TensorAddress at(begin);
  for (unsigned i = at.column; i < std::min(at.column + columns, TensorMemory::kColumns); ++i) {
    if (memory.columns[i].product <= thread.tensor.finished) continue;
    block.fail_with(Fault::unfinished_product, site, "tcgen05.dealloc of sums that the tcgen05.mma in line ",
                    memory.columns[i].site.line, " has not been waited to make");
  }
  meet(site);
  if (thread.linear % kWarp != 0) return;
  require_all_read("tcgen05.dealloc takes away", site);
  const auto found = std::find_if(memory.allocations.begin(), memory.allocations.end(), [&](const auto& a) {
    return at.lane == 0 && a.column == at.column && a.columns == columns && a.warp == thread.linear / kWarp;
  });
  if (found == memory.allocations.end())
    block.fail_with(Fault::tensor_memory, site, "tcgen05.dealloc of columns ", at.column, " to ",
                    at.column + columns - 1, ", which is nothing that this warp has allocated");
  memory.allocations.erase(found);
}

void begin_mbarrier(uint64_t* barrier, unsigned arrivals, Site site, const void* caller) {
  Block& block = *current_block;
  const size_t offset = shared_address(barrier) - kSystemShared;
  if (block.checker()) block.checker()->access(barrier, sizeof *barrier, Access::write, caller);
  *barrier = arrivals;
  if (!block.tensor_memory().barriers.try_emplace(offset, TensorMemory::Barrier{arrivals, arrivals}).second)
    block.fail_with(Fault::unmodelled, site, "mbarrier.init of an mbarrier that is one already");
}

void wait_at_mbarrier(uint64_t* barrier, unsigned parity, Site site, const void* caller) {
  if (is_left_out(site)) return;
  Block& block = *current_block;
  const size_t offset = shared_address(barrier) - kSystemShared;
  if (block.checker()) block.checker()->access(barrier, sizeof *barrier, Access::read, caller);
  while (barrier_at(offset, site).phase % 2 == parity) {
    if (finish_commit(offset)) continue;
    block.tensor_memory().sleepers.emplace_back(offset, &block.current());
    block.sleep(site);
  }
  TensorThread& thread = block.current().tensor;
  thread.finished = std::max(thread.finished, barrier_at(offset, site).finished);
  thread.unfenced = true;
}

bool elect_lane(Site site) {
  bool chosen = false;
  current_block->warp_operation(WarpKind::tensor_memory, kFullMask, site, &chosen, compute_election);
  return chosen;
}

void start_tensor_product(uint32_t d, uint64_t a, uint64_t b, uint32_t instruction, bool add, Site site,
                          const void* caller) {
  Block& block = *current_block;
  TensorMemory& memory = block.tensor_memory();
  require_fence("tcgen05.mma", site);
  const auto bits = [&](unsigned first, unsigned count) {
    return instruction >> first & ((1u << count) - 1);
  };
  const TensorAddress to(d);
  const TensorProduct p{.a = a,
                        .b = b,
                        .turned_a = bits(15, 1) != 0,
                        .turned_b = bits(16, 1) != 0,
                        .add = add,
                        .rows = 16 * bits(24, 5),
                        .columns = 8 * bits(17, 6),
                        .column = to.column,
                        .site = site};
  if (bits(4, 2) != 1 || bits(7, 3) != 1 || bits(10, 3) != 1)
    block.fail_with(Fault::unmodelled, site,
                    "tcgen05.mma: the simulated device multiplies bf16, with sums in float");
  if (bits(0, 4) + bits(6, 1) + bits(13, 2) + bits(23, 1) + bits(29, 3) != 0)
    block.fail_with(Fault::unmodelled, site,
                    "tcgen05.mma: the simulated device knows neither sparse nor negated matrices");
  if ((p.rows != 64 && p.rows != 128) || p.columns == 0 || p.columns > 256 ||
      p.columns % (p.rows == 128 ? 16 : 8) != 0 || to.lane != 0)
    block.fail_with(Fault::unmodelled, site, "tcgen05.mma: no product of ", p.rows, " rows and ", p.columns,
                    " columns has its sums there");
  require_allocated(p.column, p.columns, "tcgen05.mma writes", site);
  require_all_read("tcgen05.mma overwrites", site);
  const SharedMatrix matrices[2] = {{a, p.turned_a, Reader::tcgen05, site},
                                    {b, p.turned_b, Reader::tcgen05, site}};
  const unsigned counts[2] = {p.rows, p.columns};
  ++memory.started;
  for (unsigned m = 0; m < 2; ++m) {
    for (unsigned i = 0; i < 2 * counts[m]; ++i) {
      const size_t unit = matrices[m].unit_of(0, counts[m], i);
      if (block.checker()) block.checker()->proxy_read(unit, 16, memory.started, caller);
    }
  }
  for (unsigned i = p.column; i < p.column + p.columns; ++i) {
    TensorMemory::Column& column = memory.columns[i];
    if (add && (column.product == 0 || column.rows != p.rows))
      block.fail_with(Fault::unwritten, site, "tcgen05.mma adds to tensor memory where nothing was put");
    column = {memory.started, p.rows, site};
  }
  memory.pending.push_back(p);
  block.current().tensor.started = memory.started;
}

void commit_tensor_products(uint64_t* barrier, Site site, const void* caller) {
  Block& block = *current_block;
  TensorMemory& memory = block.tensor_memory();
  const size_t offset = shared_address(barrier) - kSystemShared;
  if (block.checker()) block.checker()->proxy_read(offset, sizeof *barrier, 0, caller);
  barrier_at(offset, site);
  memory.commits.push_back({block.current().tensor.started, offset});
  // The products are as late as somebody's wait for them.
  const auto waits = [&](const auto& sleeper) { return sleeper.first == offset; };
  if (std::any_of(memory.sleepers.begin(), memory.sleepers.end(), waits)) finish_commit(offset);
}

void load_tensor_memory(float* registers, unsigned count, uint32_t from, Site site) {
  Block& block = *current_block;
  TensorMemory& memory = block.tensor_memory();
  Thread& thread = block.current();
  const TensorAddress at(from);
  TensorLoad load{registers, count, at.lane, at.column, site};
  require_fence("tcgen05.ld", site);
  block.warp_operation(WarpKind::tensor_memory, kFullMask, site, &load, compute_load_check);
  if (at.lane / kWarp != thread.linear / kWarp % 4 || at.lane % 16 != 0)
    block.fail_with(Fault::out_of_bounds, site, "tcgen05.ld from lane ", at.lane,
                    ": the warp may read 16 lanes from ", thread.linear / kWarp % 4 * kWarp,
                    " on, or the next");
  require_allocated(at.column, 2 * count, "tcgen05.ld reads", site);
  for (unsigned i = at.column; i < at.column + 2 * count; ++i) {
    const TensorMemory::Column& column = memory.columns[i];
    if (column.product == 0 || (column.rows == 64 && at.lane % kWarp != 0))
      block.fail_with(Fault::unwritten, site, "tcgen05.ld of tensor memory where nothing was put");
    if (column.product > thread.tensor.finished)
      block.fail_with(Fault::unfinished_product, site, "tcgen05.ld of sums that the tcgen05.mma in line ",
                      column.site.line, " has not been waited to make");
  }
  std::memset(registers, 0xFF, count * sizeof(float));  // until it has been waited for
  thread.tensor.loads.push_back(load);
  thread.tensor.has_read = true;
  thread.tensor.read_fenced = false;
}

void wait_for_tensor_loads(Site site) {
  if (is_left_out(site)) return;
  meet(site);
  TensorMemory& memory = tensor_memory();
  Thread& thread = current_block->current();
  const unsigned lane = thread.linear % kWarp, row = lane / 4, column = lane % 4 * 2;
  for (const TensorLoad& load : thread.tensor.loads) {
    for (unsigned i = 0; i < load.count; ++i)
      load.registers[i] =
          memory.cell(load.lane + row + i / 2 % 2 * 8, load.column + i / 4 * 8 + column + i % 2);
  }
  thread.tensor.loads.clear();
}

void fence_before_thread_sync(Site site) {
  if (is_left_out(site)) return;
  Block& block = *current_block;
  TensorThread& thread = block.current().tensor;
  if (!thread.loads.empty()) return;
  thread.read_fenced = true;
  thread.fenced_at = block.barriers();
}

void fence_after_thread_sync(Site site) {
  if (is_left_out(site)) return;
  current_block->current().tensor.unfenced = false;
}

}  // namespace signet::simt
