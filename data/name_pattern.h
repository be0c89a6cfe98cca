#pragma once
// What file names tell about an image: who signs, in which light, which take.

#include <memory>
#include <string>

namespace signet::data {

/// Fields read from a file name; empty where the name does not tell.
struct NameFields {
  std::string signer, light, take;
};

/// A regular expression (ECMAScript) that is searched for in a file name. Its groups are named, as in
/// `(?<signer>\d+)` or `(?P<signer>\d+)` with signer, light and take in any order and number, or else the
/// first three plain groups are signer, light and take.
class NamePattern {
 public:
  /// hand<signer>_<class>_<light>_seg_<take>…, the names of the ASL data set.
  static constexpr const char* kDefault =
      R"(^hand(?<signer>[^_]+)_[^_]+_(?<light>[^_]+)_seg_(?<take>[^_.]+))";

  NamePattern() : NamePattern(kDefault) {}

  /// Throws Error, showing how a pattern is written, for one that is malformed, has no group, or has a group
  /// of another name.
  explicit NamePattern(const std::string& pattern);

  /// The fields of a file name (without folders); all empty where the pattern does not match.
  NameFields read(const std::string& file_name) const;

  const std::string& text() const { return text_; }

 private:
  std::string text_;
  struct Compiled;  // keeps <regex>, which is slow to compile, out of the headers
  std::shared_ptr<const Compiled> compiled_;
  int signer_ = 0, light_ = 0, take_ = 0;  // numbers of the groups, 0 where there is none
};

}  // namespace signet::data
