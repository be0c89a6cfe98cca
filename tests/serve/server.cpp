#include "tests/serve/server.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <httplib.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <iterator>
#include <thread>

#include "tests/apps/world.h"

namespace signet::test {
namespace {

using namespace std::chrono_literals;

Words command(const Words& flags) {
  Words words{"serve", narrow_checkpoint().string(), "--port", "0"};
  words.insert(words.end(), flags.begin(), flags.end());
  return words;
}

}  // namespace

Server::Server(const Words& flags) : process_(folder_.path(), command(flags)) {
  const std::string before = "http://127.0.0.1:";
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  while (port_ == 0 && std::chrono::steady_clock::now() < deadline && process_.running()) {
    const std::string text = process_.output_so_far();
    const size_t at = text.find(before);
    if (at != text.npos && text.find('/', at + before.size()) != text.npos) {
      port_ = std::stoi(text.substr(at + before.size()));
    } else {
      std::this_thread::sleep_for(5ms);
    }
  }
  REQUIRE_MESSAGE(port_ > 0, "the server does not listen: " << process_.output_so_far());
}

httplib::Client Server::client() const {
  httplib::Client client("127.0.0.1", port_);
  client.set_read_timeout(20, 0);
  return client;
}

std::string Server::raw(const std::string& bytes) const {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(uint16_t(port_));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  std::string received;
  size_t sent = 0;
  std::array<char, 4096> chunk{};
  while (true) {
    pollfd entry{socket, short(POLLIN | (sent < bytes.size() ? POLLOUT : 0)), 0};
    if (::poll(&entry, 1, 3000) <= 0) break;
    if (entry.revents & POLLIN) {
      const ssize_t got = ::recv(socket, chunk.data(), chunk.size(), 0);
      if (got <= 0) break;
      received.append(chunk.data(), size_t(got));
    } else if (entry.revents & POLLOUT) {
      const ssize_t done =
          ::send(socket, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
      sent = done < 0 ? bytes.size() : sent + size_t(done);
    } else {
      break;
    }
  }
  ::close(socket);
  return received;
}

Result Server::stop(int signal) {
  process_.signal(signal);
  return process_.wait();
}

std::string read_image(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files(std::filesystem::directory_iterator(folder), {});
  std::sort(files.begin(), files.end());
  std::ifstream in(files.at(0), std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

namespace {

std::string big_endian(uint32_t value) {
  return {char(value >> 24), char(value >> 16), char(value >> 8), char(value)};
}

std::string chunk(const std::string& content) {
  uint32_t c = ~0u;
  for (const char b : content) {
    c ^= uint8_t(b);
    for (int bit = 0; bit < 8; ++bit) c = (c & 1) ? 0xEDB88320u ^ (c >> 1) : c >> 1;
  }
  return big_endian(uint32_t(content.size() - 4)) + content + big_endian(~c);
}

/// Zeros by one literal and repetitions of 258, in a block of fixed Huffman codes (RFC 1951, 3.2.6).
std::string deflated_zeros(size_t count) {
  std::string bytes = "\x78\x01";
  uint32_t pending = 0;
  int bits = 0;
  const auto put = [&](uint32_t code, int length) {  // Huffman codes go highest bit first
    for (int i = length - 1; i >= 0; --i) {
      pending |= (code >> i & 1) << bits;
      if (++bits == 8) {
        bytes += char(pending);
        pending = 0;
        bits = 0;
      }
    }
  };
  put(0b110, 3);       // the last block; its type, 01, lowest bit first
  put(0b00110000, 8);  // a zero
  for (size_t done = 1; done < count; done += 258) {
    put(0b11000101, 8);  // 258 bytes …
    put(0, 5);           // … from one byte back
  }
  put(0, 7);  // end of the block
  put(0, 8);
  return bytes + big_endian(0);
}

}  // namespace

std::string hostile_png(uint32_t width, uint32_t height, size_t unpacked) {
  const std::string header =
      "IHDR" + big_endian(width) + big_endian(height) + std::string("\x08\x02\0\0\0", 5);
  return "\x89PNG\r\n\x1a\n" + chunk(header) + chunk("IDAT" + deflated_zeros(unpacked)) + chunk("IEND");
}

}  // namespace signet::test
