// The report of a small invented run whose class names try to break out of the page.

#include "study/report.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>

#include <nlohmann/json.hpp>
#include <set>

#include "data/encode.h"
#include "data/leakage.h"
#include "study/csv.h"
#include "study/report_images.h"
#include "study/report_run.h"
#include "study/run_folder.h"
#include "study/table.h"
#include "tensor/base64.h"
#include "tensor/error.h"
#include "tensor/files.h"
#include "tensor/sha256.h"
#include "tests/study/fixtures.h"
#include "tests/study/page.h"
#include "tests/study/xml.h"

namespace signet::study {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kClasses = {"<script>", "a&\"b'", "c d%", "ü"};
constexpr int kImages = 8;  ///< a class
constexpr int kFolds = 2;

/// Images of one grey each: the nearest one is the one of the nearest grey.
int grey_of(int label, int image) {
  return 10 + 50 * label + 5 * image;
}

std::string path_of(int label, int image) {
  return kClasses[size_t(label)] + "/" + std::to_string(image) + ".png";
}

void write_images(const fs::path& root) {
  for (int label = 0; label < int(kClasses.size()); ++label) {
    for (int image = 0; image < kImages; ++image) {
      const data::Image picture{40, 40, 3,
                                std::vector<uint8_t>(size_t(40 * 40 * 3), uint8_t(grey_of(label, image)))};
      data::write_png(root / path_of(label, image), picture);
    }
  }
}

/// Images 0 to 3 of a class are validated by fold 0, the others by fold 1.
std::vector<SplitRow> split_rows() {
  std::vector<SplitRow> rows;
  for (int label = 0; label < int(kClasses.size()); ++label) {
    for (int image = 0; image < kImages; ++image) {
      rows.push_back({path_of(label, image), kClasses[size_t(label)], "1", "left", image * kFolds / kImages});
    }
  }
  return rows;
}

ModelResult result_of(const std::string& name) {
  ModelResult result;
  result.model = name;
  const double ahead = name == "cnn" ? 0.03 : 0;
  for (int fold = 0; fold < kFolds; ++fold) {
    for (int epoch = 1; epoch <= 3; ++epoch) {
      EpochRecord record;
      record.model = name;
      record.phase = "scratch";
      record.fold = fold;
      record.epoch = epoch;
      record.train = {0.1 * epoch + ahead, 0.2, 0.3, 0.4, 3.0 / epoch, 6 + ahead, 16};
      record.validation = {0.15 * epoch + 0.01 * fold + ahead, 0.25, 0.35, 0.45 + ahead, 2.0 / epoch, 4, 16};
      record.seconds = 1;
      result.epochs.push_back(record);
    }
    result.folds.push_back({fold, result.epochs.back().train, result.epochs.back().validation});
    result.outcomes.push_back({"scratch", fold, 3, 3, false});
  }
  for (int label = 0; label < int(kClasses.size()); ++label) {
    for (int image = 0; image < kImages; ++image) {
      const int answer = image % 4 == (name == "cnn" ? 2 : 1) ? (label + 1) % int(kClasses.size()) : label;
      result.predictions.push_back({name, "scratch", image * kFolds / kImages, path_of(label, image), label,
                                    answer, 0.5 + 0.01 * image + 0.1 * label});
    }
  }
  return result;
}

void write_split(const RunFolder& folder, const std::string& split, bool whole) {
  folder.write_args({{"verb", "study"},
                     {"data", "nowhere/<b>"},
                     {"split", std::vector<std::string>{"random", "signer"}},
                     {"dataset_hash", "0"},
                     {"mlp.architecture", "mlp"},
                     {"cnn.architecture", "cnn"}});
  folder.write_splits(split_rows());
  std::vector<EpochRecord> epochs;
  std::vector<Prediction> predictions;
  StudySummary summary{
      .split = split, .models = {}, .seconds = 61, .peak_rss_mb = 99, .near_twin_share = 0.75};
  for (const std::string name : {"mlp", "cnn"}) {
    const ModelResult result = result_of(name);
    epochs.insert(epochs.end(), result.epochs.begin(), result.epochs.end());
    predictions.insert(predictions.end(), result.predictions.begin(), result.predictions.end());
    summary.models.push_back(summarise(result));
    if (whole) folder.write_model(result, kClasses, result.epochs, result.outcomes);
  }
  folder.write_results(epochs);
  if (!whole) return;
  folder.write_predictions(predictions, kClasses);
  folder.write_summary(summary);
}

/// A run of two models and two splits with its images, and a page of it.
struct World {
  explicit World(bool whole = true) : run(scratch.path / "run") {
    write_images(scratch.path / "data");
    write_split(RunFolder::named(run, false), "random", whole);
    write_split(RunFolder::named(run / "signer", false), "signer", whole);
  }

