#pragma once
// Products of pairs of bfloat16 by a matrix unit, where the processor has one: Intel's AMX.

#include <cstdint>

namespace signet::cpu {

/// C[rows][columns] (+)= A[rows][k] B[k][columns] in places of a float: those of A and B hold two steps of
/// the sum as a pair of bfloat16 (bf16-inl.h). Rows lie a pitch apart, in floats.
struct PairProduct {
  float* c = nullptr;
  const float* a = nullptr;
  const float* b = nullptr;
  int64_t c_pitch = 0, a_pitch = 0, b_pitch = 0;
  int64_t columns = 0;  // 16 or 32
  int64_t k = 0;        // a multiple of kUnitDepth
  bool accumulate = false;
};

/// Pairs along k, and columns, of one of the unit's tiles.
constexpr int64_t kUnitDepth = 16, kUnitColumns = 16;

/// The unit's tiles belong to the calling thread between begin and end.
struct MatrixUnit {
  void (*begin)(int rows);  // of C and A, at most 16
  void (*multiply)(const PairProduct& product);
  void (*end)();
  /// `steps` products of full tiles in registers, of a thread that has not begun; returns the operations.
  int64_t (*multiply_and_add)(int64_t steps);
};

/// The unit in use; null where there is none, or the system does not lend it.
const MatrixUnit* matrix_unit();

/// For tests: what matrix_unit answers from now on. detected_matrix_unit() is what it answers at first.
void use_matrix_unit(const MatrixUnit* unit);
const MatrixUnit* detected_matrix_unit();

}  // namespace signet::cpu
