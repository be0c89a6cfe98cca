#pragma once
// Bytes as text, for pages that carry their pictures with them.

#include <string>
#include <string_view>

namespace signet {

/// The bytes in Base64 (RFC 4648, section 4), padded, without line breaks.
std::string base64(std::string_view bytes);

}  // namespace signet
