#pragma once
// What the scheduler tells whoever watches a block. check.cpp implements it for kernels compiled with
// -fsanitize=thread; other kernels run without.

#include <cstddef>
#include <cstdint>

namespace signet::simt {

class Block;
struct Thread;

enum class Access : unsigned char { read, write, atomic };

class Checker {
 public:
  virtual ~Checker() = default;
  virtual void begin_block(Block& block) = 0;
  /// What runs until the next block is not the kernel's: a report is made.
  virtual void look_away() = 0;
  virtual void end_block(Block& block) = 0;
  /// All threads of the block have met.
  virtual void barrier(Block& block) = 0;
  /// The lanes of `mask` have met at an operation that orders their memory accesses (__syncwarp).
  virtual void warp_barrier(Block& block, unsigned warp, unsigned mask) = 0;
  /// The current thread touches memory through something other than a load or store that the compiler sees.
  /// `site` is the return address in the kernel.
  virtual void access(const void* address, size_t bytes, Access kind, const void* site) = 0;
  /// A cp.async of the current thread is issued, with its source (null: zeros are written), and has arrived.
  virtual void copy_issued(void* to, const void* from, size_t bytes, const void* site) = 0;
  virtual void copy_arrived(void* to, size_t bytes) = 0;
  /// The current thread's warp reads 16 bytes of dynamic shared memory, from `unit` on, at some time between
  /// the start of a wgmma and the time at which this thread has waited for it.
  virtual void product_started(size_t unit, const void* site) = 0;
  virtual void product_finished(size_t unit, const void* site) = 0;
  /// An instruction of tensor memory that the current thread starts reads shared memory, from byte `first` of
  /// the dynamic one on, as `product`, if it is not 0: until a thread is told that this is finished, it may
  /// not write there.
  virtual void proxy_read(size_t first, size_t bytes, uint32_t product, const void* site) = 0;
  /// A fence.proxy.async of the current thread.
  virtual void proxy_fence() = 0;
};

/// The calling host thread's checker.
Checker& checker_of_this_thread();

}  // namespace signet::simt