  std::string page(bool pictures = true, const ReportOptions& options = {}) const {
    if (!pictures) return read_file(write_report(run, nullptr, options));
    const data::ImageStore store(data::scan_dataset(scratch.path / "data"), {data::kNearTwinSpec});
    return read_file(write_report(run, &store, options));
  }

  ScratchFolder scratch;
  fs::path run;
};

const std::string& whole_page() {
  static const World world;
  static const std::string page = world.page();
  return page;
}

std::string decoded(const std::string& address) {
  std::string text;
  for (size_t i = 0; i < address.size(); ++i) {
    if (address[i] != '%') {
      text += address[i];
    } else {
      text += char(std::stoi(address.substr(i + 1, 2), nullptr, 16));
      i += 2;
    }
  }
  return text;
}

TEST_CASE("a report is well-formed, and names cannot break out of it") {
  const std::string& page = whole_page();
  CHECK(xml_fault(markup(page)) == "");
  CHECK(count(page, "<script") == 1);
  CHECK(count(page, "&lt;script&gt;") > 10);
  CHECK(count(page, "a&amp;&quot;b&apos;") > 10);
  CHECK(count(page, "nowhere/&lt;b&gt;") == 1);
  CHECK(count(markup(page), "nan") + count(markup(page), ">inf") == 0);
  const World unfinished(false);
  CHECK(xml_fault(markup(unfinished.page())) == "");
  CHECK(xml_fault(markup(unfinished.page(false))) == "");
}

TEST_CASE("a report loads nothing and runs nothing but its own script") {
  const std::string& page = whole_page();
  const std::string script = between(page, "<script>", "</script>");
  CHECK(count(markup(page), "http") == 1);  // http-equiv
  CHECK(count(markup(page), " src=") == 0);
  CHECK(count(markup(page), " onclick") + count(markup(page), "javascript:") == 0);
  const std::string hex = sha256_hex(script);
  std::string digest;
  for (size_t i = 0; i < hex.size(); i += 2) digest += char(std::stoi(hex.substr(i, 2), nullptr, 16));
  CHECK(count(page, "script-src &apos;sha256-" + base64(digest) + "&apos;") == 1);
  CHECK(count(page, "default-src &apos;none&apos;") == 1);
  CHECK(count(script, "\n") < 300);
}

TEST_CASE("the figures of a report are those of summary.json") {
  const World world;
  const std::string page = world.page();
  const std::string comparison = between(page, "<section id=\"comparison\">", "</section>");
  for (const auto& [split, folder] : {std::pair("random", "run"), std::pair("signer", "run/signer")}) {
    const auto summary = nlohmann::json::parse(read_file(world.scratch.path / folder / "summary.json"));
    const std::string table = between(comparison, std::string("<caption>") + split, "</table>");
    for (const auto& [name, model] : summary.at("models").items()) {
      const auto cells = matches(between(table, ">" + name + "</a>", "</tr>"), "<td>([^<]*)</td>");
      REQUIRE(cells.size() == 9);
      const auto figure = [&](const char* key) { return model.at(key).get<double>(); };
      CHECK(std::stod(cells[0]) == doctest::Approx(100 * figure("train_acc")).epsilon(1e-3));
      CHECK(cells[1] == fmt::format("{:.2f} ± {:.2f}", 100 * figure("val_acc"), 100 * figure("val_acc_sd")));
      CHECK(std::stod(cells[2]) == doctest::Approx(figure("precision")).epsilon(1e-3));
      CHECK(std::stod(cells[3]) == doctest::Approx(figure("recall")).epsilon(1e-3));
      CHECK(std::stod(cells[4]) == doctest::Approx(figure("f1")).epsilon(1e-3));
      CHECK(std::stod(cells[5]) == doctest::Approx(figure("train_loss")).epsilon(1e-3));
      CHECK(std::stod(cells[6]) == doctest::Approx(figure("val_loss")).epsilon(1e-3));
      CHECK(std::stod(cells[7]) == doctest::Approx(figure("train_loss_batch_sum")).epsilon(1e-3));
      CHECK(std::stod(cells[8]) == doctest::Approx(figure("val_loss_batch_sum")).epsilon(1e-3));
    }
  }
  CHECK(count(page, "75.0% of the validation images have a near-twin in training, 100.0% another take") == 2);
  CHECK(count(page, "1 min 01 s") == 2);
}

TEST_CASE("every cell of a confusion matrix is that of the csv file, and lists its images") {
  const World world;
  const std::string page = world.page();
  for (const auto& [id, file] :
       {std::pair("m0-0", "run/confusion_mlp.csv"), std::pair("m1-1", "run/signer/confusion_cnn.csv")}) {
    const std::string section = between(page, std::string("id=\"") + id + "\"", "</section>");
    const std::string table =
        between(between(section, "<table class=\"confusion", "</table>"), "<tbody>", "</tbody>");
    const auto rows = matches(table, "<tr>(.*)</tr>");
    const CsvTable csv = read_csv(world.scratch.path / file);
    REQUIRE(rows.size() == csv.rows.size());
    for (size_t row = 0; row < rows.size(); ++row) {
      const auto cells = matches(rows[row], "<td[^>]*>(.*?)</td>");
      REQUIRE(cells.size() == csv.rows.size());
      for (size_t column = 0; column < cells.size(); ++column) {
        const auto shown = matches(cells[column], ">(\\d+)</button>");
        CHECK((shown.empty() ? "0" : shown[0]) == csv.rows[row][column + 1]);
        if (shown.empty()) continue;
        const std::string place = fmt::format("data-c=\"{}-{}\"", row, column);
        CHECK(count(cells[column], place) == 1);
        const int listed = int(count(section, "<tr " + place));
        // Wrong answers all, right ones as examples.
        CHECK(listed == (row == column ? 2 : std::stoi(shown[0])));
      }
    }
  }
}

TEST_CASE("links and references lead somewhere, ids are unique") {
  const World world;
  const std::string page = markup(world.page());
  std::set<std::string> ids;
  for (const auto& id : matches(page, " id=\"([^\"]*)\"")) CHECK_MESSAGE(ids.insert(id).second, id);
  for (const auto& id : matches(page, "aria-labelledby=\"([^\"]*)\"")) CHECK_MESSAGE(ids.contains(id), id);
  int files = 0;
  for (const auto& address : matches(page, "href=\"([^\"]*)\"")) {
    if (address.starts_with("data:")) continue;
    if (address.starts_with("#")) {
      CHECK_MESSAGE(ids.contains(address.substr(1)), address);
    } else {
      CHECK_MESSAGE(fs::exists(world.run / decoded(address)), address);
      ++files;
    }
  }
  CHECK(files > 50);
  int pictures = 0;
  for (const auto& number : matches(page, "data-i=\"([^\"]*)\"")) {
    CHECK_MESSAGE(ids.contains("i" + number), number);
    ++pictures;
  }
  // Two models under two splits: 8 wrong and 8 right answers each.
  CHECK(pictures == 64);
}

TEST_CASE("each picture is in the page once") {
  const auto pictures = matches(whole_page(), "<image id=\"(i\\d+)\"");
  CHECK(pictures.size() > 10);
  CHECK(pictures.size() <= kClasses.size() * size_t(kImages));
  CHECK(count(whole_page(), "data:image/jpeg;base64,") == pictures.size());
}

TEST_CASE("a worst error stands beside the nearest image of its fold's training part") {
  const std::string section = between(whole_page(), "id=\"m0-0\"", "</section>");
  const std::string errors = between(section, "<ul class=\"errors\">", "</ul>");
  // The surest wrong answer: class 3, image 5, validated by fold 1. Images 4 to 7 are in its fold, so the
  // nearest that may count is image 3 of the class, two steps of grey away.
  const std::string first = between(errors, "<li>", "</li>");
  CHECK(count(first, "<strong>ü</strong> taken for <strong>&lt;script&gt;</strong>, 85.0% sure") == 1);
  CHECK(count(first, ">ü/5.png</a>") == 1);
  CHECK(count(first, ">ü/3.png</a>") == 1);
  CHECK(count(first, fmt::format("<strong>ü</strong>, distance {:.3f}", 10.0 / 255)) == 1);
  CHECK(count(errors, "<li>") == 8);
}

TEST_CASE("the table of epochs holds the means of results.csv") {
  const std::string section = between(whole_page(), "id=\"m0-0\"", "</section>");
  const std::string table = between(section, "<table class=\"epochs\">", "</table>");
  const auto rows = matches(between(table, "<tbody>", "</tbody>"), "<tr data-x=\"[^\"]*\">(.*)</tr>");
  REQUIRE(rows.size() == 3);
  const auto cells = matches(rows[1], "<td>(.*?)</td>");
  // Training precision, recall and F1 are not in results.csv.
  CHECK(cells == std::vector<std::string>{"2", "1.5000", "1.0000", "20.00%", "30.50%", "–", "25.00%", "–",
                                          "35.00%", "–", "45.00%"});
  CHECK(count(section, "<figure class=\"chart\"") == 5);
}

TEST_CASE("the original study's figures stand beside the random split's only, if asked for") {
  CHECK(count(whole_page(), "31.4586") == 0);
  const World world;
  const std::string page = world.page(true, {.original = true});
  CHECK(count(page, "31.4586") == 1);
  CHECK(count(between(page, "<caption>random split", "</table>"), "31.4586") == 1);
  CHECK(xml_fault(markup(page)) == "");
}

TEST_CASE("a report goes without images and says why") {
  const World world;
  const ReportOutcome outcome = rebuild_report(world.run, {}, false);
  CHECK(outcome.notice.find("nowhere/<b>: there is no such folder") != outcome.notice.npos);
  const std::string page = read_file(outcome.page);
  CHECK(count(page, "nowhere/&lt;b&gt;: there is no such folder") == 1);
  CHECK(xml_fault(markup(page)) == "");
  CHECK(count(page, "no picture</span>") == 4 * 8);
  CHECK(count(page, "image/jpeg") == 0);
  // Found elsewhere, though their hash is not the run's.
  const ReportOutcome found = rebuild_report(world.run, world.scratch.path / "data", false);
  CHECK(found.notice.find("hash") != found.notice.npos);
  CHECK(count(read_file(found.page), "image/jpeg") > 10);
  // One of them gone: an error of the mlp, which both splits show.
  fs::remove(world.scratch.path / "data" / path_of(3, 5));
  const std::string some = read_file(rebuild_report(world.run, world.scratch.path / "data", false).page);
  CHECK(xml_fault(markup(some)) == "");
  CHECK(count(some, "no picture</span>") == 2);
}

TEST_CASE("a run that is not finished has a report too") {
  const World world(false);
  const std::string page = world.page();
  CHECK(count(page, "This run is not finished") == 1);
  CHECK(count(page, "<figure class=\"chart\"") == 4 * 5);
  CHECK(count(page, "<table class=\"confusion") == 0);
  CHECK(count(whole_page(), "This run is not finished") == 0);
  fs::remove_all(world.run / "signer");
  CHECK(count(world.page(), "This run is not finished") == 1);
  fs::remove(world.run / "splits.csv");
  CHECK_THROWS_WITH_AS(world.page(), doctest::Contains("nothing to report yet"), Error);
}

TEST_CASE("a report that cannot be written leaves the old one whole") {
  const World world;
  const std::string page = world.page();
  const auto before = ::signal(SIGXFSZ, SIG_IGN);
  struct rlimit limit {};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &limit) == 0);
  struct rlimit small = limit;
  small.rlim_cur = 10'000;
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  std::string fault;
  try {
    world.page(false);
  } catch (const Error& error) {
    fault = error.what();
  }
  ::setrlimit(RLIMIT_FSIZE, &limit);
  ::signal(SIGXFSZ, before);
  CHECK(fault.find("report.html") != fault.npos);
  CHECK((read_file(world.run / "report.html") == page));

  write_atomically(world.run / "predictions.csv", "model\nx,y\n");
  CHECK_THROWS_WITH_AS(world.page(), doctest::Contains("predictions.csv"), Error);
  CHECK((read_file(world.run / "report.html") == page));
  for (const auto& entry : fs::directory_iterator(world.run)) CHECK_FALSE(is_unfinished(entry.path()));
}

TEST_CASE("addresses are encoded") {
  CHECK(url_of("../a b/<c>&\"'#?%ü.png") == "../a%20b/%3Cc%3E%26%22%27%23%3F%25%C3%BC.png");
}

}  // namespace
}  // namespace signet::study
