#include "apps/multipart.h"

#include <algorithm>
#include <cctype>

#include "tensor/error.h"

namespace signet::apps {
namespace {

constexpr size_t kLongestBoundary = 70;  // RFC 2046
constexpr size_t kMostHeaderBytes = 4096;
constexpr std::string_view kNewline = "\r\n";

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) == std::tolower(static_cast<unsigned char>(y));
  });
}

/// The value of a parameter in "form-data; name=\"file\"; filename=photo.jpg"; "" if it is not there.
std::string parameter(std::string_view text, std::string_view wanted) {
  size_t at = text.find(';');
  while (at < text.size()) {
    at = text.find_first_not_of("; \t", at);
    const size_t equals = text.find('=', std::min(at, text.size()));
    if (equals == text.npos) return "";
    const auto key = text.substr(at, equals - at);
    std::string value;
    at = equals + 1;
    if (at < text.size() && text[at] == '"') {
      for (++at; at < text.size() && text[at] != '"'; ++at) {
        if (text[at] == '\\' && at + 1 < text.size()) ++at;
        value += text[at];
      }
      at = text.find(';', at);
    } else {
      const size_t end = std::min(text.find(';', at), text.size());
      value = text.substr(at, end - at);
      value.erase(value.find_last_not_of(" \t") + 1);
      at = end;
    }
    if (equal_ignoring_case(key, wanted)) return value;
  }
  return "";
}

BodyPart parse_headers(std::string_view headers) {
  BodyPart part;
  while (!headers.empty()) {
    const size_t end = std::min(headers.find(kNewline), headers.size());
    const auto line = headers.substr(0, end);
    headers.remove_prefix(std::min(end + kNewline.size(), headers.size()));
    const size_t colon = line.find(':');
    if (colon == line.npos || !equal_ignoring_case(line.substr(0, colon), "content-disposition")) continue;
    part.name = parameter(line.substr(colon + 1), "name");
    part.file_name = parameter(line.substr(colon + 1), "filename");
  }
  return part;
}

}  // namespace

bool is_multipart(std::string_view content_type) {
  constexpr std::string_view kType = "multipart/form-data";
  return equal_ignoring_case(content_type.substr(0, kType.size()), kType);
}

std::vector<BodyPart> parse_multipart(std::string_view body, std::string_view content_type, size_t most) {
  const std::string boundary = parameter(content_type, "boundary");
  if (boundary.empty() || boundary.size() > kLongestBoundary) {
    fail("the Content-Type names no boundary of 1 to {} characters", kLongestBoundary);
  }
  const std::string delimiter = "\r\n--" + boundary;
  // The first delimiter may open the body, without a line before it.
  size_t at = 0;
  if (body.starts_with(std::string_view(delimiter).substr(kNewline.size()))) {
    at = delimiter.size() - kNewline.size();
  } else {
    at = body.find(delimiter);
    if (at == body.npos) fail("the body has no part: its boundary does not occur");
    at += delimiter.size();
  }
  std::vector<BodyPart> parts;
  while (true) {
    if (body.substr(at).starts_with("--")) return parts;
    at = std::min(body.find_first_not_of(" \t", at), body.size());
    if (!body.substr(at).starts_with(kNewline)) fail("the body is cut short: its last boundary is missing");
    const size_t head = at;  // headers may be none, so the line end before them counts
    const size_t head_end = body.find("\r\n\r\n", head);
    if (head_end == body.npos || head_end - head > kMostHeaderBytes) {
      fail("a part has no end of its headers within {} bytes", kMostHeaderBytes);
    }
    BodyPart part = parse_headers(body.substr(head, head_end - head));
    const size_t content = head_end + 4;
    // An empty part's delimiter shares the line end with the headers.
    const size_t end = body.find(delimiter, content - kNewline.size());
    if (end == body.npos) fail("the body is cut short: its last boundary is missing");
    part.content = end < content ? std::string_view() : body.substr(content, end - content);
    if (parts.size() == most) fail("the body has more than {} parts", most);
    parts.push_back(std::move(part));
    at = end + delimiter.size();
  }
}

}  // namespace signet::apps
