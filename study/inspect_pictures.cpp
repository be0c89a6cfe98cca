#include "study/inspect_pictures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "data/encode.h"
#include "data/heatmap.h"
#include "study/html.h"
#include "study/inference.h"
#include "study/metrics.h"
#include "study/source.h"
#include "study/svg_canvas.h"
#include "tensor/autograd.h"
#include "tensor/base64.h"
#include "tensor/error.h"

namespace signet::study {
namespace {

constexpr size_t kExamples = 6, kCorrected = 3;
constexpr int kChannels = 8;  ///< shown of a stage
constexpr int kFilterColumns = 16;
constexpr int kQuality = 82;

std::string esc(std::string_view text) {
  return escaped_for_xml(text);
}

std::string png_picture(const data::Image& image, const std::string& description) {
  return fmt::format(
      "<img class=\"pixels\" src=\"data:image/png;base64,{}\" width=\"{}\" height=\"{}\" alt=\"{}\"/>\n",
      base64(data::encode_png(image)), image.width, image.height, esc(description));
}

std::string jpeg_picture(const data::Image& image, const std::string& description) {
  return fmt::format(
      "<img class=\"photo\" src=\"data:image/jpeg;base64,{}\" width=\"{}\" height=\"{}\" alt=\"{}\"/>\n",
      base64(data::encode_jpeg(image, kQuality)), image.width, image.height, esc(description));
}

/// Tiles of equal size in rows, a pixel of grey between them.
class TileSheet {
 public:
  TileSheet(int tiles, int columns, int height, int width, int channels)
      : columns_(columns), tile_height_(height), tile_width_(width) {
    const int rows = (tiles + columns - 1) / columns;
    image_ = {rows * (height + 1) - 1, columns * (width + 1) - 1, channels, {}};
    image_.pixels.assign(size_t(image_.height * image_.width * channels), 96);
  }

  void set(int tile, int y, int x, int channel, double share) {
    const int row = tile / columns_ * (tile_height_ + 1) + y,
              column = tile % columns_ * (tile_width_ + 1) + x;
    image_.pixels[size_t((row * image_.width + column) * image_.channels + channel)] =
        uint8_t(std::lround(255 * std::clamp(share, 0.0, 1.0)));
  }

  const data::Image& image() const { return image_; }

 private:
  int columns_, tile_height_, tile_width_;
  data::Image image_;
};

const Tensor* colour_kernels(models::Network& network) {
  const auto parameters = network.parameters();
  const Tensor& first = *parameters.front().tensor;
  return first.shape().rank() == 4 && first.shape()[3] == 3 ? parameters.front().tensor : nullptr;
}

/// Each kernel around grey, scaled by its own largest weight.
data::Image draw_kernels(const Tensor& weight) {
  const Shape& shape = weight.shape();  // [out, height, width, 3]
  const auto values = weight.to_vector();
  const int kernels = int(shape[0]), columns = std::min(kFilterColumns, kernels);
  TileSheet sheet{kernels, columns, int(shape[1]), int(shape[2]), 3};
  const int64_t size = shape[1] * shape[2] * shape[3];
  for (int64_t k = 0; k < shape[0]; ++k) {
    const float* kernel = &values[size_t(k * size)];
    float largest = 1e-12f;
    for (int64_t i = 0; i < size; ++i) largest = std::max(largest, std::abs(kernel[i]));
    for (int64_t i = 0; i < size; ++i) {
      sheet.set(int(k), int(i / 3 / shape[2]), int(i / 3 % shape[2]), int(i % 3),
                0.5 + 0.5 * double(kernel[i] / largest));
    }
  }
  return sheet.image();
}

/// What one network makes of the chosen images.
struct Seen {
  std::vector<Tensor> activations;  ///< by stage; undefined where they are no picture
  std::vector<data::Heatmap> heat;
  std::vector<std::vector<double>> probabilities;
};

Seen look(const InspectedNetwork& subject, const Tensor& x, std::span<const int> labels) {
  models::Network& network = *subject.network;
  Seen seen;
  Tensor y = x;
  {
    const NoGrad no_grad;
    for (int stage = 0; stage < network.stage_count(); ++stage) {
      y = network.forward(y, stage, stage + 1);
      seen.activations.push_back(y.shape().rank() == 4 ? y : Tensor());
    }
  }
  if (!subject.knows_classes) return seen;
  const auto logits = y.to_vector();
  const size_t classes = size_t(network.num_classes());
  for (size_t i = 0; i < labels.size(); ++i) {
    seen.probabilities.push_back(softmax(std::span(logits).subspan(i * classes, classes)));
  }
  const bool pictures = std::ranges::any_of(seen.activations, [](const Tensor& t) { return t.defined(); });
  if (pictures) seen.heat = grad_cam(network, x, labels);
  return seen;
}

/// The channels whose largest response to image `row` is largest.
std::vector<int> strongest(const Tensor& activations, int row) {
  const Shape& shape = activations.shape();
  const auto values = activations.to_vector();
  const int64_t places = shape[1] * shape[2], channels = shape[3];
  std::vector<float> largest(size_t(channels), 0.0f);
  for (int64_t p = 0; p < places; ++p) {
    for (int64_t c = 0; c < channels; ++c) {
      largest[size_t(c)] = std::max(largest[size_t(c)], values[size_t((row * places + p) * channels + c)]);
    }
  }
  std::vector<int> order(static_cast<size_t>(channels));
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](int a, int b) { return largest[size_t(a)] > largest[size_t(b)]; });
  order.resize(std::min<size_t>(order.size(), kChannels));
  return order;
}

