#include <fmt/format.h>

#include "apps/values.h"
#include "apps/verbs.h"
#include "kernels/parallel.h"
#include "study/report.h"

namespace signet::apps {

void add_report(CLI::App& app) {
  struct Flags {
    std::string run, data;
    bool original = false;
    int threads = 0;
  };
  CLI::App* verb = app.add_subcommand("report", "Write a run's report.html from the files in its folder");
  verb->footer(
      "Example:\n"
      "  signet report runs/study/study1\n"
      "  signet report runs/study/study1 --data /elsewhere/asl_dataset");
  auto flags = std::make_shared<Flags>();
  verb->add_option("run", flags->run, "Folder that study, cv, train or finetune wrote")->required();
  verb->add_option("--data,--data-dir", flags->data, "Where the images are now, if they were moved");
  verb->add_flag("--original", flags->original,
                 "Set the figures of the study that the recipe comes from beside the random split's");
  verb->add_option("-j,--threads,--workers", flags->threads, "Threads; by default one a processor")
      ->check(whole_number(1, 1024));
  verb->callback([flags] {
    if (flags->threads > 0) set_num_threads(flags->threads);
    const auto outcome = study::rebuild_report(flags->run, flags->data, flags->original);
    if (!outcome.notice.empty()) fmt::print("{}\n", outcome.notice);
    fmt::print("written to {}\n", outcome.page.string());
  });
}

}  // namespace signet::apps
