#include "models/safetensors.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>

#include "tensor/error.h"
#include "tensor/files.h"
#include "tests/models/file_bytes.h"

namespace {

using namespace signet::models;
using namespace signet::models::testing;
namespace fs = std::filesystem;

/// A folder that goes away with the test.
struct TemporaryFolder {
  fs::path path = fs::temp_directory_path() / ("signet_safetensors_test_" + std::to_string(::getpid()));
  TemporaryFolder() { fs::create_directories(path); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { fs::remove_all(path); }
};

Array numbered(std::vector<int64_t> shape, const char* dtype) {
  Array array{std::move(shape), dtype, {}};
  array.bytes.resize(*byte_count(array.shape, dtype));
  for (size_t i = 0; i < array.bytes.size(); ++i) array.bytes[i] = std::byte(i + 1);
  return array;
}

void parse(std::string_view file) {
  parse_safetensors(file, "f");
}

std::string parse_refusal(std::string_view header, std::string_view data) {
  return refusal([&] { parse(safetensors_file(header, data)); });
}

std::string repeated(std::string_view part, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += part;
  return text;
}

constexpr std::string_view kGoodHeader = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";

}  // namespace

TEST_CASE("a safetensors file reads back as it was written") {
  const TemporaryFolder folder;
  Archive archive;
  archive.metadata = {{"classes", "a,b,\"c\"\n"}, {"seed", "1"}};
  archive.entries = {{"ü.weight", numbered({2, 3}, "F32")}, {"count", numbered({}, "I64")},
                     {"empty", numbered({0, 5}, "F32")},    {"half", numbered({3}, "BF16")},
                     {"mask", numbered({5}, "BOOL")},       {"another", numbered({1}, "F32")}};
  const fs::path path = folder.path / "w.safetensors";
  write_safetensors(path, archive);
  const Archive read = read_safetensors(path);
  CHECK(read.metadata == archive.metadata);
  REQUIRE(read.entries.size() == archive.entries.size());
  for (const auto& [name, array] : archive.entries) {
    REQUIRE(read.find(name) != nullptr);
    CHECK(*read.find(name) == array);
  }

  const std::string bytes = signet::read_file(path);
  const size_t header_bytes =
      static_cast<unsigned char>(bytes[0]) + 256 * static_cast<unsigned char>(bytes[1]);
  CHECK(header_bytes % 8 == 0);
  CHECK(read.entries.front().first == "count");

  SUBCASE("whatever the order of the entries, the file is the same") {
    std::swap(archive.entries[0], archive.entries[4]);
    write_safetensors(path, archive);
    CHECK(signet::read_file(path) == bytes);
  }
  SUBCASE("an empty archive is a file, too") {
    write_safetensors(path, {});
    CHECK(read_safetensors(path) == Archive{});
  }
}

TEST_CASE("the metadata of a safetensors file is read without its arrays") {
  const TemporaryFolder folder;
  const fs::path path = folder.path / "w.safetensors";
  Archive archive;
  archive.entries = {{"w", numbered({1000}, "F32")}};
  write_safetensors(path, archive);
  CHECK(read_safetensors_metadata(path).empty());
  archive.metadata = {{"record", "{\"é\": 1}"}, {"seed", "1"}};
  write_safetensors(path, archive);
  CHECK(read_safetensors_metadata(path) == archive.metadata);
  // The arrays may be missing, the header may not.
  fs::resize_file(path, fs::file_size(path) - 4000);
  CHECK(read_safetensors_metadata(path) == archive.metadata);
  fs::resize_file(path, 20);
  CHECK_THROWS_AS(read_safetensors_metadata(path), signet::Error);
  fs::resize_file(path, 3);
  CHECK_THROWS_AS(read_safetensors_metadata(path), signet::Error);
  CHECK_THROWS_AS(read_safetensors_metadata(folder.path / "absent"), signet::Error);
}

TEST_CASE("archives that make no safetensors file are a programmer's mistake") {
  const TemporaryFolder folder;
  const auto write = [&](std::vector<std::pair<std::string, Array>> entries) {
    write_safetensors(folder.path / "w", Archive{std::move(entries), {}});
  };
  CHECK_THROWS_AS(write({{"a", numbered({1}, "F32")}, {"a", numbered({1}, "F32")}}), std::invalid_argument);
  CHECK_THROWS_AS(write({{"a", Array{{2}, "F32", std::vector<std::byte>(4)}}}), std::invalid_argument);
  CHECK_THROWS_AS(write({{"a", Array{{1}, "F31", std::vector<std::byte>(4)}}}), std::invalid_argument);
  CHECK_THROWS_AS(write({{"__metadata__", numbered({1}, "F32")}}), std::invalid_argument);
  CHECK_THROWS_AS(write({{"\xff", numbered({1}, "F32")}}), std::invalid_argument);
  CHECK(fs::is_empty(folder.path));
}

TEST_CASE("entries come in the order of their bytes, whatever the order of the header") {
  const Archive archive = parse_safetensors(
      safetensors_file(R"({"z":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                       R"("__metadata__":{"k":"v"},"a":{"data_offsets":[1,3],"shape":[2,1],"dtype":"U8"}}  )",
                       "xyz"),
      "f");
  REQUIRE(archive.entries.size() == 2);
  CHECK(archive.entries[0].first == "z");
  CHECK(archive.entries[1].first == "a");
  CHECK(archive.entries[1].second.shape == std::vector<int64_t>{2, 1});
  CHECK(archive.entries[1].second.bytes == std::vector<std::byte>{std::byte('y'), std::byte('z')});
  CHECK(archive.metadata.at("k") == "v");
}

