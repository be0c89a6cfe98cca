#include "study/tensorboard.h"

#include <fmt/format.h>

#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <ctime>
#include <fstream>
#include <map>

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

// Protocol buffers (protobuf.dev, "Encoding"): a field is its number and wire type, then a value.
enum class Wire : uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += char((value & 0x7f) | 0x80);
  return bytes + char(value);
}

std::string field(int number, Wire wire, const std::string& value) {
  return varint(uint64_t(number) << 3 | uint64_t(wire)) + (wire == Wire::bytes ? varint(value.size()) : "") +
         value;
}

std::string event(double wall_time) {
  return field(1, Wire::fixed64, little_endian(std::bit_cast<uint64_t>(wall_time)));
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
  return tf_record(event(wall_time) + field(3, Wire::bytes, "brain.Event:2"));
}

std::string scalar_event(double wall_time, int64_t step,
                         std::span<const std::pair<std::string, double>> scalars) {
  std::string summary;
  for (const auto& [tag, value] : scalars) {
    if (std::isnan(value)) continue;
    const std::string number = little_endian(std::bit_cast<uint32_t>(float(value)));
    summary += field(1, Wire::bytes, field(1, Wire::bytes, tag) + field(2, Wire::fixed32, number));
  }
  return tf_record(event(wall_time) + field(2, Wire::varint, varint(uint64_t(step))) +
                   field(5, Wire::bytes, summary));
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
