#pragma once
// A server of the narrow checkpoint on a free port of the loopback, for one test.

#include <filesystem>
#include <string>

#include "tests/apps/program.h"

namespace httplib {
class Client;
}

namespace signet::test {

class Server {
 public:
  /// Waits until the server says where it listens; fails the test if it does not within some seconds.
  explicit Server(const Words& flags = {});

  int port() const { return port_; }
  httplib::Client client() const;
  /// Sends bytes as they are, and reads until the server closes or nothing has come for 3 seconds.
  std::string raw(const std::string& bytes) const;
  /// Sends a signal and waits for the end.
  Result stop(int signal);

 private:
  Folder folder_;
  Process process_;
  int port_ = 0;
};

/// The bytes of the first image in a folder.
std::string read_image(const std::filesystem::path& folder);

/// A well-formed PNG file that claims a size, and whose data unpack to `unpacked` zeros.
std::string hostile_png(uint32_t width, uint32_t height, size_t unpacked);

}  // namespace signet::test
