// The data check on small made-up data: what is planted must be found, and nothing that is odd may stop it.

#include "study/check.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/encode.h"
#include "kernels/parallel.h"
#include "kernels/philox.h"
#include "study/csv.h"
#include "tensor/error.h"
#include "tensor/files.h"
#include "tests/study/fixtures.h"
#include "tests/study/xml.h"

namespace signet::study {
namespace {

namespace fs = std::filesystem;

float noise(uint64_t seed, uint64_t index) {
  return 2 * philox_uniform(philox({seed}, index)[0]) - 1;
}

/// Rows around a point for each class, in series of near-twins.
struct Clouds {
  static constexpr int kClasses = 4, kSeries = 12, kTakes = 3, kColumns = 10;
  static constexpr int kImages = kClasses * kSeries * kTakes;
  Tensor features = Tensor::empty({kImages, kColumns});
  std::vector<int> labels, series;

  Clouds() {
    for (int i = 0; i < kImages; ++i) {
      labels.push_back(i / (kSeries * kTakes));
      series.push_back(i / kTakes);
      for (int c = 0; c < kColumns; ++c) {
        const float centre = c == labels.back() ? 2.0f : 0.0f;
        features.data()[i * kColumns + c] = centre + noise(1, uint64_t(series.back() * kColumns + c)) +
                                            0.1f * noise(2, uint64_t(i * kColumns + c));
      }
    }
    features = scaled_features(features, true);
  }

