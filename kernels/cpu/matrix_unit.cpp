#include "kernels/cpu/matrix_unit.h"

#include <atomic>

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernels/cpu/amx.h"
#endif

namespace signet::cpu {
namespace {

#if defined(__x86_64__) && defined(__linux__)

// In assembly, so that the file needs no flags that would let the compiler use what the processor may lack.
struct Hardware {
  static void configure(const TileConfig& config) { asm volatile("ldtilecfg %0" : : "m"(config)); }
  static void release() { asm volatile("tilerelease" : : : "memory"); }
  template <int tile>
  static void zero() {
    asm volatile("tilezero %%tmm%c0" : : "i"(tile));
  }
  template <int tile>
  static void load(const float* from, int64_t pitch_bytes) {
    asm volatile("tileloadd (%1,%2,1), %%tmm%c0" : : "i"(tile), "r"(from), "r"(pitch_bytes) : "memory");
  }
  template <int tile>
  static void store(float* to, int64_t pitch_bytes) {
    asm volatile("tilestored %%tmm%c0, (%1,%2,1)" : : "i"(tile), "r"(to), "r"(pitch_bytes) : "memory");
  }
  template <int c, int a, int b>
  static void dot() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(c), "i"(a), "i"(b));
  }
};

/// CPUID, leaf 7: EDX bits 22 (AMX-BF16) and 24 (AMX-TILE).
bool has_instructions() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d >> 22 & 1) != 0 && (d >> 24 & 1) != 0;
}

/// Linux lends a process the tiles' state when it asks: arch_prctl, ARCH_REQ_XCOMP_PERM, XTILEDATA.
bool ask_for_tiles() {
  constexpr int kRequest = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}

const MatrixUnit* detect() {
  return has_instructions() && ask_for_tiles() ? &AmxUnit<Hardware>::table : nullptr;
}

#else

const MatrixUnit* detect() {
  return nullptr;
}

#endif

std::atomic<const MatrixUnit*>& in_use() {
  static std::atomic<const MatrixUnit*> unit{detected_matrix_unit()};
  return unit;
}

}  // namespace

const MatrixUnit* detected_matrix_unit() {
  static const MatrixUnit* const unit = detect();
  return unit;
}

const MatrixUnit* matrix_unit() {
  return in_use().load(std::memory_order_relaxed);
}

void use_matrix_unit(const MatrixUnit* unit) {
  in_use() = unit;
}

}  // namespace signet::cpu
