#include "tensor/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <vector>

#include "tensor/error.h"

namespace signet {
namespace fs = std::filesystem;

namespace {
constexpr size_t kPiece = size_t{1} << 18;  // bytes that are read at a time
}

std::string read_file(const fs::path& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) fail("{}: is a folder, not a file", path.string());
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in) fail("{}: cannot be opened: {}", path.string(), std::strerror(errno));
  // A pipe has no size to begin with.
  const auto size = fs::file_size(path, error);
  std::string bytes;
  if (!error) bytes.reserve(size_t(size));
  std::vector<char> piece(kPiece);
  while (in.read(piece.data(), std::streamsize(piece.size())) || in.gcount() > 0)
    bytes.append(piece.data(), size_t(in.gcount()));
  if (in.bad()) fail("{}: cannot be read: {}", path.string(), std::strerror(errno));
  return bytes;
}

namespace {

constexpr std::string_view kUnfinished = ".part-XXXXXX";  // what mkstemp puts for the Xs varies

[[noreturn]] void fail_write(const fs::path& target, const std::string& reason) {
  fail("{}: cannot be written: {}; free some space or choose another folder with --output", target.string(),
       reason);
}

/// Closes and removes a temporary file unless it was kept.
class TemporaryFile {
 public:
  explicit TemporaryFile(const fs::path& target) {
    std::error_code error;
    if (target.has_parent_path()) fs::create_directories(target.parent_path(), error);
    if (error) fail_write(target, "its folder cannot be made: " + error.message());
    name_ = target.string() + std::string(kUnfinished);
    descriptor_ = ::mkstemp(name_.data());
    if (descriptor_ < 0) fail_write(target, std::strerror(errno));
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!name_.empty()) ::unlink(name_.c_str());
  }

  void write(std::string_view bytes, const fs::path& target) const {
    while (!bytes.empty()) {
      const ssize_t done = ::write(descriptor_, bytes.data(), bytes.size());
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) fail_write(target, std::strerror(errno));
      bytes.remove_prefix(size_t(done));
    }
  }

  void keep(const fs::path& target) {
    if (::fchmod(descriptor_, 0644) != 0 || ::fsync(descriptor_) != 0 ||
        ::rename(name_.c_str(), target.c_str()) != 0) {
      fail_write(target, std::strerror(errno));
    }
    name_.clear();
  }

 private:
  std::string name_;
  int descriptor_ = -1;
};

}  // namespace

bool is_unfinished(const fs::path& path) {
  const std::string name = path.filename().string();
  const auto fixed = kUnfinished.substr(0, kUnfinished.find('X'));
  return name.size() > kUnfinished.size() && name.substr(name.size() - kUnfinished.size()).starts_with(fixed);
}

void write_atomically(const fs::path& path, std::string_view bytes) {
  TemporaryFile file(path);
  file.write(bytes, path);
  file.keep(path);
}

void write_atomically(const fs::path& path, const std::function<void(const Append&)>& write) {
  TemporaryFile file(path);
  write([&](std::string_view bytes) { file.write(bytes, path); });
  file.keep(path);
}

}  // namespace signet
