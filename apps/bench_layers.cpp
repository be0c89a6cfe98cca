#include "apps/bench_layers.h"

#include <fmt/format.h>

#include "kernels/parallel.h"
#include "study/layer_bench.h"
#include "tensor/files.h"

namespace signet::apps {
namespace {

constexpr cpu::ConvPass kPasses[] = {cpu::ConvPass::forward, cpu::ConvPass::backward_data,
                                     cpu::ConvPass::backward_weight};
constexpr double kMilli = 1e3;

std::string shape_text(const Conv2dShape& s) {
  return fmt::format("{}x{}x{} -> {}, {}x{}/{}", s.in_height, s.in_width, s.in_channels, s.out_channels,
                     s.kernel_height, s.kernel_width, s.stride);
}

/// Calls visit(layer, pass) for what a training step of the whole network computes: of the first layer's
/// input nobody wants the gradient.
template <class Visit>
void each_pass(const std::vector<study::ConvLayer>& layers, Visit visit) {
  for (const auto& layer : layers) {
    for (const auto pass : kPasses) {
      if (pass != cpu::ConvPass::backward_data || &layer != &layers.front()) visit(layer, pass);
    }
  }
}

void print_json(const study::LayerTime& time, const study::Peak& peak) {
  fmt::print(
      "{{\"layer\": \"{}\", \"count\": {}, \"shape\": \"{}\", \"batch\": {}, \"pass\": \"{}\", "
      "\"algorithm\": \"{}\", \"activations\": \"{}\", \"ms\": {:.4f}, \"gflops\": {:.2f}, "
      "\"share_of_peak\": {:.4f}, "
      "\"threads\": {}}}\n",
      time.layer.name, time.layer.count, shape_text(time.layer.shape), time.layer.shape.batch,
      cpu::name_of(time.pass), cpu::name_of(time.algorithm), name_of(time.activations), time.seconds * kMilli,
      time.gflops(), time.gflops() / peak.gflops, num_threads());
}

}  // namespace

void bench_layers(models::Network& network, const LayerBenchOptions& options) {
  const auto layers = study::conv_layers(network, options.batch);
  const auto peak = study::measure_peak(options.activations);
  if (!options.json) {
    fmt::print("{} in {}, batch {}, {} threads; measured peak {:.0f} GFLOP/s, memory {:.1f} GB/s\n",
               network.architecture(), name_of(options.activations), options.batch, num_threads(),
               peak.gflops, peak.gbytes_s);
    fmt::print("{:<22} {:<27} {:>2}  {:<15} {:>8} {:>8} {:>6}  {}\n", "layer",
               "image -> filters, window/stride", "n", "pass", "ms", "GFLOP/s", "% peak", "algorithm");
  }
  std::vector<study::LayerTime> times;
  double totals[std::size(kPasses)] = {};
  each_pass(layers, [&](const study::ConvLayer& layer, cpu::ConvPass pass) {
    const auto time = study::time_layer(layer, pass, options.activations, options.repetitions);
    totals[size_t(pass)] += time.seconds * layer.count;
    times.push_back(time);
    if (options.json) return print_json(time, peak);
    fmt::print("{:<22} {:<31} {:>2}  {:<15} {:>8.2f} {:>8.1f} {:>6.0f}  {}\n", layer.name,
               shape_text(layer.shape), layer.count, cpu::name_of(pass), time.seconds * kMilli, time.gflops(),
               100 * time.gflops() / peak.gflops, cpu::name_of(time.algorithm));
    std::fflush(stdout);
  });
  if (!options.json) {
    for (const auto pass : kPasses)
      fmt::print("all convolutions, {}: {:.1f} ms\n", cpu::name_of(pass), totals[size_t(pass)] * kMilli);
    fmt::print(
        "Operations are those of direct summation: Winograd's algorithm does a quarter of them, and can "
        "pass 100%.\n");
  }
  if (options.svg.empty()) return;
  write_atomically(options.svg,
                   study::roofline_svg(
                       times, peak,
                       fmt::format("Convolutions of {} in {} at batch {}, {} threads", network.architecture(),
                                   name_of(options.activations), options.batch, num_threads())));
  if (!options.json) fmt::print("roofline: {}\n", options.svg);
}

void bench_tune(models::Network& network, const LayerBenchOptions& options) {
  std::vector<cpu::ConvChoice> choices;
  each_pass(
      study::conv_layers(network, options.batch), [&](const study::ConvLayer& layer, cpu::ConvPass pass) {
        const auto by_rule = cpu::conv_algorithm(pass, layer.shape);
        const auto times = study::time_algorithms(layer, pass, options.activations, options.repetitions);
        fmt::print("{:<22} {:<15}", layer.name, cpu::name_of(pass));
        for (const auto& time : times)
          fmt::print("  {} {:.2f} ms", cpu::name_of(time.algorithm), time.seconds * kMilli);
        const auto best = times.front().algorithm;
        fmt::print("{}\n", best == by_rule ? "" : fmt::format("  (instead of {})", cpu::name_of(by_rule)));
        std::fflush(stdout);
        choices.push_back({pass, layer.shape, best});
      });
  write_atomically(options.output, study::conv_choices_json(choices));
  fmt::print("written: {}; use it with --conv-table {}\n", options.output, options.output);
}

}  // namespace signet::apps
