#include "study/inspect_what_if.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "kernels/philox.h"
#include "models/state_dict.h"
#include "study/csv.h"
#include "study/fold_trainer.h"
#include "study/html.h"
#include "study/progress.h"
#include "study/svg_canvas.h"
#include "tensor/error.h"
#include "tensor/files.h"
#include "tensor/hash.h"

namespace signet::study {
namespace fs = std::filesystem;
namespace {

constexpr int kBatch = 32;
constexpr int kEpochs = 20;           ///< of a head on features that are computed once
constexpr int kEpochsOfTheTrunk = 4;  ///< where each epoch runs the trunk

fs::path file_of(const fs::path& run) {
  return run / "inspect" / "what-if.csv";
}

/// Batches whose red and blue are exchanged after normalisation by the means of red, green, blue: what a
/// program does that reads BGR and does not know it.
class SwappedSource : public Source {
 public:
  explicit SwappedSource(ImageSource source) : source_(std::move(source)) {}
  int stage() const override { return source_.stage(); }
  void each_batch(const std::vector<int>& order, int batch_size,
                  const std::function<void(const Input&)>& consume) const override {
    source_.each_batch(order, batch_size, [&](const Input& input) {
      auto values = input.x.to_vector();
      for (size_t i = 0; i + 2 < values.size(); i += 3) std::swap(values[i], values[i + 2]);
      consume({Tensor::from(values, input.x.shape(), input.x.device()), input.labels, input.label_values});
    });
  }

 private:
  ImageSource source_;
};

class Experiment {
 public:
  Experiment(const std::string& question, const Inspected& inspected, const data::ImageStore& store,
             int64_t most, Device device)
      : question_(question),
        inspected_(inspected),
        store_(store),
        images_(choose_images(inspected, store, most)),
        device_(device),
        trunk_(*inspected.before->network),
        head_(trunk_.stage_count() - 1) {
    samples_.classes = int(inspected.split().classes.size());
    samples_.labels.assign(size_t(store.dataset().size()), 0);
    for (size_t i = 0; i < images_.places.size(); ++i) {
      samples_.labels[size_t(images_.places[i])] = images_.labels[i];
    }
    for (const int i : images_.train) samples_.train.push_back(images_.places[size_t(i)]);
    for (const int i : images_.validation) samples_.validation.push_back(images_.places[size_t(i)]);
    if (samples_.train.empty() || samples_.validation.empty()) {
      fail("{}: none of the images that are there was {} in this run; say where all of them are with --data",
           store.dataset().root.string(), samples_.train.empty() ? "trained on" : "held back");
    }
  }

  std::vector<WhatIfRow> run() {
    if (question_ == "bn") {
      batchnorm();
    } else if (question_ == "normalisation") {
      preprocessing("with the trunk’s own mean and deviation", "pixels from 0 to 1, not normalised", [this] {
        models::InputSpec wrong = trunk_.input();
        wrong.mean = {0, 0, 0};
        wrong.deviation = {1, 1, 1};
        return features(ImageSource(store_, wrong, std::nullopt, 0, 0, device_));
      });
    } else if (question_ == "bgr") {
      preprocessing("red, green, blue", "blue, green, red",
                    [this] { return features(SwappedSource(image_source())); });
    } else if (question_ == "flip") {
      flips();
    } else {
      splits();
    }
    return rows_;
  }

 private:
  ImageSource image_source(std::optional<data::Augmentation> augmentation = std::nullopt) const {
    return {store_, trunk_.input(), augmentation, 0, 0, device_};
  }

  /// What the trunk makes of the images; rows are those of the store.
  Tensor features(const Source& source) const {
    Progress progress;
    progress.start(fmt::format("{}: features of the frozen trunk", question_),
                   int64_t(images_.places.size()));
    Tensor table = run_prefix(trunk_, head_, source, images_.places, store_.dataset().size(), kBatch,
                              [&](int64_t count) { progress.advance(count); });
    progress.finish();
    return table;
  }

  ModelPlan plan(int epochs) const {
    ModelPlan plan;
    plan.name = "what-if";
    plan.phase = plan.first_trainable = trunk_.stages()[size_t(head_)];
    plan.training.epochs = epochs;
    return plan;
  }

  /// A network with a fresh head, the same for every variant.
  std::unique_ptr<models::Network> fresh_network() const {
    const auto stem = trunk_.parameters().front().tensor->shape();
    auto network = models::make_network(trunk_.architecture(), samples_.classes, trunk_.input().size,
                                        stem.rank() == 4 ? int(stem[0]) : 64, device_);
    network->initialize_head({fnv1a("what-if"), 0});
    return network;
  }

  /// Trains a head on a table of features an epoch.
  std::unique_ptr<FoldTrainer> train_head(const FoldSamples& samples,
                                          const std::function<Tensor(int epoch)>& table_of,
                                          int epochs = kEpochs) {
    auto trainer =
        std::make_unique<FoldTrainer>(plan(epochs), 0, fresh_network(), head_, samples, uint64_t{0});
    while (!trainer->finished()) {
      const FeatureSource train(table_of(trainer->next_epoch()), samples.labels, head_, device_);
      // What it is validated on comes later; here only the training figures count.
      last_ = trainer->run_epoch(&train, train, [](int64_t) {});
    }
    return trainer;
  }

