#include "kernels/simt/check.h"

#include <algorithm>
#include <cstring>

#include "kernels/simt/memory.h"
#include "kernels/simt/request_counts.h"
#include "kernels/simt/symbols.h"

namespace signet::simt {
namespace {

/// What a byte of the thread-local block belongs to: nothing a kernel may touch, what CUDA gives a thread to
/// read (threadIdx and so on), or a __shared__ variable.
class ThreadLocalMap {
 public:
  static constexpr uint32_t kNothing = 0, kBuiltIn = 1, kFirstVariable = 2;

  ThreadLocalMap() : owners_(thread_local_bytes(), kNothing) {
    const auto& variables = checked_shared_variables();
    for (size_t i = 0; i < variables.size(); ++i)
      std::fill_n(owners_.begin() + int64_t(variables[i].offset), variables[i].bytes,
                  uint32_t(i) + kFirstVariable);
    const auto built_in = [&](const void* address, size_t bytes) {
      std::fill_n(owners_.begin() + (static_cast<const char*>(address) - thread_local_base()), bytes,
                  kBuiltIn);
    };
    built_in(&threadIdx, sizeof threadIdx);
    built_in(&blockIdx, sizeof blockIdx);
    built_in(&blockDim, sizeof blockDim);
    built_in(&gridDim, sizeof gridDim);
  }

  uint32_t owner(size_t offset) const { return owners_[offset]; }
  size_t bytes() const { return owners_.size(); }

 private:
  std::vector<uint32_t> owners_;
};

const ThreadLocalMap& thread_local_map() {
  static const ThreadLocalMap& instance = *new ThreadLocalMap;
  return instance;
}

// Code of one program lies less than 2 GB apart.
const char* const kSiteOrigin = reinterpret_cast<const char*>(&checker_of_this_thread);

uint32_t site_of(const void* address) {
  return uint32_t(static_cast<const char*>(address) - kSiteOrigin);
}
const void* address_of(uint32_t site) {
  return kSiteOrigin + int32_t(site);
}

Place place_of(const void* site) {
  return site ? source_lines({site}).front().place : Place{};
}

std::string line_text(const Place& place) {
  if (place.file.empty()) return "an unknown line";
  return "line " + std::to_string(place.line) + " of " + place.file.substr(place.file.rfind('/') + 1);
}

const char* verb(Access kind) {
  return kind == Access::atomic ? "changes atomically" : kind == Access::write ? "writes" : "reads";
}

std::string thread_text(const Job& job, unsigned linear) {
  const dim3 b = job.block;
  std::string text = "thread (";
  return text.append(std::to_string(linear % b.x) + ", " + std::to_string(linear / b.x % b.y) + ", " +
                     std::to_string(linear / (b.x * b.y)) + ")");
}

/// Sets a flag until the end of the scope; where that is left for good, by a report, begin_block does.
class Busy {
 public:
  explicit Busy(bool& flag) : flag_(flag), before_(flag) { flag_ = true; }
  ~Busy() { flag_ = before_; }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;

 private:
  bool& flag_;
  bool before_;
};

constexpr size_t kUnit = 16;  // bytes in which products read

class StripeLock {
 public:
  explicit StripeLock(std::atomic_flag& flag) : flag_(flag) {
    while (flag_.test_and_set(std::memory_order_acquire)) {
    }
  }
  ~StripeLock() { flag_.clear(std::memory_order_release); }
  StripeLock(const StripeLock&) = delete;
  StripeLock& operator=(const StripeLock&) = delete;

