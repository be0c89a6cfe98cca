#include <algorithm>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <set>
#include <sstream>

#include "apps/config_file.h"
#include "apps/flags.h"
#include "apps/values.h"
#include "apps/verbs.h"
#include "data/decode.h"
#include "data/encode.h"
#include "data/heatmap.h"
#include "kernels/parallel.h"
#include "study/answer_json.h"
#include "study/csv.h"
#include "study/inference.h"
#include "tensor/error.h"
#include "tensor/files.h"

namespace signet::apps {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStandardInput = "-";

struct PredictFlags {
  std::string checkpoint, files_from, format = "text", gradcam;
  std::vector<std::string> images;
  int top = 1, batch_size = 32;
  ComputeFlags compute;
};

std::string read_standard_input() {
  return {std::istreambuf_iterator<char>(std::cin), {}};
}

/// The image files named, and those below the folders named, sorted.
std::vector<fs::path> find_images(const std::vector<std::string>& named) {
  std::vector<fs::path> files;
  for (const auto& name : named) {
    if (name != kStandardInput && !fs::exists(name)) {
      fail("{}: there is no such file or folder; check the name", name);
    }
    if (!fs::is_directory(name)) {
      files.emplace_back(name);
      continue;
    }
    std::vector<fs::path> found;
    for (const auto& entry : fs::recursive_directory_iterator(name)) {
      if (entry.is_regular_file() && data::is_image_name(entry.path().filename().string()))
        found.push_back(entry.path());
    }
    if (found.empty()) fail("{}: holds no .jpg, .jpeg or .png file", name);
    std::sort(found.begin(), found.end());
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

/// All names of the command line: the words, then the lines of --files-from.
std::vector<std::string> all_names(const PredictFlags& flags) {
  auto names = flags.images;
  const auto words_for_input = std::count(names.begin(), names.end(), kStandardInput);
  if (words_for_input + (flags.files_from == kStandardInput ? 1 : 0) > 1) {
    fail("-: standard input can be read once only; name it once");
  }
  if (!flags.files_from.empty()) {
    std::istringstream lines(flags.files_from == kStandardInput ? read_standard_input()
                                                                : read_file(flags.files_from));
    for (std::string line; std::getline(lines, line);) {
      if (line.ends_with('\r')) line.pop_back();
      if (!line.empty()) names.push_back(line);
    }
  }
  if (names.empty()) fail("predict needs images: files, folders, - for standard input, or --files-from");
  return names;
}

/// A picture on its way through: decoded, or the reason why not.
struct Picture {
  fs::path path;
  data::Image image;
  std::string error;
};

std::vector<Picture> load(std::span<const fs::path> files) {
  std::vector<Picture> pictures(files.size());
  parallel_for(int64_t(files.size()), [&](int64_t i) {
    Picture& picture = pictures[size_t(i)];
    picture.path = files[size_t(i)];
    try {
      const bool piped = picture.path == kStandardInput;
      picture.image = piped ? data::decode_image(read_standard_input(), "standard input")
                            : data::load_image(picture.path);
    } catch (const Error& error) {
      picture.error = error.what();
    }
  });
  return pictures;
}

/// Writes Grad-CAM pictures, each under a name of its own made of the picture's path and class.
class HeatWriter {
 public:
  explicit HeatWriter(fs::path folder) : folder_(std::move(folder)) {}

  fs::path write(const Picture& picture, const data::Heatmap& heat, const std::string& class_name) {
    std::string stem = picture.path == kStandardInput ? "stdin" : picture.path.lexically_normal().string();
    stem.erase(0, stem.find_first_not_of("./"));
    std::replace(stem.begin(), stem.end(), '/', '_');
    std::string name = stem + "-" + class_name;
    for (int number = 2; !names_.insert(name).second; ++number) {
      name = fmt::format("{}-{}-{}", stem, class_name, number);
    }
    const fs::path path = folder_ / (name + ".png");
    data::write_png(path, data::draw_heat(bounded(picture.image), heat));
    return path;
  }

 private:
  /// A phone's picture would make a PNG file of tens of megabytes.
  static data::Image bounded(const data::Image& image) {
    constexpr int kMostPixels = 1024;
    const int longest = std::max(image.height, image.width);
    if (longest <= kMostPixels) return image;
    const auto side = [&](int pixels) { return std::max(1, int(int64_t{pixels} * kMostPixels / longest)); };
    return data::resize(image, side(image.height), side(image.width));
  }

  fs::path folder_;
  std::set<std::string> names_;
};

/// Prints answers in the format asked for, each batch as soon as it is there.
class Printer {
 public:
  Printer(const PredictFlags& flags, const std::vector<std::string>& classes)
      : format_(flags.format), top_(flags.top), classes_(classes) {}

  void answer(const std::string& path, const study::Answer& answer, const std::string& heat) {
    if (format_ == "jsonl") {
      fmt::print("{}\n", study::answer_json(path, answer, classes_, top_, {heat}));
      return;
    }
    std::string line = path;
    for (int rank = 0; rank < top_; ++rank) {
      const auto c = size_t(answer.ranking[size_t(rank)]);
      line += fmt::format("  {} {:.1f}%", classes_[c], 100 * answer.probabilities[c]);
      csv_.row(path, rank + 1, classes_[c], answer.probabilities[c]);
    }
    if (format_ == "text") fmt::print("{}\n", line);
  }

  void refusal(const std::string& path, const std::string& error) {
    fmt::print(stderr, "signet: {}\n", error);
    if (format_ == "jsonl") fmt::print("{}\n", study::refusal_json(path, error));
  }

  void end_batch() {
    if (format_ == "csv") {
      fmt::print("{}", csv_.text().substr(printed_));
      printed_ = csv_.text().size();
    }
    std::fflush(stdout);
  }

 private:
  std::string format_;
  int top_;
  const std::vector<std::string>& classes_;
  study::CsvWriter csv_{"path", "rank", "class", "probability"};
  size_t printed_ = 0;
};

int run(PredictFlags& flags) {
  const Device device = flags.compute.apply();
  const study::Inference inference(study::load_classifier(flags.checkpoint, device), device);
  const auto& classes = inference.classes();
  if (flags.top > int(classes.size())) {
    fail("--top {}: {} knows {} classes only", flags.top, flags.checkpoint, classes.size());
  }
  const bool with_heat = !flags.gradcam.empty();
  if (with_heat && !inference.has_convolutions()) {
    fail("--gradcam: {} has no convolutions, so there is no Grad-CAM of it; leave the flag out",
         inference.network().architecture());
  }
  const auto files = find_images(all_names(flags));
  Printer printer(flags, classes);
  HeatWriter heat_writer(flags.gradcam);
  int failures = 0;
  for (size_t begin = 0; begin < files.size(); begin += size_t(flags.batch_size)) {
    const size_t count = std::min(size_t(flags.batch_size), files.size() - begin);
    const auto pictures = load(std::span(files).subspan(begin, count));
    std::vector<data::Image> prepared;
    for (const auto& picture : pictures) {
      if (picture.error.empty()) prepared.push_back(inference.prepare(picture.image));
    }
    const auto answers = prepared.empty() ? std::vector<study::Answer>() : inference.run(prepared, with_heat);
    auto answer = answers.begin();
    for (const auto& picture : pictures) {
      if (!picture.error.empty()) {
        printer.refusal(picture.path.string(), picture.error);
        ++failures;
        continue;
      }
      std::string heat;
      if (with_heat) {
        heat = heat_writer.write(picture, answer->heat, classes[size_t(answer->ranking.front())]).string();
      }
      printer.answer(picture.path.string(), *answer++, heat);
    }
    printer.end_batch();
  }
  return failures;
}

}  // namespace

void add_predict(CLI::App& app) {
  CLI::App* verb = app.add_subcommand("predict", "Name what images show");
  verb->footer(
      "Example:\n  signet predict runs/study/study1/weights/resnet18-layer4-best.safetensors photo.jpg "
      "folder --top 3\n  ssh camera cat shot.jpg | signet predict best.safetensors -\n  find . -name "
      "'*.jpg' | signet predict best.safetensors --files-from - --format csv");
  add_config_flag(*verb);
  auto flags = std::make_shared<PredictFlags>();
  verb->add_option("checkpoint", flags->checkpoint, "A checkpoint written by signet")->required();
  verb->add_option("images", flags->images,
                   "Image files, folders of them, and - for one from standard input");
  verb->add_option("--files-from", flags->files_from,
                   "File with the names of images, one a line; - for standard input");
  verb->add_option("--top", flags->top, "How many classes to name")
      ->check(whole_number(1))
      ->capture_default_str();
  verb->add_option("--format", flags->format, "text, csv (a line a class) or jsonl (an object an image)")
      ->check(one_of({"text", "csv", "jsonl"}))
      ->capture_default_str();
  verb->add_option("--gradcam", flags->gradcam,
                   "Folder for pictures of what each answer rests on (Grad-CAM), PNG, 1024 pixels at most");
  add_batch_size(*verb, flags->batch_size);
  flags->compute.add_to(*verb);
  verb->callback([flags] {
    if (run(*flags) > 0) throw CLI::RuntimeError(2);
  });
}

}  // namespace signet::apps
