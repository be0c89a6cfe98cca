#include <fmt/format.h>

#include <filesystem>

#include "apps/config_file.h"
#include "apps/values.h"
#include "apps/verbs.h"
#include "models/checkpoint_file.h"
#include "models/fold.h"
#include "models/onnx.h"
#include "models/pth_writer.h"
#include "models/safetensors.h"
#include "models/state_dict.h"
#include "study/checkpoint.h"
#include "tensor/error.h"
#include "tensor/files.h"

namespace signet::apps {
namespace {

namespace fs = std::filesystem;

struct ExportFlags {
  std::string checkpoint, format, output, batchnorm, precision = "f32";
  bool with_preprocessing = false;
};

/// The form asked for: by --format, else by the ending of --output, else ONNX.
std::string format_of(const ExportFlags& flags) {
  if (!flags.format.empty() || flags.output.empty()) return flags.format.empty() ? "onnx" : flags.format;
  const std::string ending = fs::path(flags.output).extension().string();
  if (ending == ".onnx" || ending == ".pth" || ending == ".safetensors") return ending.substr(1);
  fail(
      "--output {}: its ending names no form that is written; end it in .onnx, .pth or .safetensors, or say "
      "--format",
      flags.output);
}

/// beside/best.safetensors -> beside/best.onnx, or best-bf16.safetensors where the checkpoint has the ending.
fs::path output_of(const ExportFlags& flags, const std::string& format) {
  if (!flags.output.empty()) return flags.output;
  const fs::path source = flags.checkpoint;
  std::string name = source.stem().string();
  if (flags.precision == "bf16") name += "-bf16";
  if (format != "onnx" && flags.batchnorm == "fold") name += "-folded";
  return source.parent_path() / (name + "." + format);
}

void require_consistent(const ExportFlags& flags, const std::string& format) {
  if (format != "onnx" && flags.with_preprocessing) {
    fail("--with-preprocessing: a .{} file holds weights only; add --format onnx", format);
  }
  if (format == "onnx" && flags.precision != "f32") {
    fail("--precision {}: ONNX files are written in f32; add --format safetensors or pth", flags.precision);
  }
  if (format == "pth" && flags.batchnorm == "fold") {
    fail(
        "--batchnorm fold: torchvision's load_state_dict could not read it; add --format safetensors or "
        "onnx");
  }
}

void write_weights(const fs::path& output, models::Archive archive, const std::string& format,
                   const ExportFlags& flags) {
  if (flags.batchnorm == "fold") {
    archive = models::fold_batchnorm(archive);
    archive.metadata[study::kBatchnormKey] = study::kFolded;
  }
  if (flags.precision == "bf16") {
    for (auto& [name, array] : archive.entries) array = models::to_bf16(array);
  }
  format == "pth" ? models::write_pth(output, archive) : models::write_safetensors(output, archive);
}

void run(const ExportFlags& flags) {
  const std::string format = format_of(flags);
  require_consistent(flags, format);
  const fs::path output = output_of(flags, format);
  std::error_code error;
  if (fs::equivalent(output, flags.checkpoint, error)) {
    fail("{}: is the checkpoint itself; name another file with --output", output.string());
  }
  models::Archive source = models::read_checkpoint(flags.checkpoint);
  const auto classifier = study::load_classifier(source, flags.checkpoint);
  auto& network = *classifier.network;
  auto metadata = source.metadata;
  metadata.erase(study::kBatchnormKey);
  std::string what;
  if (format == "onnx") {
    const models::OnnxOptions options{flags.batchnorm != "keep", flags.with_preprocessing};
    write_atomically(output, models::to_onnx(network, metadata, options));
    const auto input = network.input();
    what = fmt::format("images {} -> logits float32 [batch, {}]",
                       options.with_preprocessing ? "uint8 [batch, height, width, 3]"
                                                  : fmt::format("float32 [batch, {0}, {1}, {1}], normalised",
                                                                input.channels, input.size),
                       network.num_classes());
  } else {
    models::Archive archive = models::save_weights(network);
    archive.metadata = metadata;
    write_weights(output, std::move(archive), format, flags);
    what = fmt::format("weights of {} in {}{}", network.architecture(), flags.precision,
                       flags.batchnorm == "fold" ? ", batchnorm folded" : "");
  }
  fmt::print("{}: {}, {:.1f} MB\n", output.string(), what, double(fs::file_size(output)) / 1e6);
}

}  // namespace

void add_export(CLI::App& app) {
  CLI::App* verb = app.add_subcommand("export", "Write a checkpoint for other programs");
  verb->footer(
      "Example:\n  signet export runs/study/study1/weights/resnet18-layer4-best.safetensors --format onnx "
      "--with-preprocessing");
  add_config_flag(*verb);
  auto flags = std::make_shared<ExportFlags>();
  verb->add_option("checkpoint", flags->checkpoint, "A checkpoint written by signet")->required();
  verb->add_option("--format", flags->format,
                   "onnx (ONNX Runtime and others), pth (torch.load, load_state_dict) or safetensors")
      ->check(one_of({"onnx", "pth", "safetensors"}));
  verb->add_option("--output", flags->output, "File to write; by default beside the checkpoint");
  verb->add_flag("--with-preprocessing", flags->with_preprocessing,
                 "ONNX that takes decoded pictures (uint8) and resizes and normalises them itself");
  verb->add_option("--batchnorm", flags->batchnorm,
                   "fold it into the convolutions, or keep it; by default folded in ONNX, kept elsewhere")
      ->check(one_of({"fold", "keep"}));
  verb->add_option("--precision", flags->precision, "Weights as f32 or bf16 (not ONNX)")
      ->check(one_of({"f32", "bf16"}))
      ->capture_default_str();
  verb->callback([flags] { run(*flags); });
}

}  // namespace signet::apps
