#pragma once
// Matrices that products read from shared memory by themselves, as their descriptors tell.

#include <cstdint>

#include "kernels/simt/block.h"

namespace signet::simt {

/// The first KB of a block's shared memory is the system's, as on sm_80 and newer.
constexpr uint32_t kSystemShared = 1024;

/// Of dynamic shared memory.
uint32_t shared_address(const void* pointer);

/// Steps of k of one instruction.
constexpr unsigned kProductSteps = 16;

enum class Reader : uint8_t { wgmma, tcgen05 };

/// A matrix of bfloat16 in lines of 128 bytes with permuted units (PTX ISA 9.0, 9.7.15.5 and 9.7.16.4.1:
/// matrix descriptor, swizzling modes, strides). Rows are those of A or columns of B; `turned`: a line is a
/// step.
class SharedMatrix {
 public:
  SharedMatrix(uint64_t descriptor, bool turned, Reader reader, Site site);

  float element(unsigned row, unsigned step) const;

  /// The i-th of the 2 * count units of 16 bytes that hold rows first .. first + count - 1, in some order, as
  /// bytes from the start of the block's dynamic shared memory.
  size_t unit_of(unsigned first, unsigned count, unsigned i) const {
    return turned_ ? unit(first + i % (count / 8) * 8, i / (count / 8)) : unit(first + i / 2, i % 2 * 8);
  }

 private:
  /// Of the unit that holds element (row, step).
  size_t unit(unsigned row, unsigned step) const;
  [[noreturn]] void refuse(const char* what) const;
  const char* name() const { return reader_ == Reader::wgmma ? "wgmma" : "tcgen05.mma"; }

  uint32_t begin_ = 0, leading_ = 0, stride_ = 0;
  bool turned_;
  Reader reader_;
  Site site_;
};

}  // namespace signet::simt
