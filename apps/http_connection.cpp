#include "apps/http_connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace signet::apps {
namespace {

using Milliseconds = std::chrono::milliseconds;

/// Waits until the socket is ready for `events`; false when the deadline has passed.
bool wait_until_ready(int socket, short events, HttpConnection::Clock::time_point deadline) {
  while (true) {
    const auto left = std::chrono::ceil<Milliseconds>(deadline - HttpConnection::Clock::now());
    if (left.count() <= 0) return false;
    pollfd entry{socket, events, 0};
    const int ready = ::poll(&entry, 1, int(std::min<int64_t>(left.count(), 1000)));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

}  // namespace

HttpConnection::HttpConnection(int socket) : socket_(socket) {}

HttpConnection::~HttpConnection() {
  ::close(socket_);
}

bool HttpConnection::wait_for_request(Milliseconds time, const std::function<bool()>& stopping) {
  constexpr Milliseconds kStep{50};
  const auto deadline = Clock::now() + time;
  while (at_ == buffer_.size()) {
    pollfd entry{socket_, POLLIN, 0};
    const bool stop = stopping();
    const int ready = ::poll(&entry, 1, stop ? 0 : int(kStep.count()));
    if (ready > 0) return fill(deadline);
    if ((ready < 0 && errno != EINTR) || stop || Clock::now() >= deadline) return false;
  }
  return true;
}

void HttpConnection::allow(size_t bytes, Clock::time_point deadline) {
  budget_ = bytes;
  read_deadline_ = deadline;
}

bool HttpConnection::fill(Clock::time_point deadline) {
  constexpr size_t kChunk = 16 << 10;
  if (!wait_until_ready(socket_, POLLIN, deadline)) return false;
  buffer_.resize(kChunk);
  at_ = 0;
  ssize_t got = -1;
  do {
    got = ::recv(socket_, buffer_.data(), kChunk, 0);
  } while (got < 0 && errno == EINTR);
  buffer_.resize(size_t(std::max<ssize_t>(got, 0)));
  return got > 0;
}

long HttpConnection::read(char* to, size_t size) {
  if (budget_ == 0 || deadline_passed()) return -1;
  if (at_ == buffer_.size() && !fill(read_deadline_)) return 0;
  const size_t count = std::min({size, budget_, buffer_.size() - at_});
  std::memcpy(to, buffer_.data() + at_, count);
  at_ += count;
  budget_ -= count;
  return long(count);
}

bool HttpConnection::write(const char* bytes, size_t size) {
  while (size > 0) {
    if (!wait_until_ready(socket_, POLLOUT, write_deadline_)) return false;
    const ssize_t sent = ::send(socket_, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)) continue;
    if (sent < 0) return false;
    bytes += sent;
    size -= size_t(sent);
  }
  return true;
}

void HttpConnection::linger() {
  constexpr size_t kMost = 1 << 20;
  ::shutdown(socket_, SHUT_WR);
  const auto deadline = Clock::now() + Milliseconds(500);
  size_t drained = 0;
  while (drained < kMost && fill(deadline)) drained += buffer_.size();
}

std::string HttpConnection::client() const {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getpeername(socket_, reinterpret_cast<sockaddr*>(&address), &length) != 0) return "";
  std::array<char, INET6_ADDRSTRLEN> text{};
  const void* bytes = address.ss_family == AF_INET6
                          ? static_cast<const void*>(&reinterpret_cast<sockaddr_in6*>(&address)->sin6_addr)
                          : &reinterpret_cast<sockaddr_in*>(&address)->sin_addr;
  return ::inet_ntop(address.ss_family, bytes, text.data(), text.size()) ? text.data() : "";
}

}  // namespace signet::apps
