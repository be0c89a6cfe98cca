#include "tensor/shape.h"

#include <fmt/ranges.h>

#include <stdexcept>

namespace signet {

Shape::Shape(std::initializer_list<int64_t> extents) {
  assign(extents.begin(), extents.size());
}
Shape::Shape(const std::vector<int64_t>& extents) {
  assign(extents.data(), extents.size());
}

void Shape::assign(const int64_t* extents, size_t count) {
  if (count > size_t(kMaxRank)) {
    throw std::invalid_argument(
        fmt::format("[Shape] {} axes asked for, at most {} are possible", count, kMaxRank));
  }
  rank_ = int(count);
  for (size_t i = 0; i < count; ++i) {
    if (extents[i] < 0) throw std::invalid_argument(fmt::format("[Shape] negative extent {}", extents[i]));
    extents_[i] = extents[i];
  }
}

int64_t Shape::size() const {
  int64_t product = 1;
  for (int i = 0; i < rank_; ++i) product *= extents_[size_t(i)];
  return product;
}

std::string Shape::to_string() const {
  return fmt::format("[{}]", fmt::join(extents(), ", "));
}

}  // namespace signet
