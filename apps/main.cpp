// signet: train and compare image classifiers on a folder of images.

#include <fmt/format.h>

#include <malloc.h>

#include <csignal>
#include <filesystem>
#include <new>

#include "apps/command_line.h"
#include "apps/verbs.h"
#include "kernels/cuda/runtime.h"
#include "study/interrupt.h"
#include "study/progress.h"
#include "tensor/error.h"

namespace {

constexpr int kUsersError = 2;
constexpr int kInternalError = 1;
constexpr int kInterrupted = 128 + SIGINT;

/// Standard output first, so that on a terminal or in a common log the sentence comes last.
int report(const std::string& sentence, int status) {
  std::fflush(stdout);
  fmt::print(stderr, "signet: {}\n", sentence);
  return status;
}

int report_interrupt(const std::filesystem::path& folder, int argc, char** argv) {
  if (signet::study::stderr_is_terminal()) fmt::print(stderr, "\n");
  if (folder.empty()) return report("stopped before anything was written", kInterrupted);
  const auto command = signet::apps::resume_command({argv, argv + argc}, folder);
  return report(fmt::format("stopped; go on with: {}", command), kInterrupted);
}

int run(int argc, char** argv) {
  using namespace signet;
  CLI::App app{"Train and compare image classifiers on a folder of images, with handwritten kernels",
               "signet"};
  app.set_version_flag("--version", std::string("signet ") + SIGNET_VERSION);
  app.footer(
      "Example:\n  signet study --data asl_dataset --weights resnet18-f37072fd.pth\n  signet study --help");
  app.require_subcommand(1);
  apps::add_study(app);
  apps::add_train_verbs(app);
  apps::add_val(app);
  apps::add_predict(app);
  apps::add_export(app);
  apps::add_serve(app);
  apps::add_data(app);
  apps::add_report(app);
  apps::add_inspect(app);
  apps::add_bench(app);
  apps::add_info(app);
  apps::add_profile_kernel(app);
  apps::add_completion(app);
  apps::add_man(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::RuntimeError& error) {
    return error.get_exit_code();
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) return report(apps::explain(app, error), kUsersError);
    app.exit(error);  // --help and --version
  }
  return 0;
}

int run_and_report(int argc, char** argv) {
  using namespace signet;
  try {
    const int status = run(argc, argv);
    if (std::fflush(stdout) != 0) fail("standard output cannot be written: {}", std::strerror(errno));
    return status;
  } catch (const study::Interrupted& stopped) {
    return report_interrupt(stopped.folder(), argc, argv);
  } catch (const Error& error) {
    return report(error.what(), kUsersError);
  } catch (const cuda::OutOfMemory& error) {
    return report(error.what(), kUsersError);
  } catch (const std::bad_alloc&) {
    return report("the memory does not suffice; use a smaller --batch-size, --image-size or --cache-mb",
                  kUsersError);
  } catch (const std::filesystem::filesystem_error& error) {
    return report(fmt::format("{}: {}", error.path1().string(), error.code().message()), kUsersError);
  } catch (const std::exception& error) {
    return report(fmt::format("internal error: {}", error.what()), kInternalError);
  }
}

/// Decoding an image takes and frees half a megabyte at a time. By default the C library maps such blocks
/// anew from the system each time, and the page faults cost a third of the time of decoding.
void keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 4 << 20);
  mallopt(M_TRIM_THRESHOLD, 16 << 20);
#endif
}

}  // namespace

int main(int argc, char** argv) {
  // A file that outgrows the shell's limit is then an error with a name, like a full disk.
  std::signal(SIGXFSZ, SIG_IGN);
  keep_freed_memory();
  return run_and_report(argc, argv);
}
