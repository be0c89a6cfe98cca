#include "kernels/simt/block.h"

#include <algorithm>
#include <cstring>

constinit thread_local uint3 threadIdx{};
constinit thread_local uint3 blockIdx{};
constinit thread_local dim3 blockDim{};
constinit thread_local dim3 gridDim{};

namespace signet::simt {

constinit thread_local Block* current_block = nullptr;

namespace {

constexpr size_t kRedZone = 1024;
constexpr unsigned char kRedPattern = 0xA5;

uint64_t mix(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
  return value ^ (value >> 31);
}

uint3 unflatten(uint64_t linear, dim3 extent) {
  return {unsigned(linear % extent.x), unsigned(linear / extent.x % extent.y),
          unsigned(linear / (uint64_t(extent.x) * extent.y))};
}

std::string lane_list(unsigned mask) {
  std::string text;
  for (unsigned lane = 0; lane < kWarp; ++lane) {
    if (mask >> lane & 1) text += (text.empty() ? "" : ", ") + std::to_string(lane);
  }
  return text;
}

std::string hexadecimal(unsigned value) {
  static const char* digits = "0123456789abcdef";
  std::string text = "0x";
  for (int shift = 28; shift >= 0; shift -= 4) text += digits[value >> shift & 15];
  return text;
}

const char* operation_name(WarpKind kind) {
  switch (kind) {
    case WarpKind::sync:
      return "__syncwarp";
    case WarpKind::shuffle:
      return "a shuffle";
    case WarpKind::vote:
      return "a vote";
    case WarpKind::ldmatrix:
      return "ldmatrix";
    case WarpKind::mma:
      return "mma";
    case WarpKind::wgmma:
      return "a fence, commit or wait of wgmma";
    case WarpKind::tensor_memory:
      return "an operation of tensor memory";
  }
  return "a warp operation";
}

}  // namespace

void Job::stop(Report found) {
  const std::lock_guard lock(mutex);
  if (!report) report = std::move(found);
  stopped.store(true);
}

char* dynamic_shared_memory() {
  return current_block->dynamic_shared();
}

Block::Block() : threads_(kMaxThreads), shared_memory_(kMaxDynamicShared + 2 * kRedZone + 1024) {
  const auto start = reinterpret_cast<uintptr_t>(shared_memory_.data()) + kRedZone;
  shared_ = reinterpret_cast<char*>((start + 1023) / 1024 * 1024);
  for (unsigned i = 0; i < kMaxThreads; ++i) threads_[i].linear = i;
}

Block::~Block() = default;

uint64_t Block::random() {
  random_ += 0x9E3779B97F4A7C15u;
  return mix(random_);
}

unsigned Block::random_below(unsigned bound) {
  return unsigned((random() >> 32) * bound >> 32);
}

// Warps in a random order, the lanes of each in a random order. Lanes of one warp follow each other, because
// they wait for each other more often than warps do.
void Block::make_all_ready() {
  make_ready(0, (count_ + kWarp - 1) / kWarp);
}

void Block::make_ready(unsigned first, unsigned count) {
  unsigned warps[kMaxThreads / kWarp];
  for (unsigned i = 0; i < count; ++i) {
    const unsigned j = random_below(i + 1);
    warps[i] = warps[j];
    warps[j] = i;
  }
  for (unsigned i = 0; i < count; ++i) {
    const uint64_t bits = random();
    const unsigned start = bits & 31, stride = (bits >> 8 & 31) | 1;  // odd: all 32 lanes are met
    for (unsigned k = 0; k < kWarp; ++k) {
      const unsigned linear = (first + warps[i]) * kWarp + ((start + k * stride) & 31);
      if (linear < count_) ready_.push_back(&threads_[linear]);
    }
  }
}

void Block::run(Job& job, uint64_t block) {
  job_ = &job;
  number_ = block;
  count_ = job.block.x * job.block.y * job.block.z;
  exited_ = at_barrier_ = 0;
  barriers_ = 0;
  tensor_memory_.begin_block();
  random_ = mix(schedule_seed() + job.serial * 0x9E3779B97F4A7C15u) ^ mix(block + 1);
  std::fill(std::begin(in_warp_), std::end(in_warp_), 0u);
  std::fill(std::begin(in_warpgroup_), std::end(in_warpgroup_), Arrivals());
  for (unsigned i = 0; i < count_; ++i) {
    Thread& thread = threads_[i];
    thread.begun = false;
    thread.waiting = Waiting::no;
    thread.index = unflatten(i, job.block);
    thread.groups = 0;
    thread.copies.clear();
    thread.products.clear();
    thread.tensor.clear();
  }
  std::memset(shared_, 0xFF, job.shared_bytes);
  std::memset(shared_ - kRedZone, kRedPattern, kRedZone);
  std::memset(shared_ + job.shared_bytes, kRedPattern, kRedZone);
  for (const SharedVariable& v : job.variables) std::memset(thread_local_base() + v.offset, 0xFF, v.bytes);

  ready_.clear();
  make_all_ready();
  checker_ = job.checker ? &job.checker() : nullptr;
  blockIdx = unflatten(block, job.grid);
  blockDim = job.block;
  gridDim = job.grid;
  Block* const outer = current_block;
  current_block = this;
  if (checker_) checker_->begin_block(*this);
  while (Thread* thread = next()) {
    become(*thread);
    switch_context(scheduler_, thread->context);
    if (job.stopped.load(std::memory_order_relaxed)) break;
  }
  if (!job.stopped.load() && exited_ < count_) {
    // The report is made on a stack that is left for good, like any other.
    threads_[0].begun = true;
    const Stack stack = stacks_.take();
    switch_context(scheduler_, start_context(stack, [] { current_block->report_deadlock(); }));
    stacks_.give_back(stack);
  }
  if (checker_) checker_->end_block(*this);
  current_block = outer;
  if (job.stopped.load()) return leave_all();
  check_red_zones();
  check_tensor_memory();
}

void Block::check_red_zones() {
  const auto red = [](char c) { return static_cast<unsigned char>(c) == kRedPattern; };
  char* end = shared_ + job_->shared_bytes;
  if (std::all_of(shared_ - kRedZone, shared_, red) && std::all_of(end, end + kRedZone, red)) return;
  job_->stop(describe(threads_[0], Fault::out_of_bounds,
                      "a thread of the block wrote beside the " + std::to_string(job_->shared_bytes) +
                          " bytes of dynamic shared memory",
                      {}));
}

void Block::check_tensor_memory() {
  if (tensor_memory_.allocations.empty()) return;
  const TensorMemory::Allocation& left = tensor_memory_.allocations.front();
  job_->stop(describe(threads_[left.warp * kWarp], Fault::tensor_memory,
                      "the block ends and has not given back what it has allocated here", left.site));
}

/// Threads first + i that are in the mask have met: what one has been told of products all of them know.
void Block::share_what_is_finished(unsigned first, uint32_t mask) {
  uint32_t finished = 0;
  for (uint32_t rest = mask; rest != 0; rest &= rest - 1)
    finished = std::max(finished, threads_[first + unsigned(__builtin_ctz(rest))].tensor.finished);
  for (uint32_t rest = mask; rest != 0; rest &= rest - 1)
    threads_[first + unsigned(__builtin_ctz(rest))].tensor.finished = finished;
}

// Threads that have not ended are forgotten where they are: device code holds nothing that needs a
// destructor.
void Block::leave_all() {
  for (unsigned i = 0; i < count_; ++i) {
    Thread& thread = threads_[i];
    if (thread.stack.base) stacks_.give_back(thread.stack);
    thread.stack = {};
  }
}

Thread* Block::next() {
  if (ready_.empty()) return nullptr;
  Thread* thread = ready_.back();
  ready_.pop_back();
  return thread;
}

void Block::become(Thread& thread) {
  current_ = &thread;
  threadIdx = thread.index;
  if (thread.begun) return;
  thread.begun = true;
  thread.stack = stacks_.take();
  thread.context = start_context(thread.stack, main_of_fiber);
}

void Block::main_of_fiber() {
  for (;;) {
    Block& block = *current_block;
    block.job_->run(block.job_->arguments);
    block.exit_current();
  }
}

// Returns if the next thread begins on this stack.
void Block::exit_current() {
  Thread& self = *current_;
  const unsigned warp = self.linear / kWarp, lane = self.linear % kWarp;
  self.waiting = Waiting::exited;
  ++exited_;
  if (at_barrier_ > 0)
    fail(Fault::barrier,
         "the thread ends while others of its block wait at __syncthreads in line " +
             std::to_string(barrier_place_.line),
         barrier_place_);
  for (uint32_t rest = in_warp_[warp]; rest != 0; rest &= rest - 1) {
    const Thread& other = threads_[warp * kWarp + unsigned(__builtin_ctz(rest))];
    if (other.mask >> lane & 1)
      fail(Fault::warp,
           "lane " + std::to_string(lane) + " ends while lane " + std::to_string(other.linear % kWarp) +
               " waits for it in " + operation_name(other.kind) + " in line " + std::to_string(other.line),
           Site{other.file, other.line});
  }
  Thread* following = next();
  if (following && !following->begun) {
    following->begun = true;
    following->stack = self.stack;
    self.stack = {};
    current_ = following;
    threadIdx = following->index;
    return;
  }
  stacks_.give_back(self.stack);  // nobody takes it before the switch
  self.stack = {};
  if (following) become(*following);
  switch_context(self.context, following ? following->context : scheduler_);
}

void Block::suspend() {
  Thread& self = *current_;
  if (job_->stopped.load(std::memory_order_relaxed)) switch_context(self.context, scheduler_);
  Thread* following = next();
  if (following == &self) return;
  if (following) become(*following);
  switch_context(self.context, following ? following->context : scheduler_);
}

void Block::sleep(Site place) {
  current_->waiting = Waiting::at_mbarrier;
  current_->file = place.file;
  current_->line = place.line;
  suspend();
}

void Block::wake(Thread& thread) {
  thread.waiting = Waiting::no;
  ready_.push_back(&thread);
}

int Block::barrier(Site place, BarrierVote vote, int value) {
  Thread& self = *current_;
  if (exited_ > 0)
    fail(Fault::barrier, std::to_string(exited_) + " threads of the block have ended and never come here",
         place);
  if (at_barrier_ == 0) {
    barrier_place_ = place;
    barrier_vote_ = vote;
  } else if (place.line != barrier_place_.line || vote != barrier_vote_) {
    fail(Fault::barrier,
         "other threads of the block wait at the barrier of line " + std::to_string(barrier_place_.line),
         place);
  }
  self.waiting = Waiting::at_barrier;
  self.vote = value;
  self.file = place.file;
  self.line = place.line;
  if (++at_barrier_ == count_) {
    at_barrier_ = 0;
    int nonzero = 0;
    if (vote != BarrierVote::none)
      for (unsigned i = 0; i < count_; ++i) nonzero += threads_[i].vote != 0;
    const int result = vote == BarrierVote::count ? nonzero
                       : vote == BarrierVote::all ? int(unsigned(nonzero) == count_)
                                                  : int(nonzero != 0);
    uint32_t finished = 0;
    for (unsigned i = 0; i < count_; ++i) finished = std::max(finished, threads_[i].tensor.finished);
    for (unsigned i = 0; i < count_; ++i) {
      threads_[i].waiting = Waiting::no;
      threads_[i].vote = result;
      threads_[i].tensor.finished = finished;
      threads_[i].tensor.unfenced = true;
    }
    ++barriers_;
    if (checker_) checker_->barrier(*this);
    make_all_ready();
  }
  suspend();
  return self.vote;
}

void Block::warp_operation(WarpKind kind, unsigned mask, Site place, void* payload, WarpCompute compute) {
  Thread& self = *current_;
  const unsigned warp = self.linear / kWarp, lane = self.linear % kWarp;
  Thread* const lanes = &threads_[warp * kWarp];
  const unsigned present = std::min(kWarp, count_ - warp * kWarp);
  const char* const name = operation_name(kind);
  if (!(mask >> lane & 1))
    fail(
        Fault::warp,
        std::string(name) + ": mask " + hexadecimal(mask) + " omits the calling lane " + std::to_string(lane),
        place);
  if (present < kWarp && mask >> present != 0)
    fail(Fault::warp,
         std::string(name) + ": mask " + hexadecimal(mask) + " names lanes that the block does not have",
         place);
  const uint32_t waiting = in_warp_[warp];
  if (exited_ > 0 || at_barrier_ > 0) {
    for (unsigned rest = mask & ~waiting; rest != 0; rest &= rest - 1) {
      const Thread& other = lanes[__builtin_ctz(rest)];
      if (other.waiting == Waiting::exited)
        fail(Fault::warp,
             std::string(name) + ": mask " + hexadecimal(mask) + " names lane " +
                 std::to_string(other.linear % kWarp) + ", which has ended",
             place);
      if (other.waiting == Waiting::at_barrier)
        fail(Fault::warp,
             std::string(name) + ": mask " + hexadecimal(mask) + " names lane " +
                 std::to_string(other.linear % kWarp) + ", which waits at __syncthreads in line " +
                 std::to_string(other.line),
             place);
    }
  }
  const auto check = [&](const Thread& other) {
    const bool same_place = kind == WarpKind::sync || other.line == place.line;
    if (other.kind != kind || other.mask != mask || !same_place)
      fail(Fault::warp,
           std::string(name) + " with mask " + hexadecimal(mask) + ": lane " +
               std::to_string(other.linear % kWarp) + " is in " + operation_name(other.kind) + " in line " +
               std::to_string(other.line) + " with mask " + hexadecimal(other.mask),
           place);
  };
  if (const unsigned met = mask & waiting; met != 0) check(lanes[__builtin_ctz(met)]);
  self.kind = kind;
  self.mask = mask;
  self.file = place.file;
  self.line = place.line;
  self.payload = payload;
  if ((mask & ~waiting) != 1u << lane) {
    self.waiting = Waiting::in_warp;
    in_warp_[warp] |= 1u << lane;
    return suspend();
  }
  void* payloads[kWarp] = {};
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    const int l = __builtin_ctz(rest);
    check(lanes[l]);
    payloads[l] = lanes[l].payload;
  }
  in_warp_[warp] &= ~mask;
  if (compute) compute(payloads, mask);
  if (kind == WarpKind::sync) share_what_is_finished(warp * kWarp, mask);
  if (checker_ && kind == WarpKind::sync) checker_->warp_barrier(*this, warp, mask);
  const uint64_t bits = random();
  const unsigned start = bits & 31, stride = (bits >> 8 & 31) | 1;
  for (unsigned k = 0; k < kWarp; ++k) {
    const unsigned l = (start + k * stride) & 31;
    if (!(mask >> l & 1)) continue;
    lanes[l].waiting = Waiting::no;
    ready_.push_back(&lanes[l]);
  }
  suspend();
}

