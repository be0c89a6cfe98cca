#include <fmt/format.h>
#include <pthread.h>

#include <csignal>
#include <thread>

#include "apps/config_file.h"
#include "apps/flags.h"
#include "apps/http_server.h"
#include "apps/predict_service.h"
#include "apps/values.h"
#include "apps/verbs.h"
#include "data/store.h"
#include "models/checkpoint_file.h"
#include "study/source.h"
#include "tensor/error.h"

namespace signet::apps {
namespace {

constexpr const char* kLoopback = "127.0.0.1";
constexpr double kPublicRate = 50;

struct ServeFlags {
  std::string checkpoint, host = kLoopback, data;
  int port = 8000, body_mb = 16, megapixels = 25, timeout = 30, connections = 512;
  double rate = -1;
  ServiceOptions service;
  ComputeFlags compute;
};

/// SIGINT and SIGTERM come to the thread that waits for them, whichever thread they are sent to; threads that
/// are started later inherit this.
sigset_t block_stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

/// What the training pictures have in common: those of --data, else what the checkpoint remembers.
std::optional<study::Typical> typical_for(const ServeFlags& flags, const models::Archive& archive,
                                          const study::Inference& inference) {
  if (!flags.data.empty()) {
    const auto spec = study::preprocessing_of(inference.network().input()).spec();
    data::StoreOptions options;
    options.skip_bad = true;
    const data::ImageStore store(data::scan_dataset(flags.data), {spec}, options);
    return study::typical_of(store, spec, &inference);
  }
  const auto entry = archive.metadata.find(study::kTypicalKey);
  if (entry == archive.metadata.end()) return std::nullopt;
  return study::typical_from_json(entry->second, flags.checkpoint);
}

void run(ServeFlags flags) {
  const sigset_t signals = block_stop_signals();
  const Device device = flags.compute.apply();
  const models::Archive archive = models::read_checkpoint(flags.checkpoint);
  const study::Inference inference(study::load_classifier(archive, flags.checkpoint, device), device);
  auto& options = flags.service;
  options.most_pixels = int64_t{flags.megapixels} * 1'000'000;
  options.most_body_bytes = size_t(flags.body_mb) << 20;
  const bool is_public = flags.host != kLoopback && flags.host != "localhost" && flags.host != "::1";
  options.longest_wait = std::chrono::seconds(flags.timeout);
  options.requests_per_second = flags.rate >= 0 ? flags.rate : is_public ? kPublicRate : 0;
  PredictService service(inference, typical_for(flags, archive, inference), options);

  HttpLimits limits;
  limits.body_bytes = options.most_body_bytes;
  limits.all_body_bytes = std::max(limits.all_body_bytes, 2 * limits.body_bytes);
  limits.connections = flags.connections;
  limits.request_time = std::chrono::seconds(flags.timeout);
  HttpServer server(limits);
  service.attach(server);
  const int port = server.listen(flags.host, flags.port);
  const bool v6 = flags.host.find(':') != flags.host.npos;
  fmt::print("serving {} with {} classes on http://{}{}{}:{}/\nwarnings rest on {}\nCtrl-C stops\n",
             inference.network().architecture(), inference.classes().size(), v6 ? "[" : "", flags.host,
             v6 ? "]" : "", port, service.basis_of_warnings());
  std::fflush(stdout);
  std::jthread waiter([&](const std::stop_token& stopped) {
    int signal = 0;
    sigwait(&signals, &signal);
    server.stop();
    // A second signal ends the program at once.
    std::signal(SIGINT, SIG_DFL);
    std::signal(SIGTERM, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
    while (!stopped.stop_requested()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  });
  server.run();
  waiter.request_stop();
  const int64_t answered = service.images_answered();
  fmt::print("stopped; {} picture{} answered\n", answered, answered == 1 ? "" : "s");
}

}  // namespace

void add_serve(CLI::App& app) {
  CLI::App* verb = app.add_subcommand("serve", "Answer in a browser and over HTTP");
  verb->footer(
      "Example:\n  signet serve runs/study/study1/weights/resnet18-layer4-best.safetensors\n  curl "
      "--data-binary "
      "@photo.jpg http://127.0.0.1:8000/predict?top=3");
  add_config_flag(*verb);
  auto flags = std::make_shared<ServeFlags>();
  verb->add_option("checkpoint", flags->checkpoint, "A checkpoint written by signet")->required();
  verb->add_option("--host", flags->host, "Address to listen on; 0.0.0.0 for all of this machine's")
      ->capture_default_str();
  verb->add_option("--port", flags->port, "Port; 0 for any that is free")
      ->check(whole_number(0, 65535))
      ->capture_default_str();
  verb->add_option("--data", flags->data,
                   "Folder of the training pictures, to warn of others by the network's features too");
  verb->option_defaults()->group("Limits");
  verb->add_option("--max-body-mb", flags->body_mb, "Size of a request, MiB")
      ->check(whole_number(1, 1024))
      ->capture_default_str();
  verb->add_option("--max-megapixels", flags->megapixels, "Size of a picture, millions of pixels")
      ->check(whole_number(1, 100))
      ->capture_default_str();
  verb->add_option("--max-images", flags->service.most_images, "Pictures in a request")
      ->check(whole_number(1, 1024))
      ->capture_default_str();
  verb->add_option(
          "--rate", flags->rate,
          "Requests a second and address to /predict, 0 for any number; by default 0 on this machine "
          "alone, else 50")
      ->check(zero_or_more());
  verb->add_option("--timeout", flags->timeout,
                   "Seconds for a request to arrive, to wait for its turn, and for an answer to be taken")
      ->check(whole_number(1, 3600))
      ->capture_default_str();
  verb->add_option("--connections", flags->connections, "Connections open at once")
      ->check(whole_number(1, 900))
      ->capture_default_str();
  verb->add_option("--queue", flags->service.queue, "Pictures that may wait for the network")
      ->check(whole_number(1, 1 << 20))
      ->capture_default_str();
  verb->option_defaults()->group("Computing");
  add_batch_size(*verb, flags->service.batch_size);
  flags->compute.add_to(*verb);
  verb->callback([flags] { run(*flags); });
}

}  // namespace signet::apps