  LabelCheck check() const { return LabelCheck(features, {series, {}}, 0); }
};

std::vector<int> ranking_of(const std::vector<LabelOpinion>& opinions) {
  std::vector<int> ranking(opinions.size());
  std::iota(ranking.begin(), ranking.end(), 0);
  std::ranges::stable_sort(ranking, std::ranges::greater(), [&](int i) { return opinions[size_t(i)].score; });
  return ranking;
}

TEST_CASE("cross-validated ridge regression is the solution of its normal equations") {
  // One column x with the constant 0.3: for the fold of rows 2 and 3, the others are x = (1, -1), classes 0
  // and 1; A'A + 0.3 I = diag(2.3, 0.48), A'T for class 0 = (1, 0), so a row x scores x / 2.3.
  const Tensor x = Tensor::from(std::vector<float>{1, -1, 0.5f, 2}, {4, 1});
  const CrossRidge ridge(x, {0, 0, 1, 1});
  const auto scores = ridge.scores(std::vector<int>{0, 1, 0, 0}, 2);
  CHECK(scores[4] == doctest::Approx(0.5 / 2.3));
  CHECK(scores[5] == doctest::Approx(-0.5 / 2.3));
  CHECK(scores[6] == doctest::Approx(2 / 2.3));
}

TEST_CASE("factors of more rows than a band solve their system") {
  constexpr int kRows = 60, kColumns = 21;
  Tensor x = Tensor::empty({kRows, kColumns});
  std::vector<int> folds(kRows, 0), labels;
  for (int64_t i = 0; i < x.size(); ++i) x.data()[i] = noise(3, uint64_t(i));
  for (int i = 0; i < kRows; ++i) labels.push_back(x.data()[i * kColumns + 17] > 0 ? 1 : 0);
  for (int i = 0; i < 20; ++i) folds[size_t(i)] = 1;
  const auto scores = CrossRidge(x, folds).scores(labels, 2);
  int right = 0;
  for (int i = 0; i < 20; ++i)
    right += (scores[size_t(2 * i + 1)] > scores[size_t(2 * i)]) == (labels[size_t(i)] == 1);
  CHECK(right >= 17);
}

TEST_CASE("the dual form gives the scores of the primal one") {
  // Columns of zeros change nothing but which system is the smaller one.
  constexpr int kRows = 30, kColumns = 12, kWide = 40;
  Tensor narrow = Tensor::empty({kRows, kColumns}), wide = Tensor::zeros({kRows, kWide});
  std::vector<int> folds, labels;
  for (int i = 0; i < kRows; ++i) {
    for (int c = 0; c < kColumns; ++c) {
      narrow.data()[i * kColumns + c] = wide.data()[i * kWide + c] = noise(4, uint64_t(i * kColumns + c));
    }
    folds.push_back(i % 4);
    labels.push_back(i % 3);
  }
  const auto primal = CrossRidge(narrow, folds).scores(labels, 3);
  const auto dual = CrossRidge(wide, folds).scores(labels, 3);
  for (size_t i = 0; i < primal.size(); ++i) CHECK(dual[i] == doctest::Approx(primal[i]).epsilon(1e-4));
}

TEST_CASE("folds keep groups whole, fill evenly and are no more than the groups") {
  const std::vector<int> groups{0, 0, 0, 1, 1, 2, 2, 3, 4, 4};
  const auto folds = grouped_folds(groups, 3, 7);
  std::vector<int> sizes(3);
  for (size_t i = 0; i < groups.size(); ++i) {
    ++sizes[size_t(folds[i])];
    for (size_t j = 0; j < i; ++j) {
      if (groups[i] == groups[j]) CHECK(folds[i] == folds[j]);
    }
  }
  std::ranges::sort(sizes);
  CHECK(sizes == std::vector{3, 3, 4});
  const auto few = grouped_folds(std::vector<int>{0, 1, 1}, 5, 0);
  CHECK(*std::ranges::max_element(few) == 1);
}

TEST_CASE("single wrong labels come first, and so does a series that was mislabelled as one") {
  const Clouds clouds;
  auto labels = clouds.labels;
  const std::vector<int> single{4, 50, 90};  // in series 1, 16 and 30
  for (const int i : single) labels[size_t(i)] = (labels[size_t(i)] + 1) % Clouds::kClasses;
  for (int i = 120; i < 123; ++i) labels[size_t(i)] = 0;  // series 40, of class 3
  const auto check = clouds.check();
  auto opinions = check.judge(labels, Clouds::kClasses);
  auto first = ranking_of(opinions);
  first.resize(6);
  std::ranges::sort(first);
  CHECK(first == std::vector{4, 50, 90, 120, 121, 122});
  for (const int i : first) {
    CHECK(opinions[size_t(i)].suggested == clouds.labels[size_t(i)]);
    CHECK(opinions[size_t(i)].score > 0.5);
  }
  CHECK(opinions[120].score > 0.8);
  // Else the twins of 120 would vouch for it.
  for (size_t i = 0; i < clouds.series.size(); ++i) {
    CHECK(check.grouped().folds()[i] == check.grouped().folds()[size_t(3 * clouds.series[i])]);
  }

  check.add_neighbours(opinions[4], 4, labels, 2);
  REQUIRE(opinions[4].like_suggested.size() == 2);
  for (const int i : opinions[4].like_suggested) {
    CHECK(labels[size_t(i)] == 0);
    CHECK(clouds.series[size_t(i)] != clouds.series[4]);
  }
  for (const int i : opinions[4].like_label) CHECK(labels[size_t(i)] == 1);
}

TEST_CASE("opinions do not depend on the number of threads") {
  const Clouds clouds;
  const int threads = num_threads();
  std::vector<double> before;
  for (const int t : {1, 3}) {
    set_num_threads(t);
    const auto p = clouds.check().probabilities(clouds.labels, Clouds::kClasses);
    if (!before.empty()) CHECK(p == before);
    before = p;
  }
  set_num_threads(threads);
}

TEST_CASE("classes of too few images are not judged") {
  const Clouds clouds;
  auto labels = clouds.labels;
  for (const int i : {0, 40, 80}) labels[size_t(i)] = 4;
  const auto opinions = clouds.check().judge(labels, 5);
  for (size_t i = 0; i < labels.size(); ++i) {
    CHECK(opinions[i].suggested != 4);
    if (labels[i] == 4) CHECK(opinions[i].score == 0);
  }
}

TEST_CASE("a rehearsal finds what it plants") {
  const Clouds clouds;
  const auto rehearsal = clouds.check().rehearse(clouds.labels, Clouds::kClasses, 0.05, 1);
  CHECK(rehearsal.planted == 7);
  CHECK(rehearsal.found >= 6);
  CHECK(rehearsal.found_twice == 7);
}

TEST_CASE("confident learning counts an image for the class that passes its threshold") {
  // Thresholds: class 0 (0.9 + 0.8 + 0.1) / 3 = 0.6, class 1 (0.45 + 0.9) / 2 = 0.675. Image 2, labelled 0,
  // is sure to be of class 1; image 3 leans to class 0 and passes no threshold. Of class 0 a third is wrong.
  const std::vector<double> p{0.9, 0.1, 0.8, 0.2, 0.1, 0.9, 0.55, 0.45, 0.1, 0.9};
  CHECK(estimated_errors(p, std::vector<int>{0, 0, 0, 1, 1}, 2) == doctest::Approx(1));
}

TEST_CASE("flips: mirror images of one class that are another class are unsafe, symmetric pictures safe") {
  const Clouds clouds;
  const auto check = clouds.check();
  const auto images = images_to_mirror(clouds.labels, Clouds::kClasses, 1000);
  CHECK(images.size() == 80);
  const std::vector<int> no_twins(size_t(Clouds::kImages), -1);
  Tensor same = Tensor::empty({int64_t(images.size()), Clouds::kColumns}), swapped = same.clone(),
         other = same.clone();
  for (size_t k = 0; k < images.size(); ++k) {
    for (int c = 0; c < Clouds::kColumns; ++c) {
      const float value = clouds.features.data()[images[k] * Clouds::kColumns + c];
      same.data()[int64_t(k) * Clouds::kColumns + c] = value + 0.01f * noise(5, k * 100 + uint64_t(c));
      // What tells classes 0 and 1 apart is exchanged.
      swapped.data()[int64_t(k) * Clouds::kColumns + (c < 2 ? 1 - c : c)] = value;
      other.data()[int64_t(k) * Clouds::kColumns + c] = value + (c == 9 ? 3.0f : 0.0f);
    }
  }
  const auto verdict = [&](const Tensor& mirrored, const std::vector<int>& twins) {
    return check_flip(check, clouds.labels, Clouds::kClasses, images, mirrored, twins).verdict();
  };
  CHECK(verdict(same, no_twins) == FlipVerdict::safe);
  CHECK(verdict(swapped, no_twins) == FlipVerdict::unsafe);
  CHECK(verdict(other, no_twins) == FlipVerdict::new_kind);
  auto twins = no_twins;
  twins[size_t(images[0])] = twins[size_t(images[1])] = Clouds::kImages - 1;
  CHECK(verdict(same, twins) == FlipVerdict::unsafe);
}

// ---- whole checks of small folders

/// A picture of its class: a bright bar whose direction tells the class and whose place varies.
data::Image bar(int label, uint64_t seed, int size = 48) {
  data::Image image{size, size, 3, std::vector<uint8_t>(size_t(size * size * 3), 10)};
  const int shift = int(philox({seed}, 0)[0] % 9) - 4;
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      const int across = label == 0   ? y - size / 2 - shift
                         : label == 1 ? x - size / 2 - shift
                                      : x - y - shift;
      const int value =
          (std::abs(across) < 5 ? 200 : 20) + int(philox({seed}, uint64_t(1 + y * size + x))[0] % 30);
      for (int c = 0; c < 3; ++c) image.pixels[size_t((y * size + x) * 3 + c)] = uint8_t(value);
    }
  }
  return image;
}

