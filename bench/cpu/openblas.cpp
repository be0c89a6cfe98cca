#include <cblas.h>

#include "bench/cpu/vendors.h"

namespace signet::bench::openblas {
namespace {

CBLAS_TRANSPOSE turned(Transpose transpose) {
  return transpose == Transpose::yes ? CblasTrans : CblasNoTrans;
}

}  // namespace

Prepared prepare(const Problem& p, const Buffers& b) {
  const bool turn_a = p.transpose_a == Transpose::yes, turn_b = p.transpose_b == Transpose::yes;
  return {.run =
              [=] {
                cblas_sgemm(CblasRowMajor, turned(p.transpose_a), turned(p.transpose_b), int(p.m), int(p.n),
                            int(p.k), 1, b.in[0], int(turn_a ? p.m : p.k), b.in[1], int(turn_b ? p.k : p.n),
                            0, b.out[0], int(p.n));
              },
          .notes = "row-major, nothing packed beforehand"};
}

void set_threads(int count) {
  openblas_set_num_threads(count);
}

std::string version() {
  return openblas_get_config();
}

}  // namespace signet::bench::openblas
