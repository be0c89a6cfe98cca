#pragma once
// One block of a launch: its threads as fibers of one host thread, its barriers and warp operations.

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernels/simt/checker.h"
#include "kernels/simt/faults.h"
#include "kernels/simt/fiber.h"
#include "kernels/simt/products.h"
#include "kernels/simt/symbols.h"
#include "kernels/simt/tensor_memory.h"
#include "kernels/simt/vector_types.h"

extern constinit thread_local uint3 threadIdx;
extern constinit thread_local uint3 blockIdx;
extern constinit thread_local dim3 blockDim;
extern constinit thread_local dim3 gridDim;
constexpr int warpSize = 32;

namespace signet::simt {

constexpr unsigned kWarp = 32, kWarpgroup = 4 * kWarp;
constexpr unsigned kMaxThreads = 1024;
constexpr size_t kMaxDynamicShared = 227 << 10;

/// One launch, as all host threads that run its blocks see it.
struct Job {
  void (*run)(const void* arguments) = nullptr;  ///< calls the kernel, for the current thread
  const void* arguments = nullptr;
  size_t argument_bytes = 0;
  const void* kernel = nullptr;
  dim3 grid, block;
  size_t shared_bytes = 0;
  Checker& (*checker)() = nullptr;  ///< null for kernels that are not checked
  uint64_t serial = 0;
  uint32_t first_stamp = 1;  ///< of the launch's blocks, which are numbered through over all launches
  std::vector<SharedVariable> variables;  ///< the kernel's own __shared__ ones

  std::atomic<bool> stopped{false};
  std::mutex mutex;
  std::optional<Report> report;  ///< the first fault

  void stop(Report found);
};

/// A copy that cp.async started.
struct PendingCopy {
  void* to = nullptr;
  const void* from = nullptr;  ///< null: zeros
  unsigned bytes = 0, group = 0;
};

enum class Waiting : uint8_t { no, at_barrier, at_mbarrier, in_warp, in_warpgroup, exited };
enum class WarpKind : uint8_t { sync, shuffle, vote, ldmatrix, mma, wgmma, tensor_memory };

struct Thread {
  Context context;
  Stack stack;
  bool begun = false;
  Waiting waiting = Waiting::no;
  WarpKind kind = WarpKind::sync;
  unsigned linear = 0;  ///< x fastest
  uint3 index{};
  unsigned mask = 0;           ///< of the warp operation that it waits in
  const char* file = nullptr;  ///< where it waits
  int line = 0;
  void* payload = nullptr;
  int vote = 0;
  unsigned groups = 0;  ///< of cp.async that were committed
  std::vector<PendingCopy> copies;
  Products products;
  TensorThread tensor;
};

/// Computes a warp operation once all lanes of the mask have arrived: payloads[lane] is what that lane gave.
using WarpCompute = void (*)(void* const* payloads, unsigned mask);

/// What an operation of a warpgroup is given: the descriptors of a wgmma.
using WarpgroupOperands = std::array<uint64_t, 2>;

enum class BarrierVote : uint8_t { none, count, all, any };

class Block {
 public:
  Block();
  ~Block();

  /// Runs block number `block` (x fastest) of the job to its end or to a fault.
  void run(Job& job, uint64_t block);

  // Called by the current thread.
  int barrier(Site place, BarrierVote vote, int value);
  void warp_operation(WarpKind kind, unsigned mask, Site place, void* payload, WarpCompute compute);
  /// Waits for the 128 threads of the caller's warpgroup, which must all give the same operands.
  void warpgroup_operation(Site place, const WarpgroupOperands& operands);
  /// Waits until wake() is called for the thread; at an mbarrier.
  void sleep(Site place);
  void wake(Thread& thread);
  /// Reports, ends the launch, and never returns to the thread.
  [[noreturn]] void fail(Fault kind, std::string detail, Place place = {});
  /// The same of text and numbers. They are put together unwatched: the linker may have given the simulator
  /// the kernels' copy of a function of the library, which calls the checker.
  template <class... Parts>
  [[noreturn]] void fail_with(Fault kind, Site place, const Parts&... parts) {
    if (checker_) checker_->look_away();
    std::string text;
    (text.append(part_of_text(parts)), ...);
    fail(kind, std::move(text), place);
  }
  [[noreturn]] void fail_at(const Thread& thread, Fault kind, std::string detail, Place place = {});

  Thread& current() { return *current_; }
  Thread& thread(unsigned linear) { return threads_[linear]; }
  unsigned threads() const { return count_; }
  uint64_t number() const { return number_; }
  Job& job() { return *job_; }
  Checker* checker() { return checker_; }
  char* dynamic_shared() { return shared_; }
  TensorMemory& tensor_memory() { return tensor_memory_; }
  /// Times that all threads have met at __syncthreads.
  uint64_t barriers() const { return barriers_; }
  /// A number below `bound`, drawn as the order of the threads is.
  unsigned random_below(unsigned bound);

 private:
  static const char* part_of_text(const char* text) { return text; }
  static std::string part_of_text(uint32_t number) { return std::to_string(number); }
  static void main_of_fiber();
  void become(Thread& thread);
  void suspend();
  void exit_current();
  void leave_all();
  Thread* next();
  void make_all_ready();
  void make_ready(unsigned first, unsigned count);
  uint64_t random();
  void share_what_is_finished(unsigned first, uint32_t mask);
  void check_red_zones();
  void check_tensor_memory();
  [[noreturn]] void report_deadlock();
  Report describe(const Thread& thread, Fault kind, std::string detail, Place place) const;

  Job* job_ = nullptr;
  Checker* checker_ = nullptr;
  uint64_t number_ = 0, random_ = 0, barriers_ = 0;
  unsigned count_ = 0, exited_ = 0, at_barrier_ = 0;
  Site barrier_place_;
  BarrierVote barrier_vote_ = BarrierVote::none;
  Thread* current_ = nullptr;
  Context scheduler_;
  StackPool stacks_;
  std::vector<Thread> threads_;
  std::vector<Thread*> ready_;                  // the last one runs next
  uint32_t in_warp_[kMaxThreads / kWarp] = {};  // lanes that wait in a warp operation
  struct Arrivals {
    unsigned count = 0;
    Site place;  // of the first
    WarpgroupOperands operands = {};
  };
  Arrivals in_warpgroup_[kMaxThreads / kWarpgroup];
  TensorMemory tensor_memory_;
  std::vector<char> shared_memory_;
  char* shared_ = nullptr;
};

/// The block that the calling host thread is running; null outside kernels.
extern constinit thread_local Block* current_block;
/// That block's; a function of its own, because the simulator's variables are not the kernel's to read.
char* dynamic_shared_memory();

/// The seed of the order in which threads and blocks run: SIGNET_SIMT_SEED, or what was set.
void set_schedule_seed(uint64_t seed);
uint64_t schedule_seed();

/// Runs all blocks on the threads of parallel_for. Throws KernelError.
void run_grid(Job& job);

}  // namespace signet::simt
