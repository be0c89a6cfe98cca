#include "kernels/simt/symbols.h"

#include <cxxabi.h>
#include <elf.h>
#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>

namespace signet::simt {
namespace {

constexpr const char* kGap = "shared_gap_";

std::string demangle(const std::string& symbol) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, &status), std::free);
  return status == 0 ? text.get() : symbol;
}

struct Module {
  uintptr_t load = 0, begin = UINTPTR_MAX, end = 0;
  char* thread_local_data = nullptr;
  size_t thread_local_bytes = 0;
};

// The first module is the program.
Module program_module() {
  Module module;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* to) {
        auto& found = *static_cast<Module*>(to);
        found.load = info->dlpi_addr;
        found.thread_local_data = static_cast<char*>(info->dlpi_tls_data);
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          const auto& header = info->dlpi_phdr[i];
          if (header.p_type == PT_TLS) found.thread_local_bytes = header.p_memsz;
          if (header.p_type != PT_LOAD) continue;
          found.begin = std::min<uintptr_t>(found.begin, found.load + header.p_vaddr);
          found.end = std::max<uintptr_t>(found.end, found.load + header.p_vaddr + header.p_memsz);
        }
        return 1;
      },
      &module);
  return module;
}

const Module& program() {
  static const Module module = program_module();
  return module;
}

struct Function {
  uintptr_t address = 0, end = 0;
  std::string symbol;
};

struct Symbols {
  std::vector<Function> functions;  // by address
  std::vector<SharedVariable>
      variables;  // thread-local ones inside functions, by offset; names still mangled
};

