#include "study/inspect.h"

#include <fmt/format.h>

#include <algorithm>

#include "study/html.h"
#include "study/inspect_assets.h"
#include "study/inspect_features.h"
#include "study/inspect_layers.h"
#include "study/inspect_networks.h"
#include "study/inspect_pictures.h"
#include "study/inspect_what_if.h"
#include "study/process_info.h"
#include "study/progress.h"
#include "study/run_images.h"
#include "study/source.h"
#include "study/svg_canvas.h"
#include "tensor/error.h"
#include "tensor/files.h"

namespace signet::study {
namespace fs = std::filesystem;
namespace {

std::string esc(std::string_view text) {
  return escaped_for_xml(text);
}

std::string section(const char* id, const char* title, const std::string& body) {
  return fmt::format("<section id=\"{}\">\n<h2>{}</h2>\n{}</section>\n", id, title, body);
}

std::string header(const Inspected& inspected, const InspectedImages& images, const std::string& notice) {
  std::string text = fmt::format("<header>\n<h1>Inside {}</h1>\n<p>", esc(inspected.model));
  if (inspected.before) {
    text += fmt::format("<strong>Before</strong> is {}, <strong>after</strong> is {}",
                        esc(inspected.before->name), esc(inspected.model));
    if (inspected.shared == inspected.after.network->stage_count()) {
      text += "; they are the same network, to the bit";
    } else if (inspected.shared > 0) {
      text += fmt::format("; up to and including {} they are the same, to the bit",
                          esc(inspected.after.network->stages()[size_t(inspected.shared - 1)]));
    }
    text += ". ";
  } else {
    text += fmt::format("{} stands alone here: there is no network before it to compare with. ",
                        esc(inspected.model));
  }
  text += fmt::format("{} of the run’s {} images were looked at{}, {} of them held back from training.</p>\n",
                      images.places.size(), images.of,
                      int64_t(images.places.size()) < images.of ? ", spread evenly over the classes" : "",
                      images.validation.size());
  for (const std::string& sentence : {notice, inspected.notice}) {
    if (!sentence.empty()) text += fmt::format("<p class=\"notice\">{}</p>\n", esc(sentence));
  }
  text += "<nav aria-label=\"Parts of the page\"><ul>";
  for (const auto& [id, name] :
       {std::pair("layers", "Layers"), std::pair("drift", "Drift"),
        std::pair("launches", "What freezing saves"), std::pair("probes", "Probes"),
        std::pair("plane-section", "Features in a plane"), std::pair("filters", "Filters"),
        std::pair("examples", "Images looked at"), std::pair("what-if", "What if")}) {
    text += fmt::format("<li><a href=\"#{}\">{}</a></li>", id, name);
  }
  return text + "</ul></nav>\n</header>\n";
}

std::string layers_section(const Inspected& inspected) {
  return section(
      "layers", "Layers",
      "<p>A frozen layer gets no gradient and no update, and its batchnorm normalises by the statistics it "
      "came with. A trained one has both. <em>Gradient</em> is the length of the loss’s gradient by the "
      "layer’s weights, in one step in the middle of the last epoch; <em>update ÷ weights</em> is how far "
      "that step moved them, beside their own length. About a thousandth is usual. Much more shakes the "
      "layer, much less hardly teaches it.</p>\n" +
          layers_html(inspected));
}

std::string drift_section(const Inspected& inspected) {
  return section(
      "drift", "Drift: how far each layer moved",
      "<p>After every epoch the trainer measured how far the weights are from where the phase began, as a "
      "share of their length then. A plain <span class=\"zero\">0</span> is exactly zero: not one bit has "
      "changed. That is the proof that frozen is frozen, statistics included. The stronger the colour, the "
      "further it moved. Later stages usually move further than early ones, for they are more about the old "
      "task.</p>\n" +
          drift_html(inspected));
}

std::string launches_section(const Inspected& inspected, Device device) {
  const auto launches = count_launches(*inspected.after.network, device);
  return section(
      "launches", "What each way of freezing saves",
      "<p>The same network, one training step, three times; the counters are those of the engine. <em>Frozen "
      "prefix</em>: only the last stage learns. Nothing in front of it needs a gradient, so no backward "
      "kernel runs there, and batchnorms are folded into the convolutions. <em>Frozen, passed through</em>: "
      "the first stage learns too. Now the gradient has to travel through the frozen middle "
      "(<code>backward_data</code>), though none of its weights gets one (<code>backward_weight</code>). "
      "<em>Trainable</em>: everything is paid for.</p>\n" +
          launches_html(launches));
}

std::string probes_section(const Inspected& inspected, const InspectedImages& images,
                           const std::vector<StageFeatures>& stages) {
  std::string text = fmt::format(
      "<p>How much of the answer can be read off each stage by a straight line? After every stage the "
      "picture of each channel is averaged, and a linear classifier (ridge regression of one-hot labels on "
      "standardised features, penalty {}·n, in closed form) is fitted to the training images and measured on "
      "those held back. Where the curve rises, the network has made the classes easier to tell apart. Where "
      "two curves part, fine-tuning made them so. Where they do not, though the report’s accuracy rose, the "
      "classes were as separable before, and the head had not made the most of it.</p>\n",
      kRidge);
  text += probes_html(inspected, images, stages);
  const std::string alignment = alignment_html(inspected, stages);
  if (!alignment.empty()) {
    text +=
        "<h3>How alike are the stages before and after?</h3>\n<p>Linear CKA compares two sets of features of "
        "the "
        "same images: with centred columns X and Y it is ‖YᵀX‖² ÷ (‖XᵀX‖·‖YᵀY‖), in Frobenius norms "
        "(Kornblith "
        "et al. 2019). It is 1 where the two differ by a rotation and a factor only, and near 0 where they "
        "have "
        "nothing in common. Follow the framed diagonal: it stays at 1 as long as stages are frozen, and "
        "falls where "
        "fine-tuning has changed what is represented.</p>\n" +
        alignment;
  }
  return section("probes", "What each stage knows", text);
}

std::string plane_section(const Inspected& inspected, const InspectedImages& images,
                          const StageFeatures& last) {
  return section(
      "plane-section", "Features in a plane",
      fmt::format(
          "<p>What the head reads is {} numbers an image; here they are drawn in two. <em>t-SNE</em> keeps "
          "neighbours together and says nothing about distances between groups. <em>Principal "
          "components</em> are the two directions of greatest variance: honest about distances, but they "
          "overlap. Each point is the letter of its class. If the colours of <em>signers</em> form groups "
          "within a class, the network also recognises whose hand it is: that is what random folds reward "
          "and new people do not. Rest on a point, or use the arrow keys, to see which image it is.</p>\n",
          last.after.columns) +
          plane_html(inspected, images, last));
}

std::string filters_section(const Inspected& inspected) {
  return section("filters", "Filters of the stem",
                 "<p>The kernels of the first convolution, each around grey and scaled to its own largest "
                 "weight. A pretrained stem shows edges in all directions and blobs of opposed colours, "
                 "which serve hands as well as anything else: that is why it can stay frozen. Noise without "
                 "structure would be a stem that has learned little.</p>\n" +
                     filters_html(inspected));
}

std::string examples_section(const Inspected& inspected, const data::ImageStore& store,
                             const std::vector<int>& places, Device device) {
  std::string text =
      "<p>Grad-CAM shows what in the picture speaks for the true class: activations of the last stage that "
      "is still a picture, weighed by the gradient of the class’s logit. No weight needs a gradient for "
      "that, so it works on frozen trunks. Below it, of each stage the eight channels that respond most, "
      "each scaled to its own maximum; from stage to stage the maps get coarser and choosier.";
  if (inspected.chain.size() > 1) {
    text += " The first images are those that fine-tuning put right.";
    if (inspected.before->fold != inspected.after.fold) {
      text += fmt::format(" ({} shows another fold’s head here, which may have trained on these images.)",
                          esc(inspected.before->name));
    }
  } else if (inspected.before && !inspected.before->knows_classes) {
    text += fmt::format(" {} have no head for these classes, so there is no answer and no Grad-CAM of them.",
                        esc(inspected.before->name));
  }
  return section("examples", "Images looked at closely",
                 text + "</p>\n" + examples_html(inspected, store, places, device));
}

std::string what_if_section(const fs::path& folder) {
  return section(
      "what-if", "What if?",
      "<p>One decision changed, nothing else: a new head is trained on the frozen trunk as the run would, "
      "and beside it one with the change. Few images and few epochs, so compare the rows with each other, "
      "not with the report.</p>\n" +
          what_if_html(folder, read_what_if(folder)));
}

InspectOutcome answer_questions(const fs::path& folder, const Inspected& inspected,
                                const data::ImageStore& store, const InspectOptions& options) {
  InspectOutcome outcome;
  for (const auto& question : options.what_if) {
    const Stopwatch watch;
    const auto rows = answer_what_if(question, inspected, store, options.most_what_if_images, options.device);
    save_what_if(folder, rows);
    outcome.text +=
        fmt::format("{} ({} images, {}):\n", question, rows.front().images, duration_text(watch.seconds()));
    for (const auto& row : rows) {
      outcome.text += fmt::format("  {:<62} validation accuracy {:>6}, loss {:.3f}\n", row.variant,
                                  percent(row.accuracy), row.loss);
    }
  }
  outcome.file = folder / "inspect" / "what-if.csv";
  outcome.text += fmt::format("the page shows it after: signet inspect {}\n", folder.string());
  return outcome;
}

}  // namespace

InspectOutcome inspect_run(const fs::path& folder, const InspectOptions& options) {
  const Inspected inspected = load_inspected(folder, options.model, options.device);
  const data::ImageSpec spec = preprocessing_of(inspected.after.network->input()).spec();
  const RunImages opened = open_run_images(inspected.run.args, options.data, {spec});
  if (!opened.store) fail("the images of the run: {}", opened.notice);
  const data::ImageStore& store = *opened.store;
  if (!options.what_if.empty()) return answer_questions(folder, inspected, store, options);

  const InspectedImages images = choose_images(inspected, store, options.most_images);
  const auto places = choose_examples(inspected, store, options.images);
  const auto stages = stage_features(inspected, store, images, options.device);
  std::string body = header(inspected, images, opened.notice) + "<main id=\"main\">\n" +
                     layers_section(inspected) + drift_section(inspected) +
                     launches_section(inspected, options.device) + probes_section(inspected, images, stages) +
                     plane_section(inspected, images, stages.back()) + filters_section(inspected) +
                     examples_section(inspected, store, places, options.device) + what_if_section(folder) +
                     "</main>\n";
  body += fmt::format(
      "<footer><p>Written by signet {}. Nothing in this page is loaded from elsewhere.</p></footer>\n",
      SIGNET_VERSION);
  const fs::path page = folder / "inspect.html";
  write_atomically(page, html_page({"Inside " + inspected.model, inspect_style(), inspect_script(), body}));
  return {page, opened.notice.empty() ? "" : opened.notice + "\n"};
}

}  // namespace signet::study
