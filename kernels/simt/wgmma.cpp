#include "kernels/simt/wgmma.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels/simt/mutation.h"

namespace signet::simt {
namespace {

constexpr unsigned kFullMask = 0xFFFFFFFFu;
constexpr uint32_t kSystem = 1024;  // bytes of shared memory before the block's own
constexpr unsigned kSteps = 16, kRows = 64;

/// A matrix in shared memory as its descriptor tells (PTX ISA 9.0, 9.7.15.5: matrix descriptor, swizzling
/// modes, strides). Rows are those of A or columns of B.
class SharedMatrix {
 public:
  SharedMatrix(uint64_t descriptor, bool turned, Site site) : turned_(turned), site_(site) {
    const auto bits = [&](unsigned first, unsigned count) {
      return uint32_t(descriptor >> first & ((uint64_t(1) << count) - 1));
    };
    begin_ = bits(0, 14) * 16;
    leading_ = bits(16, 14) * 16;
    stride_ = bits(32, 14) * 16;
    if (bits(62, 2) != 1) refuse("another swizzling mode than that of 128 bytes (bits 62 and 63 are 1)");
    if (bits(49, 3) != 0 || begin_ % 1024 >= 128)
      refuse("a matrix that begins beyond the first of eight lines aligned to 1024 bytes");
    if (stride_ % 1024 != 0 || (turned && leading_ % 1024 != 0))
      refuse("strides that are no multiples of 1024 bytes");
    if (turned ? begin_ % 1024 != 0 : begin_ % 128 + 2 * kSteps > 128)
      refuse("a matrix that begins within a line and does not end there");
    if (bits(14, 2) + bits(30, 2) + bits(46, 3) + bits(52, 10) != 0)
      refuse("a descriptor with bits that have no meaning");
  }

  /// Of the 16 bytes that hold element (row, step), among the block's bytes of dynamic shared memory.
  size_t unit(unsigned row, unsigned step) const {
    uint32_t address = begin_;
    if (turned_) {  // lines of 64 rows, and a step each
      address += row / 64 * leading_ + row % 64 / 8 * 16 + step / 8 * stride_ + step % 8 * 128;
    } else {  // lines of 64 steps, and a row each
      address += row / 8 * stride_ + row % 8 * 128 + step / 8 * 16;
    }
    address ^= (address >> 7 & 7) << 4;
    const size_t offset = size_t(address) - kSystem;  // wraps around below
    if (offset + 16 > current_block->job().shared_bytes || address < kSystem)
      current_block->fail(Fault::out_of_bounds,
                          "wgmma reads at shared address " + std::to_string(address) +
                              ", outside the block's dynamic shared memory",
                          site_);
    return offset;
  }

  float element(unsigned row, unsigned step) const {
    uint16_t half;
    const char* unit_bytes = current_block->dynamic_shared() + unit(row, step);
    std::memcpy(&half, unit_bytes + (turned_ ? row : step) % 8 * 2, sizeof half);
    return std::bit_cast<float>(uint32_t{half} << 16);
  }

  /// The i-th of the 2 * count units that hold rows first .. first + count - 1, in some order.
  size_t unit_of(unsigned first, unsigned count, unsigned i) const {
    return turned_ ? unit(first + i % (count / 8) * 8, i / (count / 8)) : unit(first + i / 2, i % 2 * 8);
  }

 private:
  void refuse(const std::string& what) const {
    current_block->fail(Fault::unmodelled, "wgmma: the simulated device does not know " + what, site_);
  }

