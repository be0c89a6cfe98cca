// Event files: bytes that TensorFlow's own writer makes, and files that grow without saying anything twice.

#include "study/tensorboard.h"

#include <doctest/doctest.h>

#include <fmt/format.h>

#include <cstring>
#include <fstream>

#include "tensor/files.h"
#include "tensor/hash.h"
#include "tests/study/fixtures.h"

namespace signet::study {
namespace {

namespace fs = std::filesystem;

std::string hex(const std::string& bytes) {
  std::string text;
  for (const char c : bytes) text += fmt::format("{:02x}", uint8_t(c));
  return text;
}

template <class Number>
Number number_at(const std::string& bytes, size_t at) {
  Number value{};
  REQUIRE(at + sizeof(value) <= bytes.size());
  std::memcpy(&value, bytes.data() + at, sizeof(value));
  return value;
}

/// The data of a file's records, whose lengths and check sums are checked.
std::vector<std::string> records_of(const std::string& file) {
  const auto masked = [](const std::string& data) {
    const uint32_t crc = crc32c(data);
    return uint32_t((crc >> 15 | crc << 17) + 0xa282ead8u);
  };
  std::vector<std::string> records;
  for (size_t at = 0; at < file.size();) {
    const auto length = number_at<uint64_t>(file, at);
    CHECK(number_at<uint32_t>(file, at + 8) == masked(file.substr(at, 8)));
    records.push_back(file.substr(at + 12, length));
    CHECK(number_at<uint32_t>(file, at + 12 + length) == masked(records.back()));
    at += 16 + length;
  }
  return records;
}

EpochRecord epoch(const std::string& model, int fold, int number) {
  EpochRecord record;
  record.model = model;
  record.fold = fold;
  record.epoch = number;
  record.lr = 0.002;
  record.seconds = 1.5;
  record.validation.loss = 0.5 * number;
  record.validation.accuracy = 0.25;
  record.validation.f1 = 0.125;
  if (number > 0) record.train = record.validation;
  return record;
}

const std::string kStarted = "2023-11-14T22:13:20Z";  // 1700000000 seconds after 1970 began
const fs::path kName = "events.out.tfevents.1700000000.signet";

TEST_CASE("event files have the bytes that TensorFlow's writer makes of the same events") {
  // tensorboard 2.21.0, summary.writer.record_writer.RecordWriter and compat.proto.event_pb2.Event.
  const std::pair<std::string, double> scalars[] = {
      {"loss", 0.75}, {"none", Scores::kNone}, {"accuracy", 0.1}};
  CHECK(hex(event_file_start(1700000000.5) + scalar_event(1700000001.25, 300, scalars)) ==
        "1800000000000000a37f4b220900002040fc54d9411a0d627261696e2e4576656e743a322b3531102c00000000000000f4ae"
        "cc4509"
        "00005040fc54d94110ac022a1e0a0b0a046c6f7373150000403f0a0f0a08616363757261637915cdcccc3d3b1b3572");
}

TEST_CASE("event files hold each epoch once, however often and wherever they were stopped") {
  const ScratchFolder folder;
  std::vector<EpochRecord> epochs{epoch("mlp", 0, 0), epoch("mlp", 0, 1), epoch("mlp", 1, 0)};
  write_event_files(folder.path, epochs, kStarted);
  const fs::path below = folder.path / "tensorboard/mlp/fold0";
  CHECK(records_of(read_file(below / "train" / kName)).size() == 1 + 1);
  CHECK(records_of(read_file(below / "validation" / kName)).size() == 1 + 2);
  CHECK(records_of(read_file(folder.path / "tensorboard/mlp/fold1/train" / kName)).size() == 1);

  // TensorBoard reads on in the file it has opened: it must grow, not be replaced.
  std::ifstream reader(below / "validation" / kName, std::ios::binary);
  reader.seekg(0, std::ios::end);
  epochs.push_back(epoch("mlp", 0, 2));
  for (int i = 0; i < 3; ++i) write_event_files(folder.path, epochs, kStarted);
  const std::string added{std::istreambuf_iterator<char>(reader), {}};
  CHECK(records_of(added).size() == 1);
  const std::string whole = read_file(below / "validation" / kName);
  const auto records = records_of(whole);
  REQUIRE(records.size() == 1 + 3);
  for (int i = 0; i < 3; ++i) {
    const std::string& record = records[size_t(i + 1)];
    CHECK(number_at<double>(record, 1) == 1700000000 + 1.5 * (i + 1));
    CHECK(record[10] == i);  // the step
    CHECK(record.find("loss") != record.npos);
    CHECK(record.find("learning_rate") == record.npos);
  }

  // Killed in the middle of a record, and a file of something else.
  for (const auto& left : {whole.substr(0, whole.size() - 7), whole.substr(0, 3), std::string(),
                           whole + whole, std::string("nonsense")}) {
    std::ofstream(below / "validation" / kName, std::ios::binary) << left;
    write_event_files(folder.path, epochs, kStarted);
    CHECK((read_file(below / "validation" / kName) == whole));
  }
}

}  // namespace
}  // namespace signet::study
