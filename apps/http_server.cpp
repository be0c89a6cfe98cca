#include "apps/http_server.h"

#include <fmt/format.h>
#include <httplib.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

#include "apps/http_connection.h"
#include "tensor/error.h"

namespace signet::apps {
namespace {

using Clock = HttpConnection::Clock;

/// A connection as the library sees it.
class ConnectionStream : public httplib::Stream {
 public:
  explicit ConnectionStream(HttpConnection& connection) : connection_(connection) {}
  bool is_readable() const override { return true; }
  bool is_writable() const override { return true; }
  ssize_t read(char* to, size_t size) override { return connection_.read(to, size); }
  ssize_t write(const char* bytes, size_t size) override {
    return connection_.write(bytes, size) ? ssize_t(size) : -1;
  }
  void get_remote_ip_and_port(std::string& ip, int& port) const override {
    ip = connection_.client();
    port = 0;
  }
  void get_local_ip_and_port(std::string& ip, int& port) const override {
    ip.clear();
    port = 0;
  }
  socket_t socket() const override { return connection_.socket(); }

 private:
  HttpConnection& connection_;
};

/// The request that this thread is working on.
struct Current {
  HttpConnection& connection;
  Clock::time_point deadline;
  bool answered = false;
  bool must_close = false;  ///< bytes of the request may be left unread
  size_t reserved = 0;      ///< of the bytes that all bodies may take
};

thread_local Current* current = nullptr;

void fill_in(httplib::Response& to, const HttpResponse& from) {
  to.status = from.status;
  for (const auto& [name, value] : from.headers) to.set_header(name, value);
  to.set_content(from.body, from.content_type);
}

std::optional<size_t> parse_length(const std::string& text) {
  size_t length = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return length;
}

/// Sockets by the thousand would pass FD_SETSIZE, where the library gives up.
constexpr int kMostConnections = 900;
constexpr int kBacklog = 1024;
constexpr int kMostRequests = 1000;  // on one connection, so that others get their turn

}  // namespace

HttpResponse http_error(int status, const std::string& sentence) {
  std::string text;
  for (const char c : sentence) {
    if (c == '"' || c == '\\') text += '\\';
    text += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return {status, "application/json", fmt::format("{{\"error\": \"{}\"}}\n", text)};
}

class HttpServer::Impl : public httplib::Server {
 public:
  explicit Impl(HttpLimits limits) : limits_(limits), wake_(::eventfd(0, EFD_CLOEXEC)) {
    limits_.connections = std::clamp(limits_.connections, 1, kMostConnections);
    // What the library says in its Keep-Alive header; serve_connection sees to it.
    set_keep_alive_max_count(kMostRequests);
    set_keep_alive_timeout(std::chrono::duration_cast<std::chrono::seconds>(limits_.idle_time).count());
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      answer(request, response);
      return HandlerResponse::Handled;
    });
    set_error_handler([this](const httplib::Request&, httplib::Response& response) { refuse(response); });
  }
  ~Impl() override {
    if (listener_ >= 0) ::close(listener_);
    ::close(wake_);
  }

  int open_listener(const std::string& host, int port);
  void serve();
  void ask_to_stop() {
    stopping_ = true;
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(wake_, &one, sizeof one);
  }
  int open_connections() const { return open_; }

  std::map<std::string, std::map<std::string, HttpServer::Handler>> routes;
  std::function<void(const std::string&, int, double)> observer = [](const std::string&, int, double) {};

 private:
  void accept_all();
  void enqueue(int socket);
  void work();
  void serve_connection(int socket);
  void answer(const httplib::Request& request, httplib::Response& response);
  HttpResponse respond(const httplib::Request& request);
  std::optional<HttpResponse> read_body(const httplib::Request& request, std::string& body);
  void refuse(httplib::Response& response);
  HttpResponse refusal(int status);
  void refuse_unfinished_line();

  HttpLimits limits_;
  int listener_ = -1, wake_;
  std::atomic<bool> stopping_{false};
  std::atomic<int> open_{0};
  std::atomic<size_t> body_bytes_{0};

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<int> sockets_;  // accepted, not yet taken by a worker
  int idle_workers_ = 0;
  bool no_more_ = false;
  std::vector<std::thread> workers_;
};

