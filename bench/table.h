#pragma once
// Markdown tables of what the benchmarks of this folder write as JSON.

#include <string>

namespace signet::bench {

/// The tables of one file of Google Benchmark's JSON whose rows are named "operation / problem / batch N /
/// side / contender / math", with side "signet" or "vendor". One table an operation, in the order of the
/// rows. The ratio is the time of the fastest vendor row of the same problem and math over the row's own:
/// above 1 it is faster than the vendor. Where the context says that the device is simulated, there are no
/// columns of times. Throws std::runtime_error if the text is not such JSON.
std::string markdown_of(const std::string& json);

}  // namespace signet::bench
