#include "study/inspect_layers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "models/state_dict.h"
#include "nn/layers.h"
#include "study/html.h"
#include "study/svg_canvas.h"
#include "study/training_step.h"
#include "tensor/autograd.h"
#include "tensor/launch.h"

namespace signet::study {
namespace {

std::string esc(std::string_view text) {
  return escaped_for_xml(text);
}

/// A layer with weights, and its place.
struct Layer {
  std::string name, kind, shape;
  int stage = 0;
  int64_t parameters = 0;
  bool batchnorm = false;
};

std::vector<Layer> layers_of(models::Network& network) {
  const auto stages = models::tensor_stages(network);
  std::vector<Layer> layers;
  network.visit([&](const std::string& name, nn::Module& module) {
    Layer layer{name, {}, {}, 0, module.parameter_count(), false};
    if (const auto* conv = dynamic_cast<nn::Conv2d*>(&module)) {
      const Shape& s = conv->weight.shape();
      layer.kind = "convolution";
      layer.shape = fmt::format("{}×{}, {} → {}", s[1], s[2], s[3], s[0]);
      layer.stage = stages.at(name + ".weight");
    } else if (const auto* bn = dynamic_cast<nn::BatchNorm2d*>(&module)) {
      layer.kind = "batchnorm";
      layer.shape = std::to_string(bn->weight.size());
      layer.stage = stages.at(name + ".weight");
      layer.batchnorm = true;
    } else if (const auto* linear = dynamic_cast<nn::Linear*>(&module)) {
      layer.kind = "linear";
      layer.shape = fmt::format("{} → {}", linear->weight.shape()[1], linear->weight.shape()[0]);
      layer.stage = stages.at(name + ".weight");
    } else {
      return;
    }
    layers.push_back(layer);
  });
  return layers;
}

/// Sums of squares over several tensors at one epoch.
struct Moved {
  double distance = 0, start = 0, gradient = 0, update = 0, norm = 0;
  bool any = false;

