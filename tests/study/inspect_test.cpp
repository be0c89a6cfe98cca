// The measures behind inspect.html against slow definitions, and the page of a small run.

#include "study/inspect.h"

#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "data/synthetic.h"
#include "kernels/parallel.h"
#include "models/safetensors.h"
#include "models/state_dict.h"
#include "study/inspect_embedding.h"
#include "study/inspect_layers.h"
#include "study/inspect_pictures.h"
#include "study/inspect_probe.h"
#include "study/inspect_what_if.h"
#include "study/run_folder.h"
#include "study/study.h"
#include "tensor/error.h"
#include "tensor/files.h"
#include "tests/study/fixtures.h"
#include "tests/study/page.h"
#include "tests/study/xml.h"

namespace signet::study {
namespace {

namespace fs = std::filesystem;

/// About normal, of mean 0 and deviation 1: the sum of four uniform numbers.
float draw(uint64_t stream, uint64_t index) {
  float sum = -2;
  for (const uint32_t word : philox({9, stream}, index)) sum += philox_uniform(word);
  return 1.7320508f * sum;
}

Matrix random_matrix(int64_t rows, int64_t columns, uint64_t stream) {
  Matrix m{rows, columns, {}};
  for (int64_t i = 0; i < rows * columns; ++i) m.values.push_back(draw(stream, uint64_t(i)));
  return m;
}

std::vector<int> range(int first, int last) {
  std::vector<int> all;
  for (int i = first; i < last; ++i) all.push_back(i);
  return all;
}

/// CKA as trace(K H L H) of the linear kernels K = xxᵀ and L = yyᵀ, H the centring matrix: the definition by
/// the Hilbert-Schmidt independence criterion.
double cka_by_kernels(const Matrix& x, const Matrix& y) {
  const auto centred_kernel = [](const Matrix& m) {
    const int64_t n = m.rows;
    std::vector<double> k(size_t(n * n)), row(size_t(n), 0.0);
    double all = 0;
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        for (int64_t c = 0; c < m.columns; ++c) {
          k[size_t(i * n + j)] += double(m.row(i)[size_t(c)]) * m.row(j)[size_t(c)];
        }
        row[size_t(i)] += k[size_t(i * n + j)] / double(n);
      }
      all += row[size_t(i)] / double(n);
    }
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < n; ++j) k[size_t(i * n + j)] += all - row[size_t(i)] - row[size_t(j)];
    }
    return k;
  };
  const auto k = centred_kernel(x), l = centred_kernel(y);
  double kl = 0, kk = 0, ll = 0;
  for (size_t i = 0; i < k.size(); ++i) {
    kl += k[i] * l[i];
    kk += k[i] * k[i];
    ll += l[i] * l[i];
  }
  return kl / std::sqrt(kk * ll);
}

TEST_CASE("linear CKA is that of the kernels, and does not see rotations") {
  const Matrix x = random_matrix(20, 7, 1);
  Matrix y = random_matrix(20, 5, 2);
  for (int64_t i = 0; i < 20; ++i) y.values[size_t(i * 5)] += 2 * x.values[size_t(i * 7)] + 3;
  CHECK(linear_cka(x, y) == doctest::Approx(cka_by_kernels(x, y)).epsilon(1e-9));
  CHECK(linear_cka(x, y) == doctest::Approx(linear_cka(y, x)).epsilon(1e-12));
  CHECK(linear_cka(x, x) == doctest::Approx(1).epsilon(1e-12));
  // Turned by 30° in the first two columns, shifted, tripled.
  Matrix turned = x;
  for (int64_t i = 0; i < 20; ++i) {
    const float a = x.row(i)[0], b = x.row(i)[1];
    turned.values[size_t(i * 7)] = 0.8660254f * a - 0.5f * b + 4;
    turned.values[size_t(i * 7 + 1)] = 0.5f * a + 0.8660254f * b;
  }
  for (float& v : turned.values) v *= 3;
  CHECK(linear_cka(x, turned) == doctest::Approx(1).epsilon(1e-5));
  // One column enlarged is no rotation.
  Matrix stretched = x;
  for (int64_t i = 0; i < 20; ++i) stretched.values[size_t(i * 7)] *= 10;
  CHECK(linear_cka(x, stretched) < 0.9);
  CHECK(linear_cka(x, Matrix{20, 1, std::vector<float>(20, 5.0f)}) == 0);
  CHECK_THROWS_AS(linear_cka(x, random_matrix(19, 7, 3)), std::invalid_argument);
}

