#include "kernels/simt/shared_matrix.h"

#include <bit>
#include <cstring>

namespace signet::simt {

uint32_t shared_address(const void* pointer) {
  Block& block = *current_block;
  const auto offset = size_t(static_cast<const char*>(pointer) - block.dynamic_shared());
  if (offset >= block.job().shared_bytes)
    block.fail(Fault::unmodelled,
               "the simulated device has shared addresses of the block's dynamic shared memory only");
  return kSystemShared + uint32_t(offset);
}

SharedMatrix::SharedMatrix(uint64_t descriptor, bool turned, Reader reader, Site site)
    : turned_(turned), reader_(reader), site_(site) {
  const auto bits = [&](unsigned first, unsigned count) {
    return uint32_t(descriptor >> first & ((uint64_t(1) << count) - 1));
  };
  begin_ = bits(0, 14) * 16;
  leading_ = bits(16, 14) * 16;
  stride_ = bits(32, 14) * 16;
  // wgmma has two bits for it, 62 and 63, and none before: it comes to the same.
  if (bits(61, 3) != 2)
    refuse("another swizzling mode than that of 128 bytes (of bits 61 to 63 only 62 is set)");
  if (bits(46, 3) != (reader == Reader::wgmma ? 0 : 1))
    refuse("a descriptor for another instruction: bits 46 to 48 are 0 for wgmma and 1 for tcgen05.mma");
  if (bits(49, 3) != 0 || begin_ % 1024 >= 128)
    refuse("a matrix that begins beyond the first of eight lines aligned to 1024 bytes");
  if (stride_ % 1024 != 0 || (turned && leading_ % 1024 != 0))
    refuse("strides that are no multiples of 1024 bytes");
  if (turned ? begin_ % 1024 != 0 : begin_ % 128 + 2 * kProductSteps > 128)
    refuse("a matrix that begins within a line and does not end there");
  if (bits(14, 2) + bits(30, 2) + bits(52, 9) != 0) refuse("a descriptor with bits that have no meaning");
}

size_t SharedMatrix::unit(unsigned row, unsigned step) const {
  uint32_t address = begin_;
  if (turned_) {  // lines of 64 rows, and a step each
    address += row / 64 * leading_ + row % 64 / 8 * 16 + step / 8 * stride_ + step % 8 * 128;
  } else {  // lines of 64 steps, and a row each
    address += row / 8 * stride_ + row % 8 * 128 + step / 8 * 16;
  }
  address ^= (address >> 7 & 7) << 4;
  const size_t offset = size_t(address) - kSystemShared;  // wraps around below
  if (offset + 16 > current_block->job().shared_bytes || address < kSystemShared)
    current_block->fail_with(Fault::out_of_bounds, site_, name(), " reads at shared address ", address,
                             ", outside the block's dynamic shared memory");
  return offset;
}

float SharedMatrix::element(unsigned row, unsigned step) const {
  uint16_t half;
  const char* unit_bytes = current_block->dynamic_shared() + unit(row, step);
  std::memcpy(&half, unit_bytes + (turned_ ? row : step) % 8 * 2, sizeof half);
  return std::bit_cast<float>(uint32_t{half} << 16);
}

void SharedMatrix::refuse(const char* what) const {
  current_block->fail_with(Fault::unmodelled, site_, name(), ": the simulated device does not know ", what);
}

}  // namespace signet::simt