const std::vector<std::string> kClasses = {"<b>&\"'", "c d", "ü"};

/// 12 images of each of three classes whose names try to break out of the page.
void write_bars(const fs::path& root) {
  for (int label = 0; label < 3; ++label) {
    for (int i = 0; i < 12; ++i) {
      data::write_png(root / kClasses[size_t(label)] / ("<i> " + std::to_string(i) + ".png"),
                      bar(label, uint64_t(label * 100 + i)));
    }
  }
}

CheckOptions options_for(const ScratchFolder& scratch) {
  CheckOptions options;
  options.data = scratch.path / "data";
  options.output = scratch.path / "out";
  return options;
}

TEST_CASE("a check of a folder finds the files, copies, twins and labels that are wrong") {
  const ScratchFolder scratch;
  const fs::path root = scratch.path / "data";
  write_bars(root);
  data::write_png(root / "c d" / "wrong.png", bar(0, 777));
  const std::string copy = read_file(root / "ü" / "<i> 0.png");
  write_atomically(root / "c d" / "copy.png", copy);
  data::write_png(root / "ü" / "big.png", bar(2, 5, 200));
  data::write_png(root / "ü" / "blank.png",
                  {48, 48, 3, std::vector<uint8_t>(size_t(48 * 48 * 3), uint8_t(90))});
  write_atomically(root / "ü" / "broken.png", "no image");
  write_atomically(root / "ü" / "notes.txt", "text");
  const fs::path out = run_data_check(options_for(scratch));

  const auto suspects = read_csv(out / "suspect_labels.csv");
  CHECK(suspects.columns == std::vector<std::string>{"path", "label", "suggested", "score"});
  REQUIRE(suspects.rows.size() >= 2);
  CHECK(read_file(out / "suspect_labels.csv").find("c d/wrong.png,c d,\"<b>&\"\"'\",0.") !=
        std::string::npos);
  double before = 1;
  for (const auto& row : suspects.rows) {
    const double score = number_from_text(row[3], "score");
    CHECK(score <= before);
    CHECK(score >= 0.5);
    before = score;
  }
  const std::string files = read_file(out / "files.csv");
  for (const char* line :
       {"ü/broken.png,unreadable,", "ü/notes.txt,not read,", "ü/blank.png,blank,", "ü/big.png,odd size,"}) {
    CHECK_MESSAGE(files.find(line) != std::string::npos, line);
  }
  CHECK(files.find("same bytes,as c d/copy.png") != std::string::npos);
  const auto twins = read_csv(out / "near_duplicates.csv");
  CHECK(std::ranges::any_of(twins.rows, [](const auto& row) {
    return row[0] == "c d/copy.png" && row[1] == "ü/<i> 0.png" && row[2] == "0.00000";
  }));

  const std::string page = read_file(out / "check.html");
  CHECK(page.find("<b>&") == std::string::npos);
  CHECK(page.find("<i>") == std::string::npos);
  CHECK(page.find("&lt;b&gt;&amp;") != std::string::npos);
  CHECK(page.find("data:image/jpeg;base64,") != std::string::npos);
  CHECK(page.find("http:") == std::string::npos);
}