Symbols read_symbols() {
  Symbols symbols;
  std::ifstream in("/proc/self/exe", std::ios::binary);
  const auto at = [&](uint64_t offset, void* to, size_t bytes) {
    in.clear();
    in.seekg(int64_t(offset));
    in.read(static_cast<char*>(to), int64_t(bytes));
    return bool(in);
  };
  ElfW(Ehdr) header;
  if (!at(0, &header, sizeof header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return symbols;
  std::vector<ElfW(Shdr)> sections(header.e_shnum);
  if (!at(header.e_shoff, sections.data(), sections.size() * sizeof(sections[0]))) return symbols;
  for (const auto& section : sections) {
    if (section.sh_type != SHT_SYMTAB || section.sh_link >= sections.size()) continue;
    std::vector<ElfW(Sym)> entries(section.sh_size / sizeof(ElfW(Sym)));
    std::vector<char> names(sections[section.sh_link].sh_size + 1, '\0');
    if (!at(section.sh_offset, entries.data(), entries.size() * sizeof(entries[0])) ||
        !at(sections[section.sh_link].sh_offset, names.data(), names.size() - 1))
      return symbols;
    for (const auto& entry : entries) {
      if (entry.st_name >= names.size() || entry.st_shndx == SHN_UNDEF) continue;
      const char* name = &names[entry.st_name];
      const int type = entry.st_info & 0xF;
      if (type == STT_FUNC && entry.st_size > 0) {
        const uintptr_t address = program().load + entry.st_value;
        symbols.functions.push_back({address, address + entry.st_size, name});
      } else if (type == STT_TLS && std::strncmp(name, "_ZZ", 3) == 0) {
        symbols.variables.push_back({name, "", entry.st_value, entry.st_size});
      }
    }
  }
  std::sort(symbols.functions.begin(), symbols.functions.end(),
            [](const auto& a, const auto& b) { return a.address < b.address; });
  std::sort(symbols.variables.begin(), symbols.variables.end(),
            [](const auto& a, const auto& b) { return a.offset < b.offset; });
  return symbols;
}

const Symbols& symbols() {
  static const Symbols& table = *new Symbols(read_symbols());
  return table;
}

const Function* function_at(uintptr_t address) {
  const auto& all = symbols().functions;
  auto after = std::upper_bound(all.begin(), all.end(), address,
                                [](uintptr_t a, const Function& f) { return a < f.address; });
  if (after == all.begin()) return nullptr;
  const Function& f = *std::prev(after);
  return address < f.end ? &f : nullptr;
}

// "_ZZ4kernPfE4tile" starts with "_ZZ4kernPfE": the symbol of the function with its _Z spelt _ZZ, and E.
std::string prefix_of_locals(const std::string& function_symbol) {
  return function_symbol.compare(0, 2, "_Z") == 0 ? "_ZZ" + function_symbol.substr(2) + "E" : "";
}

}  // namespace

char* thread_local_base() {
  static thread_local char* const base = program_module().thread_local_data;
  return base;
}
size_t thread_local_bytes() {
  return program().thread_local_bytes;
}

std::string function_name(const void* function) {
  if (const Function* f = function_at(reinterpret_cast<uintptr_t>(function))) return demangle(f->symbol);
  char text[32];
  std::snprintf(text, sizeof text, "%p", function);
  return text;
}

std::vector<SharedVariable> shared_variables_of(const void* kernel) {
  std::vector<SharedVariable> found;
  const Function* f = function_at(reinterpret_cast<uintptr_t>(kernel));
  const std::string prefix = f ? prefix_of_locals(f->symbol) : "";
  if (prefix.empty()) return found;
  for (const SharedVariable& variable : symbols().variables) {
    if (variable.name.compare(0, prefix.size(), prefix) != 0) continue;
    if (variable.name.find(kGap) != std::string::npos) continue;
    found.push_back(variable);
    found.back().name = demangle(variable.name);
    found.back().owner = f->symbol;
  }
  return found;
}

const std::vector<SharedVariable>& checked_shared_variables() {
  static const auto& all = *new std::vector<SharedVariable>([] {
    // A function has checked shared variables if it has gaps; its other locals are then what they guard.
    std::map<std::string, bool> guarded;
    const auto owner = [](const std::string& name) {
      // The names of locals end in E<length><name>, perhaps with a discriminator.
      const size_t end = name.rfind('E');
      return end == std::string::npos ? name : name.substr(0, end + 1);
    };
    for (const auto& v : symbols().variables) {
      if (const size_t gap = v.name.find(kGap); gap != std::string::npos)
        guarded[owner(v.name.substr(0, gap))] = true;
    }
    std::vector<SharedVariable> variables;
    for (const auto& v : symbols().variables) {
      if (v.name.find(kGap) != std::string::npos) continue;
      for (size_t end = v.name.rfind('E'); end != std::string::npos && end > 0;
           end = v.name.rfind('E', end - 1)) {
        const std::string prefix = v.name.substr(0, end + 1);
        if (!guarded.contains(prefix)) continue;
        variables.push_back({demangle(v.name), prefix, v.offset, v.bytes});
        break;
      }
    }
    return variables;
  }());
  return all;
}

namespace {
SourceLine parse(std::string function, const std::string& place) {
  SourceLine source;
  source.function = std::move(function);
  const size_t colon = place.rfind(':');
  if (colon != std::string::npos && place[0] != '?')
    source.place = {std::filesystem::path(place.substr(0, colon)).lexically_normal().string(),
                    std::atoi(place.c_str() + colon + 1)};
  return source;
}
}  // namespace

bool in_program_image(const void* address) {
  const auto value = reinterpret_cast<uintptr_t>(address);
  return value >= program().begin && value < program().end;
}

std::vector<SourceLine> source_lines(const std::vector<const void*>& return_addresses) {
  static std::mutex mutex;
  static auto& known = *new std::map<const void*, SourceLine>;
  const std::lock_guard lock(mutex);
  std::vector<const void*> asked;
  for (const void* address : return_addresses) {
    if (!known.contains(address) && std::find(asked.begin(), asked.end(), address) == asked.end())
      asked.push_back(address);
  }
  constexpr size_t kAtOnce = 500;  // addresses on one command line
  for (size_t first = 0; first < asked.size(); first += kAtOnce) {
    const size_t last = std::min(asked.size(), first + kAtOnce);
    std::string command = "addr2line -a -i -C -f -e /proc/" + std::to_string(getpid()) + "/exe";
    for (size_t i = first; i < last; ++i) {
      char text[32];
      // The call ends where it returns to; one byte earlier lies inside it.
      std::snprintf(text, sizeof text, " 0x%zx", reinterpret_cast<uintptr_t>(asked[i]) - program().load - 1);
      command += text;
    }
    std::FILE* pipe = popen((command + " 2>/dev/null").c_str(), "r");
    if (!pipe) break;
    const auto line = [&] {
      std::string text;
      for (int c; (c = std::fgetc(pipe)) != EOF && c != '\n';) text += char(c);
      return text;
    };
    // For each address: itself, then function and place of the innermost inlined function and of those it was
    // inlined into.
    size_t next = first;
    bool settled = false;
    for (std::string text = line(); !text.empty(); text = line()) {
      if (text.starts_with("0x")) {
        ++next;
        settled = false;
        continue;
      }
      const SourceLine source = parse(std::move(text), line());
      if (next == first || settled) continue;
      known[asked[next - 1]] = source;
      settled = source.place.file.find("/kernels/simt/") == std::string::npos;
    }
    pclose(pipe);
  }
  std::vector<SourceLine> lines;
  for (const void* address : return_addresses) {
    const auto found = known.find(address);
    lines.push_back(found == known.end() ? SourceLine{} : found->second);
  }
  return lines;
}

}  // namespace signet::simt