  void add(const TensorRecord& r) {
    distance += r.distance * r.distance;
    start += r.start_norm * r.start_norm;
    gradient += r.gradient_norm * r.gradient_norm;
    update += r.update_norm * r.update_norm;
    norm += r.norm * r.norm;
    any = true;
  }
};

bool is_statistic(const std::string& tensor) {
  return tensor.ends_with(".running_mean") || tensor.ends_with(".running_var");
}

/// The layer that a tensor belongs to: "layer4.0.conv1" of "layer4.0.conv1.weight".
std::string layer_of(const std::string& tensor) {
  return tensor.substr(0, tensor.rfind('.'));
}

std::string number(double value) {
  return value == 0 ? "0" : fmt::format("{:.3g}", value);
}

/// A share in percent with as many digits as tell small ones apart; a bare 0 only for what is exactly 0.
std::string fine_percent(double share) {
  if (share == 0) return "0";
  const double value = 100 * share;
  if (value < 0.001) return "<0.001%";
  return fmt::format("{:.{}f}%", value, value < 0.1 ? 3 : value < 10 ? 2 : value < 100 ? 1 : 0);
}

/// A cell of the drift table, darker by powers of ten.
std::string drift_cell(const Moved& moved) {
  if (!moved.any) return "<td>–</td>";
  if (moved.distance == 0) return "<td class=\"zero\">0</td>";
  if (moved.start == 0) return fmt::format("<td>+{}</td>", number(std::sqrt(moved.distance)));
  const double share = std::sqrt(moved.distance / moved.start);
  const int level = std::clamp(int(std::floor(7 + 1.5 * std::log10(share))), 1, 6);
  return fmt::format("<td class=\"r{}\">{}</td>", level, fine_percent(share));
}

/// One phase's rows at the fold that is looked at.
struct Phase {
  std::string model;
  int fold = 0;
  std::vector<DriftRow> rows;
  std::vector<int> epochs;
};

std::vector<Phase> phases_of(const Inspected& inspected) {
  const RunFolder folder = RunFolder::existing(inspected.run.folder);
  std::vector<Phase> phases;
  for (const auto& model : inspected.chain) {
    Phase phase{model, inspected.after.fold, folder.read_drift(model), {}};
    std::set<int> folds, epochs;
    for (const auto& row : phase.rows) folds.insert(row.fold);
    if (!folds.empty() && !folds.contains(phase.fold)) phase.fold = *folds.begin();
    std::erase_if(phase.rows, [&](const DriftRow& row) { return row.fold != phase.fold; });
    for (const auto& row : phase.rows) {
      if (row.epoch > 0) epochs.insert(row.epoch);
    }
    phase.epochs.assign(epochs.begin(), epochs.end());
    if (!phase.rows.empty()) phases.push_back(std::move(phase));
  }
  return phases;
}

/// The drift table: a row for each name that `row_of` gives a tensor ("" leaves it out), in order of
/// appearance.
template <class RowOf>
std::string drift_table(const std::vector<Phase>& phases, const std::string& caption, const RowOf& row_of) {
  std::vector<std::string> names;
  std::map<std::string, std::map<std::pair<size_t, int>, Moved>> cells;
  for (size_t p = 0; p < phases.size(); ++p) {
    for (const auto& row : phases[p].rows) {
      const std::string name = row_of(row.record.tensor);
      if (name.empty()) continue;
      if (!cells.contains(name)) names.push_back(name);
      cells[name][{p, row.epoch}].add(row.record);
    }
  }
  std::string text = fmt::format(
      "<table class=\"drift\">\n<caption>{}</caption>\n<thead><tr><th scope=\"col\" rowspan=\"2\">Layer</th>",
      caption);
  for (const auto& phase : phases) {
    text += fmt::format("<th scope=\"colgroup\" colspan=\"{}\">{}, fold {}</th>", phase.epochs.size(),
                        esc(phase.model), phase.fold + 1);
  }
  text += "</tr>\n<tr>";
  for (const auto& phase : phases) {
    for (const int epoch : phase.epochs) text += fmt::format("<th scope=\"col\">{}</th>", epoch);
  }
  text += "</tr></thead>\n<tbody>\n";
  for (const auto& name : names) {
    text += fmt::format("<tr><th scope=\"row\">{}</th>", esc(name));
    for (size_t p = 0; p < phases.size(); ++p) {
      for (const int epoch : phases[p].epochs) text += drift_cell(cells[name][{p, epoch}]);
    }
    text += "</tr>\n";
  }
  return framed(caption, text + "</tbody>\n</table>\n");
}

Launches count_step(models::Network& network, const std::vector<bool>& trained, const Input& input) {
  for (int stage = 0; stage < network.stage_count(); ++stage) {
    for (nn::Module* module : network.stage_modules(stage)) {
      module->set_trainable(trained[size_t(stage)]);
      module->set_training(trained[size_t(stage)]);
    }
  }
  std::vector<optim::NamedParameter> parameters;
  for (const auto& p : network.parameters()) {
    if (p.tensor->requires_grad()) parameters.push_back({p.name, *p.tensor});
  }
  TrainingStep step(network, std::move(parameters), {}, StepGraph::never);
  // What is done once for frozen layers (folding batchnorms) does not count.
  step.run(input, 0);
  reset_launch_counts();
  step.run(input, 0);
  return launch_counts();
}

}  // namespace

std::string layers_html(const Inspected& inspected) {
  models::Network& network = *inspected.after.network;
  std::map<std::string, Moved> last;
  const auto phases = phases_of(inspected);
  const bool measured = !phases.empty() && phases.back().model == inspected.model;
  if (measured) {
    for (const auto& row : phases.back().rows) {
      if (row.epoch == phases.back().epochs.back() && !is_statistic(row.record.tensor)) {
        last[layer_of(row.record.tensor)].add(row.record);
      }
    }
  }
  const bool batch_statistics = inspected.run.option(inspected.model + ".bn") == "train";
  std::string text = fmt::format(
      "<table class=\"layers\">\n<caption>Layers of {}, as its phase trained them</caption>\n<thead><tr>"
      "<th scope=\"col\">Layer</th><th scope=\"col\">Kind</th><th scope=\"col\">Shape</th><th "
      "scope=\"col\">Parameters</th><th scope=\"col\">State</th><th scope=\"col\">Statistics</th><th "
      "scope=\"col\">Gradient</th><th scope=\"col\">Update ÷ weights</th></tr></thead>\n<tbody>\n",
      esc(inspected.model));
  int64_t frozen = 0, trained = 0;
  for (const auto& layer : layers_of(network)) {
    const bool is_trained = layer.stage >= inspected.first_trained;
    (is_trained ? trained : frozen) += layer.parameters;
    const Moved& moved = last[layer.name];
    const char* statistics = !layer.batchnorm                 ? "–"
                             : is_trained || batch_statistics ? "the batch’s, moving"
                                                              : "fixed";
    text += fmt::format(
        "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td "
        "class=\"{}\">{}</td><td>{}</td><td>{}"
        "</td><td>{}</td></tr>\n",
        esc(layer.name), layer.kind, layer.shape, layer.parameters, is_trained ? "trained" : "frozen",
        is_trained ? "trained" : "frozen", statistics, moved.any ? number(std::sqrt(moved.gradient)) : "–",
        !moved.any          ? "–"
        : moved.update == 0 ? "0"
        : moved.norm == 0   ? "–"
                            : fmt::format("{:.1e}", std::sqrt(moved.update / moved.norm)));
  }
  text = framed("Layers", text + "</tbody>\n</table>\n");
  text =
      fmt::format("<p>{} parameters: {} trained, {} frozen.</p>\n", trained + frozen, trained, frozen) + text;
  if (!measured) {
    text +=
        "<p>Gradients and updates were not recorded: this run was trained by an older version of "
        "signet.</p>\n";
  }
  return text;
}

std::string drift_html(const Inspected& inspected) {
  const auto phases = phases_of(inspected);
  if (phases.empty()) {
    return "<p>How the layers moved was not recorded: this run was trained by an older version of signet. "
           "Runs now write it, as <code>drift_MODEL.csv</code>.</p>\n";
  }
  models::Network& network = *inspected.after.network;
  std::map<std::string, std::string> stages;
  for (const auto& [tensor, stage] : models::tensor_stages(network)) {
    stages[tensor] = network.stages()[size_t(stage)];
  }
  std::string text =
      drift_table(phases, "Weights by stage: distance from the phase’s start ÷ length at the start",
                  [&](const std::string& tensor) { return is_statistic(tensor) ? "" : stages[tensor]; });
  const bool any_statistics = std::ranges::any_of(
      phases.front().rows, [](const auto& row) { return is_statistic(row.record.tensor); });
  if (any_statistics) {
    text +=
        drift_table(phases, "Batchnorm statistics by stage (running mean and variance)",
                    [&](const std::string& tensor) { return is_statistic(tensor) ? stages[tensor] : ""; });
  }
  text += "<details>\n<summary>Every layer and every statistic</summary>\n";
  text += drift_table(phases, "Weights and statistics by layer", [](const std::string& tensor) {
    return is_statistic(tensor) ? tensor : layer_of(tensor);
  });
  return text + "</details>\n";
}

FreezingLaunches count_launches(models::Network& like, Device device) {
  const models::InputSpec spec = like.input();
  const auto stem = like.parameters().front().tensor->shape();
  const auto network = models::make_network(like.architecture(), like.num_classes(), spec.size,
                                            stem.rank() == 4 ? int(stem[0]) : 64, device);
  network->initialize({1, 0});
  // As many as run through the kernels that batches in training do: small ones have kernels of their own.
  constexpr int64_t kImages = 16;
  std::vector<float> pixels(size_t(kImages * spec.size * spec.size * spec.channels));
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = philox_uniform(philox({2, 0}, i)[0]) - 0.5f;
  const std::vector<int32_t> labels(size_t(kImages), 0);
  const Input input{Tensor::from(pixels, {kImages, spec.size, spec.size, spec.channels}, device),
                    Tensor::from(labels, {kImages}, device), labels};
  const auto stages = size_t(network->stage_count());
  std::vector<bool> head_only(stages, false);
  head_only.back() = true;
  std::vector<bool> both_ends = head_only;
  both_ends.front() = true;
  return {count_step(*network, head_only, input), count_step(*network, both_ends, input),
          count_step(*network, std::vector<bool>(stages, true), input)};
}

std::string launches_html(const FreezingLaunches& launches) {
  std::set<std::string> names;
  const std::vector<const Launches*> all{&launches.frozen, &launches.passed, &launches.trainable};
  for (const auto* counts : all) {
    for (const auto& [name, count] : *counts) names.insert(name);
  }
  std::string text =
      "<table>\n<caption>Kernel launches of one training step</caption>\n<thead><tr><th "
      "scope=\"col\">Kernel</th><th scope=\"col\">frozen prefix</th><th scope=\"col\">frozen, passed "
      "through</th><th scope=\"col\">trainable</th></tr></thead>\n<tbody>\n";
  std::vector<int64_t> sums(all.size(), 0);
  for (const auto& name : names) {
    text += fmt::format("<tr><th scope=\"row\"><code>{}</code></th>", esc(name));
    for (size_t k = 0; k < all.size(); ++k) {
      const auto found = all[k]->find(name);
      const int64_t count = found == all[k]->end() ? 0 : found->second;
      sums[k] += count;
      text += count == 0 ? std::string("<td class=\"zero\">0</td>") : fmt::format("<td>{}</td>", count);
    }
    text += "</tr>\n";
  }
  text += "</tbody>\n<tfoot><tr><th scope=\"row\">all</th>";
  for (const int64_t sum : sums) text += fmt::format("<td>{}</td>", sum);
  return framed("Kernel launches", text + "</tr></tfoot>\n</table>\n");
}

}  // namespace signet::study
