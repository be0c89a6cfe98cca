#include "study/inspect_networks.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "models/checkpoint_file.h"
#include "models/state_dict.h"
#include "study/checkpoint.h"
#include "study/progress.h"
#include "study/source.h"
#include "tensor/autograd.h"
#include "tensor/error.h"

namespace signet::study {
namespace fs = std::filesystem;
namespace {

constexpr int kBatch = 32;

/// The fold whose weights the run wrote: the one of the highest accuracy, then of the lowest loss.
int written_fold(const ReportRun& run, const ReportModel& model) {
  std::map<int, std::pair<double, double>> right;
  for (const auto& prediction : model.predictions) {
    auto& [correct, all] = right[prediction.fold];
    correct += prediction.true_class == prediction.predicted_class ? 1 : 0;
    all += 1;
  }
  int best = -1;
  std::pair<double, double> best_scores;
  for (const auto& [fold, counts] : right) {
    double loss = std::numeric_limits<double>::infinity();
    for (const auto& record : model.epochs) {
      if (record.fold == fold && record.epoch == run.kept_epoch(model, fold)) loss = record.validation.loss;
    }
    const std::pair scores(counts.first / counts.second, -loss);
    if (best < 0 || scores > best_scores) {
      best = fold;
      best_scores = scores;
    }
  }
  return best;
}

InspectedNetwork read_network(const ReportRun& run, const ReportModel& model, Device device) {
  const RunFolder folder = RunFolder::existing(run.folder);
  // Fine-tuning keeps its best epoch, the other phases their last: the figures of the run are theirs.
  const fs::path path =
      folder.weights(model.name, run.option(model.name + ".keep") == "best" ? "best" : "last");
  if (!fs::exists(path)) {
    fail("{}: is not there yet; finish the run with --resume, or name another model with --model",
         path.string());
  }
  InspectedNetwork result;
  result.name = model.name;
  result.network = load_classifier(path, device).network;
  result.network->evaluate();
  result.network->set_trainable(false);
  result.knows_classes = true;
  result.fold = written_fold(run, model);
  return result;
}

/// The network of the run's weights file.
InspectedNetwork read_start(const fs::path& weights, const models::Network& like,
                            const std::vector<std::string>& classes, Device device) {
  InspectedNetwork result;
  result.name = "the weights it started from";
  const auto archive = models::read_checkpoint(weights);
  const auto stem = archive.find("conv1.weight");
  result.network =
      models::make_network(like.architecture(), like.num_classes(), like.input().size,
                           stem != nullptr && !stem->shape.empty() ? int(stem->shape[0]) : 64, device);
  models::load_weights(*result.network, archive, weights.string(), true);
  const auto form = read_form(archive, weights);
  result.knows_classes = form && form->classes == classes;
  result.network->evaluate();
  result.network->set_trainable(false);
  return result;
}

/// How many stages from the first on have equal parameters and buffers, to the bit.
int equal_stages(models::Network& a, models::Network& b) {
  const auto equal = [](const std::vector<nn::NamedTensor>& x, const std::vector<nn::NamedTensor>& y) {
    return std::ranges::equal(
        x, y, [](const auto& s, const auto& t) { return s.tensor->to_vector() == t.tensor->to_vector(); });
  };
  int stage = 0;
  for (; stage < a.stage_count(); ++stage) {
    const auto first = a.stage_modules(stage), second = b.stage_modules(stage);
    for (size_t m = 0; m < first.size(); ++m) {
      if (!equal(first[m]->parameters(), second[m]->parameters())) return stage;
      if (!equal(first[m]->buffers(), second[m]->buffers())) return stage;
    }
  }
  return stage;
}

std::string default_model(const ReportRun& run) {
  std::string chosen;
  bool pretrained = false;
  for (const auto& model : run.splits.front().models) {
    const bool is_pretrained = run.option(model.name + ".pretrained") == "yes";
    if (!std::isfinite(model.summary.val_acc) || (pretrained && !is_pretrained)) continue;
    chosen = model.name;
    pretrained = is_pretrained;
  }
  return chosen;
}

/// Features of one batch, a row an image.
Matrix pooled(const Tensor& activations) {
  const auto values = activations.to_vector();
  const Shape& shape = activations.shape();
  const int64_t rows = shape[0], channels = shape[-1];
  const int64_t places = activations.size() / std::max<int64_t>(rows * channels, 1);
  Matrix result{rows, channels, std::vector<float>(size_t(rows * channels))};
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t c = 0; c < channels; ++c) {
      double sum = 0;
      for (int64_t p = 0; p < places; ++p) sum += values[size_t((i * places + p) * channels + c)];
      result.values[size_t(i * channels + c)] = float(sum / double(places));
    }
  }
  return result;
}