  Scores validate(FoldTrainer& trainer, const FoldSamples& samples, const Tensor& table) const {
    const FeatureSource source(table, samples.labels, head_, device_);
    return evaluate(trainer.network(), source, samples.validation, kBatch, samples.classes, [](int64_t) {})
        .scores;
  }

  void note(const std::string& variant, double train_accuracy, double accuracy, double loss,
            int epochs = kEpochs) {
    rows_.push_back(
        {question_, variant, int64_t(images_.places.size()), epochs, train_accuracy, accuracy, loss});
  }

  void note(const std::string& variant, const Scores& scores, int epochs = kEpochs) {
    note(variant, last_.train.accuracy, scores.accuracy, scores.loss, epochs);
  }

  void batchnorm() {
    const Tensor table = features(image_source());
    const auto fixed = train_head(
        samples_, [&](int) { return table; }, kEpochsOfTheTrunk);
    note("statistics of the pretraining, fixed", validate(*fixed, samples_, table), kEpochsOfTheTrunk);
    auto network = fresh_network();
    models::Snapshot head(*network, head_);
    models::Snapshot(trunk_).restore(*network);
    head.restore(*network);
    ModelPlan moving = plan(kEpochsOfTheTrunk);
    moving.batch_statistics = true;
    FoldTrainer trainer(moving, 0, std::move(network), 0, samples_, 0);
    Progress progress;
    while (!trainer.finished()) {
      progress.start(
          fmt::format("bn: epoch {}/{} with the batch's statistics", trainer.next_epoch(), kEpochsOfTheTrunk),
          int64_t(images_.places.size()));
      const ImageSource source = image_source();
      last_ = trainer.run_epoch(&source, source, [&](int64_t count) { progress.advance(count); });
      progress.finish();
    }
    note("statistics of each batch, the running ones following them", last_.validation, kEpochsOfTheTrunk);
  }

  /// Right throughout, wrong throughout, and wrong only where the network is used.
  void preprocessing(const std::string& right, const std::string& wrong,
                     const std::function<Tensor()>& wrong_features) {
    const Tensor table = features(image_source()), wrong_table = wrong_features();
    const auto baseline = train_head(samples_, [&](int) { return table; });
    note(right, validate(*baseline, samples_, table));
    note(fmt::format("{}, only when it is used", wrong), validate(*baseline, samples_, wrong_table));
    const auto both = train_head(samples_, [&](int) { return wrong_table; });
    note(fmt::format("{}, in training too", wrong), validate(*both, samples_, wrong_table));
  }

  void flips() {
    data::Augmentation mirror{.fliplr = 1, .degrees = 0, .translate = 0};
    const Tensor table = features(image_source()), mirrored = features(image_source(mirror));
    const int64_t row = table.size() / table.shape()[0];
    const auto mixed = [&](int epoch) {
      const Tensor result = table.clone();
      for (const int place : samples_.train) {
        const uint32_t coin = philox({fnv1a("what-if flip"), uint64_t(epoch)}, uint64_t(place))[0];
        if (philox_uniform(coin) >= 0.5f) continue;
        std::memcpy(result.data() + place * row, mirrored.data() + place * row, size_t(row) * sizeof(float));
      }
      return result;
    };
    const auto without = train_head(samples_, [&](int) { return table; });
    note("trained without flips", validate(*without, samples_, table));
    note("trained without flips, used on mirror images", validate(*without, samples_, mirrored));
    const auto with = train_head(samples_, mixed);
    note("trained with flips (half of the images)", validate(*with, samples_, table));
    note("trained with flips, used on mirror images", validate(*with, samples_, mirrored));
  }

  void splits() {
    data::Dataset chosen = store_.dataset();
    chosen.samples.clear();
    for (const int place : images_.places) chosen.samples.push_back(store_.dataset().samples[size_t(place)]);
    const auto signer = data::make_folds(chosen, data::Split::signer, 0, 0);
    const auto random = data::make_folds(chosen, data::Split::random, data::fold_count(signer), 0);
    const Tensor table = features(image_source());
    for (const auto& [name, folds] :
         {std::pair("random folds", &random), std::pair("a person a fold", &signer)}) {
      double train = 0, accuracy = 0, loss = 0;
      const int count = data::fold_count(*folds);
      for (int fold = 0; fold < count; ++fold) {
        FoldSamples samples = samples_;
        samples.train.clear();
        samples.validation.clear();
        for (size_t i = 0; i < folds->size(); ++i) {
          ((*folds)[i] == fold ? samples.validation : samples.train).push_back(images_.places[i]);
        }
        const auto trainer = train_head(samples, [&](int) { return table; });
        const Scores scores = validate(*trainer, samples, table);
        train += last_.train.accuracy / count;
        accuracy += scores.accuracy / count;
        loss += scores.loss / count;
      }
      note(fmt::format("{} ({} of them, mean)", name, count), train, accuracy, loss);
    }
  }

