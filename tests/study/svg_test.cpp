#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "study/svg_axis.h"
#include "study/svg_canvas.h"
#include "study/svg_confusion.h"
#include "study/svg_curves.h"
#include "tests/study/xml.h"

namespace signet::study {
namespace {

void check_picture(const std::string& svg) {
  CHECK(xml_fault(svg) == "");
  CHECK(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
  // The namespace is the only address, a white rectangle lies under all, and no number went wrong.
  CHECK(count(svg, "http") == 1);
  CHECK(count(svg, "href") == 0);
  CHECK(svg.find("<rect") == svg.find("<rect x=\"0\" y=\"0\""));
  CHECK(svg.find("fill=\"#ffffff\"") < svg.find("<text"));
  CHECK(count(svg, "=\"nan") + count(svg, ",nan") + count(svg, "=\"inf") + count(svg, "=\"-inf") == 0);
}

EpochRecord epoch_of(const std::string& phase, int fold, int epoch, double loss) {
  EpochRecord record;
  record.phase = phase;
  record.fold = fold;
  record.epoch = epoch;
  record.train = {0.5, 0.5, 0.5, 0.5, loss, loss, 10};
  record.validation = {0.75, 0.75, 0.75, 0.75, loss / 2, loss, 10};
  return record;
}

TEST_CASE("the check of XML finds faults") {
  CHECK(xml_fault("<a><b x=\"1\"/></a>\n") == "");
  CHECK(xml_fault("<a><b></a>") != "");
  CHECK(xml_fault("<a>&</a>") != "");
  CHECK(xml_fault("<a x=\"<\"/>") != "");
  CHECK(xml_fault("<a/><b/>") != "");
  CHECK(xml_fault("<a") != "");
}

TEST_CASE("text is escaped for XML") {
  CHECK(escaped_for_xml("<a & \"b\">'\n") == "&lt;a &amp; &quot;b&quot;&gt;&apos;?");
  CHECK(escaped_for_xml("\xFF") == "?");
}

TEST_CASE("text colours contrast with their background") {
  CHECK(readable_on(kWhite).red == kInk.red);
  CHECK(readable_on({250, 230, 215}).red == kInk.red);
  CHECK(readable_on({0, 80, 136}).red == kWhite.red);
  CHECK(readable_on({0, 0, 0}).red == kWhite.red);
  CHECK(blend({0, 0, 0}, {100, 200, 50}, 0.5).green == 100);
}

TEST_CASE("long text is fitted to a width") {
  const std::string name = fitted("a very long class name indeed", 80, 12);
  CHECK(name.ends_with("..."));
  CHECK(text_width(name, 12) <= 80);
  CHECK(fitted("short", 80, 12) == "short");
}

TEST_CASE("axes end at round numbers") {
  const Axis axis = round_axis(0, 3.1, 6);
  CHECK(axis.ticks == std::vector<double>{0, 1, 2, 3, 4});
  CHECK(axis.label(2) == "2");
  CHECK(axis.share(1) == 0.25);
  const Axis fine = round_axis(0.123, 0.131, 6);
  CHECK(fine.low <= 0.123);
  CHECK(fine.high >= 0.131);
  CHECK(fine.label(fine.ticks[1]) == "0.124");
  // 3 * 0.1 is a little more than 0.3, and opens no further step.
  CHECK(round_axis(0, 3 * 0.1, 4).ticks.size() == 4);
  for (const double value : {0.0, 5.0, -2.0, 1e9}) {
    const Axis flat = round_axis(value, value, 6);
    CHECK(flat.low <= value);
    CHECK(flat.high > flat.low);
    CHECK(flat.ticks.size() >= 2);
  }
  CHECK(round_axis(-1, 1, 6).label(-0.0) == "0.0");
  CHECK_THROWS_AS(round_axis(1, 0, 6), std::invalid_argument);
  CHECK_THROWS_AS(round_axis(0, INFINITY, 6), std::invalid_argument);
  CHECK_THROWS_AS(round_axis(NAN, 1, 6), std::invalid_argument);
}

TEST_CASE("logarithmic axes are marked at 1, 2, 5 or at powers of ten") {
  const Axis axis = log_axis(0.03, 4, 9);
  CHECK(axis.low == doctest::Approx(0.02));
  CHECK(axis.high == 5);
  CHECK(axis.ticks.size() == 8);
  CHECK(axis.label(axis.ticks[0]) == "0.02");
  CHECK(axis.share(axis.low) == 0);
  CHECK(axis.share(std::sqrt(axis.low * axis.high)) == doctest::Approx(0.5));
  CHECK(log_axis(1e-6, 3, 9).ticks.size() == 7);
  CHECK_THROWS_AS(log_axis(0, 1, 9), std::invalid_argument);
}

TEST_CASE("epochs are marked at round numbers") {
  CHECK(whole_ticks(0, 3, 10) == std::vector<int>{0, 1, 2, 3});
  CHECK(whole_ticks(1, 50, 12) == std::vector<int>{5, 10, 15, 20, 25, 30, 35, 40, 45, 50});
  CHECK(whole_ticks(1, 3, 1) == std::vector<int>{2});
  CHECK(whole_ticks(7, 9, 1) == std::vector<int>{8});
  CHECK(whole_ticks(3, 3, 1) == std::vector<int>{3});
}

TEST_CASE("confusion pictures are whole for 1 to 100 classes and any name") {
  for (const int classes : {1, 3, 10, 36, 100}) {
    ConfusionMatrix matrix(classes);
    std::vector<std::string> names;
    for (int k = 0; k < classes; ++k) {
      names.push_back(k % 3 == 0 ? "<\"&'\x01 name that goes on and on and on" : fmt::format("n{}", k));
      matrix.add(k, k, 1234);
      matrix.add(k, (k + 1) % classes);
    }
    check_picture(confusion_svg(matrix, names, "a <title> & more"));
  }
}

TEST_CASE("a confusion picture counts in filled cells only, with rows being the true class") {
  ConfusionMatrix matrix(3);
  matrix.add(0, 2, 7);
  matrix.add(1, 1, 41);
  const std::vector<std::string> names = {"p", "q", "r"};
  const std::string svg = confusion_svg(matrix, names, "mlp");
  CHECK(svg.find("true p, predicted r: 7 of 7 (100.0 %)") != svg.npos);
  CHECK(count(svg, "true p, predicted") == 1);
  CHECK(count(svg, ">7</text>") == 1);
  CHECK(count(svg, ">41</text>") == 1);
  CHECK(count(svg, ">0</text>") == 0);
  CHECK(svg.find("accuracy 85.42 % (41 of 48)") != svg.npos);
  check_picture(confusion_svg(ConfusionMatrix(3), names, "empty"));
  CHECK_THROWS_AS(confusion_svg(ConfusionMatrix(2), names, "x"), std::invalid_argument);
}

TEST_CASE("curves are whole without epochs, with one, and with figures that are not finite") {
  check_picture(curves_svg({}, {}, "nothing"));
  CHECK(count(curves_svg({}, {}, "nothing"), "nothing was measured") == 3);

  const std::vector<EpochRecord> one = {epoch_of("fc", 0, 1, 2)};
  check_picture(curves_svg(one, {}, "one & only"));
  CHECK(count(curves_svg(one, {}, "one"), "<polyline") == 0);
  CHECK(count(curves_svg(one, {}, "one"), "<circle") == 7);

  std::vector<EpochRecord> broken;
  for (int epoch = 0; epoch < 50; ++epoch) broken.push_back(epoch_of("fc", 0, epoch, 3.0 / (epoch + 1)));
  broken[0].train = Scores();
  broken[3].validation.loss = NAN;
  broken[20].train.loss = INFINITY;
  broken[21].validation = Scores();
  check_picture(curves_svg(broken, {}, "broken"));
}

TEST_CASE("curves show phases, folds and their mean, kept epochs and early stops") {
  std::vector<EpochRecord> epochs;
  for (int fold = 0; fold < 3; ++fold) {
    for (int epoch = 1; epoch <= 4; ++epoch) epochs.push_back(epoch_of("fc <1>", fold, epoch, 2));
  }
  for (int epoch = 0; epoch <= 2; ++epoch) epochs.push_back(epoch_of("layer4", 1, epoch, 1));
  const std::vector<PhaseOutcome> outcomes = {{"layer4", 1, 1, 2, true}};
  const std::string svg = curves_svg(epochs, outcomes, "resnet18-layer4");
  check_picture(svg);
  // Seven figures; in the first phase three folds and their mean, in the second one fold.
  CHECK(count(svg, "<polyline") == 7 * (3 + 1) + 7);
  CHECK(count(svg, "stroke-width=\"2.5\" stroke-linejoin") +
            count(svg, "stroke-width=\"2.5\" stroke-dasharray") >=
        14);
  CHECK(count(svg, ">fc &lt;1&gt;</text>") == 3);
  CHECK(count(svg, ">layer4</text>") == 3);
  // Kept on loss and accuracy, and in the legend.
  CHECK(count(svg, "r=\"4.5\"") == 3);
  CHECK(svg.find("stopped early") != svg.npos);
  CHECK(count(svg, "stroke-dasharray=\"4 3\"") == 3);
}

TEST_CASE("the mean of the folds ends where the first fold ends") {
  std::vector<EpochRecord> epochs;
  for (int epoch = 1; epoch <= 2; ++epoch) epochs.push_back(epoch_of("fc", 0, epoch, 1));
  for (int epoch = 1; epoch <= 6; ++epoch) epochs.push_back(epoch_of("fc", 1, epoch, 1));
  const std::string svg = curves_svg(epochs, {}, "x");
  size_t thick = 0;
  for (size_t at = svg.find("<polyline"); at != svg.npos; at = svg.find("<polyline", at + 1)) {
    const std::string tag = svg.substr(at, svg.find('>', at) - at);
    if (tag.find("stroke-width=\"2.5\"") == tag.npos) continue;
    ++thick;
    CHECK(count(tag, ",") == 2);
  }
  CHECK(thick == 7);
}

}  // namespace
}  // namespace signet::study
