#pragma once
// One connection's bytes, with a budget and a deadline.

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>

namespace signet::apps {

/// A socket read through a buffer. Reading ends where the budget is used up or the deadline has passed, as if
/// the other side had closed; the same holds for writing and its deadline.
class HttpConnection {
 public:
  using Clock = std::chrono::steady_clock;

  /// Owns the socket.
  explicit HttpConnection(int socket);
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;
  ~HttpConnection();

  /// Waits for the first byte of a request; false when the other side closes, time is up, or `stopping` turns
  /// true while nothing has arrived.
  bool wait_for_request(std::chrono::milliseconds time, const std::function<bool()>& stopping);
  /// What may be read, and until when.
  void allow(size_t bytes, Clock::time_point deadline);
  void set_write_deadline(Clock::time_point deadline) { write_deadline_ = deadline; }
  bool budget_used_up() const { return budget_ == 0; }
  bool deadline_passed() const { return Clock::now() >= read_deadline_; }

  /// Up to `size` bytes; 0 at the end, -1 where reading has ended.
  long read(char* to, size_t size);
  /// All bytes; false where writing has ended.
  bool write(const char* bytes, size_t size);

  /// Lets the other side take the last answer before the socket closes: says that no more comes, and reads
  /// what it still sends for a moment. Closing with unread bytes would make the system drop the answer.
  void linger();

  int socket() const { return socket_; }
  std::string client() const;

 private:
  bool fill(Clock::time_point deadline);

  int socket_;
  std::string buffer_;
  size_t at_ = 0;
  size_t budget_ = 0;
  Clock::time_point read_deadline_, write_deadline_;
};

}  // namespace signet::apps