 private:
  std::atomic_flag& flag_;
};

}  // namespace

BlockChecker::BlockChecker()
    : states_(kMaxDynamicShared + thread_local_map().bytes(), State::unwritten),
      cells_(states_.size() / 4 + 1),
      used_(checked_shared_variables().size()),
      copy_sites_(cells_.size()),
      unfinished_reads_(kMaxDynamicShared / kUnit),
      tensor_products_(unfinished_reads_.size()),
      product_sites_(unfinished_reads_.size()),
      fences_(kMaxThreads),
      fences_before_(states_.size()) {}

void BlockChecker::begin_block(Block& block) {
  block_ = &block;
  busy_ = false;
  first_stamp_ = block.job().first_stamp;
  stamp_ = first_stamp_ + uint32_t(block.number());
  clocks_.begin_block();
  std::fill_n(states_.begin(), block.job().shared_bytes, State::unwritten);
  for (auto* units : {&unfinished_reads_, &tensor_products_})
    std::fill_n(units->begin(), (block.job().shared_bytes + kUnit - 1) / kUnit, 0u);
  for (unsigned i = 0; i < block.threads(); ++i) fences_[i].clear();
  for (const size_t i : used_list_) {
    const SharedVariable& v = checked_shared_variables()[i];
    std::fill_n(states_.begin() + int64_t(kMaxDynamicShared + v.offset), v.bytes, State::unwritten);
    used_[i] = false;
  }
  used_list_.clear();
  counts_ = counting_requests() ? &request_counts_of_this_thread() : nullptr;
  races_ = !counts_;
}

void BlockChecker::end_block(Block&) {
  if (counts_) counts_->add_to_totals();
}

void BlockChecker::warp_barrier(Block& block, unsigned warp, unsigned mask) {
  const unsigned lanes = std::min(kWarp, block.threads() - warp * kWarp);
  clocks_.warp_met(warp, mask, lanes == kWarp ? ~0u : (1u << lanes) - 1);
}

void BlockChecker::fail(Fault kind, std::string detail, const void* site) {
  block_->fail(kind, std::move(detail), place_of(site));
}

void BlockChecker::access(const void* address, size_t bytes, Access kind, const void* site) {
  const Busy busy(busy_);
  const char* const p = static_cast<const char*>(address);
  Thread& thread = block_->current();
  if (size_t(p - thread.stack.base) < kStackBytes) return register_access(thread, p, bytes, kind, site);
  if (bytes <= 16 && std::has_single_bit(bytes) && reinterpret_cast<uintptr_t>(p) % bytes != 0)
    fail(Fault::misaligned,
         std::string(verb(kind)) + " " + std::to_string(bytes) +
             " bytes at once at an address that is no multiple of that",
         site);
  if (is_device_address(p)) {
    if (counts_) counts_->count(thread.linear, Space::global, p, bytes, kind, site);
    return global_access(p, bytes, kind, site);
  }
  const SharedBytes shared = shared_bytes(p, bytes, kind, site);
  if (!shared.valid) return;
  if (counts_) counts_->count(thread.linear, Space::shared, p, bytes, kind, site);
  shared_access(shared.first, bytes, kind, site_of(site));
}

void BlockChecker::register_access(Thread& thread, const char* address, size_t bytes, Access kind,
                                   const void* site) {
  for (const Sums& sums : thread.products.sums) {
    const auto* first = reinterpret_cast<const char*>(sums.registers);
    if (address >= first + sums.values.size() * sizeof(float) || address + bytes <= first) continue;
    if (sums.pending > 0)
      fail(Fault::unfinished_product,
           std::string(verb(kind)) + " a sum that the wgmma in line " + std::to_string(sums.site.line) +
               " has not been waited to make",
           site);
    thread.products.ordered = false;
  }
  for (const TensorLoad& load : thread.tensor.loads) {
    const auto* first = reinterpret_cast<const char*>(load.registers);
    if (address >= first + load.count * sizeof(float) || address + bytes <= first) continue;
    fail(Fault::unfinished_product,
         std::string(verb(kind)) + " a register that the tcgen05.ld in line " +
             std::to_string(load.site.line) + " has not been waited to fill",
         site);
  }
}

// Of memory that is no device memory: shared memory, or what is not the kernel's business.
BlockChecker::SharedBytes BlockChecker::shared_bytes(const char* p, size_t bytes, Access kind,
                                                     const void* site) {
  const size_t dynamic = size_t(p - block_->dynamic_shared()), size = block_->job().shared_bytes;
  constexpr size_t kNear = 1024;
  if (dynamic < kMaxDynamicShared + kNear || dynamic + kNear < kNear) {
    if (dynamic < size && bytes <= size - dynamic) return {dynamic, true};
    const bool before = dynamic >= kMaxDynamicShared + kNear;
    fail(Fault::out_of_bounds,
         std::string(verb(kind)) + " " + std::to_string(bytes) + " bytes of shared memory " +
             std::to_string(before ? 0 - dynamic : dynamic) + (before ? " bytes before" : " bytes after") +
             " the start of the block's " + std::to_string(size) + " dynamic ones",
         site);
  }
  const ThreadLocalMap& map = thread_local_map();
  const size_t offset = size_t(p - thread_local_base());
  if (offset < map.bytes()) {
    const uint32_t owner = map.owner(offset);
    if (owner == ThreadLocalMap::kBuiltIn && kind == Access::read) return {};
    if (owner >= ThreadLocalMap::kFirstVariable && offset + bytes <= map.bytes() &&
        map.owner(offset + bytes - 1) == owner) {
      const size_t variable = owner - ThreadLocalMap::kFirstVariable;
      if (!used_[variable]) {
        used_[variable] = true;
        used_list_.push_back(variable);
      }
      return {kMaxDynamicShared + offset, true};
    }
    const auto& all = checked_shared_variables();
    const auto distance = [&](const SharedVariable& v) {
      return offset < v.offset ? v.offset - offset : offset + bytes - (v.offset + v.bytes);
    };
    const auto nearest = std::min_element(
        all.begin(), all.end(), [&](const auto& a, const auto& b) { return distance(a) < distance(b); });
    std::string where = "beside every shared variable";
    if (nearest != all.end())
      where = std::to_string(int64_t(offset) - int64_t(nearest->offset)) + " bytes from the start of " +
              nearest->name + " (" + std::to_string(nearest->bytes) + " bytes)";
    fail(Fault::out_of_bounds,
         std::string(verb(kind)) + " " + std::to_string(bytes) + " bytes of shared memory, " + where, site);
  }
  if (in_program_image(p) && kind == Access::read) return {};  // constants
  const auto* arguments = static_cast<const char*>(block_->job().arguments);
  if (kind == Access::read && size_t(p - arguments) < block_->job().argument_bytes) return {};
  fail(Fault::out_of_bounds,
       std::string(verb(kind)) + " " + std::to_string(bytes) +
           (p ? " bytes of memory that is not the device's: the host's, or another thread's own"
              : " bytes at the null pointer"),
       site);
}

void BlockChecker::shared_access(size_t first, size_t bytes, Access kind, uint32_t site, bool recorded) {
  if (kind != Access::read) {
    const size_t end = std::min(first + bytes, kMaxDynamicShared);
    const uint32_t finished = block_->current().tensor.finished;
    for (size_t unit = first / kUnit; unit * kUnit < end; ++unit) {
      if (unfinished_reads_[unit] == 0 && tensor_products_[unit] <= finished) continue;
      fail(Fault::unfinished_product,
           std::string(verb(kind)) + " shared memory that the product of " +
               line_text(place_of(address_of(product_sites_[unit]))) + " has not been waited to read",
           address_of(site));
    }
    const auto fences = uint32_t(fences_[block_->current().linear].size());
    std::fill_n(fences_before_.begin() + int64_t(first), bytes, fences);
  }
  for (size_t i = first; i < first + bytes; ++i) {
    if (states_[i] == State::in_flight)
      fail(Fault::unfinished_copy,
           std::string(verb(kind)) + " shared memory that the cp.async of " +
               line_text(place_of(address_of(copy_sites_[i / 4]))) + " has not been waited to fill",
           address_of(site));
    if (kind == Access::write) {
      states_[i] = State::written;
    } else if (states_[i] == State::unwritten) {
      fail(Fault::unwritten,
           std::string(verb(kind)) + " shared memory that no thread of the block has written",
           address_of(site));
    }
  }
  for (size_t at = first; at < first + bytes;) {
    Cell& cell = cells_[at / 4];
    const bool whole = at % 4 == 0 && first + bytes - at >= 4;
    if (whole && !cell.split) {
      if (!touch(cell, kind, site, true, recorded)) report_race(kind, site, Fault::shared_race);
      at += 4;
    } else {
      if (!touch(splits_.bytes_of(cell, at / 4)[at % 4], kind, site, true, recorded))
        report_race(kind, site, Fault::shared_race);
      ++at;
    }
  }
}

void BlockChecker::global_access(const char* p, size_t bytes, Access kind, const void* site) {
  ByteState* const states = byte_states(p);
  for (size_t i = 0; i < bytes; ++i) {
    if (states[i] == ByteState::written) continue;
    if (states[i] == ByteState::unowned)
      fail(Fault::out_of_bounds,
           std::string(verb(kind)) + " " + std::to_string(bytes) +
               " bytes of global memory: " + describe_device_address(p + i),
           site);
    if (kind != Access::write)
      fail(Fault::unwritten,
           std::string(verb(kind)) +
               " global memory that nothing has written: " + describe_device_address(p + i),
           site);
    states[i] = ByteState::written;
  }
  if (!races_) return;
  GlobalShadow& shadow = global_shadow();
  const auto offset = uint64_t(p - arena().base);
  const uint32_t number = site_of(site);
  for (uint64_t at = offset; at < offset + bytes;) {
    const uint64_t word = at / 4;
    const bool covered = at % 4 == 0 && offset + bytes - at >= 4;
    bool whole = false, ok = false;
    {
      const StripeLock lock(shadow.stripe(word));
      Cell& cell = shadow.cell(word);
      whole = covered && !cell.split;
      ok = touch(whole ? cell : shadow.bytes_of(cell, word)[at % 4], kind, number, false);
    }
    if (!ok) report_race(kind, number, Fault::global_race);  // leaves for good: not with the lock in hand
    at += whole ? 4 : 1;
  }
}

bool BlockChecker::ordered(const Touch& before) const {
  if (before.stamp < first_stamp_) return true;  // an earlier launch, or an earlier block's shared memory
  if (before.stamp != stamp_) return false;
  return clocks_.ordered(before, block_->current().linear);
}

bool BlockChecker::touch(Cell& cell, Access kind, uint32_t site, bool shared, bool recorded) {
  const bool atomic = kind == Access::atomic;
  const unsigned thread = block_->current().linear;
  // What another block did to shared memory was done to other memory in the same place.
  const auto forgotten = [&](const Touch& before) {
    return before.stamp == 0 || (shared && before.stamp != stamp_);
  };
  const auto conflicts = [&](const Touch& before, bool wrote) {
    if (forgotten(before) || (atomic && before.atomic) || ordered(before)) return false;
    conflict_ = before;
    conflict_wrote_ = wrote;
    return true;
  };
  if (conflicts(cell.write, true)) return false;
  const Touch now{stamp_, clocks_.clock(thread), site, uint16_t(thread), atomic};
  if (!recorded) return true;
  if (kind == Access::read) {
    const Touch& first = cell.read[0];
    cell.read[forgotten(first) || ordered(first) ? 0 : 1] = now;
    return true;
  }
  for (Touch& before : cell.read) {
    if (conflicts(before, false)) return false;
    before = {};
  }
  cell.write = now;
  return true;
}

void BlockChecker::report_race(Access kind, uint32_t site, Fault race) {
  std::string who = thread_text(block_->job(), conflict_.thread);
  if (conflict_.stamp != stamp_) who += " of block number " + std::to_string(conflict_.stamp - first_stamp_);
  fail(race,
       std::string(verb(kind)) + " what " + who + (conflict_wrote_ ? " wrote in " : " read in ") +
           line_text(place_of(address_of(conflict_.site))) +
           (conflict_.stamp == stamp_ ? ", with no barrier between" : ", with nothing to order the two"),
       address_of(site));
}

void BlockChecker::copy_issued(void* to, const void* from, size_t bytes, const void* site) {
  const Busy busy(busy_);
  if (from) access(from, bytes, Access::read, site);
  const auto* p = static_cast<const char*>(to);
  if (is_device_address(p)) fail(Fault::out_of_bounds, "cp.async to global memory", site);
  const SharedBytes shared = shared_bytes(p, bytes, Access::write, site);
  if (!shared.valid) fail(Fault::out_of_bounds, "cp.async to memory that is not shared", site);
  if (counts_) counts_->count(block_->current().linear, Space::shared, p, bytes, Access::write, site);
  shared_access(shared.first, bytes, Access::write, site_of(site));
  for (size_t i = 0; i < bytes; ++i) states_[shared.first + i] = State::in_flight;
  for (size_t i = 0; i < bytes; i += 4) copy_sites_[(shared.first + i) / 4] = site_of(site);
}

// The bytes arrive while the thread waits for them: the write is as late as that.
void BlockChecker::copy_arrived(void* to, size_t bytes) {
  const Busy busy(busy_);
  const size_t first = shared_bytes(static_cast<const char*>(to), bytes, Access::write, nullptr).first;
  std::fill_n(states_.begin() + int64_t(first), bytes, State::written);
  shared_access(first, bytes, Access::write, copy_sites_[first / 4]);
}

void BlockChecker::require_proxy_fence(size_t first, size_t bytes, const void* site) {
  // The thread that wrote a byte must have executed a fence since then, and that must come before this.
  for (size_t i = first; i < first + bytes; ++i) {
    Cell& cell = cells_[i / 4];
    const Touch& write = cell.split ? splits_.bytes_of(cell, i / 4)[i % 4].write : cell.write;
    const std::vector<uint32_t>& fences = fences_[write.thread];
    const size_t next = fences_before_[i];
    if (next < fences.size() && ordered({.stamp = stamp_, .clock = fences[next], .thread = write.thread}))
      continue;
    fail(Fault::unfenced_product,
         "reads what " + thread_text(block_->job(), write.thread) + " wrote in " +
             line_text(place_of(address_of(write.site))) +
             ", with no fence.proxy.async of that thread between, followed by a barrier",
         site);
  }
}

void BlockChecker::product_started(size_t unit, const void* site) {
  const Busy busy(busy_);
  shared_access(unit, kUnit, Access::read, site_of(site));
  require_proxy_fence(unit, kUnit, site);
  ++unfinished_reads_[unit / kUnit];
  product_sites_[unit / kUnit] = site_of(site);
}

// It is the tensor cores that read, and not the thread: who has been told of their end may write, though he
// has not met the thread.
void BlockChecker::proxy_read(size_t first, size_t bytes, uint32_t product, const void* site) {
  const Busy busy(busy_);
  shared_access(first, bytes, Access::read, site_of(site), false);
  require_proxy_fence(first, bytes, site);
  if (product == 0) return;
  for (size_t unit = first / kUnit; unit * kUnit < first + bytes; ++unit) {
    tensor_products_[unit] = product;
    product_sites_[unit] = site_of(site);
  }
}

// The reading may take as long as the thread waits for it.
void BlockChecker::product_finished(size_t unit, const void* site) {
  const Busy busy(busy_);
  --unfinished_reads_[unit / kUnit];
  shared_access(unit, kUnit, Access::read, site_of(site));
}

void BlockChecker::proxy_fence() {
  const unsigned thread = block_->current().linear;
  fences_[thread].push_back(clocks_.clock(thread));
}

Checker& checker_of_this_thread() {
  static thread_local BlockChecker checker;
  return checker;
}

}  // namespace signet::simt