/// Maps of channels side by side, each scaled to its own maximum.
data::Image draw_channels(const Tensor& activations, int row, std::span<const int> channels) {
  const Shape& shape = activations.shape();
  const auto values = activations.to_vector();
  const int64_t places = shape[1] * shape[2];
  TileSheet sheet(int(channels.size()), int(channels.size()), int(shape[1]), int(shape[2]), 1);
  for (size_t k = 0; k < channels.size(); ++k) {
    const auto value = [&](int64_t p) { return values[size_t((row * places + p) * shape[3] + channels[k])]; };
    float largest = 1e-12f;
    for (int64_t p = 0; p < places; ++p) largest = std::max(largest, value(p));
    for (int64_t p = 0; p < places; ++p) {
      sheet.set(int(k), int(p / shape[2]), int(p % shape[2]), 0, double(value(p) / largest));
    }
  }
  return sheet.image();
}

class Examples {
 public:
  Examples(const Inspected& inspected, const data::ImageStore& store, const std::vector<int>& places,
           Device device)
      : inspected_(inspected), store_(store), places_(places), classes_(inspected.split().classes) {
    for (const int place : places) {
      const auto& sample = store.dataset().samples[size_t(place)];
      const std::string& name = store.dataset().classes[size_t(sample.label)];
      labels_.push_back(int(std::ranges::find(classes_, name) - classes_.begin()));
    }
    const models::InputSpec input = inspected.after.network->input();
    const ImageSource source(store, input, std::nullopt, 0, 0, device);
    source.each_batch(places, int(places.size()), [&](const Input& batch) {
      after_ = look(inspected.after, batch.x, labels_);
      if (inspected.before) before_ = look(*inspected.before, batch.x, labels_);
    });
  }

  std::string html() const {
    std::string text = "<nav class=\"chooser\" aria-label=\"Images\">\n<div><span>Image</span><ul>";
    for (size_t i = 0; i < places_.size(); ++i) {
      text += fmt::format("<li><a href=\"#e{}\">{}</a></li>", i, esc(classes_[size_t(labels_[i])]));
    }
    text += "</ul></div>\n</nav>\n";
    for (size_t i = 0; i < places_.size(); ++i) text += example(i);
    return text;
  }

 private:
  std::string answer(const Seen& seen, size_t i) const {
    const auto& p = seen.probabilities[i];
    const auto best = size_t(std::ranges::max_element(p) - p.begin());
    return fmt::format("{} <strong>{}</strong>, {} sure; {} for the true class",
                       int(best) == labels_[i] ? "says" : "wrongly says", esc(classes_[best]),
                       percent(p[best]), percent(p[size_t(labels_[i])]));
  }

  std::string example(size_t i) const {
    const std::string& path = store_.dataset().samples[size_t(places_[i])].path;
    const std::string& label = classes_[size_t(labels_[i])];
    std::string text = fmt::format(
        "<section class=\"model\" id=\"e{0}\" aria-labelledby=\"e{0}-h\">\n"
        "<h3 id=\"e{0}-h\" tabindex=\"-1\">{1}, an image of {2}</h3>\n<div class=\"looks\">\n",
        i, esc(path), esc(label));
    const data::Image picture = pixels_of(i);
    text += fmt::format("<figure>{}<figcaption>as the networks get it</figcaption></figure>\n",
                        jpeg_picture(picture, fmt::format("The image, of {}", label)));
    if (inspected_.before) text += look_html(*inspected_.before, before_, i, picture);
    text += look_html(inspected_.after, after_, i, picture);
    return text + "</div>\n" + stages_html(i) + "</section>\n";
  }

  data::Image pixels_of(size_t i) const {
    const auto spec = preprocessing_of(inspected_.after.network->input()).spec();
    data::Image image{spec.size, spec.size, spec.channels, std::vector<uint8_t>(size_t(spec.bytes()))};
    store_.read(places_[i], spec, image.pixels);
    return image;
  }

