#include <fmt/format.h>

#include "apps/flags.h"
#include "apps/values.h"
#include "apps/verbs.h"
#include "study/inspect.h"

namespace signet::apps {

void add_inspect(CLI::App& app) {
  struct Flags {
    std::string run;
    study::InspectOptions options;
    ComputeFlags compute;
  };
  CLI::App* verb =
      app.add_subcommand("inspect", "Write a page that shows how transfer learning worked in a run");
  verb->footer(
      "Example:\n"
      "  signet inspect runs/study/study1\n"
      "  signet inspect runs/study/study1 --image a/hand1_a_bot_seg_1_cropped.jpeg\n"
      "  signet inspect runs/study/study1 --what-if bn,flip");
  auto flags = std::make_shared<Flags>();
  auto& options = flags->options;
  verb->add_option("run", flags->run, "Folder that study, cv, train or finetune wrote")->required();
  verb->add_option("--data,--data-dir", options.data, "Where the images are now, if they were moved");
  verb->add_option("--model", options.model,
                   "The model to look at; by default the last pretrained one of the run");
  verb->add_option("--image", options.images,
                   "Images to look at closely, by their paths in splits.csv; by default six");
  verb->add_option("--most-images", options.most_images, "At most so many images' features are computed")
      ->check(whole_number(10, 20000))
      ->capture_default_str();
  verb->add_option(
          "--what-if", options.what_if,
          "Train a head with one decision changed, and one without, and keep the figures for the page: "
          "bn, normalisation, bgr, flip, split; several with commas")
      ->check(one_of({"bn", "normalisation", "bgr", "flip", "split"}))
      ->delimiter(',');
  flags->compute.add_to(*verb);
  verb->callback([flags] {
    flags->options.device = flags->compute.apply();
    const auto outcome = study::inspect_run(flags->run, flags->options);
    fmt::print("{}written to {}\n", outcome.text, outcome.file.string());
  });
}

}  // namespace signet::apps
