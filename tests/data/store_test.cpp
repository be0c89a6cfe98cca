#include "data/store.h"

#include <algorithm>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "data/decode.h"
#include "kernels/parallel.h"
#include "tensor/files.h"
#include "tensor/sha256.h"
#include "tests/data/fixtures.h"

using namespace signet;
using namespace signet::data;

namespace {

std::vector<uint8_t> read(const ImageStore& store, int64_t index, const ImageSpec& spec) {
  std::vector<uint8_t> pixels(size_t(spec.bytes()), 0xAA);
  store.read(index, spec, pixels);
  return pixels;
}

std::vector<uint8_t> expected(const ImageStore& store, int64_t index, const ImageSpec& spec) {
  const auto& path = store.dataset().samples[size_t(index)].path;
  return prepare(load_image(store.dataset().root / path), spec).pixels;
}

constexpr ImageSpec kColour{12, 3}, kGrey{9, 1}, kOther{5, 3};

}  // namespace

TEST_CASE("prepare takes grey before it resizes") {
  const Image image = random_image(1, 20, 20, 3);
  CHECK(prepare(image, kGrey).pixels == resize(to_grey(image), 9, 9).pixels);
  CHECK(prepare(image, kColour).pixels == resize(image, 12, 12).pixels);
}

TEST_CASE("the store gives the same pixels kept or decoded again, from many threads") {
  const TemporaryFolder folder;
  write_hands(folder, 3, 2, 1, 2);
  const auto dataset = scan_dataset(folder.path());
  const int64_t everything = dataset.size() * (kColour.bytes() + kGrey.bytes());
  for (const int64_t bound : {everything, everything / 2, int64_t{500}, int64_t{0}}) {
    CAPTURE(bound);
    const ImageStore store(dataset, {kColour, kGrey, kColour}, {.max_bytes = bound});
    CHECK(store.kept_bytes() <= bound);
    CHECK((bound < everything || store.kept_bytes() == everything));
    CHECK((bound == 0) == (store.kept_bytes() == 0));
    CHECK(store.keeps_all(kColour) == (bound == everything));
    CHECK(!store.keeps_all(kOther));
    std::mutex mutex;
    int wrong = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&] {
        for (int64_t i = 0; i < dataset.size(); ++i) {
          for (const auto& spec : {kColour, kGrey, kOther}) {
            const bool same = read(store, i, spec) == expected(store, i, spec);
            const std::lock_guard lock(mutex);
            wrong += !same;
          }
        }
      });
    }
    for (auto& thread : threads) thread.join();
    CHECK(wrong == 0);
  }
}

TEST_CASE("small forms are kept before large ones") {
  const TemporaryFolder folder;
  write_hands(folder, 2, 1, 1, 2);
  const ImageStore store(scan_dataset(folder.path()), {kColour, kGrey},
                         {.max_bytes = 4 * kGrey.bytes() + kColour.bytes() + 200});
  CHECK(store.kept(3, kGrey).size() == size_t(kGrey.bytes()));
  CHECK(store.kept(0, kColour).size() == size_t(kColour.bytes()));
  CHECK(store.kept(1, kColour).empty());
  CHECK(store.kept(0, kOther).empty());
}

TEST_CASE("progress counts every file once") {
  const TemporaryFolder folder;
  write_hands(folder, 3, 1, 1, 4);
  std::vector<int64_t> seen;
  const ImageStore store(scan_dataset(folder.path()), {kGrey}, {.progress = [&](int64_t done, int64_t total) {
                           CHECK(total == 12);
                           seen.push_back(done);
                         }});
  CHECK(seen == std::vector<int64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
}

TEST_CASE("all unreadable files are listed before anything starts, or left out") {
  const TemporaryFolder folder;
  write_hands(folder, 2, 1, 1, 3);
  folder.write("a/aaa.jpg", "a text");
  folder.write("b/empty.png", "");
  std::filesystem::create_symlink("/nowhere/at/all.png", folder.path() / "b" / "zz.png");
  const auto dataset = scan_dataset(folder.path());
  CHECK(dataset.size() == 9);
  const std::string text = error_of([&] { ImageStore(dataset, {kGrey}); });
  CHECK(contains(text, "3 of 9 images cannot be used"));
  CHECK(contains(text, "--skip-bad"));
  for (const char* name : {"a/aaa.jpg: is not a JPEG", "b/empty.png: is an empty file", "b/zz.png: "}) {
    CHECK_MESSAGE(contains(text, "\n  " + (folder.path() / name).string()), name);
  }

  const ImageStore store(dataset, {kGrey, kColour}, {.skip_bad = true});
  CHECK(store.dataset().size() == 6);
  REQUIRE(store.bad_files().size() == 3);
  CHECK(store.bad_files()[0].path == "a/aaa.jpg");
  CHECK(contains(store.bad_files()[0].reason, "not a JPEG"));
  for (int64_t i = 0; i < 6; ++i) CHECK(read(store, i, kColour) == expected(store, i, kColour));

  for (const char* take : {"1", "2", "3"}) {
    folder.write(std::string("b/hand1_b_bot_seg_") + take + "_cropped.png", "broken");
  }
  CHECK(contains(error_of([&] { ImageStore(dataset, {kGrey}, {.skip_bad = true}); }),
                 "none of the images of class 'b'"));
}

TEST_CASE("the content hash is that of sha256sum's lines") {
  const TemporaryFolder folder;
  write_hands(folder, 2, 1, 1, 2);
  const auto dataset = scan_dataset(folder.path());
  std::string lines;
  for (const auto& sample : dataset.samples) {
    lines += sha256_hex(read_file(folder.path() / sample.path)) + "  " + sample.path + "\n";
  }
  CHECK(ImageStore(dataset, {kGrey}).content_hash() == sha256_hex(lines));
  folder.write_image("a/hand1_a_bot_seg_1_cropped.png", 77);
  CHECK(ImageStore(dataset, {kGrey}).content_hash() != sha256_hex(lines));
}

TEST_CASE("a file that becomes unreadable is named when it is needed") {
  const TemporaryFolder folder;
  write_hands(folder, 2, 1, 1, 2);
  const ImageStore store(scan_dataset(folder.path()), {kGrey}, {.max_bytes = 0});
  std::filesystem::remove(folder.path() / "a" / "hand1_a_bot_seg_1_cropped.png");
  CHECK(contains(error_of([&] { read(store, 0, kGrey); }), "hand1_a_bot_seg_1_cropped.png"));
}

TEST_CASE("wrong forms, indices and lengths are refused") {
  const TemporaryFolder folder;
  write_hands(folder, 2, 1, 1, 2);
  const auto dataset = scan_dataset(folder.path());
  CHECK_THROWS_AS(ImageStore(dataset, {{0, 3}}), std::invalid_argument);
  CHECK_THROWS_AS(ImageStore(dataset, {{8, 2}}), std::invalid_argument);
  const ImageStore store(dataset, {kGrey});
  std::vector<uint8_t> pixels(size_t(kGrey.bytes()));
  CHECK_THROWS_AS(store.read(4, kGrey, pixels), std::out_of_range);
  CHECK_THROWS_AS(store.read(-1, kGrey, pixels), std::out_of_range);
  CHECK_THROWS_AS(store.read(0, kColour, pixels), std::invalid_argument);
}
