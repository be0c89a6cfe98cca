#include "kernels/simt/fiber.h"

#include <sys/mman.h>

#include <cstdint>
#include <new>

#ifndef __x86_64__
#include <ucontext.h>
#endif

namespace signet::simt {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kStacksAtOnce = 32;

}  // namespace

StackPool::~StackPool() {
  for (void* chunk : mapped_) munmap(chunk, kStacksAtOnce * (kStackBytes + kPage));
}

Stack StackPool::take() {
  if (free_.empty()) {
    constexpr size_t kStride = kStackBytes + kPage;
    void* chunk = mmap(nullptr, kStacksAtOnce * kStride, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (chunk == MAP_FAILED) throw std::bad_alloc();
    mapped_.push_back(chunk);
    for (size_t i = kStacksAtOnce; i-- > 0;) {
      char* base = static_cast<char*>(chunk) + i * kStride;
      // The kernel limits the number of mappings of a process: past it a stack goes without its guard.
      static_cast<void>(mprotect(base, kPage, PROT_NONE));
      free_.push_back({base + kPage});
    }
  }
  const Stack stack = free_.back();
  free_.pop_back();
  return stack;
}

#ifdef __x86_64__

// The registers that the System V ABI lets a callee keep; everything else the compiler has saved around the
// call. The control words of the floating-point units are the same in all fibers.
asm(R"(
.pushsection .text
.globl signet_simt_switch
.type signet_simt_switch, @function
signet_simt_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size signet_simt_switch, .-signet_simt_switch
.popsection
)");
extern "C" void signet_simt_switch(void** save, void* load);

void switch_context(Context& from, const Context& to) {
  signet_simt_switch(&from.stack_pointer, to.stack_pointer);
}

Context start_context(Stack stack, void (*entry)()) {
  auto* top = reinterpret_cast<uint64_t*>(stack.base + kStackBytes);
  // Six registers, then where `ret` goes, then a null return address at which debuggers end a backtrace. At
  // the entry of a function the stack pointer is 8 below a multiple of 16, as after a call.
  *--top = 0;
  *--top = reinterpret_cast<uint64_t>(entry);
  for (int i = 0; i < 6; ++i) *--top = 0;
  return {top};
}

#else

namespace {
struct Portable {
  ucontext_t context;
};
}  // namespace

void switch_context(Context& from, const Context& to) {
  Portable here;
  from.stack_pointer = &here;
  swapcontext(&here.context, &static_cast<Portable*>(to.stack_pointer)->context);
}

Context start_context(Stack stack, void (*entry)()) {
  // The description of a fiber that has not begun lies at the low end of its own stack.
  auto* fresh = new (stack.base) Portable;
  getcontext(&fresh->context);
  fresh->context.uc_stack.ss_sp = stack.base + sizeof(Portable);
  fresh->context.uc_stack.ss_size = kStackBytes - sizeof(Portable);
  fresh->context.uc_link = nullptr;
  makecontext(&fresh->context, entry, 0);
  return {fresh};
}

#endif

}  // namespace signet::simt
