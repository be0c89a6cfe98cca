// Many clients of a running `signet serve`: how long they wait, whether all are answered, and whether the
// server's memory stays where it is.
//
//   serve_load PORT IMAGE CLIENTS REQUESTS          REQUESTS in all, on CLIENTS connections that stay open
//   serve_load PORT IMAGE CLIENTS REQUESTS hostile  bodies cut, overwritten and mislabelled: any answer is
//                                                   good, a broken connection is not

#include <fmt/format.h>
#include <httplib.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

double resident_mb(int port) {
  httplib::Client client("127.0.0.1", port);
  const auto response = client.Get("/metrics");
  if (!response) return 0;
  const std::string name = "\nprocess_resident_memory_bytes ";
  const size_t at = response->body.find(name);
  return at == std::string::npos ? 0 : std::stod(response->body.substr(at + name.size())) / 1e6;
}

/// The image with a few bytes overwritten, cut somewhere, or neither, by the number of the request.
std::string damaged(const std::string& image, uint64_t number) {
  uint64_t state = number * 0x9e3779b97f4a7c15u + 1;
  const auto draw = [&](size_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return size_t(state >> 33) % below;
  };
  std::string bytes = image;
  for (size_t i = draw(8); i > 0; --i) bytes[draw(bytes.size())] = char(draw(256));
  if (number % 2 == 0) bytes.resize(draw(bytes.size()));
  return bytes;
}

double percentile(const std::vector<double>& sorted, double share) {
  return sorted.empty() ? 0 : sorted[size_t(share * double(sorted.size() - 1))];
}

struct Work {
  int port;
  std::string image;
  bool hostile;
  std::atomic<int64_t> next{0}, good{0}, refused{0}, broken{0};
  int64_t requests;
};

void run_client(Work& work, std::vector<double>& seconds) {
  httplib::Client client("127.0.0.1", work.port);
  client.set_keep_alive(true);
  client.set_tcp_nodelay(true);
  client.set_read_timeout(60, 0);
  for (int64_t i = work.next++; i < work.requests; i = work.next++) {
    const std::string body = work.hostile ? damaged(work.image, uint64_t(i)) : work.image;
    const char* type = work.hostile && i % 5 == 0 ? "multipart/form-data; boundary=x" : "image/jpeg";
    const auto start = Clock::now();
    const auto response = client.Post("/predict?top=1", body, type);
    seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    if (!response) {
      ++work.broken;
    } else {
      response->status == 200 ? ++work.good : ++work.refused;
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    fmt::print(stderr, "serve_load PORT IMAGE CLIENTS REQUESTS [hostile]\n");
    return 2;
  }
  std::ifstream file(argv[2], std::ios::binary);
  Work work;
  work.port = std::stoi(argv[1]);
  work.image = {std::istreambuf_iterator<char>(file), {}};
  work.hostile = argc > 5;
  work.requests = std::stoll(argv[4]);
  const size_t clients = std::stoul(argv[3]);
  if (work.image.empty()) {
    fmt::print(stderr, "{}: is empty or cannot be read\n", argv[2]);
    return 2;
  }
  const double before = resident_mb(work.port);
  std::vector<std::vector<double>> seconds(clients);
  const auto start = Clock::now();
  {
    std::vector<std::jthread> threads;
    for (auto& own : seconds) threads.emplace_back([&work, &own] { run_client(work, own); });
    for (int64_t shown = work.requests / 5; work.next < work.requests;) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      for (; shown < std::min<int64_t>(work.next, work.requests); shown += work.requests / 5 + 1) {
        fmt::print("after {} requests: {:.1f} MB resident\n", shown, resident_mb(work.port));
      }
    }
  }
  const double total = std::chrono::duration<double>(Clock::now() - start).count();
  std::vector<double> all;
  for (const auto& own : seconds) all.insert(all.end(), own.begin(), own.end());
  std::sort(all.begin(), all.end());
  fmt::print(
      "{} clients, {} requests in {:.1f} s ({:.0f}/s): {} answered, {} refused, {} broken; p50 {:.0f} ms, "
      "p99 "
      "{:.0f} ms, longest {:.0f} ms; resident {:.1f} MB before, {:.1f} MB after\n",
      clients, all.size(), total, double(all.size()) / total, work.good.load(), work.refused.load(),
      work.broken.load(), 1000 * percentile(all, 0.5), 1000 * percentile(all, 0.99),
      1000 * percentile(all, 1), before, resident_mb(work.port));
  return work.broken > 0 ? 1 : 0;
}
