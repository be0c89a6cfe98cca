#include "models/zip.h"

#include <doctest/doctest.h>

#include "tensor/hash.h"
#include "tests/models/file_bytes.h"

namespace {

using namespace signet::models;
using signet::crc32;
using namespace signet::models::testing;

const std::vector<ZipPart> kParts = {{"m/a", "alpha"}, {"m/b", ""}, {"m/c", std::string(300, 'c')}};

void read(std::string_view file) {
  for (const ZipEntry& entry : read_zip(file, "f")) check_crc32(entry, "f");
}

std::string read_refusal(const std::string& file) {
  return refusal([&] { read(file); });
}

bool mentions(const std::string& sentence, std::string_view part) {
  return sentence.find(part) != std::string::npos;
}

/// A zip with the bytes at `position` of one entry's local header or directory record replaced.
std::string with_local(size_t entry, size_t position, const std::string& bytes) {
  ZipOptions options;
  options.local_change = [&](size_t i, std::string& record) {
    if (i == entry) record.replace(position, bytes.size(), bytes);
  };
  return zip_file(kParts, options);
}

std::string with_directory(size_t entry, size_t position, const std::string& bytes) {
  ZipOptions options;
  options.directory_change = [&](size_t i, std::string& record) {
    if (i == entry) record.replace(position, bytes.size(), bytes);
  };
  return zip_file(kParts, options);
}

std::string with_both(size_t entry, size_t local_position, const std::string& bytes) {
  ZipOptions options;
  options.local_change = [&](size_t i, std::string& record) {
    if (i == entry) record.replace(local_position, bytes.size(), bytes);
  };
  options.directory_change = [&](size_t i, std::string& record) {
    if (i == entry) record.replace(local_position + 2, bytes.size(), bytes);
  };
  return zip_file(kParts, options);
}

}  // namespace

TEST_CASE("CRC-32 of known messages") {
  // The check value of the catalogue of CRCs, and a length on each side of the sixteen-byte step.
  CHECK(crc32("123456789") == 0xcbf43926u);
  CHECK(crc32("") == 0u);
  CHECK(crc32("The quick brown fox jumps over the lazy dog") == 0x414fa339u);
  CHECK(crc32(std::string(32, '\0')) == 0x190a55adu);
  CHECK(crc32(std::string(32, '\xff')) == 0xff6cab0bu);
}

TEST_CASE("the entries of a zip are read") {
  for (const bool zip64 : {false, true}) {
    CAPTURE(zip64);
    ZipOptions options;
    options.zip64 = zip64;
    for (const std::string& comment : {std::string(), std::string("with a comment")}) {
      std::string file = zip_file(kParts, options);
      file = patched(file, file.size() - 2, little_endian<uint16_t>(comment.size())) + comment;
      const auto entries = read_zip(file, "f");
      REQUIRE(entries.size() == kParts.size());
      for (size_t i = 0; i < kParts.size(); ++i) {
        CHECK(entries[i].name == kParts[i].name);
        CHECK(entries[i].content == kParts[i].content);
        CHECK_NOTHROW(check_crc32(entries[i], "f"));
      }
    }
  }
  CHECK(read_zip(zip_file({}), "f").empty());
}

TEST_CASE("sizes beyond 32 bits come from the extra field") {
  ZipOptions options;
  const std::string extra = little_endian<uint16_t>(0x7777) + little_endian<uint16_t>(1) + "x" +
                            little_endian<uint16_t>(1) + little_endian<uint16_t>(24) +
                            little_endian<uint64_t>(5) + little_endian<uint64_t>(5) +
                            little_endian<uint64_t>(0);
  options.directory_change = [&](size_t i, std::string& record) {
    if (i != 0) return;
    record.replace(20, 8, std::string(8, '\xff'));
    record.replace(42, 4, std::string(4, '\xff'));
    record.replace(30, 2, little_endian<uint16_t>(extra.size()));
    record += extra;
  };
  const std::string file = zip_file(kParts, options);
  CHECK(read_zip(file, "f")[0].content == "alpha");

  const size_t at = file.find(extra);
  REQUIRE(at != std::string::npos);
  CHECK(mentions(read_refusal(patched(file, at + 7, little_endian<uint16_t>(25))),
                 "leaves the directory record"));
  CHECK(mentions(read_refusal(patched(file, at + 5, little_endian<uint16_t>(2))), "zip64 sizes are missing"));
  CHECK(mentions(read_refusal(patched(file, at + 9, little_endian(~uint64_t{0}))), "two sizes differ"));
  const std::string huge = little_endian(~uint64_t{0}) + little_endian(~uint64_t{0});
  CHECK(mentions(read_refusal(patched(file, at + 9, huge)), "bytes leave the file"));
  CHECK(mentions(read_refusal(patched(file, at + 25, little_endian(~uint64_t{0}))), "lies outside the file"));
}