void append(Matrix& all, const Matrix& more) {
  all.rows += more.rows;
  all.columns = more.columns;
  all.values.insert(all.values.end(), more.values.begin(), more.values.end());
}

}  // namespace

const ReportModel& Inspected::report_model(const std::string& name) const {
  return *std::ranges::find(split().models, name, &ReportModel::name);
}

Inspected load_inspected(const fs::path& folder, const std::string& model, Device device) {
  Inspected result;
  result.run = read_report_run(folder);
  const auto& models = result.split().models;
  result.model = model.empty() ? default_model(result.run) : model;
  if (std::ranges::find(models, result.model, &ReportModel::name) == models.end()) {
    std::vector<std::string> names;
    for (const auto& each : models) names.push_back(each.name);
    if (names.empty())
      fail("{}: no model of this run is finished; go on with it by --resume", folder.string());
    fail("--model {}: the run in {} has {}", model, folder.string(), fmt::join(names, ", "));
  }
  for (std::string name = result.model; !name.empty(); name = result.run.option(name + ".continues")) {
    result.chain.insert(result.chain.begin(), name);
  }
  result.after = read_network(result.run, result.report_model(result.model), device);
  models::Network& network = *result.after.network;
  const std::string first = result.run.option(result.model + ".first_trainable");
  result.first_trained = first.empty() ? 0 : network.stage_index(first);
  if (result.chain.size() > 1) {
    result.before = read_network(result.run, result.report_model(result.chain.front()), device);
  } else if (result.run.option(result.model + ".pretrained") == "yes") {
    try {
      result.before = read_start(result.run.option("weights"), network, result.split().classes, device);
    } catch (const Error& error) {
      result.notice = fmt::format(
          "The weights that this run started from cannot be read, so there is nothing to compare with: {}",
          error.what());
    }
  }
  if (result.before) result.shared = equal_stages(*result.before->network, network);
  return result;
}

InspectedImages choose_images(const Inspected& inspected, const data::ImageStore& store, int64_t most) {
  const auto& split = inspected.split();
  std::map<std::string, int> places;
  const auto& samples = store.dataset().samples;
  for (size_t i = 0; i < samples.size(); ++i) places.emplace(samples[i].path, int(i));
  std::vector<std::pair<const SplitRow*, int>> there;
  for (const auto& row : split.rows) {
    const auto place = places.find(row.path);
    if (place != places.end()) there.emplace_back(&row, place->second);
  }
  if (there.empty()) {
    fail("{}: holds none of the run's images; say where they are with --data", store.dataset().root.string());
  }
  InspectedImages images;
  images.of = int64_t(split.rows.size());
  const auto all = int64_t(there.size()), count = std::min(all, most);
  for (int64_t k = 0; k < count; ++k) {
    const auto& [row, place] = there[size_t(k * all / count)];
    (row->fold == inspected.after.fold ? images.validation : images.train).push_back(int(k));
    images.places.push_back(place);
    images.labels.push_back(int32_t(std::ranges::find(split.classes, row->label) - split.classes.begin()));
    images.paths.push_back(row->path);
    images.label_names.push_back(row->label);
    images.signers.push_back(row->signer);
  }
  return images;
}

std::vector<StageFeatures> stage_features(const Inspected& inspected, const data::ImageStore& store,
                                          const InspectedImages& images, Device device) {
  const NoGrad no_grad;
  models::Network& after = *inspected.after.network;
  const int head = after.stage_count() - 1;
  std::vector<StageFeatures> all;
  std::vector<int> place_of(size_t(head), -1);
  for (int stage = 0; stage < head; ++stage) {
    if (after.stage_modules(stage).empty()) continue;
    place_of[size_t(stage)] = int(all.size());
    all.push_back({after.stages()[size_t(stage)], stage < inspected.shared, {}, {}});
  }
  Progress progress;
  progress.start("features of every stage", int64_t(images.places.size()));
  const ImageSource source(store, after.input(), std::nullopt, 0, 0, device);
  source.each_batch(images.places, kBatch, [&](const Input& input) {
    Tensor y = input.x, z = input.x;  // of `after` and `before`
    for (int stage = 0; stage < head; ++stage) {
      y = after.forward(y, stage, stage + 1);
      const bool both = inspected.before && stage >= inspected.shared;
      z = both ? inspected.before->network->forward(z, stage, stage + 1) : y;
      if (place_of[size_t(stage)] < 0) continue;
      StageFeatures& features = all[size_t(place_of[size_t(stage)])];
      const Matrix of_after = pooled(y);
      append(features.after, of_after);
      if (inspected.before) append(features.before, both ? pooled(z) : of_after);
    }
    progress.advance(input.labels.size());
  });
  progress.finish();
  return all;
}

}  // namespace signet::study