TEST_CASE("a linear probe reads what a line can read, and no more") {
  constexpr int kClasses = 3, kRows = 240;
  Matrix features = random_matrix(kRows, 6, 4), noise = random_matrix(kRows, 6, 5);
  std::vector<int32_t> labels;
  for (int i = 0; i < kRows; ++i) {
    labels.push_back(i % kClasses);
    // Far from 0 and hardly spread: only a probe that standardises sees anything under the penalty.
    features.values[size_t(i * 6 + 2)] = 1000 + 0.01f * (i % kClasses == 0) + 0.0005f * draw(6, uint64_t(i));
    features.values[size_t(i * 6 + 4)] = 1e-4f * float(i % kClasses == 1);
    features.values[size_t(i * 6 + 5)] = 7;
  }
  const auto train = range(0, 160), validation = range(160, kRows);
  const auto read = linear_probe(features, labels, train, validation, kClasses);
  CHECK(read.train == 1);
  CHECK(read.validation == 1);
  const auto guessed = linear_probe(noise, labels, train, validation, kClasses);
  CHECK(guessed.validation < 0.5);
  // A class that is the larger radius is not on one side of any line.
  std::vector<int32_t> radius;
  for (int i = 0; i < kRows; ++i)
    radius.push_back(std::hypot(noise.row(i)[0], noise.row(i)[1]) > 1.2f ? 1 : 0);
  CHECK(linear_probe(noise, radius, train, validation, 2).validation < 0.75);
  // Nothing of the validation labels is used.
  auto other = labels;
  for (const int i : validation) other[size_t(i)] = 0;
  CHECK(linear_probe(features, other, train, validation, kClasses).train == 1);
}

TEST_CASE("the principal plane holds the two widest directions") {
  // Deviations 5 along (1, 1, 0), 2 along (1, -1, 0), 0.1 along the third axis, around a mean far away.
  Matrix m{400, 3, {}};
  for (uint64_t i = 0; i < 400; ++i) {
    const float a = 5 * draw(7, i), b = 2 * draw(8, i);
    for (const float v : {100 + (a + b) * 0.70710678f, -50 + (a - b) * 0.70710678f, 0.1f * draw(10, i)}) {
      m.values.push_back(v);
    }
  }
  const auto plane = principal_plane(m);
  CHECK(plane.first_share == doctest::Approx(25.0 / 29).epsilon(0.05));
  CHECK(plane.first_share + plane.second_share > 0.999);
  double mean = 0, product = 0, agreement = 0, length = 0;
  for (uint64_t i = 0; i < 400; ++i) {
    mean += plane.points[i].x / 400;
    product += plane.points[i].x * plane.points[i].y / 400;
    agreement += plane.points[i].x * 5 * draw(7, i);
    length += plane.points[i].x * plane.points[i].x;
  }
  CHECK(std::abs(mean) < 1e-3);
  CHECK(std::abs(product) < 1e-2);
  CHECK(std::abs(agreement) / length == doctest::Approx(1).epsilon(0.02));
}

