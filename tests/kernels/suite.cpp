#include "tests/kernels/suite.h"

namespace signet::test {

Suite whole_suite(Scale scale) {
  Suite suite;
  for (const auto add : {add_elementwise, add_matrices, add_conv2d, add_batchnorm, add_pooling, add_loss,
                         add_optimizers, add_random, add_image_warp})
    add(suite, scale);
  return suite;
}

std::vector<OpCase> all_cases(const Suite& suite) {
  std::vector<OpCase> cases = suite.cases;
  for (const Gradient& gradient : suite.gradients) cases.push_back(linked_backward(gradient));
  return cases;
}

}  // namespace signet::test
