// Prints the Markdown tables of a benchmark's JSON: bench_table gpu.json > table.md

#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>

#include "bench/table.h"

int main(int argc, char** argv) {
  std::ifstream in(argc == 2 ? argv[1] : "");
  if (!in) {
    std::cerr << "bench_table: name one readable JSON file of a benchmark of this folder\n";
    return 2;
  }
  try {
    std::cout << signet::bench::markdown_of({std::istreambuf_iterator<char>(in), {}});
  } catch (const std::runtime_error& error) {
    std::cerr << "bench_table: " << argv[1] << ": " << error.what() << "\n";
    return 2;
  }
}