TEST_CASE("what leaves nothing to judge is said, and the rest is still written") {
  const ScratchFolder scratch;
  const fs::path root = scratch.path / "data";
  const auto page_of = [&] { return read_file(run_data_check(options_for(scratch)) / "check.html"); };
  SUBCASE("one class") {
    for (int i = 0; i < 6; ++i)
      data::write_png(root / "a" / (std::to_string(i) + ".png"), bar(0, uint64_t(i)));
    CHECK(page_of().find("Not judged: fewer than two classes have 4 images") != std::string::npos);
  }
  SUBCASE("an image a class") {
    for (int i = 0; i < 3; ++i) data::write_png(root / kClasses[size_t(i)] / "1.png", bar(i, uint64_t(i)));
    CHECK(page_of().find("Not judged: fewer than two classes") != std::string::npos);
  }
  SUBCASE("identical images") {
    for (int i = 0; i < 12; ++i) {
      data::write_png(root / (i % 2 == 0 ? "a" : "b") / (std::to_string(i) + ".png"), bar(0, 1));
    }
    const std::string page = page_of();
    CHECK(page.find("Not judged: all images are near-twins") != std::string::npos);
    CHECK(page.find("11 files repeat another one") != std::string::npos);
    CHECK(page.find("in different classes") != std::string::npos);
  }
  SUBCASE("unreadable files only") {
    for (const char* name : {"a/1.png", "a/2.jpg", "b/1.png"}) write_atomically(root / name, "nothing");
    const std::string page = page_of();
    CHECK(page.find("0 images of 2 classes") != std::string::npos);
    CHECK(page.find("3 files to look at") != std::string::npos);
  }
}

TEST_CASE("a folder that cannot be checked or written to is refused, and nothing is left") {
  const ScratchFolder scratch;
  auto options = options_for(scratch);
  fs::create_directories(options.data);
  CHECK_THROWS_AS(run_data_check(options), Error);
  CHECK_FALSE(fs::exists(options.output));
  write_bars(options.data);
  write_atomically(options.output, "a file");
  CHECK_THROWS_WITH_AS(run_data_check(options), doctest::Contains("is a file"), Error);
}

}  // namespace
}  // namespace signet::study