void Block::warpgroup_operation(Site place, const WarpgroupOperands& operands) {
  Thread& self = *current_;
  const unsigned group = self.linear / kWarpgroup, first = group * kWarpgroup;
  if (first + kWarpgroup > count_)
    fail(Fault::warp,
         "wgmma: of the warpgroup the block has only " + std::to_string(count_ - first) + " threads", place);
  for (unsigned i = first; (exited_ > 0 || at_barrier_ > 0) && i < first + kWarpgroup; ++i) {
    if (threads_[i].waiting == Waiting::exited)
      fail(Fault::warp, "wgmma: a thread of the warpgroup has ended", place);
    if (threads_[i].waiting == Waiting::at_barrier)
      fail(Fault::warp,
           "wgmma: a thread of the warpgroup waits at __syncthreads in line " +
               std::to_string(threads_[i].line),
           place);
  }
  Arrivals& arrivals = in_warpgroup_[group];
  if (arrivals.count == 0) arrivals = {.place = place, .operands = operands};
  if (arrivals.place.line != place.line || arrivals.operands != operands)
    fail(Fault::warp,
         "wgmma: other threads of the warpgroup are at the one in line " +
             std::to_string(arrivals.place.line) +
             (arrivals.operands != operands ? ", with other descriptors" : ""),
         place);
  self.waiting = Waiting::in_warpgroup;
  self.file = place.file;
  self.line = place.line;
  if (++arrivals.count == kWarpgroup) {
    arrivals.count = 0;
    for (unsigned i = first; i < first + kWarpgroup; ++i) threads_[i].waiting = Waiting::no;
    make_ready(first / kWarp, kWarpgroup / kWarp);
  }
  suspend();
}

