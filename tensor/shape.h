#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

namespace signet {

/// The extents of a tensor, outermost first; at most kMaxRank of them, each >= 0.
class Shape {
 public:
  static constexpr int kMaxRank = 5;

  Shape() = default;
  /// Throws std::invalid_argument for more than kMaxRank extents or a negative one.
  Shape(std::initializer_list<int64_t> extents);
  explicit Shape(const std::vector<int64_t>& extents);

  int rank() const { return rank_; }
  /// The number of elements; 1 for rank 0.
  int64_t size() const;
  /// The extent of an axis; negative axes count from the last.
  int64_t operator[](int axis) const { return extents_[size_t(axis < 0 ? axis + rank_ : axis)]; }
  bool operator==(const Shape&) const = default;
  std::vector<int64_t> extents() const { return {extents_.begin(), extents_.begin() + rank_}; }
  /// For messages: "[32, 224, 224, 3]".
  std::string to_string() const;

 private:
  void assign(const int64_t* extents, size_t count);

  std::array<int64_t, kMaxRank> extents_{};
  int rank_ = 0;
};

}  // namespace signet
