#pragma once
// Looking through a JPEG file before it is decoded.

#include <string_view>

namespace signet::data {

/// What is wrong with the segments of a JPEG file, or an empty view. stb_image fills what a file cut short
/// lacks with grey and says nothing, and trusts the lengths and numbers of Huffman tables; so they are
/// checked here: the end-of-image marker is reached, tables fit their segments and have at most 256 codes,
/// and scans use tables that were defined. Source: ITU-T T.81, annex B.
std::string_view find_jpeg_fault(std::string_view bytes);

}  // namespace signet::data
