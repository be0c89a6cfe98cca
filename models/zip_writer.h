#pragma once
// Writing the uncompressed zip that torch.load reads.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace signet::models {

/// The bytes of a zip of these names and contents, stored as they are (PKWARE APPNOTE 6.3.10, without the
/// zip64 records). Each content begins at a multiple of 64 bytes, as PyTorch's own files have it, so that it
/// can be mapped into memory. The same entries give the same bytes: there are no dates. Throws Error beyond
/// 4 GiB, and std::invalid_argument for more than 65534 entries.
std::string zip_of(const std::vector<std::pair<std::string, std::string_view>>& entries);

}  // namespace signet::models
