// What g++ -fsanitize=thread calls in checked kernels, in place of ThreadSanitizer's runtime: each load and
// store reports its address; the return address says where it stands. Host code in the same files is
// instrumented too, and goes unheeded because no block is running there.

#include <atomic>
#include <cstdint>
#include <string>

#include "kernels/simt/check.h"

namespace {

using signet::simt::Access;

inline void observe(const void* address, size_t bytes, Access kind, const void* site) {
  auto* block = signet::simt::current_block;
  if (!block || !block->checker()) return;
  static_cast<signet::simt::BlockChecker*>(block->checker())->observe(address, bytes, kind, site);
}

}  // namespace

// NOLINTBEGIN: the names are the compiler's.
#define SITE __builtin_return_address(0)
#define SIGNET_SIMT_HOOKS(bytes)            \
  void __tsan_read##bytes(void* p) {        \
    observe(p, bytes, Access::read, SITE);  \
  }                                         \
  void __tsan_write##bytes(void* p) {       \
    observe(p, bytes, Access::write, SITE); \
  }

#define SIGNET_SIMT_FETCH(bits, type, name, builtin)                     \
  type __tsan_atomic##bits##_##name(volatile type* p, type value, int) { \
    observe(const_cast<type*>(p), bits / 8, Access::atomic, SITE);       \
    return builtin(p, value, __ATOMIC_SEQ_CST);                          \
  }

#define SIGNET_SIMT_ATOMICS(bits, type)                                                                     \
  type __tsan_atomic##bits##_load(const volatile type* p, int) {                                            \
    observe(const_cast<type*>(p), bits / 8, Access::atomic, SITE);                                          \
    return __atomic_load_n(p, __ATOMIC_SEQ_CST);                                                            \
  }                                                                                                         \
  void __tsan_atomic##bits##_store(volatile type* p, type value, int) {                                     \
    observe(const_cast<type*>(p), bits / 8, Access::atomic, SITE);                                          \
    __atomic_store_n(p, value, __ATOMIC_SEQ_CST);                                                           \
  }                                                                                                         \
  SIGNET_SIMT_FETCH(bits, type, exchange, __atomic_exchange_n)                                              \
  SIGNET_SIMT_FETCH(bits, type, fetch_add, __atomic_fetch_add)                                              \
  SIGNET_SIMT_FETCH(bits, type, fetch_sub, __atomic_fetch_sub)                                              \
  SIGNET_SIMT_FETCH(bits, type, fetch_and, __atomic_fetch_and)                                              \
  SIGNET_SIMT_FETCH(bits, type, fetch_or, __atomic_fetch_or)                                                \
  SIGNET_SIMT_FETCH(bits, type, fetch_xor, __atomic_fetch_xor)                                              \
  int __tsan_atomic##bits##_compare_exchange_strong(volatile type* p, type* expected, type value, int,      \
                                                    int) {                                                  \
    observe(const_cast<type*>(p), bits / 8, Access::atomic, SITE);                                          \
    return __atomic_compare_exchange_n(p, expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);      \
  }                                                                                                         \
  int __tsan_atomic##bits##_compare_exchange_weak(volatile type* p, type* expected, type value, int, int) { \
    observe(const_cast<type*>(p), bits / 8, Access::atomic, SITE);                                          \
    return __atomic_compare_exchange_n(p, expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);      \
  }

extern "C" {

SIGNET_SIMT_HOOKS(1)
SIGNET_SIMT_HOOKS(2)
SIGNET_SIMT_HOOKS(4)
SIGNET_SIMT_HOOKS(8)
SIGNET_SIMT_HOOKS(16)

void __tsan_read_range(void* p, unsigned long bytes) {
  observe(p, bytes, Access::read, SITE);
}
void __tsan_write_range(void* p, unsigned long bytes) {
  observe(p, bytes, Access::write, SITE);
}
void __tsan_vptr_update(void** p, void*) {
  observe(p, sizeof *p, Access::write, SITE);
}

SIGNET_SIMT_ATOMICS(8, unsigned char)
SIGNET_SIMT_ATOMICS(16, unsigned short)
SIGNET_SIMT_ATOMICS(32, unsigned)
SIGNET_SIMT_ATOMICS(64, unsigned long)

void __tsan_atomic_thread_fence(int) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
}
void __tsan_atomic_signal_fence(int) {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_init() {}

// -fsanitize=alignment: what the compiler tells of a pointer that is not aligned as its type asks for.
struct TypeMismatch {
  struct {
    const char* file;
    uint32_t line, column;
  } place;
  const void* type;
  unsigned char log_alignment, check;
};
void __ubsan_handle_type_mismatch_v1(TypeMismatch* what, void*) {
  auto* block = signet::simt::current_block;
  if (!block || !block->checker()) return;
  block->fail(signet::simt::Fault::misaligned,
              "an address is no multiple of " + std::to_string(1 << what->log_alignment) +
                  ", which its type asks for",
              signet::simt::Site{what->place.file, int(what->place.line)});
}

}  // extern "C"
// NOLINTEND
