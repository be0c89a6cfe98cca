#include "kernels/simt/shadow.h"

#include <bit>
#include <cstdlib>
#include <new>

namespace signet::simt {

void Clocks::warp_met(unsigned warp, unsigned mask, unsigned present) {
  ++time_;
  if (mask == present) {
    warp_[warp] = time_;
    return;
  }
  // What one of them knew all of them know now.
  uint32_t known[kWarp] = {};
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    const unsigned thread = warp * kWarp + unsigned(std::countr_zero(rest));
    for (unsigned lane = 0; lane < kWarp; ++lane) known[lane] = std::max(known[lane], met_[thread][lane]);
  }
  for (unsigned lane = 0; lane < kWarp; ++lane) {
    if (mask >> lane & 1) known[lane] = time_;
  }
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    const unsigned thread = warp * kWarp + unsigned(std::countr_zero(rest));
    std::copy_n(known, kWarp, met_[thread]);
    own_[thread] = time_;
  }
}

std::array<Cell, 4>& SplitCells::bytes_of(Cell& whole, uint64_t word) {
  const std::lock_guard lock(mutex_);
  auto& bytes = cells_[word];
  if (!bytes) bytes = std::make_unique<std::array<Cell, 4>>();
  if (!whole.split) {
    bytes->fill(whole);
    whole.split = true;
  }
  return *bytes;
}

GlobalShadow::GlobalShadow() : pages_(new std::atomic<Cell*>[arena().bytes / (4 * kPageWords) + 1]()) {}

Cell& GlobalShadow::cell(uint64_t word) {
  auto& page = pages_[word / kPageWords];
  Cell* cells = page.load(std::memory_order_acquire);
  if (!cells) {
    // All zeros is an empty cell; calloc leaves pages that nobody touches unmapped.
    auto* fresh = static_cast<Cell*>(std::calloc(kPageWords, sizeof(Cell)));
    if (!fresh) throw std::bad_alloc();
    if (page.compare_exchange_strong(cells, fresh)) {
      cells = fresh;
    } else {
      std::free(fresh);
    }
  }
  return cells[word % kPageWords];
}

GlobalShadow& global_shadow() {
  static GlobalShadow& instance = *new GlobalShadow;
  return instance;
}

}  // namespace signet::simt
