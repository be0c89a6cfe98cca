// Whole runs on a small data set of rendered hands: the same bits whatever the threads, the sharing of the
// trunk and the interruptions; and the rules of fine-tuning.

#include "study/study.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <set>

#include "data/synthetic.h"
#include "kernels/parallel.h"
#include "models/safetensors.h"
#include "models/state_dict.h"
#include "study/checkpoint.h"
#include "study/csv.h"
#include "study/interrupt.h"
#include "study/run_folder.h"
#include "tensor/error.h"
#include "tensor/files.h"

namespace signet::study {
namespace {

namespace fs = std::filesystem;

/// A data set of 4 signs by 3 people, random weights for a narrow ResNet18, and a folder for runs; made once.
class World {
 public:
  World() : root(fs::temp_directory_path() / ("signet-study-" + std::to_string(::getpid()))) {
    data::SyntheticOptions signs;
    signs.signers = 3;
    signs.takes = 3;
    signs.size = 32;
    signs.classes = {"a", "b", "v", "y"};
    data::write_synthetic_signs(root / "signs", signs);
    const auto network = models::make_network("resnet18", 10, 32, 8);
    network->initialize({77, 0});
    models::write_safetensors(root / "weights.safetensors", models::save_weights(*network));
  }
  ~World() { fs::remove_all(root); }

  StudyOptions options(const std::string& name,
                       std::vector<std::string> rows = {"mlp", "fc", "layer4"}) const {
    StudyOptions o;
    o.data = root / "signs";
    o.weights = root / "weights.safetensors";
    o.output = root / name;
    o.folds = 3;
    o.seed = 5;
    RecipeOptions recipe;
    recipe.models = std::move(rows);
    recipe.image_size = 32;
    recipe.width = 8;
    recipe.training.epochs = 3;
    recipe.training.batch_size = 8;
    recipe.finetune_epochs = 2;
    recipe.finetune_folds = "all";
    o.plans = recipe_plans(recipe);
    return o;
  }

