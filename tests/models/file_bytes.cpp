#include "tests/models/file_bytes.h"

#include <fmt/format.h>

#include "models/zip.h"
#include "tensor/error.h"
#include "tensor/files.h"
#include "tensor/hash.h"

namespace signet::models::testing {
namespace {

/// Notes how one version fared.
void note(DamageReport& report, const std::string& version, const std::function<void()>& read) {
  const std::string sentence = refusal(read);
  if (sentence == "accepted") {
    ++report.accepted;
  } else if (sentence.starts_with("wrong type") || sentence.empty()) {
    report.failures.push_back(fmt::format("{}: {}", version, sentence));
  } else {
    ++report.refused;
  }
}

std::string concatenated(std::initializer_list<std::string> parts) {
  std::string bytes;
  for (const std::string& part : parts) bytes += part;
  return bytes;
}

std::string integers(std::initializer_list<int32_t> numbers) {
  std::string opcodes = "(";
  for (const int32_t number : numbers) opcodes += integer(number);
  return opcodes + "t";
}

}  // namespace

std::string refusal(const std::function<void()>& read) {
  try {
    read();
    return "accepted";
  } catch (const Error& error) {
    return error.what();
  } catch (const std::exception& error) {
    return std::string("wrong type: ") + error.what();
  }
}

DamageReport read_truncated(std::string_view file, const Reader& read) {
  DamageReport report;
  for (size_t length = 0; length < file.size(); ++length) {
    // An exact copy lets a sanitizer see a read past the end.
    const std::vector<char> prefix(file.begin(), file.begin() + ptrdiff_t(length));
    note(report, fmt::format("{} bytes", length), [&] { read({prefix.data(), prefix.size()}); });
  }
  return report;
}

DamageReport read_with_changed_bytes(std::string_view file, const Reader& read) {
  DamageReport report;
  std::vector<char> bytes(file.begin(), file.end());
  for (size_t i = 0; i < bytes.size(); ++i) {
    const char original = bytes[i];
    for (const int change : {0x01, 0x20, 0x80, 0xff}) {
      bytes[i] = char(original ^ change);
      note(report, fmt::format("byte {} xor {}", i, change), [&] { read({bytes.data(), bytes.size()}); });
    }
    bytes[i] = original;
  }
  return report;
}

std::string patched(std::string bytes, size_t position, std::string_view replacement) {
  return bytes.replace(position, replacement.size(), replacement);
}

std::string fixture(const std::string& name) {
  return read_file(std::string(SIGNET_SOURCE_DIR) + "/tests/models/fixtures/" + name);
}

std::string safetensors_file(std::string_view header, std::string_view data) {
  return little_endian<uint64_t>(header.size()) + std::string(header) + std::string(data);
}

std::string zip_file(const std::vector<ZipPart>& parts, const ZipOptions& options) {
  std::string file;
  std::string directory;
  for (size_t i = 0; i < parts.size(); ++i) {
    const auto& [name, content] = parts[i];
    const std::string common = little_endian<uint16_t>(0) + little_endian<uint16_t>(0) +
                               little_endian<uint32_t>(0) + little_endian<uint32_t>(crc32(content)) +
                               little_endian<uint32_t>(content.size()) +
                               little_endian<uint32_t>(content.size()) + little_endian<uint16_t>(name.size());
    std::string record = "PK\x01\x02" + little_endian<uint16_t>(20) + little_endian<uint16_t>(20) + common;
    record +=
        little_endian<uint16_t>(0) + std::string(10, '\0') + little_endian<uint32_t>(file.size()) + name;
    options.directory_change(i, record);
    directory += record;
    std::string local =
        "PK\x03\x04" + little_endian<uint16_t>(20) + common + little_endian<uint16_t>(0) + name;
    options.local_change(i, local);
    file += local + content;
  }
  const uint64_t offset = file.size();
  const uint64_t count = parts.size();
  file += directory;
  if (options.zip64) {
    const uint64_t position = file.size();
    file +=
        "PK\x06\x06" + little_endian<uint64_t>(44) + little_endian<uint32_t>(0x2d002d) + std::string(8, '\0');
    file += little_endian(count) + little_endian(count) + little_endian<uint64_t>(directory.size());
    file += little_endian(offset) + "PK\x06\x07" + little_endian<uint32_t>(0) + little_endian(position);
    file += little_endian<uint32_t>(1);
    return file + "PK\x05\x06" + std::string(4, '\0') + std::string(12, '\xff') + std::string(2, '\0');
  }
  return file + "PK\x05\x06" + std::string(4, '\0') + little_endian<uint16_t>(count) +
         little_endian<uint16_t>(count) + little_endian<uint32_t>(directory.size()) +
         little_endian<uint32_t>(offset) + std::string(2, '\0');
}

std::string global(std::string_view module, std::string_view name) {
  return fmt::format("c{}\n{}\n", module, name);
}

std::string text(std::string_view text) {
  return fmt::format("X{}{}", little_endian<uint32_t>(text.size()), text);
}

std::string integer(int32_t number) {
  return fmt::format("J{}", little_endian(number));
}

std::string tuple(std::initializer_list<std::string> elements) {
  return fmt::format("({}t", concatenated(elements));
}

std::string call(const std::string& callable, std::initializer_list<std::string> arguments) {
  return callable + tuple(arguments) + "R";
}

std::string dict(std::initializer_list<std::string> keys_and_values) {
  return fmt::format("}}({}u", concatenated(keys_and_values));
}

std::string pickle(const std::string& opcodes) {
  return fmt::format("\x80\x02{}.", opcodes);
}

std::string storage(std::string_view type, std::string_view key, int32_t elements) {
  return tuple({text("storage"), global("torch", type), text(key), text("cpu"), integer(elements)}) + "Q";
}

std::string tensor(const std::string& storage, int32_t offset, std::initializer_list<int32_t> sizes,
                   std::initializer_list<int32_t> strides) {
  return call(global("torch._utils", "_rebuild_tensor_v2"),
              {storage, integer(offset), integers(sizes), integers(strides), "\x89",
               global("collections", "OrderedDict") + ")R"});
}

std::string torch_zip(const std::string& object, const std::vector<std::string>& storages) {
  std::vector<ZipPart> parts = {{"m/data.pkl", pickle(object)}, {"m/byteorder", "little"}};
  for (size_t i = 0; i < storages.size(); ++i) parts.push_back({fmt::format("m/data/{}", i), storages[i]});
  return zip_file(parts);
}

std::string torch_stream(const std::string& object, const std::vector<StreamStorage>& storages) {
  const std::string magic = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
  std::string keys = "](";
  std::string contents;
  for (const StreamStorage& part : storages) {
    keys += text(part.key);
    contents += little_endian(part.elements) + part.bytes;
  }
  return pickle(magic) + pickle(integer(1001)) + pickle(dict({text("little_endian"), "\x88"})) +
         pickle(object) + pickle(keys + "e") + contents;
}

}  // namespace signet::models::testing
