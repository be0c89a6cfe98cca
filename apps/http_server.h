#pragma once
// An HTTP/1.1 server with bounds on everything a client decides. The library that parses and formats HTTP
// (cpp-httplib) stays behind this file.

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace signet::apps {

struct HttpRequest {
  std::string method, path, client;  ///< client: the address of the other side
  std::map<std::string, std::string> query;
  std::string content_type, body;
};

struct HttpResponse {
  int status = 200;
  std::string content_type, body;
  std::map<std::string, std::string> headers = {};
};

/// A status with {"error": sentence}.
HttpResponse http_error(int status, const std::string& sentence);

struct HttpLimits {
  size_t body_bytes = 16 << 20;
  size_t header_bytes = 32 << 10;     ///< request line and headers together
  size_t all_body_bytes = 256 << 20;  ///< of all requests being worked on together
  int connections = 512;              ///< open at once; more wait in the system's queue
  /// For a whole request to arrive, and for a whole answer to be taken: a client that sends a byte a second
  /// holds a connection no longer than one that sends none.
  std::chrono::milliseconds request_time{30'000};
  /// A connection without a request is closed after this.
  std::chrono::milliseconds idle_time{10'000};
};

class HttpServer {
 public:
  using Handler = std::function<HttpResponse(const HttpRequest&)>;

  explicit HttpServer(HttpLimits limits);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Handlers run on many threads at once. What they throw becomes status 500. HEAD is answered as GET
  /// without a body, other methods of a known path with 405.
  void route(const std::string& method, const std::string& path, Handler handler);
  /// Called after each request with its answer and how long the handler took; path is "" for one that is not
  /// routed.
  void observe(std::function<void(const std::string& path, int status, double seconds)> observer);

  /// Takes a port (0: any that is free) and returns it. Throws Error where it cannot be had.
  int listen(const std::string& host, int port);
  /// Serves until stop(); then answers every request of which the first byte has arrived (the rest of it has
  /// request_time to come), and returns. Connections that wait
  /// in the system's queue are taken first.
  void run();
  /// May be called from any thread.
  void stop();

  int open_connections() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace signet::apps
