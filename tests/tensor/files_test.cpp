#include "tensor/files.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>

#include "tensor/error.h"

namespace signet {
namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / ("signet-files-" + std::to_string(::getpid()))) {
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  fs::path operator/(const std::string& name) const { return path_ / name; }
  size_t entries() const {
    return size_t(std::distance(fs::directory_iterator(path_), fs::directory_iterator()));
  }

 private:
  fs::path path_;
};

TEST_CASE("a file is written whole, read back, and replaced") {
  const Folder folder;
  const fs::path file = folder / "sub/a.bin";
  std::string bytes("one\0two\n", 8);
  write_atomically(file, bytes);
  CHECK(read_file(file) == bytes);
  write_atomically(file, std::string_view("x"));
  CHECK(read_file(file) == "x");
  write_atomically(file, std::string_view(""));
  CHECK(read_file(file).empty());
  write_atomically(file, [&](const Append& append) {
    append(bytes);
    append("");
    append("three");
  });
  CHECK(read_file(file) == bytes + "three");
}

TEST_CASE("a file longer than what is read at a time comes whole") {
  const Folder folder;
  std::string bytes(700'001, 'a');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = char(i * 2654435761u >> 24);
  write_atomically(folder / "long", bytes);
  CHECK(read_file(folder / "long") == bytes);
}

TEST_CASE("a failed write leaves the old file and no other") {
  const Folder folder;
  const fs::path file = folder / "a.txt";
  write_atomically(file, std::string_view("old"));
  const auto give_up = [](const Append& append) {
    append("new");
    fail("no more of it");
  };
  CHECK_THROWS_AS(write_atomically(file, give_up), Error);
  CHECK(read_file(file) == "old");
  CHECK(folder.entries() == 1);
  fs::create_directories(folder / "taken/below");
  CHECK_THROWS_WITH_AS(write_atomically(folder / "taken", std::string_view("x")), doctest::Contains("taken"),
                       Error);
  CHECK(folder.entries() == 2);
}

TEST_CASE("errors name the path and the reason") {
  const Folder folder;
  CHECK_THROWS_WITH_AS(read_file(folder / "none"), doctest::Contains("No such file"), Error);
  CHECK_THROWS_WITH_AS(read_file(folder / "."), doctest::Contains("folder"), Error);
  std::ofstream(folder / "file") << "x";
  CHECK_THROWS_WITH_AS(write_atomically(folder / "file/below", std::string_view("x")),
                       doctest::Contains("file/below"), Error);
}

}  // namespace
}  // namespace signet