  std::string look_html(const InspectedNetwork& subject, const Seen& seen, size_t i,
                        const data::Image& picture) const {
    if (seen.probabilities.empty()) return {};
    std::string text = "<figure>";
    if (!seen.heat.empty()) {
      text += jpeg_picture(
          data::draw_heat(picture, seen.heat[i]),
          fmt::format("Grad-CAM of {} for the class {}", subject.name, classes_[size_t(labels_[i])]));
    }
    text += fmt::format("<figcaption><strong>{}</strong> {}", esc(subject.name), answer(seen, i));
    if (!seen.heat.empty()) {
      text += fmt::format(" (a map of {}×{} places)", seen.heat[i].width, seen.heat[i].height);
    }
    return text + "</figcaption></figure>\n";
  }

  std::string stages_html(size_t i) const {
    std::string text;
    const auto& stages = inspected_.after.network->stages();
    for (size_t stage = 0; stage < stages.size(); ++stage) {
      const Tensor& of_after = after_.activations[stage];
      if (!of_after.defined()) continue;
      const auto channels = strongest(of_after, int(i));
      const bool both = inspected_.before && int(stage) >= inspected_.shared;
      const auto strip = [&](const Tensor& activations, const std::string& whose) {
        return fmt::format("<figure>{}<figcaption>{}</figcaption></figure>\n",
                           png_picture(draw_channels(activations, int(i), channels),
                                       fmt::format("Responses of {} channels after {}, {}", channels.size(),
                                                   stages[stage], whose)),
                           esc(whose));
      };
      text += fmt::format("<h4>After {}: {} channels of {}×{}</h4>\n<div class=\"strips\">\n",
                          esc(stages[stage]), of_after.shape()[3], of_after.shape()[1], of_after.shape()[2]);
      if (both) text += strip(before_.activations[stage], inspected_.before->name);
      const bool same = inspected_.before && !both;
      text += strip(of_after, same ? "the same in both networks" : inspected_.after.name) + "</div>\n";
    }
    return text;
  }

  const Inspected& inspected_;
  const data::ImageStore& store_;
  const std::vector<int>& places_;
  const std::vector<std::string>& classes_;
  std::vector<int> labels_;
  Seen before_, after_;
};

}  // namespace

std::vector<int> choose_examples(const Inspected& inspected, const data::ImageStore& store,
                                 const std::vector<std::string>& asked) {
  std::map<std::string, int> places;
  const auto& samples = store.dataset().samples;
  for (size_t i = 0; i < samples.size(); ++i) places.emplace(samples[i].path, int(i));
  std::vector<int> chosen;
  for (const auto& path : asked) {
    const auto place = places.find(path);
    if (place == places.end()) {
      fail("--image {}: the data set in {} has no such image; name it as splits.csv does", path,
           store.dataset().root.string());
    }
    chosen.push_back(place->second);
  }
  if (!asked.empty()) return chosen;
  std::set<std::string> right_before;
  if (inspected.chain.size() > 1) {
    for (const auto& p : inspected.report_model(inspected.chain.front()).predictions) {
      if (p.true_class == p.predicted_class) right_before.insert(p.path);
    }
  }
  std::vector<const Prediction*> corrected, wrong, others;
  for (const auto& p : inspected.report_model(inspected.model).predictions) {
    if (p.fold != inspected.after.fold || !places.contains(p.path)) continue;
    if (p.true_class != p.predicted_class) {
      wrong.push_back(&p);
    } else if (inspected.chain.size() > 1 && !right_before.contains(p.path)) {
      corrected.push_back(&p);
    } else {
      others.push_back(&p);
    }
  }
  std::set<int> classes;
  const auto take = [&](const std::vector<const Prediction*>& from, size_t most) {
    for (const auto* p : from) {
      if (chosen.size() >= most) return;
      if (classes.insert(p->true_class).second) chosen.push_back(places.at(p->path));
    }
  };
  take(corrected, kCorrected);
  take(wrong, chosen.size() + 1);
  take(others, kExamples);
  take(wrong, kExamples);
  if (chosen.empty()) chosen.push_back(0);
  return chosen;
}

std::string filters_html(const Inspected& inspected) {
  const Tensor* after = colour_kernels(*inspected.after.network);
  if (after == nullptr) return "<p>The first layer of this network reads no colours.</p>\n";
  const auto figure = [](const Tensor& weight, const std::string& whose) {
    return fmt::format(
        "<figure class=\"filters\">{}<figcaption>{}: {} kernels of {}×{}</figcaption></figure>\n",
        png_picture(draw_kernels(weight), fmt::format("The first kernels of {}", whose)), esc(whose),
        weight.shape()[0], weight.shape()[1], weight.shape()[2]);
  };
  if (!inspected.before) return figure(*after, inspected.after.name);
  if (inspected.shared > 0) return figure(*after, "the same in both networks, to the bit");
  return figure(*colour_kernels(*inspected.before->network), inspected.before->name) +
         figure(*after, inspected.after.name);
}

std::string examples_html(const Inspected& inspected, const data::ImageStore& store,
                          const std::vector<int>& places, Device device) {
  return Examples(inspected, store, places, device).html();
}

}  // namespace signet::study
