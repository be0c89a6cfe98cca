// signet: train and compare image classifiers on a folder of images.

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "apps/verbs.h"
#include "study/interrupt.h"
#include "tensor/error.h"

namespace {

/// How many letters must be inserted, removed or replaced to get from a to b (Levenshtein 1966).
size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, replaced}));
    }
  }
  return row.back();
}

/// The flags or verbs that could stand where `unknown` stands.
std::vector<std::string> candidates(const CLI::App& app, bool flags) {
  std::vector<std::string> names;
  const CLI::App* innermost = &app;
  while (!innermost->get_subcommands().empty()) innermost = innermost->get_subcommands().front();
  if (flags) {
    for (const auto* option : innermost->get_options()) {
      for (const auto& name : option->get_lnames()) names.push_back("--" + name);
    }
  } else {
    for (const auto* verb : innermost->get_subcommands([](const CLI::App*) { return true; }))
      names.push_back(verb->get_name());
  }
  return names;
}

int explain_unknown(const CLI::App& app, const std::string& unknown) {
  const bool flag = unknown.starts_with("-");
  const std::string word = unknown.substr(0, unknown.find('='));
  auto names = candidates(app, flag);
  const auto nearest = std::min_element(names.begin(), names.end(), [&](const auto& a, const auto& b) {
    return edit_distance(a, word) < edit_distance(b, word);
  });
  fmt::print(stderr, "signet: unknown {} {}{}; --help lists all\n", flag ? "flag" : "word", word,
             nearest == names.end() ? "" : fmt::format(", did you mean {}?", *nearest));
  return 2;
}

int report_parse_error(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return app.exit(error);
  const auto unknown = app.remaining(true);
  if (!unknown.empty()) return explain_unknown(app, unknown.front());
  fmt::print(stderr, "signet: {}\n", error.what());
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace signet;
  CLI::App app{"Train and compare image classifiers on a folder of images, with handwritten kernels",
               "signet"};
  app.set_version_flag("--version", std::string("signet ") + SIGNET_VERSION);
  app.require_subcommand(1);
  apps::add_study(app);
  apps::add_train_verbs(app);
  apps::add_val(app);
  apps::add_predict(app);
  apps::add_data(app);
  apps::add_bench(app);
  apps::add_info(app);
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::RuntimeError& error) {
    return error.get_exit_code();
  } catch (const CLI::ParseError& error) {
    return report_parse_error(app, error);
  } catch (const study::Interrupted&) {
    fmt::print(stderr, "\nsignet: stopped; go on with the same command plus --resume --output FOLDER\n");
    return 130;
  } catch (const Error& error) {
    fmt::print(stderr, "signet: {}\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    fmt::print(stderr, "signet: internal error: {}\n", error.what());
    return 1;
  }
}