int HttpServer::Impl::open_listener(const std::string& host, int port) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  const int fault = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (fault != 0) fail("--host {}: is no address of this machine: {}", host, ::gai_strerror(fault));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, ::freeaddrinfo);
  listener_ = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int yes = 1;
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (listener_ < 0 || ::bind(listener_, found->ai_addr, found->ai_addrlen) != 0 ||
      ::listen(listener_, kBacklog) != 0) {
    fail("port {} of {} cannot be had: {}; choose another with --port, or 0 for any that is free", port, host,
         std::strerror(errno));
  }
  sockaddr_storage bound{};
  socklen_t length = sizeof bound;
  ::getsockname(listener_, reinterpret_cast<sockaddr*>(&bound), &length);
  return ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port
                                           : reinterpret_cast<sockaddr_in*>(&bound)->sin_port);
}

void HttpServer::Impl::serve() {
  constexpr int kStepMs = 20;
  while (!stopping_) {
    const bool full = open_ >= limits_.connections;
    pollfd entries[2] = {{wake_, POLLIN, 0}, {listener_, POLLIN, 0}};
    ::poll(entries, full ? 1 : 2, full ? kStepMs : -1);
    if (!full) accept_all();
  }
  limits_.connections = kMostConnections;
  accept_all();  // what the system has accepted for us counts as accepted
  ::close(std::exchange(listener_, -1));
  {
    const std::lock_guard lock(mutex_);
    no_more_ = true;
  }
  changed_.notify_all();
  for (auto& worker : workers_) worker.join();
  workers_.clear();
}

void HttpServer::Impl::accept_all() {
  while (open_ < limits_.connections) {
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket >= 0) {
      enqueue(socket);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));  // until a connection closes
      return;
    } else if (errno != EINTR && errno != ECONNABORTED) {
      return;
    }
  }
}

void HttpServer::Impl::enqueue(int socket) {
  ++open_;
  {
    const std::lock_guard lock(mutex_);
    sockets_.push_back(socket);
    if (int(sockets_.size()) > idle_workers_) workers_.emplace_back([this] { work(); });
  }
  changed_.notify_one();
}

void HttpServer::Impl::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_workers_;
    changed_.wait(lock, [this] { return !sockets_.empty() || no_more_; });
    --idle_workers_;
    if (sockets_.empty()) return;
    const int socket = sockets_.front();
    sockets_.pop_front();
    lock.unlock();
    serve_connection(socket);
    --open_;
    lock.lock();
  }
}

void HttpServer::Impl::serve_connection(int socket) {
  const int yes = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  HttpConnection connection(socket);
  ConnectionStream stream(connection);
  bool goes_on = true;
  int left = kMostRequests;
  const auto stopping = [this] { return bool(stopping_); };
  while (goes_on && left-- > 0 && connection.wait_for_request(limits_.idle_time, stopping)) {
    Current now{connection, Clock::now() + limits_.request_time};
    connection.allow(limits_.header_bytes, now.deadline);
    connection.set_write_deadline(now.deadline);
    current = &now;
    bool asked_to_close = false;
    goes_on = process_request(stream, stopping_ || left == 0, asked_to_close, [](httplib::Request& request) {
      request.headers.erase("Accept-Encoding");  // answers are short or images
    });
    refuse_unfinished_line();
    current = nullptr;
    body_bytes_ -= now.reserved;
    goes_on = goes_on && !asked_to_close && !now.must_close && !stopping_;
  }
  connection.linger();
}

void HttpServer::Impl::answer(const httplib::Request& request, httplib::Response& response) {
  const auto start = Clock::now();
  current->answered = true;
  HttpResponse made;
  try {
    made = respond(request);
  } catch (const std::exception& error) {
    made = http_error(500, fmt::format("internal error: {}", error.what()));
  }
  const auto route = routes.find(request.path);
  observer(route == routes.end() ? "" : route->first, made.status,
           std::chrono::duration<double>(Clock::now() - start).count());
  if (current->must_close) made.headers["Connection"] = "close";
  fill_in(response, made);
  current->connection.set_write_deadline(Clock::now() + limits_.request_time);
}

