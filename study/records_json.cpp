// The JSON forms of the records: the only file here that knows the JSON library.

#include <cmath>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <type_traits>

#include "study/records.h"
#include "tensor/error.h"

namespace signet::study {
namespace {

using Json = nlohmann::ordered_json;

// ------------------------------------------------------------------------------------------------- writing

Json number(double value) {
  if (std::isnan(value)) return nullptr;
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return value;
}

template <class Item>
Json list(const std::vector<Item>& items);

Json object(double value) {
  return number(value);
}

Json object(const Scores& scores) {
  return {{"accuracy", number(scores.accuracy)},
          {"precision", number(scores.precision)},
          {"recall", number(scores.recall)},
          {"f1", number(scores.f1)},
          {"loss", number(scores.loss)},
          {"loss_batch_sum", number(scores.loss_batch_sum)},
          {"count", scores.count}};
}

Json object(const TensorRecord& record) {
  return {{"tensor", record.tensor},
          {"norm", number(record.norm)},
          {"start_norm", number(record.start_norm)},
          {"distance", number(record.distance)},
          {"gradient_norm", number(record.gradient_norm)},
          {"update_norm", number(record.update_norm)}};
}

Json object(const EpochRecord& record) {
  return {{"model", record.model},
          {"phase", record.phase},
          {"fold", record.fold},
          {"epoch", record.epoch},
          {"lr", number(record.lr)},
          {"train", object(record.train)},
          {"validation", object(record.validation)},
          {"seconds", number(record.seconds)},
          {"images_per_second", number(record.images_per_second)},
          {"tensors", list(record.tensors)}};
}

Json object(const Prediction& prediction) {
  return {{"model", prediction.model},
          {"phase", prediction.phase},
          {"fold", prediction.fold},
          {"path", prediction.path},
          {"true_class", prediction.true_class},
          {"predicted_class", prediction.predicted_class},
          {"probability", number(prediction.probability)}};
}

Json object(const PhaseOutcome& outcome) {
  return {{"phase", outcome.phase},
          {"fold", outcome.fold},
          {"best_epoch", outcome.best_epoch},
          {"last_epoch", outcome.last_epoch},
          {"stopped_early", outcome.stopped_early}};
}

Json object(const FoldScores& fold) {
  return {{"fold", fold.fold}, {"train", object(fold.train)}, {"validation", object(fold.validation)}};
}

Json object(const ModelResult& result) {
  return {{"model", result.model},
          {"epochs", list(result.epochs)},
          {"outcomes", list(result.outcomes)},
          {"folds", list(result.folds)},
          {"predictions", list(result.predictions)},
          {"seconds", number(result.seconds)}};
}

Json object(const ModelSummary& summary) {
  return {{"val_acc", number(summary.val_acc)},
          {"val_acc_sd", number(summary.val_acc_sd)},
          {"val_acc_folds", list(summary.val_acc_folds)},
          {"train_acc", number(summary.train_acc)},
          {"precision", number(summary.precision)},
          {"recall", number(summary.recall)},
          {"f1", number(summary.f1)},
          {"val_loss", number(summary.val_loss)},
          {"train_loss", number(summary.train_loss)},
          {"val_loss_batch_sum", number(summary.val_loss_batch_sum)},
          {"train_loss_batch_sum", number(summary.train_loss_batch_sum)}};
}

Json object(const StudySummary& summary) {
  Json models = Json::object();
  for (const ModelSummary& model : summary.models) models[model.model] = object(model);
  return {{"split", summary.split},
          {"models", std::move(models)},
          {"seconds", number(summary.seconds)},
          {"peak_rss_mb", number(summary.peak_rss_mb)},
          {"near_twin_share", number(summary.near_twin_share)}};
}

template <class Item>
Json list(const std::vector<Item>& items) {
  Json array = Json::array();
  for (const Item& item : items) array.push_back(object(item));
  return array;
}

std::string text_of(const Json& json, int indent) {
  try {
    return json.dump(indent);
  } catch (const Json::type_error&) {
    fail("a file, class or model name is not UTF-8 and cannot be written to JSON; rename it");
  }
}

// ------------------------------------------------------------------------------------------------- reading

double to_double(const Json& json) {
  if (json.is_null()) return Scores::kNone;
  if (!json.is_string()) return json.get<double>();
  const double infinity = std::numeric_limits<double>::infinity();
  if (json == "inf") return infinity;
  if (json == "-inf") return -infinity;
  fail("\"{}\" is not a number", json.get<std::string>());
}

void read(const Json& json, Scores& scores) {
  scores.accuracy = to_double(json.at("accuracy"));
  scores.precision = to_double(json.at("precision"));
  scores.recall = to_double(json.at("recall"));
  scores.f1 = to_double(json.at("f1"));
  scores.loss = to_double(json.at("loss"));
  scores.loss_batch_sum = to_double(json.at("loss_batch_sum"));
  json.at("count").get_to(scores.count);
}

template <class Item>
void read(const Json& json, std::vector<Item>& items);

void read(const Json& json, TensorRecord& record) {
  json.at("tensor").get_to(record.tensor);
  record.norm = to_double(json.at("norm"));
  record.start_norm = to_double(json.at("start_norm"));
  record.distance = to_double(json.at("distance"));
  record.gradient_norm = to_double(json.at("gradient_norm"));
  record.update_norm = to_double(json.at("update_norm"));
}

void read(const Json& json, EpochRecord& record) {
  json.at("model").get_to(record.model);
  json.at("phase").get_to(record.phase);
  json.at("fold").get_to(record.fold);
  json.at("epoch").get_to(record.epoch);
  record.lr = to_double(json.at("lr"));
  read(json.at("train"), record.train);
  read(json.at("validation"), record.validation);
  record.seconds = to_double(json.at("seconds"));
  record.images_per_second = to_double(json.at("images_per_second"));
  if (json.contains("tensors")) read(json.at("tensors"), record.tensors);
}

void read(const Json& json, Prediction& prediction) {
  json.at("model").get_to(prediction.model);
  json.at("phase").get_to(prediction.phase);
  json.at("fold").get_to(prediction.fold);
  json.at("path").get_to(prediction.path);
  json.at("true_class").get_to(prediction.true_class);
  json.at("predicted_class").get_to(prediction.predicted_class);
  prediction.probability = to_double(json.at("probability"));
}

void read(const Json& json, PhaseOutcome& outcome) {
  json.at("phase").get_to(outcome.phase);
  json.at("fold").get_to(outcome.fold);
  json.at("best_epoch").get_to(outcome.best_epoch);
  json.at("last_epoch").get_to(outcome.last_epoch);
  json.at("stopped_early").get_to(outcome.stopped_early);
}

void read(const Json& json, FoldScores& fold) {
  json.at("fold").get_to(fold.fold);
  read(json.at("train"), fold.train);
  read(json.at("validation"), fold.validation);
}

template <class Item>
void read(const Json& json, std::vector<Item>& items) {
  for (const Json& item : json) read(item, items.emplace_back());
}

void read(const Json& json, ModelResult& result) {
  json.at("model").get_to(result.model);
  read(json.at("epochs"), result.epochs);
  read(json.at("outcomes"), result.outcomes);
  read(json.at("folds"), result.folds);
  read(json.at("predictions"), result.predictions);
  result.seconds = to_double(json.at("seconds"));
}

void read(const Json& json, ModelSummary& summary) {
  summary.val_acc = to_double(json.at("val_acc"));
  summary.val_acc_sd = to_double(json.at("val_acc_sd"));
  for (const Json& fold : json.at("val_acc_folds")) summary.val_acc_folds.push_back(to_double(fold));
  summary.train_acc = to_double(json.at("train_acc"));
  summary.precision = to_double(json.at("precision"));
  summary.recall = to_double(json.at("recall"));
  summary.f1 = to_double(json.at("f1"));
  summary.val_loss = to_double(json.at("val_loss"));
  summary.train_loss = to_double(json.at("train_loss"));
  summary.val_loss_batch_sum = to_double(json.at("val_loss_batch_sum"));
  summary.train_loss_batch_sum = to_double(json.at("train_loss_batch_sum"));
}

void read(const Json& json, StudySummary& summary) {
  json.at("split").get_to(summary.split);
  for (const auto& [name, model] : json.at("models").items()) {
    summary.models.emplace_back().model = name;
    read(model, summary.models.back());
  }
  summary.seconds = to_double(json.at("seconds"));
  summary.peak_rss_mb = to_double(json.at("peak_rss_mb"));
  summary.near_twin_share = to_double(json.at("near_twin_share"));
}

void read(const Json& json, ArgValue& value) {
  if (json.is_boolean()) {
    value = json.get<bool>();
  } else if (json.is_number_unsigned() && json.get<uint64_t>() > uint64_t(INT64_MAX)) {
    value = json.get<uint64_t>();
  } else if (json.is_number_integer()) {
    value = json.get<int64_t>();
  } else if (json.is_number() || json.is_null()) {
    value = to_double(json);
  } else if (json.is_string()) {
    value = json.get<std::string>();
  } else {
    value = json.get<std::vector<std::string>>();
  }
}

void read(const Json& json, Args& args) {
  if (!json.is_object()) fail("an object was expected");
  for (const auto& [key, value] : json.items()) {
    args.emplace_back(key, ArgValue());
    read(value, args.back().second);
  }
}

template <class Record>
Record parsed(std::string_view text, std::string_view source) {
  try {
    Record record;
    read(Json::parse(text), record);
    return record;
  } catch (const std::exception& error) {
    fail("{}: does not hold what Signet wrote there, it may be damaged: {}", source, error.what());
  }
}

}  // namespace

std::string to_json(const Scores& scores) {
  return text_of(object(scores), -1);
}
std::string to_json(const EpochRecord& record) {
  return text_of(object(record), -1);
}
std::string to_json(const Prediction& prediction) {
  return text_of(object(prediction), -1);
}
std::string to_json(const ModelResult& result) {
  return text_of(object(result), -1) + "\n";
}
std::string to_json(const StudySummary& summary) {
  return text_of(object(summary), 2) + "\n";
}

std::string to_json(const Args& args) {
  Json json = Json::object();
  for (const auto& [key, value] : args) {
    json[key] = std::visit(
        [](const auto& held) -> Json {
          if constexpr (std::is_same_v<std::decay_t<decltype(held)>, double>)
            return number(held);
          else
            return held;
        },
        value);
  }
  return text_of(json, 2) + "\n";
}

Scores scores_from_json(std::string_view text, std::string_view source) {
  return parsed<Scores>(text, source);
}
EpochRecord epoch_record_from_json(std::string_view text, std::string_view source) {
  return parsed<EpochRecord>(text, source);
}
Prediction prediction_from_json(std::string_view text, std::string_view source) {
  return parsed<Prediction>(text, source);
}
ModelResult model_result_from_json(std::string_view text, std::string_view source) {
  return parsed<ModelResult>(text, source);
}
StudySummary study_summary_from_json(std::string_view text, std::string_view source) {
  return parsed<StudySummary>(text, source);
}
Args args_from_json(std::string_view text, std::string_view source) {
  return parsed<Args>(text, source);
}

}  // namespace signet::study
