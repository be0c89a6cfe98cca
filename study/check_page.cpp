#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "study/check.h"
#include "study/html.h"
#include "study/report_assets.h"
#include "study/report_images.h"
#include "study/svg_canvas.h"
#include "study/text.h"

namespace signet::study {
namespace fs = std::filesystem;
namespace {

constexpr size_t kMostSuspects = 60, kMostTwins = 30, kMostCopies = 30, kMostNotes = 200, kMostClasses = 200;

constexpr std::string_view kStyle = R"css(
.cases { list-style: none; padding: 0; margin: 0.8rem 0; display: grid; gap: 1.1rem 1.4rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 25rem), 1fr)); }
.cases > li { border: 1px solid var(--line); border-radius: 4px; padding: 0.7rem; min-width: 0; }
.case { display: flex; gap: 0.8rem; align-items: start; }
.case > div { min-width: 0; }
.case p, .evidence { margin: 0; }
.evidence { display: grid; grid-template-columns: 1fr 1fr; gap: 0.6rem; margin-top: 0.6rem; font-size: 0.88rem; }
.evidence .thumb { width: 2.9rem; height: 2.9rem; }
.evidence .pair { gap: 0.2rem; flex-wrap: wrap; }
.verdict { font-weight: 600; }
.bar { display: inline-block; height: 0.7em; background: var(--link); min-width: 1px; }
.counts td:nth-child(3) { text-align: left; width: 14rem; }
@media print { .cases { grid-template-columns: repeat(2, 1fr); } .bar { print-color-adjust: exact; } }
)css";

std::string esc(std::string_view text) {
  return escaped_for_xml(printable(text));
}

