#include <fmt/format.h>

#include "apps/verbs.h"
#include "kernels/cuda/runtime.h"
#include "kernels/parallel.h"
#include "study/process_info.h"

namespace signet::apps {
namespace {

void print_devices() {
  fmt::print("devices    cpu, reference");
  const int count = cuda::device_count();
  for (int i = 0; i < count; ++i) fmt::print(", cuda:{}", i);
  fmt::print("\n");
  if (count == 0) fmt::print("CUDA       {}\n", cuda::unavailable_reason());
  for (int i = 0; i < count; ++i) {
    const auto card = cuda::device_properties(i);
    fmt::print("cuda:{:<5} {}, compute capability {}.{}, {} multiprocessors, {} MiB{}\n", i, card.name,
               card.major, card.minor, card.multiprocessors, card.memory_bytes >> 20,
               card.simulated ? ", simulated on the CPU" : "");
  }
  const bool tensor_cores = count > 0 && cuda::device_properties(0).major >= 8;
  fmt::print("precision  f32, bf16{}\n", tensor_cores ? "; on cuda:0 also tf32" : "");
}

}  // namespace

void add_info(CLI::App& app) {
  CLI::App* verb = app.add_subcommand("info", "What this program is and what it runs on");
  verb->footer("Example:\n  signet info");
  verb->callback([] {
    fmt::print("signet     {}\nprocessor  {}\nthreads    {}\n", SIGNET_VERSION, study::processor_name(),
               num_threads());
    print_devices();
  });
}

}  // namespace signet::apps
