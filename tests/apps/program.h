#pragma once
// Runs the program `signet` as a user does: as a child process, in a folder of its own.

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace signet::test {

using Words = std::vector<std::string>;

/// What a run of the program left.
struct Result {
  int status = 0;  ///< exit status; 128 + the signal if one ended it
  std::string out, err;
};

/// A run of `signet WORDS…` with `folder` as working directory, its output going to files outside of it.
class Process {
 public:
  /// `prepare` runs in the child before the program does; if it returns false, the status is kNotPrepared.
  Process(
      const std::filesystem::path& folder, const Words& words,
      const std::function<bool()>& prepare = [] { return true; });
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  static constexpr int kNotPrepared = 77;

  void signal(int number) const;
  bool running();
  std::string output_so_far() const;
  Result wait();

 private:
  std::filesystem::path out_, err_;
  pid_t child_ = -1;
  int status_ = 0;
  bool running_ = true;
};

/// A temporary folder to run the program in, removed with all it holds.
class Folder {
 public:
  Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  Result run(const Words& words) const { return Process(path_, words).wait(); }
  void write(const std::string& name, const std::string& bytes) const;
  std::string read(const std::string& name) const;
  /// Every file and folder below, relative, with the content of files.
  std::map<std::string, std::string> contents() const;

 private:
  std::filesystem::path path_;
};

/// Runs the program and checks that it refuses as a user likes to be refused: status 2, one sentence on
/// standard error (and below it no more than indented lines) that contains each of `fragments`, and nothing
/// written or changed in the folder.
Result check_refused(const Folder& folder, const Words& words, const std::vector<std::string>& fragments);

/// Runs the program and checks that it succeeds.
Result check_succeeds(const Folder& folder, const Words& words);

int count_lines(const std::string& text);

}  // namespace signet::test
