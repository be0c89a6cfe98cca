#include "models/checkpoint_file.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "tests/models/file_bytes.h"

namespace {

using namespace signet::models;
using namespace signet::models::testing;
namespace fs = std::filesystem;

/// The folder of real weights, or an empty path where there is none.
fs::path weights_folder() {
  const char* shared = std::getenv("SIGNET_SHARED");
  const fs::path folder =
      (shared ? fs::path(shared) : fs::path(SIGNET_SOURCE_DIR) / ".." / "shared") / "weights";
  return fs::exists(folder / "resnet18-imagenet.safetensors") ? folder : fs::path();
}

Archive sorted_by_name(Archive archive) {
  std::sort(archive.entries.begin(), archive.entries.end(),
            [](const auto& left, const auto& right) { return left.first < right.first; });
  return archive;
}

std::string refused(std::string_view bytes) {
  return refusal([&] { parse_checkpoint(bytes, "f"); });
}

bool mentions(const std::string& sentence, std::string_view part) {
  return sentence.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a checkpoint is known by its content") {
  CHECK(parse_checkpoint(fixture("state_dict.pth"), "f").entries.size() == 16);
  CHECK(parse_checkpoint(fixture("state_dict_stream.pth"), "f").entries.size() == 16);
  const std::string header = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
  CHECK(parse_checkpoint(safetensors_file(header, "x"), "f").entries.size() == 1);
  // A header of 0x80 bytes begins like a pickle, one of 0x4b50 bytes like a zip.
  for (const size_t header_bytes : {size_t{0x80}, size_t{0x4b50}}) {
    std::string padded = header;
    padded.resize(header_bytes, ' ');
    CHECK(parse_checkpoint(safetensors_file(padded, "x"), "f").entries.size() == 1);
  }
}

TEST_CASE("other forms are named with a remedy") {
  using namespace std::string_literals;
  struct Case {
    std::string bytes;
    const char* looks_like;
  };
  const Case cases[] = {
      {"", "the file is empty"},
      {"\x89HDF\r\n\x1a\n\0\0\0\0"s, "an HDF5 file, as Keras writes"},
      {"GGUF\3\0\0\0"s, "a GGUF file"},
      {"\x93NUMPY\1\0v\0{'descr'"s, "a NumPy array"},
      {"\x1c\0\0\0TFL3"s, "a TensorFlow Lite model"},
      {"sys_info"s + std::string(249, '\0') + "ustar", "a tar archive, as PyTorch wrote before 0.1.10"},
      {"\x1f\x8b\x08\0"s, "a gzip archive"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"},
      {"<!DOCTYPE html>\n<html>", "a web page"},
      {"<!doctype html>", "a web page"},
      {"<html><head>", "a web page"},
      {"\x08\x01\x12\x05"s, "a TensorFlow SavedModel"},
      {"\x08\x07\x12\x07pytorch\x1a\x05", "an ONNX model"},
      {"{\"weight\": [1, 2]}", "JSON text"},
      {"PK\x05\x06"s + std::string(18, '\0'), "is neither safetensors nor a file of torch.save"},
      {"hello, world", "is neither safetensors nor a file of torch.save"},
      {"\x08", "is neither safetensors nor a file of torch.save"},
  };
  for (const Case& foreign : cases) {
    CAPTURE(foreign.bytes);
    const std::string sentence = refused(foreign.bytes);
    CHECK(mentions(sentence, foreign.looks_like));
    CHECK(sentence.starts_with("f: "));
    CHECK(mentions(sentence, foreign.bytes.empty() ? "is the download complete?" : "; "));
  }
}

TEST_CASE("a damaged checkpoint is still known") {
  CHECK(mentions(refused(fixture("state_dict.pth").substr(0, 3000)), "the zip has no end record"));
  CHECK(mentions(refused(fixture("state_dict_stream.pth").substr(0, 1000)), "is damaged at its byte"));
  CHECK(mentions(refused(little_endian<uint64_t>(5000) + "{\"a\":"), "the safetensors header of 5000 bytes"));
}

TEST_CASE("real weights are the same to the bit in the three forms") {
  const fs::path folder = weights_folder();
  if (folder.empty()) {
    fmt::print("skipped: real weights in three forms: SIGNET_SHARED names no folder with weights/\n");
    return;
  }
  const Archive safetensors = sorted_by_name(read_checkpoint(folder / "resnet18-imagenet.safetensors"));
  CHECK(safetensors.entries.size() == 122);
  const Array* convolution = safetensors.find("conv1.weight");
  REQUIRE(convolution != nullptr);
  CHECK(convolution->shape == std::vector<int64_t>{64, 3, 7, 7});
  CHECK(sorted_by_name(read_checkpoint(folder / "resnet18-imagenet.pth")) == safetensors);
  CHECK(sorted_by_name(read_checkpoint(folder / "resnet18-imagenet-legacy.pth")) == safetensors);
}