TEST_CASE("the tricks of hostile zips are refused by name") {
  CHECK(read_refusal(zip_file(kParts)) == "accepted");
  CHECK(mentions(read_refusal(zip_file({{"m/a", "1"}, {"m/a", "2"}})),
                 "zip entry \"m/a\": the name is used twice"));
  CHECK(mentions(read_refusal(with_both(0, 8, little_endian<uint16_t>(8))),
                 "\"m/a\": it is compressed (method 8)"));
  CHECK(mentions(read_refusal(with_both(0, 6, little_endian<uint16_t>(1))), "\"m/a\": it is encrypted"));
  CHECK(mentions(read_refusal(with_both(0, 14, "????")), "zip entry \"m/a\": CRC-32"));
  CHECK(mentions(read_refusal(with_both(0, 18, little_endian<uint32_t>(4))), "two sizes differ"));

  const std::string contradiction = "its local header contradicts the directory";
  CHECK(mentions(read_refusal(with_local(0, 30, "m/x")), contradiction));
  CHECK(mentions(read_refusal(with_local(0, 8, little_endian<uint16_t>(8))), contradiction));
  CHECK(mentions(read_refusal(with_local(0, 6, little_endian<uint16_t>(0x800))), contradiction));
  CHECK(mentions(read_refusal(with_local(0, 14, "????")), contradiction));
  CHECK(mentions(read_refusal(with_local(0, 18, little_endian<uint32_t>(4))), contradiction));
  CHECK(mentions(read_refusal(with_local(0, 22, little_endian<uint32_t>(0))), contradiction));
  CHECK(mentions(read_refusal(with_local(0, 0, "PK\x03\x05")), "its local header is damaged"));

  const std::string huge = little_endian<uint32_t>(0xfffffffe);
  CHECK(mentions(read_refusal(with_directory(0, 42, huge)), "its local header lies outside the file"));
  CHECK(
      mentions(read_refusal(with_both(2, 18, huge + huge)), "\"m/c\": its 4294967294 bytes leave the file"));
  CHECK(mentions(read_refusal(with_local(2, 28, little_endian<uint16_t>(0xffff))), "bytes leave the file"));
  // The first entry claims the bytes of the second.
  CHECK(mentions(read_refusal(with_both(0, 18, little_endian<uint32_t>(40) + little_endian<uint32_t>(40))),
                 "two entries of the zip overlap"));
  CHECK(mentions(read_refusal(with_directory(0, 0, "PK\x01\x03")),
                 "record 1 of the zip's directory is damaged"));
  CHECK(mentions(read_refusal(with_directory(2, 28, little_endian<uint16_t>(9999))), "leaves the directory"));
}

TEST_CASE("end records that lie are refused") {
  const std::string file = zip_file(kParts);
  const size_t end = file.size() - 22;
  CHECK(mentions(read_refusal(patched(file, end, "PK\x05\x07")), "the zip has no end record"));
  CHECK(mentions(read_refusal(file + "x"), "the zip has no end record"));
  CHECK(
      mentions(read_refusal(patched(file, end + 4, little_endian<uint16_t>(1))), "split over several files"));
  CHECK(mentions(read_refusal(patched(file, end + 10, little_endian<uint16_t>(2))), "bytes too many"));
  CHECK(mentions(read_refusal(patched(file, end + 10, little_endian<uint16_t>(9999))), "does not end where"));
  CHECK(mentions(read_refusal(patched(file, end + 12, little_endian<uint32_t>(1))), "does not end where"));
  CHECK(mentions(read_refusal(patched(file, end + 16, little_endian<uint32_t>(0xfffffff0))),
                 "does not end where"));

  ZipOptions options;
  options.zip64 = true;
  const std::string wide = zip_file(kParts, options);
  const size_t locator = wide.size() - 42;
  const size_t wide_end = locator - 56;
  CHECK(mentions(read_refusal(patched(wide, locator + 8, little_endian(~uint64_t{0}))), "does not point to"));
  CHECK(mentions(read_refusal(patched(wide, locator + 8, little_endian<uint64_t>(0))), "does not point to"));
  CHECK(
      mentions(read_refusal(patched(wide, wide_end + 4, little_endian<uint64_t>(43))), "does not point to"));
  CHECK(mentions(read_refusal(patched(wide, wide_end + 32, little_endian(~uint64_t{0}))),
                 "does not end where"));
  CHECK(mentions(read_refusal(patched(wide, wide_end + 40, little_endian(~uint64_t{0}))),
                 "does not end where"));
  CHECK(mentions(read_refusal(patched(wide, wide_end + 48, little_endian(~uint64_t{0}))),
                 "does not end where"));
  const size_t plain_end = wide.size() - 22;
  CHECK(mentions(read_refusal(patched(wide, plain_end + 10, little_endian<uint16_t>(7))),
                 "contradict each other"));
}

TEST_CASE("damage to a zip ends in an Error") {
  for (const bool zip64 : {false, true}) {
    ZipOptions options;
    options.zip64 = zip64;
    const std::string file = zip_file(kParts, options);
    const DamageReport truncated = read_truncated(file, read);
    CHECK(truncated.failures.empty());
    CHECK(truncated.accepted == 0);
    const DamageReport changed = read_with_changed_bytes(file, read);
    CHECK(changed.failures.empty());
    CHECK(changed.refused > 0);
  }
}