  std::string question_;
  const Inspected& inspected_;
  const data::ImageStore& store_;
  InspectedImages images_;
  Device device_;
  models::Network& trunk_;
  int head_;
  FoldSamples samples_;
  EpochRecord last_;
  std::vector<WhatIfRow> rows_;
};

}  // namespace

const std::vector<WhatIfQuestion>& what_if_questions() {
  static const std::vector<WhatIfQuestion> questions{
      {"bn", "Batchnorm: fixed statistics, or each batch’s own?",
       "Frozen weights do not stop a batchnorm in training mode: it normalises by the batch and moves its "
       "running mean and variance. Then an image’s features depend on its neighbours, and in use, by the "
       "running statistics, they are others than in training. Compare the validation accuracies."},
      {"normalisation", "What if the pixels are not normalised?",
       "The trunk was trained on pixels with a mean and deviation taken out. A program that forgets this "
       "still gives answers, and no error. Wrong only in use is the usual accident: the head then sees "
       "features that it was not trained on. Wrong in training too, the head adapts: the "
       "mistake that is made everywhere may cost little."},
      {"bgr", "What if red and blue are exchanged?",
       "Some libraries decode pictures as blue, green, red. Nothing fails, skin turns blue, and the colour "
       "filters of the stem answer to the wrong colours."},
      {"flip", "Flip the training images, or not?",
       "Mirror images are free training data where left and right mean the same. A mirrored right hand is a "
       "left hand: whether that helps depends on who will use the network. Compare the rows on images as "
       "they are, and those on mirror images."},
      {"split", "Random folds, or a person a fold?",
       "Drawn at random, many validation images have a near-twin in training. With a person a fold, the "
       "network meets someone it has never seen. The distance between the two is what memory was worth."}};
  return questions;
}

std::vector<WhatIfRow> answer_what_if(const std::string& question, const Inspected& inspected,
                                      const data::ImageStore& store, int64_t most, Device device) {
  const auto known = std::ranges::find(what_if_questions(), question, &WhatIfQuestion::id);
  if (known == what_if_questions().end()) {
    fail("--what-if {}: is none of bn, normalisation, bgr, flip, split", question);
  }
  if (!inspected.before) {
    fail("--what-if {}: needs a pretrained trunk, and {}; name a model that began with --weights by --model",
         question,
         inspected.notice.empty() ? fmt::format("{} was trained from scratch", inspected.model)
                                  : "the weights of this run cannot be read");
  }
  return Experiment(question, inspected, store, most, device).run();
}

std::vector<WhatIfRow> read_what_if(const fs::path& run) {
  const fs::path path = file_of(run);
  if (!fs::exists(path)) return {};
  const std::string source = path.string();
  const CsvTable table = read_csv(path);
  std::vector<WhatIfRow> rows;
  for (const auto& row : table.rows) {
    const auto text = [&](const char* name) { return row[table.column(name, source)]; };
    const auto number = [&](const char* name) { return number_from_text(text(name), source); };
    rows.push_back({text("question"), text("variant"), int64_t(number("images")), int(number("epochs")),
                    number("train_acc"), number("val_acc"), number("val_loss")});
  }
  return rows;
}

void save_what_if(const fs::path& run, const std::vector<WhatIfRow>& rows) {
  auto all = read_what_if(run);
  std::erase_if(all, [&](const auto& old) { return old.question == rows.front().question; });
  all.insert(all.end(), rows.begin(), rows.end());
  CsvWriter csv({"question", "variant", "images", "epochs", "train_acc", "val_acc", "val_loss"});
  for (const auto& r : all) {
    csv.row(r.question, r.variant, r.images, r.epochs, r.train_accuracy, r.accuracy, r.loss);
  }
  fs::create_directories(file_of(run).parent_path());
  write_atomically(file_of(run), csv.text());
}

std::string what_if_html(const fs::path& run, const std::vector<WhatIfRow>& rows) {
  std::string text;
  for (const auto& question : what_if_questions()) {
    text += fmt::format("<h3>{}</h3>\n<p>{}</p>\n", question.title, question.text);
    std::string body;
    const WhatIfRow* first = nullptr;
    for (const auto& row : rows) {
      if (row.question != question.id) continue;
      if (first == nullptr) first = &row;
      body += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{:.3f}</td></tr>\n",
                          escaped_for_xml(row.variant), percent(row.train_accuracy), percent(row.accuracy),
                          row.loss);
    }
    if (first == nullptr) {
      text += fmt::format("<p>Not run yet: <code>signet inspect {} --what-if {}</code></p>\n",
                          escaped_for_xml(run.string()), question.id);
      continue;
    }
    text += framed(
        std::string(question.title),
        fmt::format(
            "<table class=\"what-if\">\n<caption>A new head, {} epochs on {} images, nothing else changed"
            "</caption>\n<thead><tr><th scope=\"col\">Variant</th><th "
            "scope=\"col\">Training</th><th scope=\"col\">Validation</th><th "
            "scope=\"col\">Loss</th></tr></thead>\n<tbody>\n{}</tbody>\n</table>\n",
            first->epochs, first->images, body));
  }
  return text;
}

}  // namespace signet::study