std::string plural(int64_t count, const char* one, const char* many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

class Page {
 public:
  Page(const data::ImageStore& store, const Findings& findings, const fs::path& folder)
      : dataset_(store.dataset()), found_(findings), images_(&store, folder) {
    choose();
  }

  std::string html() const {
    const std::string name = fs::absolute(dataset_.root).lexically_normal().filename().string();
    const std::string title = fmt::format("Data check: {}", printable(name));
    std::string body = header(title) + "<main id=\"main\">\n" + notices() + suspects() + twins() + files() +
                       alike() + flip() + balance() + "</main>\n" +
                       fmt::format(
                           "<footer><p>Written by signet {}. Nothing in this page is loaded from "
                           "elsewhere; links lead to the image files.</p></footer>\n",
                           SIGNET_VERSION) +
                       images_.sprites();
    const std::string style = std::string(report_style()) + std::string(kStyle);
    return html_page({title, style, "", std::move(body)});
  }

 private:
  const std::string& path_of(int image) const { return dataset_.samples[size_t(image)].path; }
  int label_of(int image) const { return dataset_.samples[size_t(image)].label; }
  std::string name_of(int label) const { return esc(dataset_.classes[size_t(label)]); }

  /// Pictures in the order of their importance: if not all fit, the last ones are left out.
  void choose() {
    for (const auto& suspect : found_.suspects) {
      if (shown_suspects_ == kMostSuspects) break;
      ++shown_suspects_;
      images_.want(path_of(suspect.image));
      for (const auto* list : {&suspect.opinion.like_label, &suspect.opinion.like_suggested}) {
        for (const int image : *list) images_.want(path_of(image));
      }
    }
    for (const auto& pair : found_.twins.pairs) {
      if (label_of(pair.first) == label_of(pair.second)) continue;
      ++twins_across_;
      if (across_.size() == kMostTwins) continue;
      across_.push_back(&pair);
      images_.want(path_of(pair.first));
      images_.want(path_of(pair.second));
    }
    for (const auto& pair : found_.alike) {
      images_.want(path_of(pair.first_image));
      images_.want(path_of(pair.second_image));
    }
    for (const auto& [image, twin] : found_.flip.twins) {
      if (mirror_twins_.size() == kMostTwins) break;
      mirror_twins_.emplace_back(image, twin);
      images_.want(path_of(image));
      images_.want(path_of(twin));
    }
    for (size_t k = 0; k < std::min(found_.copies.size(), kMostCopies); ++k) {
      images_.want(path_of(found_.copies[k].files.front()));
    }
    for (const auto& note : found_.notes) images_.want(note.path);
    images_.draw();
  }

  std::string link(const std::string& path) const {
    const std::string address = images_.address(path);
    return address.empty() ? fmt::format("<span class=\"file\">{}</span>", esc(path))
                           : fmt::format("<a class=\"file\" href=\"{}\">{}</a>", address, esc(path));
  }

  std::string thumbnail(int image) const {
    return images_.thumbnail(
        path_of(image),
        printable(fmt::format("Image of {}: {}", dataset_.classes[size_t(label_of(image))], path_of(image))));
  }

  std::string thumbnails(const std::vector<int>& list) const {
    std::string text = "<div class=\"pair\">";
    for (const int image : list) text += thumbnail(image);
    return text + "</div>";
  }

  std::string pair_item(int first, int second, const std::string& caption) const {
    std::string text = "<li><div class=\"pair\">";
    for (const int image : {first, second}) {
      text += fmt::format("<figure>{}<figcaption><strong>{}</strong> {}</figcaption></figure>",
                          thumbnail(image), name_of(label_of(image)), link(path_of(image)));
    }
    return text + fmt::format("</div><p class=\"note\">{}</p></li>\n", caption);
  }

  std::string header(const std::string& title) const {
    return fmt::format(
        "<header>\n<h1>{}</h1>\n<p>{} of {}, compared by {}: <strong>{}</strong>, {} across classes, {}, "
        "{}.</p>\n"
        "<nav aria-label=\"Parts of the page\"><ul><li><a href=\"#labels\">Labels</a></li><li><a "
        "href=\"#twins\">Near-duplicates</a></li><li><a href=\"#files\">Files</a></li><li><a "
        "href=\"#alike\">Classes alike</a></li><li><a href=\"#flip\">Flip</a></li><li><a "
        "href=\"#balance\">Balance</a></li></ul></nav>\n</header>\n",
        esc(title), plural(dataset_.size(), "image", "images"),
        plural(dataset_.num_classes(), "class", "classes"), esc(found_.features),
        plural(int64_t(found_.suspects.size()), "suspect label", "suspect labels"),
        plural(twins_across_, "near-duplicate", "near-duplicates"), plural(copies(), "copy", "copies"),
        plural(int64_t(found_.notes.size()), "file to look at", "files to look at"));
  }

  int64_t copies() const {
    int64_t count = 0;
    for (const auto& c : found_.copies) count += int64_t(c.files.size()) - 1;
    return count;
  }

  std::string notices() const {
    std::string text;
    const auto notice = [&](const std::string& sentence) {
      text += fmt::format("<p class=\"notice\">{}</p>\n", sentence);
    };
    if (!found_.weights) {
      notice(
          "Images were compared by their gradients alone. With <code>--weights</code> (ImageNet weights of a "
          "ResNet18) the check sees more.");
    }
    if (!dataset_.nested_copy.empty()) {
      notice(fmt::format("The folder “{}” repeats all classes and was left out.", esc(dataset_.nested_copy)));
    }
    if (images_.left_out() > 0) {
      notice(fmt::format("{} pictures were left out to keep the page small; their files are named instead.",
                         images_.left_out()));
    }
    return text;
  }

  std::string suspects() const {
    std::string text = "<section id=\"labels\">\n<h2>Suspect labels</h2>\n";
    if (!found_.not_judged.empty()) {
      return text + fmt::format("<p>Not judged: {}.</p>\n</section>\n", esc(found_.not_judged));
    }
    text += fmt::format(
        "<p>For {} another class is more probable than the label, by classifiers and neighbours that had "
        "not seen it. A score of 0.5 means as probable, 1 means certain. Confident learning estimates "
        "{:.0f} wrong labels in all. Look before you change one: an unusual picture and two classes that "
        "look "
        "alike raise the score as well.</p>\n{}",
        plural(int64_t(found_.suspects.size()), "image", "images"), found_.estimated_errors, rehearsals());
    if (found_.suspects.empty()) return text + "</section>\n";
    if (shown_suspects_ < found_.suspects.size()) {
      text +=
          fmt::format("<p class=\"note\">The first {}; suspect_labels.csv lists all.</p>\n", shown_suspects_);
    }
    text += "<ol class=\"cases\">\n";
    for (size_t k = 0; k < shown_suspects_; ++k) text += suspect_item(found_.suspects[k]);
    return text + "</ol>\n</section>\n";
  }

  std::string suspect_item(const Suspect& suspect) const {
    const std::string own = name_of(label_of(suspect.image)), other = name_of(suspect.opinion.suggested);
    return fmt::format(
        "<li><div class=\"case\">{}<div><p><strong>{}</strong>, or <strong>{}</strong>?</p><p>score "
        "{:.3f}</p>{}</div></div>\n<div class=\"evidence\"><div>most like it of <strong>{}</strong>{}</div>"
        "<div>most like it of <strong>{}</strong>{}</div></div></li>\n",
        thumbnail(suspect.image), own, other, suspect.opinion.score, link(path_of(suspect.image)), own,
        thumbnails(suspect.opinion.like_label), other, thumbnails(suspect.opinion.like_suggested));
  }

  /// How sure one can be, on these very images.
  std::string rehearsals() const {
    if (found_.rehearsals.empty()) return {};
    std::string table =
        "<table>\n<caption>How sure one can be: labels of this data set were changed at random, and the "
        "check "
        "was made again</caption>\n<thead><tr><th scope=\"col\">Changed</th><th scope=\"col\">Found among as "
        "many suspects</th><th scope=\"col\">… among twice as many</th></tr></thead>\n<tbody>\n";
    for (const auto& r : found_.rehearsals) {
      table += fmt::format("<tr><th scope=\"row\">{}</th><td>{} ({})</td><td>{} ({})</td></tr>\n", r.planted,
                           r.found, percent(double(r.found) / double(r.planted)), r.found_twice,
                           percent(double(r.found_twice) / double(r.planted)));
    }
    return framed("How sure one can be", table + "</tbody>\n</table>\n") +
           "<p class=\"note\">Real errors are seldom random. A wrong label in favour of a class that looks "
           "alike is harder to find, and so is one that a whole series of near-duplicates shares.</p>\n";
  }

  std::string twins() const {
    std::string text = fmt::format(
        "<section id=\"twins\">\n<h2>Near-duplicates</h2>\n<p>{} of images are alike to the eye (root mean "
        "square difference of 32×32 pixels at most {}), {} across classes. near_duplicates.csv lists "
        "{}.</p>\n",
        plural(found_.twins.pair_count, "pair", "pairs"), data::kNearTwinDistance, twins_across_,
        found_.twins.pair_count == int64_t(found_.twins.pairs.size()) ? "them"
                                                                      : "the closest ones of each image");
    if (!found_.leaks.empty()) {
      std::string table =
          "<table>\n<caption>Near-duplicates across folds</caption>\n<thead><tr><th "
          "scope=\"col\">Split</th><th scope=\"col\">Validation images with a near-twin in "
          "training</th></tr></thead>\n<tbody>\n";
      for (const auto& leak : found_.leaks) {
        table += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", esc(leak.split),
                             percent(leak.leakage.near_twin_share()));
      }
      text += framed("Near-duplicates across folds", table + "</tbody>\n</table>\n");
    }
    if (across_.empty()) return text + "</section>\n";
    text += "<h3>Across classes</h3>\n<ul class=\"errors\">\n";
    for (const auto* pair : across_) {
      text += pair_item(pair->first, pair->second, fmt::format("difference {:.3f}", pair->distance));
    }
    return text + "</ul>\n</section>\n";
  }

  std::string files() const {
    std::string text = "<section id=\"files\">\n<h2>Files</h2>\n";
    text += fmt::format("<p>{}", plural(int64_t(found_.sizes.size()), "size", "different sizes"));
    if (!found_.sizes.empty()) {
      const auto most =
          std::ranges::max_element(found_.sizes, {}, [](const auto& size) { return size.second; });
      text +=
          fmt::format("; the most frequent one, {}, {}", most->first, plural(most->second, "time", "times"));
    }
    text += fmt::format(". {} another one.</p>\n",
                        copies() == 1 ? "1 file repeats" : fmt::format("{} files repeat", copies()));
    if (!found_.notes.empty()) {
      std::string table =
          "<table class=\"options\">\n<caption>Files to look at</caption>\n<thead><tr><th "
          "scope=\"col\">File</th><th scope=\"col\">Finding</th><th scope=\"col\">Why</th></tr></thead>\n"
          "<tbody>\n";
      for (size_t k = 0; k < std::min(found_.notes.size(), kMostNotes); ++k) {
        const auto& note = found_.notes[k];
        table += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>\n", link(note.path),
                             esc(note.finding), esc(note.detail));
      }
      text += framed("Files to look at", table + "</tbody>\n</table>\n");
      if (found_.notes.size() > kMostNotes) {
        text += fmt::format("<p class=\"note\">The first {}; files.csv lists all.</p>\n", kMostNotes);
      }
    }
    if (!found_.copies.empty()) text += copies_list();
    return text + "</section>\n";
  }

  std::string copies_list() const {
    constexpr size_t kMostNames = 10;
    std::string text = "<h3>Duplicates</h3>\n<ul class=\"errors\">\n";
    for (size_t k = 0; k < std::min(found_.copies.size(), kMostCopies); ++k) {
      const auto& list = found_.copies[k];
      std::set<int> labels;
      for (const int image : list.files) labels.insert(label_of(image));
      text += fmt::format("<li><div class=\"case\">{}<div><p>{}{}</p>", thumbnail(list.files.front()),
                          list.same_bytes ? "the same bytes" : "other bytes, the same pixels",
                          labels.size() > 1 ? ", <strong>in different classes</strong>" : "");
      for (size_t f = 0; f < std::min(list.files.size(), kMostNames); ++f)
        text += link(path_of(list.files[f]));
      if (list.files.size() > kMostNames)
        text += fmt::format("… and {} more", list.files.size() - kMostNames);
      text += "</div></div></li>\n";
    }
    text += "</ul>\n";
    if (found_.copies.size() > kMostCopies) {
      text += fmt::format("<p class=\"note\">The first {} of {}; files.csv lists all.</p>\n", kMostCopies,
                          found_.copies.size());
    }
    return text;
  }

  std::string alike() const {
    std::string text = "<section id=\"alike\">\n<h2>Classes that look alike</h2>\n";
    if (!found_.not_judged.empty()) return text + "<p>Not judged, as above.</p>\n</section>\n";
    text +=
        "<p>The likeness is the mean probability of the other class, by classifiers that have seen neither "
        "the "
        "image nor its near-duplicates. The closest two images are shown.</p>\n";
    if (found_.alike.empty()) return text + "<p>No two classes reach 1%.</p>\n</section>\n";
    text += "<ol class=\"errors\">\n";
    for (const auto& pair : found_.alike) {
      text += pair_item(pair.first_image, pair.second_image,
                        fmt::format("{} and {}: likeness {}, {} taken for the other", name_of(pair.first),
                                    name_of(pair.second), percent(pair.likeness),
                                    plural(pair.confused, "image", "images")));
    }
    return text + "</ol>\n</section>\n";
  }

  std::string flip() const {
    std::string text = "<section id=\"flip\">\n<h2>Is a horizontal flip safe?</h2>\n";
    const auto& flip = found_.flip;
    if (!found_.not_judged.empty()) return text + "<p>Not judged, as above.</p>\n</section>\n";
    text += fmt::format(
        "<p class=\"verdict\">{}.</p>\n<p>Measured by classifiers that learned from images, and others that "
        "learned from their mirror images as well, on images whose near-duplicates neither has seen. Mirror "
        "images cost {} and gained {}; they are told from images in {} of the cases (guessing: 50%). A flip "
        "is called unsafe when a class loses a quarter of its images to another one, or when mirror images "
        "are "
        "near-duplicates of images of other classes; it is said to cost recognition when it loses more "
        "images "
        "than chance explains (two standard deviations). These classifiers are simple: a network that is "
        "trained as a whole may have room for both "
        "kinds.</p>\n",
        esc(sentence_case(flip_sentence(flip))), plural(flip.lost, "image", "images"),
        plural(flip.gained, "image", "images"), percent(flip.told_apart));
    std::vector<FlippedClass> worst;
    for (const auto& c : flip.classes) {
      if (c.right_with < c.right_without && c.taken > 0) worst.push_back(c);
    }
    if (!worst.empty()) {
      std::ranges::stable_sort(worst, {},
                               [](const FlippedClass& c) { return c.right_with - c.right_without; });
      worst.resize(std::min<size_t>(worst.size(), 15));
      std::string table =
          "<table>\n<caption>Classes that lose by mirror images, worst first</caption>\n<thead><tr><th "
          "scope=\"col\">Class</th><th scope=\"col\">Images</th><th scope=\"col\">Recognised without</th><th "
          "scope=\"col\">with</th><th scope=\"col\">Most of the lost go to</th></tr></thead>\n<tbody>\n";
      for (const auto& c : worst) {
        table += fmt::format(
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{} ({})</td></tr>\n",
            name_of(c.label), c.images, c.right_without, c.right_with, name_of(c.other), c.taken);
      }
      text += framed("Classes that lose by mirror images", table + "</tbody>\n</table>\n");
    }
    if (mirror_twins_.empty()) return text + "</section>\n";
    text += "<h3>Mirror images that are near-duplicates of another class</h3>\n<ul class=\"errors\">\n";
    for (const auto& [image, twin] : mirror_twins_) {
      text += pair_item(image, twin, "the left one, mirrored, looks like the right one");
    }
    return text + "</ul>\n</section>\n";
  }

  static std::string sentence_case(std::string text) {
    text.front() = char(std::toupper(static_cast<unsigned char>(text.front())));
    return text;
  }

  std::string balance() const {
    std::string text = "<section id=\"balance\">\n<h2>Balance</h2>\n";
    if (found_.counts.empty()) return text + "</section>\n";
    const auto [least, most] = std::ranges::minmax_element(found_.counts);
    text += fmt::format(
        "<p>{} to {} a class{}.</p>\n", *least, plural(*most, "image", "images"),
        *most > 2 * *least
            ? "; with such an imbalance look at recall by class, and try <code>--class-weights</code>"
            : "");
    std::string table =
        "<table class=\"counts\">\n<caption>Images a class, the smallest class "
        "first</caption>\n<thead><tr><th "
        "scope=\"col\">Class</th><th scope=\"col\">Images</th><th scope=\"col\">Share of the largest</th>"
        "</tr></thead>\n<tbody>\n";
    std::vector<int> order;
    for (int c = 0; c < dataset_.num_classes(); ++c) order.push_back(c);
    std::ranges::stable_sort(order, {}, [&](int c) { return found_.counts[size_t(c)]; });
    for (size_t k = 0; k < std::min(order.size(), kMostClasses); ++k) {
      const int c = order[k];
      const int64_t count = found_.counts[size_t(c)];
      table += fmt::format(
          "<tr><th scope=\"row\">{}</th><td>{}</td><td><span class=\"bar\" "
          "style=\"width:{:.1f}%\"></span></td></tr>\n",
          name_of(c), count, 100 * double(count) / double(std::max<int64_t>(*most, 1)));
    }
    text += "<details><summary>All classes</summary>\n" +
            framed("Images a class", table + "</tbody>\n</table>\n") + "</details>\n";
    return text + "</section>\n";
  }

  const data::Dataset& dataset_;
  const Findings& found_;
  ReportImages images_;
  size_t shown_suspects_ = 0;
  int64_t twins_across_ = 0;
  std::vector<const data::TwinPair*> across_;
  std::vector<std::pair<int, int>> mirror_twins_;
};

}  // namespace

std::string check_page(const data::ImageStore& store, const Findings& findings, const fs::path& folder) {
  return Page(store, findings, folder).html();
}

}  // namespace signet::study
