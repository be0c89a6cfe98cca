#include "models/checkpoint_file.h"

#include <array>

#include "models/pth.h"
#include "models/safetensors.h"
#include "tensor/error.h"
#include "tensor/files.h"

namespace signet::models {
namespace {

using namespace std::string_view_literals;

/// A form that Signet does not read: bytes at a position that give it away, and a way out.
struct ForeignForm {
  size_t position;
  std::string_view signature;
  const char* looks_like;
  const char* remedy;
};

constexpr const char* kSafetensorsRemedy = "save its weights as safetensors with torchvision's names";
constexpr const char* kDownloadRemedy = "download the file itself";

constexpr std::array<ForeignForm, 13> kForeignForms = {{
    {0, "\x89HDF\r\n\x1a\n"sv, "an HDF5 file, as Keras writes", kSafetensorsRemedy},
    {0, "GGUF"sv, "a GGUF file", kSafetensorsRemedy},
    {0, "\x93NUMPY"sv, "a NumPy array", "save the arrays with safetensors.numpy.save_file"},
    {4, "TFL3"sv, "a TensorFlow Lite model", kSafetensorsRemedy},
    {257, "ustar"sv, "a tar archive, as PyTorch wrote before 0.1.10",
     "unpack it, or save it with a newer PyTorch"},
    {0, "\x1f\x8b"sv, "a gzip archive", "unpack it with gunzip"},
    {0, "version https://git-lfs"sv, "a Git LFS pointer", "fetch the file itself with `git lfs pull`"},
    {0, "<!DOCTYPE"sv, "a web page", kDownloadRemedy},
    {0, "<!doctype"sv, "a web page", kDownloadRemedy},
    {0, "<html"sv, "a web page", kDownloadRemedy},
    // Protobuf: field 1, a version, and field 2. ONNX counts its versions from 3, SavedModel has only 1.
    {0, "\x08\x01\x12"sv, "a TensorFlow SavedModel", kSafetensorsRemedy},
    {0, "\x08\x01\x1a"sv, "a TensorFlow SavedModel", kSafetensorsRemedy},
    {0, "{"sv, "JSON text", "name the file that holds the weights"},
}};

constexpr size_t kSafetensorsLengthBytes = 8;
constexpr unsigned char kPickleProtocolOpcode = 0x80;

bool looks_like_onnx(std::string_view bytes) {
  return bytes.size() > 2 && bytes[0] == 0x08 && bytes[1] >= 3 && bytes[1] < 0x40 &&
         (bytes[2] == 0x12 || bytes[2] == 0x1a || bytes[2] == 0x3a);
}

}  // namespace

Archive parse_checkpoint(std::string_view bytes, const std::string& source) {
  if (bytes.empty()) fail("{}: the file is empty; is the download complete?", source);
  if (bytes.starts_with("PK\x03\x04"sv)) return parse_pth(bytes, source);
  const auto first = static_cast<unsigned char>(bytes[0]);
  const bool has_header_brace =
      bytes.size() > kSafetensorsLengthBytes && bytes[kSafetensorsLengthBytes] == '{';
  if (has_header_brace) return parse_safetensors(bytes, source);
  if (first == kPickleProtocolOpcode) return parse_pth(bytes, source);

  for (const ForeignForm& form : kForeignForms) {
    if (bytes.size() >= form.position && bytes.substr(form.position).starts_with(form.signature)) {
      fail("{}: looks like {}, which is not a checkpoint that Signet reads; {}", source, form.looks_like,
           form.remedy);
    }
  }
  if (looks_like_onnx(bytes)) {
    fail("{}: looks like an ONNX model, which is not a checkpoint that Signet reads; {}", source,
         kSafetensorsRemedy);
  }
  fail("{}: is neither safetensors nor a file of torch.save; {}", source, kSafetensorsRemedy);
}

Archive read_checkpoint(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    fail("{}: there is no such file; give a checkpoint (.safetensors, .pth)", path.string());
  }
  return parse_checkpoint(read_file(path), path.string());
}

}  // namespace signet::models
