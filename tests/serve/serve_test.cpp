// The server as a client meets it: over the loopback, with requests that are meant well and with others.

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <httplib.h>

#include <atomic>
#include <csignal>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/apps/program.h"
#include "tests/apps/world.h"
#include "tests/serve/server.h"

namespace signet::test {
namespace {

using Json = nlohmann::json;

std::string image(const std::string& name = "a") {
  return read_image(signs() / name);
}

TEST_CASE("a picture gets the answer that predict gives") {
  const Server server;
  auto client = server.client();
  const auto response = client.Post("/predict?top=2", image(), "image/png");
  REQUIRE(response);
  CHECK(response->status == 200);
  const Json answer = Json::parse(response->body);
  CHECK(answer.at("model") == "resnet18");
  REQUIRE(answer.at("results").size() == 1);
  const auto& predictions = answer.at("results")[0].at("predictions");
  REQUIRE(predictions.size() == 2);

  const Folder folder;
  folder.write("a.png", image());
  const Result told = check_succeeds(
      folder, {"predict", narrow_checkpoint().string(), "a.png", "--top", "2", "--format", "jsonl"});
  const Json same = Json::parse(told.out).at("predictions");
  for (size_t i = 0; i < 2; ++i) {
    CHECK(predictions[i].at("class") == same[i].at("class"));
    CHECK(predictions[i].at("probability").get<double>() ==
          doctest::Approx(same[i].at("probability").get<double>()).epsilon(1e-5));
  }
  // The checkpoint remembers what its training pictures looked like: hands on black.
  CHECK(answer.at("results")[0].at("warnings").is_array());
}

TEST_CASE("several pictures in a form are answered in order, and a bad one among them says why") {
  const Server server;
  auto client = server.client();
  const httplib::MultipartFormDataItems items{{"file", image("a"), "first.png", "image/png"},
                                              {"file", "no picture", "second \"x\".jpg", "image/jpeg"},
                                              {"file", image("b"), "", "image/png"},
                                              {"file", "", "empty.jpg", "image/jpeg"}};
  const auto response = client.Post("/predict?gradcam=1", items);
  REQUIRE(response);
  CHECK(response->status == 200);
  const Json results = Json::parse(response->body).at("results");
  REQUIRE(results.size() == 4);
  CHECK(results[0].at("path") == "first.png");
  CHECK(results[0].at("gradcam").get<std::string>().starts_with("data:image/jpeg;base64,/9j/"));
  CHECK(results[1].at("error").get<std::string>().find("is not a JPEG or PNG image") != std::string::npos);
  CHECK(results[2].at("path") == "file");
  CHECK(results[2].at("predictions").size() == 2);
  CHECK(results[3].at("error").get<std::string>().find("empty file") != std::string::npos);
}

TEST_CASE("the page, its parts and the descriptions are there") {
  const Server server;
  auto client = server.client();
  for (const auto& [path, type] :
       std::map<std::string, std::string>{{"/", "text/html; charset=utf-8"},
                                          {"/page.css", "text/css; charset=utf-8"},
                                          {"/page.js", "text/javascript; charset=utf-8"},
                                          {"/openapi.json", "application/json"},
                                          {"/model", "application/json"},
                                          {"/healthz", "application/json"}}) {
    CAPTURE(path);
    const auto response = client.Get(path);
    REQUIRE(response);
    CHECK(response->status == 200);
    CHECK(response->get_header_value("Content-Type") == type);
    CHECK(response->body.size() > 10);
    if (type == "application/json") CHECK(Json::accept(response->body));
  }
  const auto head = client.Head("/");
  REQUIRE(head);
  CHECK(head->status == 200);
  CHECK(head->body.empty());
  const Json described = Json::parse(client.Get("/openapi.json")->body);
  for (const auto& [path, methods] : described.at("paths").items()) {
    for (const auto& [method, unused] : methods.items()) {
      if (method == "get") CHECK(client.Get(path)->status == 200);
    }
  }
  client.Post("/predict", image(), "image/png");
  const std::string metrics = client.Get("/metrics")->body;
  CHECK(metrics.find("signet_http_requests_total{path=\"/predict\",status=\"200\"} 1\n") !=
        std::string::npos);
  CHECK(metrics.find("signet_predict_seconds_count 1\n") != std::string::npos);
  CHECK(metrics.find("signet_images_total 1\n") != std::string::npos);
}

TEST_CASE("clients at the same time are all answered, in fewer batches than pictures") {
  const Server server;
  constexpr int kClients = 32, kEach = 4;
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  const std::string bytes = image();
  for (int c = 0; c < kClients; ++c) {
    threads.emplace_back([&] {
      auto client = server.client();
      client.set_keep_alive(true);
      for (int i = 0; i < kEach; ++i) {
        const auto response = client.Post("/predict?top=1", bytes, "image/png");
        if (response && response->status == 200 && Json::accept(response->body)) ++good;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(good == kClients * kEach);
  auto client = server.client();
  const std::string metrics = client.Get("/metrics")->body;
  const auto number = [&](const std::string& name) {
    return std::stod(metrics.substr(metrics.find("\n" + name + " ") + name.size() + 2));
  };
  CHECK(number("signet_images_total") == kClients * kEach);
  CHECK(number("signet_batches_total") < kClients * kEach);
  CHECK(number("signet_queue_images") == 0);
}

TEST_CASE("a wrong method, path or query is named") {
  const Server server;
  auto client = server.client();
  const auto got = client.Get("/predict");
  REQUIRE(got);
  CHECK(got->status == 405);
  CHECK(got->get_header_value("Allow") == "POST");
  CHECK(client.Delete("/")->status == 405);
  CHECK(client.Get("/../../etc/passwd")->status == 404);
  CHECK(client.Post("/nothing", "x", "text/plain")->status == 404);
  for (const std::string query : {"top=0", "top=-1", "top=two", "top=99999999999999999999"}) {
    CHECK(client.Post("/predict?" + query, image(), "image/png")->status == 400);
  }
  const auto many = client.Post("/predict?top=1000", image(), "image/png");
  REQUIRE(many);
  CHECK(Json::parse(many->body).at("results")[0].at("predictions").size() == 2);
  const auto empty = client.Post("/predict", "", "image/png");
  REQUIRE(empty);
  CHECK(empty->status == 400);
}

TEST_CASE(
    "pictures that are cut short, damaged or lie about their size are refused, and the server goes on") {
  const Server server({"--max-megapixels", "1"});
  auto client = server.client();
  const std::string png = image();
  const auto status_of = [&](const std::string& bytes) {
    const auto response = client.Post("/predict", bytes, "image/png");
    REQUIRE(response);
    CHECK(Json::accept(response->body));
    return response->status;
  };
  for (size_t length = 1; length < png.size(); length += png.size() / 37 + 1)
    CHECK(status_of(png.substr(0, length)) == 400);
  uint64_t state = 3;
  for (int i = 0; i < 60; ++i) {
    std::string damaged = png;
    for (int k = 0; k < 4; ++k) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      damaged[size_t(state >> 33) % damaged.size()] = char(state >> 25);
    }
    const int status = status_of(damaged);
    CHECK((status == 400 || status == 200));
  }
  CHECK(status_of(hostile_png(30'000, 30'000, 10)) == 400);  // 900 million pixels claimed
  CHECK(status_of(hostile_png(2000, 1000, 10)) == 400);      // more than the megapixel allowed
  CHECK(status_of(hostile_png(64, 64, 4 << 20)) == 400);     // unpacks to 4 MB more than it has pixels
  CHECK(status_of(png) == 200);
}

TEST_CASE("requests that are too large, too many-headed or no HTTP are refused at once") {
  const Server server({"--max-body-mb", "1"});
  const auto answer = [&](const std::string& bytes) { return server.raw(bytes); };
  const auto starts = [](const std::string& text, int status) {
    return text.starts_with(fmt::format("HTTP/1.1 {} ", status));
  };
  const std::string host = "Host: x\r\n";
  CHECK(starts(answer("POST /predict HTTP/1.1\r\n" + host + "Content-Length: 99999999999\r\n\r\nx"), 413));
  CHECK(starts(
      answer("POST /predict HTTP/1.1\r\n" + host + "Content-Length: 99999999999999999999999\r\n\r\nx"), 400));
  CHECK(starts(answer("POST /predict HTTP/1.1\r\n" + host + "Content-Length: -1\r\n\r\nx"), 400));
  CHECK(starts(
      answer("POST /predict HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nx"), 400));
  CHECK(starts(answer("POST /predict HTTP/1.1\r\n" + host +
                      "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
               411));
  CHECK(starts(answer("POST /predict HTTP/1.1\r\n" + host + "\r\n"), 411));
  CHECK(starts(
      answer("POST /predict HTTP/1.1\r\n" + host + "Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx"),
      415));
  CHECK(starts(answer("GET / HTTP/1.1\r\n" + host + "X: " + std::string(100'000, 'x') + "\r\n\r\n"), 431));
  std::string many = "GET / HTTP/1.1\r\n" + host;
  for (int i = 0; i < 20'000; ++i) many += "a: b\r\n";
  CHECK(starts(answer(many + "\r\n"), 431));
  CHECK(starts(answer("GET /" + std::string(100'000, 'x') + " HTTP/1.1\r\n" + host + "\r\n"), 431));
  CHECK(starts(answer("GET /" + std::string(9'000, 'x') + " HTTP/1.1\r\n" + host + "\r\n"), 414));
  CHECK(starts(answer("\x16\x03\x01\x02garbage\r\n\r\n"), 400));
  CHECK(starts(answer(std::string(1 << 20, '\0')), 431));
  // A range as long as the headers may be.
  CHECK(answer("GET / HTTP/1.1\r\n" + host + "Range: bytes=" + std::string(8'000, '1') + "\r\n\r\n")
            .starts_with("HTTP/1.1 "));
  CHECK(starts(answer("GET /healthz HTTP/1.1\r\n" + host + "\r\n"), 200));
  // Two requests in one packet are two answers.
  const std::string two = answer("GET /healthz HTTP/1.1\r\n" + host + "\r\nGET /nothing HTTP/1.1\r\n" + host +
                                 "Connection: close\r\n\r\n");
  CHECK(starts(two, 200));
  CHECK(two.find("HTTP/1.1 404 ") != std::string::npos);
}

TEST_CASE("a client that sends slowly is cut off, and others are served meanwhile") {
  const Server server({"--timeout", "1"});
  const auto start = std::chrono::steady_clock::now();
  std::thread slow([&] {
    const std::string text =
        server.raw("POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc");
    CHECK(text.starts_with("HTTP/1.1 408 "));
  });
  auto client = server.client();
  CHECK(client.Post("/predict", image(), "image/png")->status == 200);
  slow.join();
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(8));
}

TEST_CASE("forms that promise what they do not hold are refused") {
  const Server server({"--max-images", "3"});
  auto client = server.client();
  const auto status_of = [&](const std::string& type, const std::string& body) {
    const auto response = client.Post("/predict", body, type.c_str());
    REQUIRE(response);
    return response->status;
  };
  const std::string type = "multipart/form-data; boundary=xyz";
  CHECK(status_of("multipart/form-data", "--xyz--") == 400);
  CHECK(status_of("multipart/form-data; boundary=" + std::string(1000, 'b'), "x") == 400);
  CHECK(status_of(type, "nothing of it") == 400);
  CHECK(status_of(type, "--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\ncut") == 400);
  CHECK(status_of(type, "--xyz\r\n" + std::string(10'000, 'h') + "\r\n\r\nx\r\n--xyz--") == 400);
  CHECK(status_of(type, "--xyz--") == 400);
  std::string four;
  for (int i = 0; i < 4; ++i) four += "--xyz\r\n\r\n" + image() + "\r\n";
  CHECK(status_of(type, four + "--xyz--\r\n") == 400);
  std::string two;
  for (int i = 0; i < 2; ++i) two += "--xyz\r\n\r\n" + image() + "\r\n";
  CHECK(status_of(type, two + "--xyz--\r\n") == 200);
}

TEST_CASE("an address that asks too often is told to wait") {
  const Server server({"--rate", "2"});
  auto client = server.client();
  int refused = 0;
  for (int i = 0; i < 20; ++i) {
    const auto response = client.Post("/predict", image(), "image/png");
    REQUIRE(response);
    if (response->status == 429) {
      ++refused;
      CHECK(response->get_header_value("Retry-After") == "1");
    }
  }
  CHECK(refused > 0);
  CHECK(refused < 20);
  CHECK(client.Get("/healthz")->status == 200);
}

TEST_CASE("a full queue says so") {
  const Server server({"--queue", "1"});
  auto client = server.client();
  const httplib::MultipartFormDataItems two{{"file", image("a"), "a.png", "image/png"},
                                            {"file", image("b"), "b.png", "image/png"}};
  const auto response = client.Post("/predict", two);
  REQUIRE(response);
  CHECK(response->status == 503);
  CHECK(client.Post("/predict", image(), "image/png")->status == 200);
}

TEST_CASE("a stop under load answers every request that had arrived") {
  for (const int signal : {SIGTERM, SIGINT}) {
    Server server;
    std::atomic<int> good{0}, broken{0};
    std::atomic<bool> go_on{true};
    std::vector<std::thread> threads;
    const std::string bytes = image();
    for (int c = 0; c < 16; ++c) {
      threads.emplace_back([&] {
        while (go_on) {
          auto client = server.client();
          const auto response = client.Post("/predict?top=1", bytes, "image/png");
          if (response && response->status == 200 && Json::accept(response->body)) {
            ++good;
          } else if (response || response.error() == httplib::Error::Read) {
            // Connected, sent, and then no whole answer.
            ++broken;
          } else {
            return;  // the port is closed
          }
        }
      });
    }
    while (good < 50) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    const Result result = server.stop(signal);
    go_on = false;
    for (auto& thread : threads) thread.join();
    CHECK(result.status == 0);
    CHECK(broken == 0);
    CHECK(result.out.find("stopped; ") != std::string::npos);
    CHECK(result.err == "");
  }
}

TEST_CASE("serve refuses what it cannot do before it listens") {
  const Server server;
  const Folder folder;
  const std::string checkpoint = narrow_checkpoint().string();
  check_refused(folder, {"serve", checkpoint, "--port", std::to_string(server.port())}, {"port", "--port"});
  check_refused(folder, {"serve", checkpoint, "--host", "no such host"}, {"--host"});
  check_refused(folder, {"serve", "missing.safetensors"}, {"missing.safetensors"});
  check_refused(folder, {"serve", checkpoint, "--port", "70000"}, {"--port"});
}

}  // namespace
}  // namespace signet::test
