#include "study/pretrained.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "models/checkpoint_file.h"
#include "models/state_dict.h"
#include "study/checkpoint.h"
#include "tensor/error.h"
#include "tensor/files.h"
#include "tensor/sha256.h"

namespace signet::study {
namespace {

/// Takes the head out of weights for as many classes with other names: its rows would stand for the wrong
/// ones. Returns what is to be said about it.
std::string drop_foreign_head(models::Archive& archive, models::Network& network, const StudyOptions& o,
                              const std::vector<std::string>& classes) {
  const auto form = read_form(archive, o.weights);
  if (!form || form->classes == classes || form->classes.size() != classes.size()) return {};
  const auto head = models::head_names(network);
  std::erase_if(archive.entries, [&](const auto& entry) {
    return std::find(head.begin(), head.end(), entry.first) != head.end();
  });
  return fmt::format("; its head is for other classes ({}, …) and is replaced by a new one",
                     form->classes.front());
}

std::string describe(const StudyOptions& o, const models::LoadReport& report, const std::string& about_head) {
  return fmt::format(
      "{}: {} tensors used{}{}{}\n", o.weights.string(), report.used.size(), about_head,
      report.skipped.empty() ? "" : fmt::format("; skipped {}", fmt::join(report.skipped, ", ")),
      report.missing.empty() ? "" : fmt::format("; missing {}", fmt::join(report.missing, ", ")));
}

}  // namespace

Pretrained::Pretrained(const StudyOptions& options, const std::vector<std::string>& classes) {
  if (options.weights.empty()) return;
  models::Archive archive;
  {
    const std::string bytes = read_file(options.weights);
    sha256_ = sha256_hex(bytes);
    archive = models::parse_checkpoint(bytes, options.weights.string());
  }
  for (const auto& plan : options.plans) {
    if (!plan.pretrained || trunks_.contains(name(plan))) continue;
    auto network = models::make_network(plan.architecture, int(classes.size()), plan.image_size, plan.width,
                                        options.device);
    const std::string about_head = drop_foreign_head(archive, *network, options, classes);
    const auto loaded = models::load_weights(*network, archive, options.weights.string(), true);
    if (report_.empty()) report_ = describe(options, loaded, about_head);
    network->set_trainable(false);
    const auto head = models::head_names(*network);
    const bool has_head = std::all_of(head.begin(), head.end(), [&](const std::string& tensor) {
      return std::find(loaded.used.begin(), loaded.used.end(), tensor) != loaded.used.end();
    });
    FrozenMeter meter(*network, network->stage_count() - 1);
    trunks_.emplace(name(plan), Trunk{std::move(network), std::move(meter), has_head});
  }
}

std::vector<TensorRecord> Pretrained::measure(const ModelPlan& plan, int stages) const {
  return trunks_.at(name(plan)).meter.measure(stages);
}

std::string Pretrained::name(const ModelPlan& plan) {
  return fmt::format("{}-{}-{}", plan.architecture, plan.image_size, plan.width);
}

}  // namespace signet::study
