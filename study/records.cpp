#include "study/records.h"

namespace signet::study {
namespace {

/// One figure of every fold's training or validation scores.
std::vector<double> column(std::span<const FoldScores> folds, Scores FoldScores::*side,
                           double Scores::*figure) {
  std::vector<double> values;
  for (const FoldScores& fold : folds) values.push_back(fold.*side.*figure);
  return values;
}

}  // namespace

ModelSummary summarise(const ModelResult& result) {
  const auto training = [&](double Scores::*figure) {
    return mean(column(result.folds, &FoldScores::train, figure));
  };
  const auto validation = [&](double Scores::*figure) {
    return mean(column(result.folds, &FoldScores::validation, figure));
  };
  ModelSummary summary;
  summary.model = result.model;
  summary.val_acc_folds = column(result.folds, &FoldScores::validation, &Scores::accuracy);
  summary.val_acc = mean(summary.val_acc_folds);
  summary.val_acc_sd = sample_deviation(summary.val_acc_folds);
  summary.train_acc = training(&Scores::accuracy);
  summary.precision = validation(&Scores::precision);
  summary.recall = validation(&Scores::recall);
  summary.f1 = validation(&Scores::f1);
  summary.val_loss = validation(&Scores::loss);
  summary.train_loss = training(&Scores::loss);
  summary.val_loss_batch_sum = validation(&Scores::loss_batch_sum);
  summary.train_loss_batch_sum = training(&Scores::loss_batch_sum);
  return summary;
}

ConfusionMatrix confusion_of(std::span<const Prediction> predictions, int64_t classes) {
  ConfusionMatrix matrix(classes);
  for (const Prediction& prediction : predictions) {
    matrix.add(prediction.true_class, prediction.predicted_class);
  }
  return matrix;
}

}  // namespace signet::study
