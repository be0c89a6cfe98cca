#pragma once
// The verbs of the program, one file each. Each adds its subcommand, whose callback does the work.

#include <CLI/CLI.hpp>

namespace signet::apps {

void add_study(CLI::App& app);
void add_train_verbs(CLI::App& app);  ///< cv, train, finetune
void add_val(CLI::App& app);
void add_predict(CLI::App& app);
void add_export(CLI::App& app);
void add_serve(CLI::App& app);
void add_data(CLI::App& app);
void add_report(CLI::App& app);
void add_inspect(CLI::App& app);
void add_bench(CLI::App& app);
void add_info(CLI::App& app);
void add_profile_kernel(CLI::App& app);
void add_completion(CLI::App& app);
void add_man(CLI::App& app);

}  // namespace signet::apps