  fs::path root;
};

const World& world() {
  static const World made;
  return made;
}

/// results.csv without the columns that tell time, and the bytes of everything else that must be
/// reproducible.
std::map<std::string, std::string> fingerprint(const fs::path& folder) {
  std::map<std::string, std::string> result;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string name = fs::relative(entry.path(), folder).string();
    if (!entry.is_regular_file() || name.starts_with("resume/") || name == "args.json" ||
        name == "summary.json" || name == "report.html")
      continue;
    if (name != "results.csv") {
      result[name] = read_file(entry.path());
      continue;
    }
    const CsvTable table = read_csv(entry.path());
    std::string text;
    for (const auto& row : table.rows) {
      for (size_t c = 0; c < row.size(); ++c) {
        if (table.columns[c] != "seconds" && table.columns[c] != "img_s") text += row[c] + ",";
      }
      text += "\n";
    }
    result[name] = text;
  }
  return result;
}

void check_same(const fs::path& a, const fs::path& b) {
  const auto first = fingerprint(a), second = fingerprint(b);
  REQUIRE(first.size() == second.size());
  CHECK(first.contains("weights/resnet18-layer4-best.safetensors"));
  for (const auto& [name, bytes] : first) {
    INFO(name);
    REQUIRE(second.contains(name));
    CHECK((bytes == second.at(name)));
  }
}

const fs::path& reference_run() {
  static const fs::path folder = run_study(world().options("reference")).folder;
  return folder;
}

TEST_CASE("a run folder holds what was promised") {
  const fs::path& folder = reference_run();
  for (const char* name :
       {"args.json", "splits.csv", "results.csv", "predictions.csv", "summary.json", "confusion_mlp.csv",
        "confusion_mlp.svg", "curves_resnet18-fc.svg", "classification_report_resnet18-layer4.txt",
        "report.html", "drift_mlp.csv", "drift_resnet18-layer4.csv", "weights/mlp-last.safetensors",
        "weights/resnet18-fc-best.safetensors"}) {
    CHECK_MESSAGE(fs::exists(folder / name), name);
  }
  const auto predictions = read_csv(folder / "predictions.csv");
  CHECK(predictions.rows.size() == 3 * 4 * 3 * 2 * 3);  // every image once for each of three models
  const auto results = read_csv(folder / "results.csv");
  const size_t lr = results.column("lr", ""), phase = results.column("phase", "");
  std::set<std::pair<std::string, double>> rates;
  for (const auto& row : results.rows) rates.emplace(row[phase], number_from_text(row[lr], "results.csv"));
  CHECK((rates == std::set<std::pair<std::string, double>>{
                      {"scratch", 0.002}, {"fc", 0.002}, {"layer4", 0}, {"layer4", 1e-4}}));
}

TEST_CASE("the same bits for any number of threads") {
  const int before = num_threads();
  set_num_threads(before == 1 ? 2 : 1);
  const auto run = run_study(world().options("threads"));
  set_num_threads(before);
  check_same(reference_run(), run.folder);
}

TEST_CASE("the same bits whether the trunk is shared by the folds or run for each") {
  auto options = world().options("alone");
  options.share_trunk = false;
  check_same(reference_run(), run_study(options).folder);
}

TEST_CASE("views of a frozen trunk come round again") {
  const auto head_only = [&](const char* name, int views, bool share_trunk) {
    auto options = world().options(name);
    std::erase_if(options.plans, [](const ModelPlan& plan) { return plan.name != "resnet18-fc"; });
    options.plans[0].training.epochs = 3;
    options.views = views;
    options.share_trunk = share_trunk;
    return fingerprint(run_study(options).folder);
  };
  const auto two = head_only("two-views", 2, true), fresh = head_only("fresh-views", 0, true);
  CHECK((two == head_only("two-views-alone", 2, false)));
  CHECK((two != fresh));
  CHECK((head_only("as-many-views", 3, true) == fresh));
}

TEST_CASE("the same bits when a run is stopped in every phase and resumed, on another number of threads") {
  auto options = world().options("stopped");
  const int before = num_threads();
  bool finished = false;
  int stops = 0;
  // Each attempt may run a little longer than the last, so that the stops fall into every phase.
  for (int attempt = 0; !finished && attempt < 60; ++attempt) {
    std::atomic<int> batches = 0;
    set_stop_probe([&] { return ++batches > 20 + 9 * attempt; });
    set_num_threads(1 + attempt % 3);
    try {
      run_study(options);
      finished = true;
    } catch (const Interrupted&) {
      ++stops;
    }
    set_stop_probe({});
    options.resume = true;
  }
  set_num_threads(before);
  REQUIRE(finished);
  CHECK(stops >= 5);
  check_same(reference_run(), world().root / "stopped");
}

TEST_CASE("another seed gives other bits") {
  auto options = world().options("seed");
  options.seed = 6;
  const auto folder = run_study(options).folder;
  CHECK(fingerprint(folder).at("predictions.csv") != fingerprint(reference_run()).at("predictions.csv"));
}

TEST_CASE("a fold does not depend on which other folds are run") {
  auto options = world().options("one-fold", {"mlp"});
  options.plans[0].all_folds = false;
  options.plans[0].folds = {1};
  const auto alone = read_csv(run_study(options).folder / "results.csv");
  const auto all = read_csv(reference_run() / "results.csv");
  const size_t model = all.column("model", ""), fold = all.column("fold", ""),
               loss = all.column("val_loss", "");
  size_t next = 0;
  for (const auto& row : all.rows) {
    if (row[model] == "mlp" && row[fold] == "1") CHECK(alone.rows.at(next++)[loss] == row[loss]);
  }
  CHECK(next == 3);
}

TEST_CASE("fine-tuning never ends worse than it began") {
  auto options = world().options("ruin", {"fc", "layer4"});
  // A learning rate that destroys the network: every fold must roll back to epoch 0.
  options.plans[1].training.lr = 10;
  const auto result = run_study(options);
  const auto& fc = result.splits[0].models[0];
  const auto& layer4 = result.splits[0].models[1];
  CHECK(layer4.val_acc_folds == fc.val_acc_folds);
  CHECK(layer4.val_loss == fc.val_loss);
  CHECK(layer4.train_acc == fc.train_acc);
  const auto before = models::read_safetensors(result.folder / "weights/resnet18-fc-last.safetensors");
  const auto after = models::read_safetensors(result.folder / "weights/resnet18-layer4-best.safetensors");
  CHECK(before.entries == after.entries);
}

TEST_CASE("a frozen trunk is the weights file's to the bit after training the head") {
  const auto weights = models::read_safetensors(world().root / "weights.safetensors");
  const auto trained = models::read_safetensors(reference_run() / "weights/resnet18-fc-last.safetensors");
  for (const auto& [name, array] : weights.entries) {
    INFO(name);
    if (!name.starts_with("fc.")) CHECK((*trained.find(name) == array));
  }
}

TEST_CASE("the drift of a run: exactly 0 where frozen, that of the checkpoints where trained") {
  const RunFolder folder = RunFolder::existing(reference_run());
  const auto moved = [](const DriftRow& row) { return row.record.distance != 0; };
  const auto is_head = [](const DriftRow& row) { return row.record.tensor.starts_with("fc."); };
  const auto is_layer4 = [](const DriftRow& row) { return row.record.tensor.starts_with("layer4."); };
  const auto head_only = folder.read_drift("resnet18-fc"), layer4 = folder.read_drift("resnet18-layer4");
  // 62 parameters and 40 running statistics; 3 folds of 3 epochs, and of 2 after an epoch 0.
  CHECK(head_only.size() == 3 * 3 * 102);
  CHECK(layer4.size() == 3 * 3 * 102);
  for (const auto& row : head_only) {
    CHECK_MESSAGE(moved(row) == is_head(row), row.record.tensor);
    CHECK_MESSAGE((row.record.gradient_norm > 0) == is_head(row), row.record.tensor);
    CHECK_MESSAGE((row.record.update_norm > 0) == is_head(row), row.record.tensor);
  }
  for (const auto& row : layer4) {
    CHECK_MESSAGE(moved(row) == (row.epoch > 0 && (is_head(row) || is_layer4(row))), row.record.tensor);
    CHECK(row.record.norm <= (row.record.start_norm + row.record.distance) * 1.000001);
  }
  // The same distance between the two checkpoints that the last epoch of the best fold lies between.
  const auto before = models::read_safetensors(folder.weights("resnet18-fc", "last"));
  const auto after = models::read_safetensors(folder.weights("resnet18-layer4", "last"));
  const std::string name = "layer4.1.bn2.running_var";
  const auto from = models::to_f32(*before.find(name)), to = models::to_f32(*after.find(name));
  double sum = 0;
  for (size_t i = 0; i < from.size(); ++i) sum += (double(to[i]) - from[i]) * (double(to[i]) - from[i]);
  // The meter adds the squares in another order: some units of a double's 2^-53.
  const auto found = std::ranges::count_if(layer4, [&](const DriftRow& row) {
    return row.record.tensor == name && row.epoch == 2 &&
           std::abs(row.record.distance - std::sqrt(sum)) <= 1e-14 * std::sqrt(sum);
  });
  CHECK(found >= 1);
}

TEST_CASE("statistics that follow the batches drift though the weights are frozen") {
  auto options = world().options("bn-train", {"fc"});
  options.plans[0].batch_statistics = true;
  options.plans[0].all_folds = false;
  options.plans[0].folds = {0};
  for (const auto& row : RunFolder::existing(run_study(options).folder).read_drift("resnet18-fc")) {
    const std::string& name = row.record.tensor;
    const bool moves = name.find("running_") != name.npos || name.starts_with("fc.");
    CHECK_MESSAGE((row.record.distance != 0) == moves, name);
  }
}

TEST_CASE("a checkpoint carries its classes and preprocessing and gives the predictions of the run") {
  const auto classifier = load_classifier(reference_run() / "weights/resnet18-layer4-best.safetensors");
  CHECK(classifier.classes == std::vector<std::string>{"a", "b", "v", "y"});
  CHECK(classifier.network->input().size == 32);
  CHECK_THROWS_WITH_AS(load_classifier(world().root / "weights.safetensors"), doctest::Contains("--weights"),
                       Error);
}

TEST_CASE("a run resumed with other options is refused") {
  auto options = world().options("reference");
  options.resume = true;
  options.plans[0].training.lr = 0.5;
  CHECK_THROWS_WITH_AS(run_study(options), doctest::Contains("mlp.lr"), Error);
}

TEST_CASE("several splits share a run") {
  auto options = world().options("splits", {"fc"});
  options.splits = {data::Split::random, data::Split::signer};
  const auto result = run_study(options);
  REQUIRE(result.splits.size() == 2);
  CHECK(result.splits[1].split == "signer");
  CHECK(fs::exists(result.folder / "signer" / "summary.json"));
  CHECK(result.splits[0].near_twin_share > result.splits[1].near_twin_share);
}

TEST_CASE("plans: order, names, and what they go on from") {
  const auto plans = world().options("x", {"layer3", "fc", "mlp", "layer4"}).plans;
  REQUIRE(plans.size() == 4);
  CHECK(plans[1].name == "resnet18-fc");
  CHECK(plans[2].continues == "resnet18-fc");
  CHECK(plans[3].continues == "resnet18-layer4");
  RecipeOptions recipe;
  recipe.models = {"layer4"};
  CHECK_THROWS_WITH_AS(recipe_plans(recipe), doctest::Contains("fc"), Error);
  recipe.models = {"vgg"};
  CHECK_THROWS_WITH_AS(recipe_plans(recipe), doctest::Contains("vgg"), Error);
  ModelPlan plan;
  CHECK_THROWS_AS(set_folds(plan, "1,x"), Error);
  set_folds(plan, "0,2");
  CHECK(plan.folds == std::vector<int>{0, 2});
}

}  // namespace
}  // namespace signet::study
