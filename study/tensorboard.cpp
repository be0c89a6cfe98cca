#include "study/tensorboard.h"

#include <fmt/format.h>

#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <ctime>
#include <fstream>
#include <map>

#include "models/protobuf.h"
#include "tensor/error.h"
#include "tensor/files.h"
#include "tensor/hash.h"

namespace signet::study {
namespace fs = std::filesystem;
namespace {

template <class Unsigned>
std::string little_endian(Unsigned value) {
  std::string bytes(sizeof(value), '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = char(value >> 8 * i & 0xff);
  return bytes;
}

uint32_t masked_crc(std::string_view data) {
  constexpr uint32_t kMaskDelta = 0xa282ead8;  // tensorflow/core/lib/hash/crc32c.h
  return std::rotr(crc32c(data), 15) + kMaskDelta;
}

models::ProtoMessage event(double wall_time) {
  return models::ProtoMessage().real64(1, wall_time);
}

double seconds_since_1970(const std::string& utc) {
  std::tm time{};
  if (::strptime(utc.c_str(), "%Y-%m-%dT%H:%M:%SZ", &time) == nullptr) {
    throw std::invalid_argument("[write_event_files] no time: " + utc);
  }
  return double(::timegm(&time));
}

void append(const fs::path& path, std::string_view bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::app);
  out.write(bytes.data(), std::streamsize(bytes.size()));
  out.close();
  if (!out) fail("{}: cannot be written: {}", path.string(), std::strerror(errno));
}

void bring_up_to(const fs::path& path, const std::string& bytes) {
  const std::string before = fs::exists(path) ? read_file(path) : "";
  if (before == bytes) return;
  if (before.empty() || !bytes.starts_with(before)) return write_atomically(path, bytes);
  append(path, std::string_view(bytes).substr(before.size()));
}

}  // namespace

std::string tf_record(std::string_view data) {
  const std::string length = little_endian(uint64_t{data.size()});
  return length + little_endian(masked_crc(length)) + std::string(data) + little_endian(masked_crc(data));
}

std::string event_file_start(double wall_time) {
  return tf_record(event(wall_time).text(3, "brain.Event:2").bytes());
}

std::string scalar_event(double wall_time, int64_t step,
                         std::span<const std::pair<std::string, double>> scalars) {
  models::ProtoMessage summary;
  for (const auto& [tag, value] : scalars) {
    if (std::isnan(value)) continue;
    summary.message(1, models::ProtoMessage().text(1, tag).real(2, float(value)));
  }
  return tf_record(event(wall_time).integer(2, step).message(5, summary).bytes());
}

void write_event_files(const fs::path& folder, std::span<const EpochRecord> epochs,
                       const std::string& started) {
  const double start = seconds_since_1970(started);
  struct Fold {
    double seconds = 0;
    std::string train, validation;
  };
  std::map<std::pair<std::string, int>, Fold> folds;
  for (const auto& record : epochs) {
    Fold& fold = folds[{record.model, record.fold}];
    if (fold.train.empty()) fold.train = fold.validation = event_file_start(start);
    fold.seconds += record.seconds;
    const auto add = [&](std::string& file, const Scores& scores, double lr) {
      const std::pair<std::string, double> scalars[] = {
          {"loss", scores.loss}, {"accuracy", scores.accuracy}, {"f1", scores.f1}, {"learning_rate", lr}};
      file += scalar_event(start + fold.seconds, record.epoch, scalars);
    };
    // Epoch 0 is before the training.
    if (record.epoch > 0) add(fold.train, record.train, record.lr);
    add(fold.validation, record.validation, Scores::kNone);
  }
  for (const auto& [which, fold] : folds) {
    const fs::path below = folder / "tensorboard" / which.first / fmt::format("fold{}", which.second);
    const std::string name = fmt::format("events.out.tfevents.{:.0f}.signet", start);
    bring_up_to(below / "train" / name, fold.train);
    bring_up_to(below / "validation" / name, fold.validation);
  }
}

}  // namespace signet::study
