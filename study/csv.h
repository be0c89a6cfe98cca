#pragma once
// Comma-separated tables, quoted as RFC 4180 says. Lines end in \n when written; \n and \r\n are read.

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace signet::study {

/// The shortest decimal text that reads back to the same double ("0.1", "1e-05"); "nan", "inf", "-inf".
std::string number_text(double value);

/// The number a cell holds; Error naming `source` if it holds none. Reads what number_text writes, and an
/// empty cell as NaN.
double number_from_text(std::string_view text, std::string_view source);

/// Builds the text of a table row by row.
class CsvWriter {
 public:
  explicit CsvWriter(const std::vector<std::string>& columns);
  CsvWriter(std::initializer_list<std::string_view> columns);

  /// Appends a cell to the row being built, quoted where necessary.
  CsvWriter& cell(std::string_view text);
  CsvWriter& cell(const char* text) { return cell(std::string_view(text)); }
  /// A floating-point cell in number_text's form; NaN (not measured) leaves the cell empty.
  CsvWriter& cell(double value);
  template <std::integral Integer>
  CsvWriter& cell(Integer value) {
    return cell(std::string_view(std::to_string(value)));
  }
  /// Ends the row. Throws std::logic_error if it has not one cell a column.
  void end_row();

  /// One whole row.
  template <class... Cells>
  void row(const Cells&... cells) {
    (cell(cells), ...);
    end_row();
  }

  /// Header and rows so far. Throws std::logic_error in the middle of a row.
  const std::string& text() const;

 private:
  std::string text_;
  size_t columns_ = 0;
  size_t cells_ = 0;
};

/// A table read back: every row has as many cells as there are columns.
struct CsvTable {
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;

  /// The index of a column; Error naming `source` and the column if there is none.
  size_t column(std::string_view name, std::string_view source) const;
};

/// Parses a table; blank lines and a byte-order mark are skipped. Throws Error, naming `source` and the line,
/// for a quote that is not closed, text after a closing quote and a row of another length than the header.
CsvTable parse_csv(std::string_view text, std::string_view source);

/// The same for a file.
CsvTable read_csv(const std::filesystem::path& path);

}  // namespace signet::study
