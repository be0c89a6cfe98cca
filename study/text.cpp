#include "study/text.h"

#include <algorithm>
#include <cstdint>

namespace signet::study {
namespace {

/// Whether a byte of UTF-8 begins a character rather than continuing one.
bool begins_character(char byte) {
  return (byte & 0xC0) != 0x80;
}

std::string_view first_characters(std::string_view utf8, size_t count) {
  size_t end = 0;
  while (end < utf8.size() && (count > 0 || !begins_character(utf8[end]))) {
    count -= begins_character(utf8[end]);
    ++end;
  }
  return utf8.substr(0, end);
}

std::string padding(std::string_view utf8, size_t width) {
  const size_t length = characters(utf8);
  return std::string(width > length ? width - length : 0, ' ');
}

/// The bytes of the character that the text begins with; 0 if it is a control character or not UTF-8
/// (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF).
size_t printable_length(std::string_view utf8) {
  const auto lead = static_cast<unsigned char>(utf8[0]);
  if (lead < 0x80) return lead >= 0x20 && lead != 0x7F;
  const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || utf8.size() < length) return 0;
  uint32_t code = lead & (0xFFu >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if (begins_character(utf8[i])) return 0;
    code = code << 6 | (static_cast<unsigned char>(utf8[i]) & 0x3Fu);
  }
  constexpr uint32_t kSmallest[] = {0xA0, 0x800, 0x10000};
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  const bool outside_xml = code > 0x10FFFF || code == 0xFFFE || code == 0xFFFF;
  return code < kSmallest[length - 2] || surrogate || outside_xml ? 0 : length;
}

}  // namespace

size_t characters(std::string_view utf8) {
  return size_t(std::ranges::count_if(utf8, begins_character));
}

std::string left_aligned(std::string_view utf8, size_t width) {
  return std::string(utf8) + padding(utf8, width);
}

std::string right_aligned(std::string_view utf8, size_t width) {
  return padding(utf8, width).append(utf8);
}

std::string shortened(std::string_view utf8, size_t width) {
  if (characters(utf8) <= width) return std::string(utf8);
  constexpr std::string_view kMark = "...";
  if (width <= kMark.size()) return std::string(first_characters(utf8, width));
  return std::string(first_characters(utf8, width - kMark.size())).append(kMark);
}

std::string printable(std::string_view utf8) {
  std::string text;
  while (!utf8.empty()) {
    const size_t length = printable_length(utf8);
    if (length == 0)
      text += '?';
    else
      text += utf8.substr(0, length);
    utf8.remove_prefix(std::max<size_t>(length, 1));
  }
  return text;
}

}  // namespace signet::study
