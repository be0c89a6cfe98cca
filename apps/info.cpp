#include <fmt/format.h>

#include "apps/verbs.h"
#include "kernels/parallel.h"
#include "study/process_info.h"

namespace signet::apps {

void add_info(CLI::App& app) {
  CLI::App* verb = app.add_subcommand("info", "What this program is and what it runs on");
  verb->footer("Example:\n  signet info");
  verb->callback([] {
    fmt::print("signet     {}\nprocessor  {}\nthreads    {}\n", SIGNET_VERSION, study::processor_name(),
               num_threads());
    fmt::print("devices    cpu, reference\nCUDA       not built in\nprecision  f32\n");
  });
}

}  // namespace signet::apps
