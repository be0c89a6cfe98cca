#pragma once
// The op cases, one function a file of kernels. At Scale::test they are the shapes where kernels go wrong
// (empty, one, odd, no multiple of a vector, the product of options); at Scale::bench, shapes of ResNet18.

#include "tests/kernels/op_case.h"

namespace signet::test {

enum class Scale { test, bench };

void add_elementwise(Suite& suite, Scale scale);
void add_matrices(Suite& suite, Scale scale);
void add_conv2d(Suite& suite, Scale scale);
void add_batchnorm(Suite& suite, Scale scale);
void add_pooling(Suite& suite, Scale scale);
void add_loss(Suite& suite, Scale scale);
void add_optimizers(Suite& suite, Scale scale);
void add_random(Suite& suite, Scale scale);
void add_image_warp(Suite& suite, Scale scale);

/// Everything above.
Suite whole_suite(Scale scale);

/// The cases of a suite together with its linked backward cases.
std::vector<OpCase> all_cases(const Suite& suite);

/// An output that `accumulate` turns into one to be added to.
inline Arg gradient_output(std::string name, Accumulate accumulate, int64_t size, Data& data) {
  return accumulate == Accumulate::yes ? in_out(std::move(name), data.whole(size))
                                       : output(std::move(name), size);
}

inline const char* suffix(Accumulate accumulate) {
  return accumulate == Accumulate::yes ? " accumulate" : "";
}

}  // namespace signet::test