Report Block::describe(const Thread& thread, Fault kind, std::string detail, Place place) const {
  Report report{kind, function_name(job_->kernel), {}, {}, std::move(place), std::move(detail)};
  const uint3 block = unflatten(number_, job_->grid), t = thread.index;
  const unsigned values[2][3] = {{block.x, block.y, block.z}, {t.x, t.y, t.z}};
  std::copy_n(values[0], 3, report.block);
  std::copy_n(values[1], 3, report.thread);
  return report;
}

void Block::fail(Fault kind, std::string detail, Place place) {
  fail_at(*current_, kind, std::move(detail), std::move(place));
}

void Block::fail_at(const Thread& thread, Fault kind, std::string detail, Place place) {
  {
    Report report = describe(thread, kind, std::move(detail), std::move(place));
    job_->stop(std::move(report));
  }
  Context abandoned;
  switch_context(abandoned, scheduler_);
  __builtin_unreachable();
}

void Block::report_deadlock() {
  for (unsigned i = 0; i < count_; ++i) {
    const Thread& t = threads_[i];
    if (t.waiting == Waiting::at_mbarrier)
      fail_at(t, Fault::barrier, "the mbarrier's phase never ends", Site{t.file, t.line});
  }
  for (unsigned i = 0; i < count_; ++i) {
    const Thread& t = threads_[i];
    if (t.waiting != Waiting::in_warp) continue;
    const unsigned absent = t.mask & ~in_warp_[i / kWarp];
    fail_at(t, Fault::warp,
            std::string(operation_name(t.kind)) + " in line " + std::to_string(t.line) +
                " waits for lanes that never come: " + lane_list(absent),
            Site{t.file, t.line});
  }
  for (unsigned i = 0; i < count_; ++i) {
    const Thread& t = threads_[i];
    if (t.waiting != Waiting::in_warpgroup) continue;
    fail_at(t, Fault::warp,
            "wgmma in line " + std::to_string(t.line) + " waits for " +
                std::to_string(kWarpgroup - in_warpgroup_[i / kWarpgroup].count) +
                " threads of its warpgroup that never come",
            Site{t.file, t.line});
  }
  const auto* waiting = &threads_[0];
  for (unsigned i = 0; i < count_; ++i) {
    if (threads_[i].waiting == Waiting::at_barrier) waiting = &threads_[i];
  }
  fail_at(*waiting, Fault::barrier, "not all threads of the block come to this barrier", barrier_place_);
}

}  // namespace signet::simt
