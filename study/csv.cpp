#include "study/csv.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "tensor/error.h"
#include "tensor/files.h"

namespace signet::study {
namespace {

/// Walks over the text of a table, cell by cell.
class CsvReader {
 public:
  CsvReader(std::string_view text, std::string_view source) : text_(text), source_(source) {
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    if (text_.starts_with(kByteOrderMark)) text_.remove_prefix(kByteOrderMark.size());
  }

  /// The next row that is not blank; empty at the end of the text.
  std::vector<std::string> next_row() {
    while (skip_line_end()) {
    }
    row_line_ = line_;
    std::vector<std::string> cells;
    if (text_.empty()) return cells;
    while (true) {
      cells.push_back(text_.starts_with('"') ? quoted_cell() : plain_cell());
      if (!text_.starts_with(',')) break;
      text_.remove_prefix(1);
    }
    if (!text_.empty() && !skip_line_end()) {
      fail("{}: line {}: text after a closing quote; double the quotes inside a quoted cell", source_, line_);
    }
    return cells;
  }

  /// The line on which the last row began.
  int row_line() const { return row_line_; }

 private:
  bool skip_line_end() {
    const size_t length = text_.starts_with('\n') ? 1 : text_.starts_with("\r\n") ? 2 : 0;
    text_.remove_prefix(length);
    line_ += length > 0;
    return length > 0;
  }

  std::string plain_cell() {
    size_t length = std::min(text_.find_first_of(",\n"), text_.size());
    if (length > 0 && text_.substr(length - 1, 2) == "\r\n") --length;
    std::string cell(text_.substr(0, length));
    text_.remove_prefix(length);
    return cell;
  }

  std::string quoted_cell() {
    std::string cell;
    while (true) {
      text_.remove_prefix(1);
      const size_t length = text_.find('"');
      if (length == std::string_view::npos) {
        fail("{}: line {}: a quoted cell is not closed; the file may be cut off", source_, row_line_);
      }
      line_ += int(std::ranges::count(text_.substr(0, length), '\n'));
      cell += text_.substr(0, length);
      text_.remove_prefix(length + 1);
      if (!text_.starts_with('"')) return cell;
      cell += '"';
    }
  }

  std::string_view text_;
  std::string_view source_;
  int line_ = 1;
  int row_line_ = 1;
};

}  // namespace

std::string number_text(double value) {
  if (std::isnan(value)) return "nan";
  std::array<char, 32> buffer;
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return std::string(buffer.data(), result.ptr);
}

double number_from_text(std::string_view text, std::string_view source) {
  if (text.empty()) return std::numeric_limits<double>::quiet_NaN();
  double value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size()) {
    fail("{}: \"{}\" is not a number", source, text);
  }
  return value;
}

CsvWriter::CsvWriter(const std::vector<std::string>& columns) : columns_(columns.size()) {
  for (const std::string& column : columns) cell(column);
  end_row();
}

CsvWriter::CsvWriter(std::initializer_list<std::string_view> columns) : columns_(columns.size()) {
  for (const std::string_view column : columns) cell(column);
  end_row();
}

CsvWriter& CsvWriter::cell(std::string_view text) {
  if (cells_ > 0) text_ += ',';
  ++cells_;
  // A lone empty cell is quoted too: unquoted, its row would be a blank line.
  const bool lone_and_empty = columns_ == 1 && text.empty();
  if (text.find_first_of(",\"\r\n") == std::string_view::npos && !lone_and_empty) {
    text_ += text;
    return *this;
  }
  text_ += '"';
  for (const char c : text) text_.append(c == '"' ? 2 : 1, c);
  text_ += '"';
  return *this;
}

CsvWriter& CsvWriter::cell(double value) {
  return cell(std::string_view(std::isnan(value) ? std::string() : number_text(value)));
}

void CsvWriter::end_row() {
  if (cells_ != columns_ || columns_ == 0) {
    throw std::logic_error(
        fmt::format("[CsvWriter] a row of {} cells in a table of {} columns", cells_, columns_));
  }
  text_ += '\n';
  cells_ = 0;
}

const std::string& CsvWriter::text() const {
  if (cells_ != 0) throw std::logic_error("[CsvWriter] the last row was not ended");
  return text_;
}

size_t CsvTable::column(std::string_view name, std::string_view source) const {
  const auto found = std::ranges::find(columns, name);
  if (found == columns.end()) fail("{}: has no column \"{}\"", source, name);
  return size_t(found - columns.begin());
}

CsvTable parse_csv(std::string_view text, std::string_view source) {
  CsvReader reader(text, source);
  CsvTable table;
  table.columns = reader.next_row();
  if (table.columns.empty()) fail("{}: is empty; a line of column names was expected", source);
  for (auto row = reader.next_row(); !row.empty(); row = reader.next_row()) {
    if (row.size() != table.columns.size()) {
      fail("{}: line {}: {} cells where there are {} columns", source, reader.row_line(), row.size(),
           table.columns.size());
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

CsvTable read_csv(const std::filesystem::path& path) {
  return parse_csv(read_file(path), path.string());
}

}  // namespace signet::study
