#include "data/jpeg_check.h"

#include <cstddef>
#include <cstdint>

namespace signet::data {
namespace {

constexpr std::string_view kCutShort = "is cut short (a JPEG file without its end marker)";
constexpr std::string_view kBadTable = "is damaged (a JPEG file with a wrong Huffman table)";
constexpr std::string_view kBadScan = "is damaged (a JPEG file with a wrong scan header)";
constexpr std::string_view kManyScans = "is made to be slow (a JPEG file of more than 200 scans)";
constexpr int kMostScans = 200;  // cameras and editors write 1 to 15, and each passes over the whole picture

/// A walk over the segments, marker by marker.
class Walk {
 public:
  explicit Walk(std::string_view bytes) : bytes_(bytes) {}

  std::string_view fault() {
    size_t at = 2;
    int scans = 0;
    while (at + 1 < bytes_.size()) {
      const int marker = byte(bytes_, at + 1);
      if (byte(bytes_, at) != 0xFF || !begins_segment(marker)) {
        ++at;  // coded data, to which stuffed zeros, fill bytes and restart markers belong
        continue;
      }
      if (marker == 0xD9) return {};
      if (at + 4 > bytes_.size()) return kCutShort;
      const size_t length = size_t(byte(bytes_, at + 2) << 8 | byte(bytes_, at + 3));
      if (length < 2 || at + 2 + length > bytes_.size()) return kCutShort;
      const auto content = bytes_.substr(at + 4, length - 2);
      if (marker == 0xC2) progressive_ = true;
      if (marker == 0xC4 && !read_tables(content)) return kBadTable;
      if (marker == 0xDA && !scan_is_possible(content)) return kBadScan;
      if (marker == 0xDA && ++scans > kMostScans) return kManyScans;
      at += 2 + length;
    }
    return kCutShort;
  }

 private:
  static int byte(std::string_view bytes, size_t at) { return uint8_t(bytes[at]); }

  static bool begins_segment(int marker) {
    const bool restart = marker >= 0xD0 && marker <= 0xD7;
    return marker != 0x00 && marker != 0xFF && marker != 0x01 && marker != 0xD8 && !restart;
  }

  /// A define-Huffman-table segment: for each table its class and number, 16 counts, the values.
  bool read_tables(std::string_view content) {
    while (!content.empty()) {
      if (content.size() < 17) return false;
      const int kind = byte(content, 0) >> 4, number = byte(content, 0) & 15;
      size_t codes = 0;
      for (size_t i = 1; i <= 16; ++i) codes += size_t(byte(content, i));
      if (kind > 1 || number > 3 || codes > 256 || content.size() < 17 + codes) return false;
      defined_[kind][number] = true;
      content.remove_prefix(17 + codes);
    }
    return true;
  }

  /// A start-of-scan segment: the components with their tables, then the range of coefficients.
  bool scan_is_possible(std::string_view content) const {
    if (content.empty()) return false;
    const size_t components = size_t(byte(content, 0));
    if (components < 1 || components > 4 || content.size() != 4 + 2 * components) return false;
    const int first = byte(content, 1 + 2 * components), refined = byte(content, 3 + 2 * components) >> 4;
    const bool needs_dc = !progressive_ || (first == 0 && refined == 0);
    const bool needs_ac = !progressive_ || first > 0;
    for (size_t c = 0; c < components; ++c) {
      const int dc = byte(content, 2 + 2 * c) >> 4, ac = byte(content, 2 + 2 * c) & 15;
      if (dc > 3 || ac > 3) return false;
      if ((needs_dc && !defined_[0][dc]) || (needs_ac && !defined_[1][ac])) return false;
    }
    return true;
  }

  std::string_view bytes_;
  bool progressive_ = false;
  bool defined_[2][4] = {};  // by class (0 for DC, 1 for AC coefficients) and number
};

}  // namespace

std::string_view find_jpeg_fault(std::string_view bytes) {
  return Walk(bytes).fault();
}

}  // namespace signet::data
