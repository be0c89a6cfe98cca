#include "kernels/simt/warp.h"

#include <atomic>

#include "kernels/simt/mutation.h"

namespace signet::simt {
namespace {

struct ShuffleLane {
  uint64_t value = 0, result = 0;
  unsigned source = 0;
};

struct VoteLane {
  bool value = false;
  unsigned result = 0;
};

void compute_shuffle(void* const* payloads, unsigned mask) {
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    auto& lane = *static_cast<ShuffleLane*>(payloads[std::countr_zero(rest)]);
    lane.result = mask >> lane.source & 1 ? static_cast<const ShuffleLane*>(payloads[lane.source])->value
                                          : ~uint64_t{0};
  }
}

void compute_ballot(void* const* payloads, unsigned mask) {
  unsigned result = 0;
  for (unsigned lane = 0; lane < kWarp; ++lane) {
    if (mask >> lane & 1) result |= unsigned(static_cast<VoteLane*>(payloads[lane])->value) << lane;
  }
  for (unsigned rest = mask; rest != 0; rest &= rest - 1)
    static_cast<VoteLane*>(payloads[std::countr_zero(rest)])->result = result;
}

}  // namespace

int block_barrier(Site site, BarrierVote vote, int value) {
  if (vote == BarrierVote::none && is_left_out(site)) return 0;
  return current_block->barrier(site, vote, value);
}

void warp_barrier(unsigned mask, Site site) {
  if (is_left_out(site)) return;
  current_block->warp_operation(WarpKind::sync, mask, site, nullptr, nullptr);
}

uint64_t shuffle(unsigned mask, uint64_t value, unsigned source, Site site) {
  ShuffleLane lane{value, 0, source};
  current_block->warp_operation(WarpKind::shuffle, mask, site, &lane, compute_shuffle);
  return lane.result;
}

unsigned ballot(unsigned mask, bool value, Site site) {
  VoteLane lane{value, 0};
  current_block->warp_operation(WarpKind::vote, mask, site, &lane, compute_ballot);
  return lane.result;
}

unsigned lane_of_current_thread() {
  return current_block->current().linear % kWarp;
}

void trap(Site site) {
  current_block->fail(Fault::stopped, "the kernel executed __trap", site);
}

}  // namespace signet::simt

void __threadfence() {
  std::atomic_thread_fence(std::memory_order_seq_cst);
}
void __threadfence_block() {
  std::atomic_signal_fence(std::memory_order_seq_cst);
}
