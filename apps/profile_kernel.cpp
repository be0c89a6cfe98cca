#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "apps/values.h"
#include "apps/verbs.h"
#include "tensor/error.h"

#ifdef SIGNET_SIMULATED
#include "kernels/simt/profile.h"
#endif

namespace signet::apps {
namespace {

struct Options {
  std::string kernel, activations = "f32", precision = "f32";
  std::string tile = "automatic", algorithm = "automatic";
  int64_t batch = 1, size = 28, in = 64, out = 64, window = 3, stride = 1, padding = 1;
  int64_t m = 128, n = 128, k = 128, rows = 1024, channels = 64;
};

#ifdef SIGNET_SIMULATED

void print(const std::vector<simt::LineCounts>& lines) {
  fmt::print("{:<32} {:<7} {:<7} {:>5} {:>10} {:>12} {:>12} {:>10}\n", "line", "memory", "access", "bytes",
             "requests", "moved", "ideal", "moved/req");
  for (const simt::LineCounts& line : lines) {
    const bool shared = line.space == simt::Space::shared;
    const char* access = line.kind == simt::Access::read    ? "read"
                         : line.kind == simt::Access::write ? "write"
                                                            : "atomic";
    const std::string place =
        std::filesystem::path(line.place.file).filename().string() + ":" + std::to_string(line.place.line);
    const auto& t = line.totals;
    fmt::print("{:<32} {:<7} {:<7} {:>5} {:>10} {:>12} {:>12} {:>10.2f}\n", place,
               shared ? "shared" : "global", access, line.bytes, t.requests, t.moved, t.ideal,
               double(t.moved) / double(t.requests));
  }
  for (const bool shared : {false, true}) {
    simt::RequestTotals sum;
    for (const simt::LineCounts& line : lines)
      if ((line.space == simt::Space::shared) == shared) sum += line.totals;
    if (sum.moved == 0) continue;
    if (shared) {
      fmt::print("shared: {} wavefronts, {} of them for bank conflicts\n", sum.moved, sum.moved - sum.ideal);
    } else {
      fmt::print("global: {} sectors of 32 bytes, {:.1f}% of what they hold is used\n", sum.moved,
                 100 * double(sum.ideal) / double(sum.moved));
    }
  }
}

void profile(const Options& o) {
  const std::vector<std::string> names = simt::profiled_kernels(o.activations);
  if (std::find(names.begin(), names.end(), o.kernel) == names.end())
    fail("profile-kernel: no kernel of {} activations is called {}; there are {}", o.activations, o.kernel,
         fmt::join(names, ", "));
  simt::ProfileSizes sizes;
  sizes.conv = {o.batch, o.size, o.size, o.in, o.out, o.window, o.window, o.stride, o.padding, 1};
  sizes.m = o.m, sizes.n = o.n, sizes.k = o.k, sizes.rows = o.rows, sizes.channels = o.channels;
  sizes.activations = o.activations;
  sizes.precision = o.precision;
  sizes.tile = o.tile;
  sizes.algorithm = o.algorithm;
  try {
    print(simt::profile_kernel(o.kernel, sizes));
  } catch (const std::invalid_argument& error) {
    fail("profile-kernel {}: {}", o.kernel, error.what());
  }
}

#else

void profile(const Options&) {
  fail(
      "profile-kernel counts on the simulated device, which this build does not have; build one that does "
      "with "
      "cmake --preset simulated");
}

#endif

}  // namespace

void add_profile_kernel(CLI::App& app) {
  CLI::App* verb = app.add_subcommand(
      "profile-kernel", "Count, line by line, what a CUDA kernel asks of memory, on the simulated device");
  auto options = std::make_shared<Options>();
  verb->add_option("kernel", options->kernel, "A function of kernels.h, or a rung of the ladder")->required();
  verb->add_option("--activations", options->activations, "What activations are stored as: f32 or bf16")
      ->check(one_of({"f32", "bf16"}));
  verb->add_option("--precision", options->precision,
                   "How products multiply: f32, tf32 or bf16, which activations in bf16 need in order not to "
                   "be widened");
  verb->add_option("--tile", options->tile,
                   "What a block of threads computes of a product: automatic, small, narrow or large; of "
                   "activations in bf16 also warpgroup-small, warpgroup-narrow, warpgroup-large, "
                   "tensor-memory-small, tensor-memory-narrow or tensor-memory-large");
  verb->add_option("--algorithm", options->algorithm,
                   "How convolutions are computed: automatic, implicit_gemm, or winograd where it applies");
  verb->add_option("--batch", options->batch, "Convolution: images");
  verb->add_option("--size", options->size, "Convolution: height and width of the input");
  verb->add_option("--in", options->in, "Convolution: input channels");
  verb->add_option("--out", options->out, "Convolution: output channels");
  verb->add_option("--window", options->window, "Convolution: height and width of the window");
  verb->add_option("--stride", options->stride, "Convolution: stride");
  verb->add_option("--padding", options->padding, "Convolution: padding");
  verb->add_option("-m", options->m, "Matrix product: rows of A");
  verb->add_option("-n", options->n, "Matrix product: columns of B");
  verb->add_option("-k", options->k, "Matrix product: columns of A");
  verb->add_option("--rows", options->rows, "Batchnorm and others: rows");
  verb->add_option("--channels", options->channels, "Batchnorm and others: channels");
  verb->footer(
      "Moved are 32-byte sectors of global memory, or wavefronts of shared memory; ideal is the fewest that "
      "could do.\n"
      "Example:\n  signet profile-kernel gemm_02_shared -m 256 -n 256 -k 256");
  verb->callback([options] { profile(*options); });
}

}  // namespace signet::apps
