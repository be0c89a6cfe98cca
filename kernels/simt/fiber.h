#pragma once
// Fibers: stacks that one host thread changes between by its own decision. A simulated thread is one.

#include <cstddef>
#include <vector>

namespace signet::simt {

/// What a suspended fiber needs to go on.
struct Context {
  void* stack_pointer = nullptr;
};

struct Stack {
  char* base = nullptr;  ///< lowest usable address; the page below is not mapped
};

constexpr size_t kStackBytes = 128 << 10;

/// Suspends the caller into `from` and continues `to`.
void switch_context(Context& from, const Context& to);

/// A context that calls entry(), which must never return, on an unused stack.
Context start_context(Stack stack, void (*entry)());

/// The stacks of one host thread, reused last in, first out, so that kernels that never wait stay on one.
class StackPool {
 public:
  StackPool() = default;
  StackPool(const StackPool&) = delete;
  StackPool& operator=(const StackPool&) = delete;
  ~StackPool();

  Stack take();
  void give_back(Stack stack) { free_.push_back(stack); }

 private:
  std::vector<Stack> free_;
  std::vector<void*> mapped_;
};

}  // namespace signet::simt
