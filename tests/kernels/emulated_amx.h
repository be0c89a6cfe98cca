#pragma once
// AMX's tile instructions as the manual defines them, in C++: the matrix unit's products on processors
// without one.

#include "kernels/cpu/amx.h"

namespace signet::test {

/// Throws std::logic_error where the processor would fault, or where an instruction's operands do not fit one
/// another.
struct EmulatedAmx {
  static void configure(const cpu::TileConfig& config);
  static void release();
  template <int tile>
  static void zero() {
    zero(tile);
  }
  template <int tile>
  static void load(const float* from, int64_t pitch_bytes) {
    load(tile, from, pitch_bytes);
  }
  template <int tile>
  static void store(float* to, int64_t pitch_bytes) {
    store(tile, to, pitch_bytes);
  }
  template <int c, int a, int b>
  static void dot() {
    dot(c, a, b);
  }

 private:
  static void zero(int tile);
  static void load(int tile, const float* from, int64_t pitch_bytes);
  static void store(int tile, float* to, int64_t pitch_bytes);
  static void dot(int c, int a, int b);
};

/// Products made by it so far, by all threads.
int64_t emulated_products();

}  // namespace signet::test