TEST_CASE("t-SNE keeps groups together, and gives the same bits on any number of threads") {
  // Three groups of 40 in 20 dimensions, one image twice.
  Matrix m = random_matrix(120, 20, 11);
  std::vector<std::string> group;
  for (int64_t i = 0; i < 120; ++i) {
    group.push_back(std::to_string(i % 3));
    m.values[size_t(i * 20 + i % 3)] += 12;
  }
  std::copy_n(m.values.begin(), 20, m.values.begin() + 60);  // rows 0 and 3
  const auto points = tsne(m);
  Matrix drawn{120, 2, {}};
  for (const auto& p : points) {
    CHECK((std::isfinite(p.x) && std::isfinite(p.y)));
    drawn.values.push_back(float(p.x));
    drawn.values.push_back(float(p.y));
  }
  CHECK(neighbour_agreement(drawn, group) > 0.99);
  // Groups fill the plane rather than lie on one point each.
  CHECK(principal_plane(drawn).second_share > 0.2);
  const int before = num_threads();
  set_num_threads(before == 1 ? 2 : 1);
  const auto again = tsne(m);
  set_num_threads(before);
  CHECK(std::ranges::equal(points, again,
                           [](const Point& a, const Point& b) { return a.x == b.x && a.y == b.y; }));
  CHECK(tsne(random_matrix(2, 3, 12)).size() == 2);
}

TEST_CASE("neighbours are counted by distance, without the image itself") {
  const Matrix line{5, 1, {0, 1, 2.5f, 10, 11}};
  const std::vector<std::string> labels{"a", "a", "b", "b", "b"};
  // Nearest: 0-1 a-a, 1-0 a-a, 2-1 b-a, 3-4 b-b, 4-3 b-b.
  CHECK(neighbour_agreement(line, labels, 1) == doctest::Approx(0.8));
  CHECK(neighbour_agreement(line, labels, 10) == doctest::Approx((1 + 1 + 2 + 2 + 2) / 20.0));
}

TEST_CASE("launches of the three ways of freezing") {
  const auto network = models::make_network("resnet18", 4, 32, 8);
  const auto launches = count_launches(*network, {});
  const auto count = [](const Launches& all, const char* name) {
    const auto found = all.find(name);
    return found == all.end() ? int64_t{0} : found->second;
  };
  // 20 convolutions, of which the first never passes a gradient on.
  CHECK(count(launches.frozen, "conv2d_forward") == 20);
  CHECK(count(launches.frozen, "conv2d_prepare") == 0);
  CHECK(count(launches.frozen, "conv2d_backward_data") == 0);
  CHECK(count(launches.frozen, "conv2d_backward_weight") == 0);
  CHECK(count(launches.frozen, "batchnorm_fold") == 0);
  CHECK(count(launches.frozen, "batchnorm_forward_eval") == 0);
  CHECK(count(launches.passed, "conv2d_backward_data") == 19);
  CHECK(count(launches.passed, "conv2d_backward_weight") == 1);
  CHECK(count(launches.passed, "batchnorm_backward_eval") == 19);
  CHECK(count(launches.trainable, "conv2d_backward_data") == 19);
  CHECK(count(launches.trainable, "conv2d_backward_weight") == 20);
  CHECK(count(launches.trainable, "batchnorm_backward_train") == 20);
}

// ------------------------------------------------------------------------------------------------------ runs

/// 4 signs by 3 people, one of them under a name that tries to break out, and a run of fc and layer4 on it.
struct World {
  World() {
    data::SyntheticOptions signs;
    signs.signers = 3;
    signs.takes = 2;
    signs.size = 32;
    signs.classes = {"a", "b", "v", "y"};
    data::write_synthetic_signs(root() / "signs", signs);
    fs::rename(root() / "signs/y", root() / "signs/<i>&\"'");
    const auto network = models::make_network("resnet18", 10, 32, 8);
    network->initialize({77, 0});
    models::write_safetensors(root() / "weights.safetensors", models::save_weights(*network));
    run = run_study(options({"fc", "layer4"}, "run")).folder;
  }

  fs::path root() const { return scratch.path; }

  StudyOptions options(std::vector<std::string> rows, const std::string& name) const {
    StudyOptions o;
    o.data = root() / "signs";
    o.weights = root() / "weights.safetensors";
    o.output = root() / name;
    o.folds = 3;
    RecipeOptions recipe;
    recipe.models = std::move(rows);
    recipe.image_size = 32;
    recipe.width = 8;
    recipe.training.epochs = 2;
    recipe.finetune_epochs = 2;
    recipe.finetune_lr = 0.01;
    o.plans = recipe_plans(recipe);
    return o;
  }