  uint32_t begin_ = 0, leading_ = 0, stride_ = 0;
  bool turned_;
  Site site_;
};

/// Calls visit(unit) for the thread's share of what its warp reads for a product: the warp's 16 rows of A and
/// all of B, divided among its lanes.
template <class Visit>
void for_each_unit(const Thread& thread, const PendingProduct& p, const Visit& visit) {
  const SharedMatrix a(p.a, p.turned_a, p.site), b(p.b, p.turned_b, p.site);
  const unsigned lane = thread.linear % kWarp, warp = thread.linear % kWarpgroup / kWarp;
  visit(a.unit_of(16 * warp, 16, lane));
  for (unsigned i = lane; i < 2 * p.columns; i += kWarp) visit(b.unit_of(0, p.columns, i));
}

/// d += a b for the thread's part of d: with g = lane / 4 and t = lane % 4 it has rows g and g + 8 of its
/// warp's 16, columns 2t and 2t + 1 of each 8. Sums are made in double and rounded to float once, as in
/// ptx.cpp.
void compute(const Thread& thread, const PendingProduct& p, std::vector<float>& d) {
  const SharedMatrix a(p.a, p.turned_a, p.site), b(p.b, p.turned_b, p.site);
  const unsigned lane = thread.linear % kWarp, row = thread.linear % kWarpgroup / kWarp * 16 + lane / 4;
  double left[2][kSteps];
  for (unsigned half = 0; half < 2; ++half) {
    for (unsigned k = 0; k < kSteps; ++k) left[half][k] = double(a.element(row + 8 * half, k));
  }
  for (unsigned i = 0; i < p.columns / 4; ++i) {
    const unsigned column = i / 2 * 8 + lane % 4 * 2 + i % 2;
    double sum[2] = {};
    for (unsigned k = 0; k < kSteps; ++k) {
      const double right = double(b.element(column, k));
      for (unsigned half = 0; half < 2; ++half) sum[half] += left[half][k] * right;
    }
    for (unsigned half = 0; half < 2; ++half) {
      float& value = d[i / 2 * 4 + 2 * half + i % 2];
      value = float(double(value) + sum[half]);
    }
  }
}

/// The thread's sums in these registers, known from now on.
Sums& sums_in(Products& products, const PendingProduct& p) {
  for (Sums& sums : products.sums) {
    if (sums.registers == p.sums) return sums;
  }
  products.sums.push_back({.registers = p.sums});
  return products.sums.back();
}

void finish(Thread& thread, const PendingProduct& p) {
  Sums& sums = sums_in(thread.products, p);
  compute(thread, p, sums.values);
  Block& block = *current_block;
  if (block.checker()) {
    for_each_unit(thread, p, [&](size_t unit) { block.checker()->product_finished(unit, p.caller); });
  }
  if (--sums.pending == 0) std::copy(sums.values.begin(), sums.values.end(), sums.registers);
}

}  // namespace

uint32_t shared_address(const void* pointer) {
  Block& block = *current_block;
  const auto offset = size_t(static_cast<const char*>(pointer) - block.dynamic_shared());
  if (offset >= block.job().shared_bytes)
    block.fail(Fault::unmodelled,
               "the simulated device has shared addresses of the block's dynamic shared memory only");
  return kSystem + uint32_t(offset);
}

void fence_proxy_async(Site site) {
  if (is_left_out(site)) return;
  if (current_block->checker()) current_block->checker()->proxy_fence();
}

void order_products(Site site) {
  if (is_left_out(site)) return;
  current_block->warp_operation(WarpKind::wgmma, kFullMask, site, nullptr, nullptr);
  current_block->current().products.ordered = true;
}

void start_product(PendingProduct p) {
  Block& block = *current_block;
  block.warpgroup_operation(p.site, {p.a, p.b});
  Thread& thread = block.current();
  Products& products = thread.products;
  if (!products.ordered)
    block.fail(Fault::unfenced_product,
               "no wgmma.fence orders it after what the thread last did with its sums", p.site);
  for_each_unit(thread, p, [&](size_t unit) {
    if (block.checker()) block.checker()->product_started(unit, p.caller);
  });
  Sums& sums = sums_in(products, p);
  if (sums.pending++ == 0) {
    sums.values.assign(p.sums, p.sums + p.columns / 2);
    std::memset(p.sums, 0xFF, p.columns / 2 * sizeof(float));  // until it has been waited for
  }
  sums.site = p.site;
  p.group = products.groups;
  products.pending.push_back(p);
}

void commit_products(Site site) {
  current_block->warp_operation(WarpKind::wgmma, kFullMask, site, nullptr, nullptr);
  ++current_block->current().products.groups;
}

void wait_products(unsigned pending, Site site) {
  if (is_left_out(site)) return;
  current_block->warp_operation(WarpKind::wgmma, kFullMask, site, nullptr, nullptr);
  Thread& thread = current_block->current();
  Products& products = thread.products;
  if (products.groups < pending) return;
  const unsigned finished = products.groups - pending;  // groups below this number
  size_t kept = 0;
  for (const PendingProduct& p : products.pending) {
    if (p.group < finished) {
      finish(thread, p);
    } else {
      products.pending[kept++] = p;
    }
  }
  products.pending.resize(kept);
}

}  // namespace signet::simt
