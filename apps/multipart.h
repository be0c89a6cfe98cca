#pragma once
// Bodies of several parts, as HTML forms and `curl -F` send files (RFC 7578, RFC 2046 section 5.1.1).

#include <string>
#include <string_view>
#include <vector>

namespace signet::apps {

/// One part; its content is a view of the body.
struct BodyPart {
  std::string name, file_name;
  std::string_view content;
};

/// Whether a Content-Type is multipart/form-data.
bool is_multipart(std::string_view content_type);

/// The parts of a body. Throws Error for a boundary that is missing, more than `most` parts, and a body that
/// is not what the boundary promises.
std::vector<BodyPart> parse_multipart(std::string_view body, std::string_view content_type, size_t most);

}  // namespace signet::apps