TEST_CASE("damaged safetensors headers are refused with the fault") {
  struct Case {
    std::string header;
    std::string fault;
  };
  const auto tensor_header = [](const std::string& members) { return R"({"a":{)" + members + "}}"; };
  const Case cases[] = {
      {"", "does not begin with '{'"},
      {"[]", "does not begin with '{'"},
      {" " + std::string(kGoodHeader), "does not begin with '{'"},
      {"{", "not valid JSON"},
      {"{\"a\":\"\xff\"}", "not valid JSON"},
      {std::string(kGoodHeader) + "x", "not valid JSON"},
      {std::string(kGoodHeader) + std::string(1, '\0'), "not valid JSON"},
      {R"({"a":1})", "tensor \"a\": its header entry is not an object"},
      {R"({"__metadata__":[]})", "__metadata__ of the safetensors header is not an object"},
      {R"({"__metadata__":{"k":1}})", "metadata \"k\" of the safetensors header is not a string"},
      {tensor_header(R"("shape":[2],"data_offsets":[0,8])"), "tensor \"a\": \"dtype\" is missing"},
      {tensor_header(R"("dtype":"F32","data_offsets":[0,8])"), "\"shape\" is missing"},
      {tensor_header(R"("dtype":"F32","shape":[2])"), "\"data_offsets\" is missing"},
      {tensor_header(R"("dtype":"F33","shape":[2],"data_offsets":[0,8])"), "dtype \"F33\" is unknown"},
      {tensor_header(R"("dtype":3,"shape":[2],"data_offsets":[0,8])"), "\"dtype\" is not a string"},
      {tensor_header(R"("dtype":"F32","shape":2,"data_offsets":[0,8])"), "\"shape\" is not an array"},
      {tensor_header(R"("dtype":"F32","shape":[-2],"data_offsets":[0,8])"), "size -2 is not a whole number"},
      {tensor_header(R"("dtype":"F32","shape":[2.0],"data_offsets":[0,8])"),
       "size 2.0 is not a whole number"},
      {tensor_header(R"("dtype":"F32","shape":["2"],"data_offsets":[0,8])"),
       "size \"2\" is not a whole number"},
      {tensor_header(R"("dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,8])"), "too large"},
      {tensor_header(R"("dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,8])"),
       "not a whole number"},
      {tensor_header(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8])"), "overflows"},
      // 2⁶² × 4 wraps to 0, and 2⁶¹ + 1 elements of 8 bytes to 8.
      {tensor_header(R"("dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0])"), "overflows"},
      {tensor_header(R"("dtype":"F64","shape":[2305843009213693953],"data_offsets":[0,8])"), "overflows"},
      {tensor_header(R"("dtype":"F32","shape":[2],"data_offsets":[0])"), "are not two whole numbers"},
      {tensor_header(R"("dtype":"F32","shape":[2],"data_offsets":[0,8,16])"), "are not two whole numbers"},
      {tensor_header(R"("dtype":"F32","shape":[2],"data_offsets":[-8,0])"), "are not two whole numbers"},
      {tensor_header(R"("dtype":"F32","shape":[2],"data_offsets":[0,8.0])"), "are not two whole numbers"},
      {tensor_header(R"("dtype":"F32","shape":[2],"data_offsets":{"0":0,"1":8})"),
       "are not two whole numbers"},
      {tensor_header(R"("dtype":"F32","shape":[2],"data_offsets":[8,0])"),
       "leave the file's 8 bytes of data"},
      {tensor_header(R"("dtype":"F32","shape":[2],"data_offsets":[0,12])"),
       "leave the file's 8 bytes of data"},
      {tensor_header(R"("dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551615])"),
       "leave the file's"},
      {tensor_header(R"("dtype":"F32","shape":[1],"data_offsets":[0,8])"),
       "hold 8 bytes, but shape [1] of F32 needs 4"},
      {tensor_header(R"("dtype":"F32","shape":[],"data_offsets":[0,8])"),
       "hold 8 bytes, but shape [] of F32 needs 4"},
      {tensor_header(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])"),
       "the 4 bytes before it belong to no tensor"},
      {tensor_header(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])"), "4 bytes after the last tensor"},
      {tensor_header(R"("dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8])"),
       "the key \"dtype\" twice"},
      {R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})",
       "the key \"a\" twice"},
      {R"({"__metadata__":{"k":"1","k":"2"}})", "the key \"k\" twice"},
      {R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
       "tensor \"b\": its bytes [4, 8) overlap those of another tensor"},
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
       "tensor \"b\": the 2 bytes before it belong to no tensor"},
      {"{}", "8 bytes after the last tensor belong to none"},
      {R"({"a":)" + std::string(100'000, '[') + "}", "nests too deeply"},
      {R"({"a":{"b":{"c":{"d":1}}}})", "nests too deeply"},
      {R"({"a":{"shape":[)" + repeated("1,", 1 << 22) + "1]}}", "more than 4194304 values"},
  };
  CHECK(parse_refusal(kGoodHeader, "12345678") == "accepted");
  for (const Case& damaged : cases) {
    CAPTURE(damaged.header.substr(0, 200));
    const std::string sentence = parse_refusal(damaged.header, "12345678");
    CHECK(sentence.find(damaged.fault) != std::string::npos);
    CHECK(sentence.starts_with("f: "));
  }
}

TEST_CASE("lengths of safetensors headers are checked against the file") {
  const auto parse_length = [](uint64_t length) {
    return refusal([&] { parse(little_endian(length) + std::string(kGoodHeader) + "12345678"); });
  };
  CHECK(parse_length(kGoodHeader.size()) == "accepted");
  CHECK(parse_length(kGoodHeader.size() + 9).find("does not fit the file's") != std::string::npos);
  CHECK(parse_length(100'000'000).find("does not fit the file's") != std::string::npos);
  CHECK(parse_length(100'000'001).find("beyond the limit") != std::string::npos);
  CHECK(parse_length(~uint64_t{0}).find("beyond the limit") != std::string::npos);
  CHECK(parse_length(~uint64_t{0} - 7).find("beyond the limit") != std::string::npos);
  CHECK(refusal([] { parse("1234567"); }).find("too few for a safetensors file") != std::string::npos);
}

TEST_CASE("a header of very many tensors is read") {
  std::string header = "{";
  for (int i = 0; i < 50'000; ++i) {
    header += (i ? ",\"" : "\"") + std::to_string(i) + R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  }
  CHECK(parse_safetensors(safetensors_file(header + "}", ""), "f").entries.size() == 50'000);
}

TEST_CASE("damage to a safetensors file ends in an Error") {
  const std::string file =
      safetensors_file(R"({"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                       R"("b":{"dtype":"I64","shape":[1,1],"data_offsets":[8,16]}})",
                       "0123456789abcdef");
  const DamageReport truncated = read_truncated(file, parse);
  CHECK(truncated.failures.empty());
  CHECK(truncated.accepted == 0);
  const DamageReport changed = read_with_changed_bytes(file, parse);
  CHECK(changed.failures.empty());
  CHECK(changed.refused > 0);
}

TEST_CASE("a safetensors file that is not there is named") {
  CHECK(refusal([] { read_safetensors("/nowhere/w.safetensors"); }).starts_with("/nowhere/w.safetensors: "));
}
