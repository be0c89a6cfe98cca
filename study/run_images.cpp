#include "study/run_images.h"

#include <algorithm>

#include "study/progress.h"
#include "study/report_run.h"
#include "tensor/error.h"

namespace signet::study {

std::string option_of(const Args& args, const std::string& name) {
  const auto found = std::ranges::find(args, name, [](const auto& arg) { return arg.first; });
  return found == args.end() ? "" : argument_text(found->second);
}

RunImages open_run_images(const Args& args, const std::filesystem::path& data,
                          std::vector<data::ImageSpec> specs) {
  RunImages images;
  Progress progress;
  try {
    const std::string pattern = option_of(args, "name_pattern");
    auto dataset = data::scan_dataset(data.empty() ? std::filesystem::path(option_of(args, "data")) : data,
                                      pattern.empty() ? data::NamePattern() : data::NamePattern(pattern));
    progress.start("reading images", dataset.size());
    int64_t before = 0;
    data::StoreOptions options;
    options.max_bytes = int64_t{1} << 30;
    options.skip_bad = true;
    options.progress = [&](int64_t done, int64_t) {
      progress.advance(done - before);
      before = done;
    };
    images.store.emplace(std::move(dataset), std::move(specs), options);
    progress.finish();
    if (images.store->content_hash() != option_of(args, "dataset_hash")) {
      images.notice =
          "The images are no longer those of the run (their hash is another): pictures may be missing or "
          "differ from what the networks saw.";
    }
  } catch (const Error& error) {
    progress.finish();
    images.notice = error.what();
  }
  return images;
}

}  // namespace signet::study