  ScratchFolder scratch;
  fs::path run;
};

const World& world() {
  static const World made;
  return made;
}

std::string page_of(const fs::path& run, const InspectOptions& options = {}) {
  return read_file(inspect_run(run, options).file);
}

const std::string& whole_page() {
  static const std::string page = page_of(world().run);
  return page;
}

TEST_CASE("the page is well-formed, loads nothing, and names cannot break out of it") {
  const std::string& page = whole_page();
  CHECK(xml_fault(markup(page)) == "");
  CHECK(count(page, "<script") == 1);
  CHECK(count(page, "&lt;i&gt;&amp;&quot;&apos;") > 10);
  CHECK(count(markup(page), "http") == 1);  // http-equiv
  CHECK(count(page, "default-src &apos;none&apos;") == 1);
  CHECK(count(markup(page), ">nan") + count(markup(page), ">inf") == 0);
  for (const auto& source : matches(page, " src=\"([^;]*);")) CHECK(source.starts_with("data:image/"));
  std::set<std::string> ids;
  for (const auto& id : matches(page, " id=\"([^\"]*)\"")) CHECK_MESSAGE(ids.insert(id).second, id);
  for (const auto& id : matches(page, "href=\"#([^\"]*)\"")) CHECK_MESSAGE(ids.contains(id), id);
  for (const auto& picture : matches(page, "(<img [^>]*>)")) CHECK(count(picture, " alt=\"") == 1);
  CHECK(page.size() < 400'000);
  CHECK(page_of(world().run) == page);
}

TEST_CASE("what is frozen is shown as exactly 0, as the same, and as 1") {
  const std::string& page = whole_page();
  CHECK(count(page, "up to and including layer3 they are the same, to the bit") == 1);
  const std::string weights = between(between(page, "id=\"drift\"", "</section>"), "<tbody>", "</tbody>");
  for (const std::string stage : {"conv1", "layer1", "layer2", "layer3"}) {
    const auto cells = matches(between(weights, ">" + stage + "</th>", "</tr>"), "<td[^>]*>([^<]*)</td>");
    CHECK_MESSAGE((cells == std::vector<std::string>(4, "0")), stage);
  }
  const auto layer4 = matches(between(weights, ">layer4</th>", "</tr>"), "<td[^>]*>([^<]*)</td>");
  REQUIRE(layer4.size() == 4);
  CHECK((layer4[0] == "0" && layer4[1] == "0" && layer4[2] != "0" && layer4[3].ends_with("%")));
  const std::string alignment = between(page, "<table class=\"alignment\">", "</table>");
  CHECK(matches(alignment, "same\">([^<]*)</td>").size() == 5);
  CHECK(count(alignment, "same\">1</td>") == 4);
  CHECK(count(alignment, "same\">1.000</td>") == 0);
  const std::string layers = between(page, "<table class=\"layers\">", "</table>");
  CHECK(count(layers, "<td class=\"frozen\">frozen</td>") == 30);
  CHECK(count(layers, "<td class=\"trained\">trained</td>") == 11);
  CHECK(count(layers, "the batch’s, moving") == 5);
  CHECK(count(layers, "<td>fixed</td>") == 15);
}

TEST_CASE("every image is a point that tells its name, and six are looked at") {
  const std::string plane = between(whole_page(), "<svg id=\"plane\"", "</svg>");
  CHECK(count(plane, "data-n=\"") == 4 * 3 * 2 * 2);
  CHECK(count(plane, "data-before-pca=\"") == 4 * 3 * 2 * 2);
  CHECK(count(plane, "data-s=\"3\"") == 4 * 2 * 2);
  const std::string examples = between(whole_page(), "<section id=\"examples\">", "<section id=\"what-if\">");
  const auto shown = matches(examples, "<section class=\"model\" id=\"(e\\d)\"");
  CHECK((shown.size() >= 4 && shown.size() <= 6));
  CHECK(count(examples, "Grad-CAM of resnet18-fc") == shown.size());
  CHECK(count(examples, "Grad-CAM of resnet18-layer4") == shown.size());

  InspectOptions options;
  options.images = {"v/hand2_v_dif_seg_1_cropped.png"};
  const std::string one = page_of(world().run, options);
  CHECK(count(one, "<section class=\"model\"") == 1);
  CHECK(count(one, ">v/hand2_v_dif_seg_1_cropped.png, an image of v</h3>") == 1);
  options.images = {"v/nobody.png"};
  CHECK_THROWS_WITH_AS(inspect_run(world().run, options), doctest::Contains("v/nobody.png"), Error);
}

TEST_CASE("a run of an older version, and one whose weights are gone, say so") {
  auto options = world().options({"fc"}, "older");
  options.plans[0].all_folds = false;
  options.plans[0].folds = {1};
  const fs::path weights = world().root() / "moved.safetensors";
  fs::copy_file(world().root() / "weights.safetensors", weights);
  options.weights = weights;
  const fs::path run = run_study(options).folder;
  std::string page = page_of(run);
  CHECK(count(page, "</strong> is the weights it started from") == 1);
  CHECK(count(page, "up to and including avgpool they are the same") == 1);
  CHECK(count(page, "have no head for these classes") == 1);
  fs::remove(weights);
  fs::remove(run / "drift_resnet18-fc.csv");
  page = page_of(run);
  CHECK(xml_fault(markup(page)) == "");
  CHECK(count(page, "cannot be read, so there is nothing to compare with") == 1);
  CHECK(count(page, "was not recorded: this run was trained by an older version") == 1);
  CHECK(count(page, "<table class=\"alignment\">") == 0);
  InspectOptions question;
  question.what_if = {"flip"};
  CHECK_THROWS_WITH_AS(inspect_run(run, question), doctest::Contains("pretrained trunk"), Error);
}

TEST_CASE("what if: each question is answered beside its baseline, and the page collects the answers") {
  const fs::path& run = world().run;
  CHECK(count(whole_page(), "Not run yet") == 5);  // made before there are answers
  InspectOptions options;
  for (const auto& question : what_if_questions()) options.what_if.emplace_back(question.id);
  inspect_run(run, options);
  const auto rows = read_what_if(run);
  std::map<std::string, std::vector<WhatIfRow>> by_question;
  for (const auto& row : rows) {
    by_question[row.question].push_back(row);
    CHECK((row.accuracy >= 0 && row.accuracy <= 1 && row.loss > 0 && row.images == 48));
  }
  CHECK(by_question["bn"].size() == 2);
  CHECK(by_question["normalisation"].size() == 3);
  CHECK(by_question["bgr"].size() == 3);
  CHECK(by_question["flip"].size() == 4);
  CHECK(by_question["split"].size() == 2);
  // The baseline is the same head on the same features, and each change changes something.
  const double loss = by_question["bgr"][0].loss;
  CHECK(by_question["normalisation"][0].loss == loss);
  CHECK(by_question["flip"][0].loss == loss);
  for (const auto& question : what_if_questions()) {
    const auto& own = by_question[std::string(question.id)];
    for (size_t i = 1; i < own.size(); ++i) CHECK(own[i].loss != own[0].loss);
  }
  options.what_if = {"bn"};
  inspect_run(run, options);
  CHECK(read_what_if(run).size() == rows.size());
  const std::string page = page_of(run);
  CHECK(xml_fault(markup(page)) == "");
  CHECK(count(page, "<table class=\"what-if\">") == 5);
  CHECK(count(page, "Not run yet") == 0);
  options.what_if = {"rain"};
  CHECK_THROWS_WITH_AS(inspect_run(run, options), doctest::Contains("rain"), Error);
}

}  // namespace
}  // namespace signet::study
