#pragma once
// Reading and writing whole files, so that a reader never sees half of one.

#include <filesystem>
#include <functional>
#include <ostream>
#include <string>
#include <string_view>

namespace signet {

/// The bytes of a file. Throws Error with the path and the system's reason.
std::string read_file(const std::filesystem::path& path);

/// Writes a file so that at any moment `path` is absent, the old file or the whole new one: the bytes go to a
/// temporary name in the same folder, are flushed to the disk and renamed over `path`. Creates the folder if
/// need be. Throws Error with the path and the system's reason (and then leaves no temporary file).
void write_atomically(const std::filesystem::path& path, std::string_view bytes);

/// The same for content written piece by piece: `write` gets a stream; a stream left failed counts as an
/// error.
void write_atomically(const std::filesystem::path& path, const std::function<void(std::ostream&)>& write);

/// Whether a file is one that write_atomically had begun when the program was killed.
bool is_unfinished(const std::filesystem::path& path);

}  // namespace signet
