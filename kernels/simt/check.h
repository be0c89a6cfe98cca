#pragma once
// The checker of kernels that are compiled with -fsanitize=thread: every access of every thread is held
// against what the device's memory and the block's barriers allow.
//
// Accesses of two threads are ordered by barriers and by __syncwarp, and by the end of a launch. Atomics do
// not race with each other, and order nothing else: kernels here never wait for another block.

#include <vector>

#include "kernels/simt/block.h"
#include "kernels/simt/request_counts.h"
#include "kernels/simt/shadow.h"

namespace signet::simt {

class BlockChecker final : public Checker {
 public:
  BlockChecker();

  void begin_block(Block& block) override;
  void end_block(Block& block) override;
  void look_away() override { busy_ = true; }
  /// An access that the compiler tells of. What the checker itself does goes unheeded: the linker may have
  /// given it the kernels' copy of a function of the library.
  void observe(const void* address, size_t bytes, Access kind, const void* site) {
    if (!busy_) access(address, bytes, kind, site);
  }
  void barrier(Block&) override { clocks_.block_met(); }
  void warp_barrier(Block& block, unsigned warp, unsigned mask) override;
  void access(const void* address, size_t bytes, Access kind, const void* site) override;
  void copy_issued(void* to, const void* from, size_t bytes, const void* site) override;
  void copy_arrived(void* to, size_t bytes) override;
  void product_started(size_t unit, const void* site) override;
  void product_finished(size_t unit, const void* site) override;
  void proxy_read(size_t first, size_t bytes, uint32_t product, const void* site) override;
  void proxy_fence() override;

 private:
  enum class State : uint8_t { unwritten, written, in_flight };
  /// Shared memory, dynamic and static, is numbered through: the block's dynamic bytes, then the thread-local
  /// ones of this host thread.
  struct SharedBytes {
    size_t first = 0;
    bool valid = false;
  };

  SharedBytes shared_bytes(const char* address, size_t bytes, Access kind, const void* site);
  /// Of the thread's own variables, among which are the sums of its products.
  void register_access(Thread& thread, const char* address, size_t bytes, Access kind, const void* site);
  void shared_access(size_t first, size_t bytes, Access kind, uint32_t site, bool recorded = true);
  /// That shared memory which is read past the path of loads and stores has passed a fence.
  void require_proxy_fence(size_t first, size_t bytes, const void* site);
  void global_access(const char* address, size_t bytes, Access kind, const void* site);
  /// False, with conflict_ set, if an earlier access is not ordered before this one, which else is recorded;
  /// a read only if it should be.
  bool touch(Cell& cell, Access kind, uint32_t site, bool shared, bool recorded = true);
  bool ordered(const Touch& before) const;
  [[noreturn]] void report_race(Access kind, uint32_t site, Fault race);
  [[noreturn]] void fail(Fault kind, std::string detail, const void* site);

  Block* block_ = nullptr;
  bool busy_ = false;
  uint32_t first_stamp_ = 0, stamp_ = 0;
  bool races_ = true;
  Clocks clocks_;
  Touch conflict_;
  bool conflict_wrote_ = false;
  std::vector<State> states_;  // of shared bytes
  std::vector<Cell> cells_;    // of shared words
  SplitCells splits_;
  std::vector<bool> used_;  // static shared variables that this block has touched
  std::vector<size_t> used_list_;
  std::vector<uint32_t> copy_sites_;  // of the cp.async whose destination a shared word is
  // What products read past the path of loads and stores: of each unit of 16 bytes how many wgmma have yet to
  // be waited for, the number of the last tcgen05.mma, and where the latest of either began; when each thread
  // has executed fence.proxy.async; and how many of those the thread had executed that wrote a byte last.
  std::vector<uint32_t> unfinished_reads_, tensor_products_, product_sites_;
  std::vector<std::vector<uint32_t>> fences_;
  std::vector<uint32_t> fences_before_;
  RequestCounts* counts_ = nullptr;
};

}  // namespace signet::simt
