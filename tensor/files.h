#pragma once
// Reading and writing whole files, so that a reader never sees half of one.

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace signet {

/// The bytes of a file. Throws Error with the path and the system's reason.
std::string read_file(const std::filesystem::path& path);

/// Writes a file so that at any moment `path` is absent, the old file or the whole new one: the bytes go to a
/// temporary name in the same folder, are flushed to the disk and renamed over `path`. Creates the folder if
/// need be. Throws Error with the path and the system's reason (and then leaves no temporary file).
void write_atomically(const std::filesystem::path& path, std::string_view bytes);

/// Adds bytes to the end of a file.
using Append = std::function<void(std::string_view)>;

/// The same for content that is never in memory as a whole: `write` gives it piece by piece. If it throws,
/// nothing is changed.
void write_atomically(const std::filesystem::path& path, const std::function<void(const Append&)>& write);

/// Whether a file is one that write_atomically had begun when the program was killed.
bool is_unfinished(const std::filesystem::path& path);

}  // namespace signet
