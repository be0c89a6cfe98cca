#pragma once
// Aligning text that a person reads. Widths count characters (Unicode code points), not bytes.

#include <string>
#include <string_view>

namespace signet::study {

/// How many characters UTF-8 text has.
size_t characters(std::string_view utf8);

/// Padded with spaces on one side up to `width`; longer text is left as it is.
std::string left_aligned(std::string_view utf8, size_t width);
std::string right_aligned(std::string_view utf8, size_t width);

/// At most `width` characters; what had to be cut is replaced by "..." (or by nothing, if that does not fit).
std::string shortened(std::string_view utf8, size_t width);

/// Control characters and bytes that are not UTF-8 replaced by "?", so that a file's name cannot steer a
/// terminal, break a line or spoil an XML document.
std::string printable(std::string_view utf8);

}  // namespace signet::study
