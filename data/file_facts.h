#pragma once
// What the files of a data set are, whatever they show: sizes, copies, blanks.

#include <cstdint>
#include <string>
#include <vector>

#include "data/store.h"

namespace signet::data {

/// What is kept of a file after it was decoded.
struct FileFacts {
  int height = 0, width = 0;  ///< upright, in pixels; 0 for a file that cannot be read
  std::string digest;         ///< SHA-256 of its bytes
  uint64_t pixels = 0;        ///< hash of its decoded pixels
  bool blank = false;         ///< all pixels are nearly one colour: no channel spans more than kBlankRange
};

inline constexpr int kBlankRange = 8;  ///< of 255

FileFacts facts_of(const DecodedFile& file);

/// Files whose images are the same, by their places in `facts`, two or more.
struct Copies {
  std::vector<int> files;
  bool same_bytes = false;  ///< all files are the same to the byte; else only the decoded pixels are
};

/// Files of the same size and pixels, in the order of their first files. Two images with other pixels and the
/// same 64-bit hash are not to be expected.
std::vector<Copies> find_copies(const std::vector<FileFacts>& facts);

/// Why a file's size stands out, or "" where it does not: a side is below 32 pixels (unless images
/// usually are that small), the number of pixels is
/// less than a quarter or more than four times the median, or the ratio of width to height is more than 1.5
/// times larger or smaller than the median ratio.
std::vector<std::string> odd_sizes(const std::vector<FileFacts>& facts);

}  // namespace signet::data