HttpResponse HttpServer::Impl::respond(const httplib::Request& request) {
  HttpRequest own;
  if (auto refusal = read_body(request, own.body)) {
    current->must_close = true;
    return *refusal;
  }
  const auto route = routes.find(request.path);
  if (route == routes.end()) return http_error(404, "there is nothing at this path");
  const auto handler = route->second.find(request.method == "HEAD" ? "GET" : request.method);
  if (handler == route->second.end()) {
    std::string allowed;
    for (const auto& [method, unused] : route->second) allowed += (allowed.empty() ? "" : ", ") + method;
    auto refusal = http_error(405, fmt::format("this path takes {}", allowed));
    refusal.headers["Allow"] = allowed;
    return refusal;
  }
  own.method = request.method;
  own.path = request.path;
  own.client = request.remote_addr;
  own.content_type = request.get_header_value("Content-Type");
  for (const auto& [name, value] : request.params) own.query.emplace(name, value);
  return handler->second(own);
}

/// Reads the body; where it cannot or may not be read, the answer that says so.
std::optional<HttpResponse> HttpServer::Impl::read_body(const httplib::Request& request, std::string& body) {
  const auto count = request.get_header_value_count("Content-Length");
  if (request.has_header("Transfer-Encoding")) {
    return http_error(411, "bodies come with their Content-Length, not in chunks");
  }
  if (request.has_header("Content-Encoding")) return http_error(415, "compressed bodies are not read");
  if (count == 0) {
    const bool needs_body = request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
    if (needs_body) return http_error(411, "the Content-Length is missing");
    return std::nullopt;
  }
  const auto length = parse_length(request.get_header_value("Content-Length"));
  if (count > 1 || !length) return http_error(400, "the Content-Length is not one whole number");
  if (*length > limits_.body_bytes) {
    return http_error(413, fmt::format("a body of {} bytes is more than the {} that are taken", *length,
                                       limits_.body_bytes));
  }
  current->reserved = *length;
  if (body_bytes_.fetch_add(*length) + *length > limits_.all_body_bytes) {
    auto refusal = http_error(503, "too many bytes are on their way; try again in a moment");
    refusal.headers["Retry-After"] = "1";
    return refusal;
  }
  current->connection.allow(*length, current->deadline);
  // Grown as it arrives: a claimed length costs nothing.
  std::string chunk(std::min<size_t>(*length, 64 << 10), '\0');
  while (body.size() < *length) {
    const long got = current->connection.read(chunk.data(), chunk.size());
    if (got <= 0) {
      const bool late = current->connection.deadline_passed();
      return http_error(late ? 408 : 400, late ? "the body took too long" : "the body ended early");
    }
    body.append(chunk, 0, size_t(got));
  }
  return std::nullopt;
}

/// What the library refuses by itself: a request line or headers that make no sense, or too many of them.
void HttpServer::Impl::refuse(httplib::Response& response) {
  if (current == nullptr || current->answered) return;
  fill_in(response, refusal(response.status == 414 ? 414 : 400));
}

/// What is said of a request whose headers never came to their end, or else with the status given.
HttpResponse HttpServer::Impl::refusal(int status) {
  current->answered = true;
  current->must_close = true;
  HttpResponse made = http_error(status, status == 414 ? "the path is too long" : "this is no HTTP request");
  if (current->connection.budget_used_up()) {
    made = http_error(431,
                      fmt::format("request line and headers take more than {} bytes", limits_.header_bytes));
  } else if (current->connection.deadline_passed()) {
    made = http_error(408, "the headers took too long");
    current->connection.set_write_deadline(Clock::now() + std::chrono::seconds(1));
  }
  observer("", made.status, 0);
  return made;
}

/// The library closes without a word where even the request line has no end.
void HttpServer::Impl::refuse_unfinished_line() {
  if (current->answered || !(current->connection.budget_used_up() || current->connection.deadline_passed()))
    return;
  const HttpResponse made = refusal(400);
  const std::string text = fmt::format(
      "HTTP/1.1 {} Refused\r\nConnection: close\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n{}",
      made.status, made.content_type, made.body.size(), made.body);
  current->connection.write(text.data(), text.size());
}

HttpServer::HttpServer(HttpLimits limits) : impl_(std::make_unique<Impl>(limits)) {}
HttpServer::~HttpServer() = default;

void HttpServer::route(const std::string& method, const std::string& path, Handler handler) {
  impl_->routes[path][method] = std::move(handler);
}

void HttpServer::observe(std::function<void(const std::string&, int, double)> observer) {
  impl_->observer = std::move(observer);
}

int HttpServer::listen(const std::string& host, int port) {
  return impl_->open_listener(host, port);
}

void HttpServer::run() {
  impl_->serve();
}

void HttpServer::stop() {
  impl_->ask_to_stop();
}

int HttpServer::open_connections() const {
  return impl_->open_connections();
}

}  // namespace signet::apps
