#include "kernels/simt/wgmma.h"

#include <algorithm>
#include <cstring>

#include "kernels/simt/mutation.h"
#include "kernels/simt/shared_matrix.h"

namespace signet::simt {
namespace {

constexpr unsigned kFullMask = 0xFFFFFFFFu;
/// Calls visit(unit) for the thread's share of what its warp reads for a product: the warp's 16 rows of A and
/// all of B, divided among its lanes.
template <class Visit>
void for_each_unit(const Thread& thread, const PendingProduct& p, const Visit& visit) {
  const SharedMatrix a(p.a, p.turned_a, Reader::wgmma, p.site), b(p.b, p.turned_b, Reader::wgmma, p.site);
  const unsigned lane = thread.linear % kWarp, warp = thread.linear % kWarpgroup / kWarp;
  visit(a.unit_of(16 * warp, 16, lane));
  for (unsigned i = lane; i < 2 * p.columns; i += kWarp) visit(b.unit_of(0, p.columns, i));
}

/// d += a b for the thread's part of d: with g = lane / 4 and t = lane % 4 it has rows g and g + 8 of its
/// warp's 16, columns 2t and 2t + 1 of each 8. Sums are made in double and rounded to float once, as in
/// ptx.cpp.
void compute(const Thread& thread, const PendingProduct& p, std::vector<float>& d) {
  const SharedMatrix a(p.a, p.turned_a, Reader::wgmma, p.site), b(p.b, p.turned_b, Reader::wgmma, p.site);
  const unsigned lane = thread.linear % kWarp, row = thread.linear % kWarpgroup / kWarp * 16 + lane / 4;
  double left[2][kProductSteps];
  for (unsigned half = 0; half < 2; ++half) {
    for (unsigned k = 0; k < kProductSteps; ++k) left[half][k] = double(a.element(row + 8 * half, k));
  }
  for (unsigned i = 0; i < p.columns / 4; ++i) {
    const unsigned column = i / 2 * 8 + lane % 4 * 2 + i % 2;
    double sum[2] = {};
    for (unsigned k = 0; k < kProductSteps; ++k) {
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
