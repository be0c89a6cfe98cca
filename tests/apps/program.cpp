#include "tests/apps/program.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/ranges.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace signet::test {
namespace fs = std::filesystem;
namespace {

fs::path fresh_name(const char* what) {
  static std::atomic<int> number{0};
  return fs::temp_directory_path() / fmt::format("signet-apps-{}-{}-{}", ::getpid(), what, number++);
}

std::string read_all(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

void redirect(int descriptor, const fs::path& path) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0 || ::dup2(file, descriptor) < 0) ::_exit(126);
}

}  // namespace

Process::Process(const fs::path& folder, const Words& words, const std::function<bool()>& prepare)
    : out_(fresh_name("out")), err_(fresh_name("err")) {
  std::vector<char*> arguments{const_cast<char*>("signet")};
  for (const auto& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  child_ = ::fork();
  if (child_ < 0) throw std::runtime_error("[Process] fork failed");
  if (child_ > 0) return;
  redirect(STDOUT_FILENO, out_);
  redirect(STDERR_FILENO, err_);
  if (::chdir(folder.c_str()) != 0) ::_exit(126);
  if (!prepare()) ::_exit(kNotPrepared);
  ::execv(SIGNET_PROGRAM, arguments.data());
  ::_exit(127);
}

Process::~Process() {
  if (running()) {
    signal(SIGKILL);
    wait();
  }
  fs::remove(out_);
  fs::remove(err_);
}

void Process::signal(int number) const {
  if (running_) ::kill(child_, number);
}

bool Process::running() {
  if (running_) running_ = ::waitpid(child_, &status_, WNOHANG) == 0;
  return running_;
}

std::string Process::output_so_far() const {
  return read_all(out_);
}

Result Process::wait() {
  if (running_) ::waitpid(child_, &status_, 0);
  running_ = false;
  const int status = WIFSIGNALED(status_) ? 128 + WTERMSIG(status_) : WEXITSTATUS(status_);
  return {status, read_all(out_), read_all(err_)};
}

Folder::Folder() : path_(fresh_name("folder")) {
  fs::create_directories(path_);
}

void Folder::write(const std::string& name, const std::string& bytes) const {
  fs::create_directories((path_ / name).parent_path());
  std::ofstream(path_ / name, std::ios::binary) << bytes;
}

std::string Folder::read(const std::string& name) const {
  REQUIRE_MESSAGE(fs::is_regular_file(path_ / name), name);
  return read_all(path_ / name);
}

std::map<std::string, std::string> Folder::contents() const {
  std::map<std::string, std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(path_)) {
    const auto name = fs::relative(entry.path(), path_).string();
    found[name] = entry.is_regular_file() ? read_all(entry.path()) : "";
  }
  return found;
}

Result check_refused(const Folder& folder, const Words& words, const std::vector<std::string>& fragments) {
  const auto before = folder.contents();
  const Result result = folder.run(words);
  CAPTURE(fmt::format("signet {}", fmt::join(words, " ")));
  CAPTURE(result.out);
  CAPTURE(result.err);
  CHECK(result.status == 2);
  CHECK(result.err.starts_with("signet: "));
  CHECK(result.err.ends_with("\n"));
  std::istringstream lines(result.err);
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) CHECK_MESSAGE(line.starts_with("  "), line);
  for (const auto& fragment : fragments) {
    CHECK_MESSAGE(result.err.find(fragment) != std::string::npos, "lacks: ", fragment);
  }
  CHECK_MESSAGE(folder.contents() == before, "something was written or changed");
  return result;
}

Result check_succeeds(const Folder& folder, const Words& words) {
  const Result result = folder.run(words);
  CAPTURE(fmt::format("signet {}", fmt::join(words, " ")));
  CAPTURE(result.err);
  CHECK(result.status == 0);
  return result;
}

int count_lines(const std::string& text) {
  return int(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace signet::test
