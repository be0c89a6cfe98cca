#include "study/csv.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "tensor/error.h"
#include "tensor/files.h"
#include "tests/study/fixtures.h"

namespace signet::study {
namespace {

TEST_CASE("cells come back as they were written") {
  const std::vector<std::vector<std::string>> rows = {
      {"plain", "with, comma", "with \"quotes\""},
      {"two\nlines", "carriage\r\nreturn", ""},
      {"", "", ""},
      {"\"", " spaces ", "日本 ü"},
  };
  CsvWriter writer({"a", "b,c", "d"});
  for (const auto& row : rows) writer.row(row[0], row[1], row[2]);
  const CsvTable table = parse_csv(writer.text(), "test");
  CHECK(table.columns == std::vector<std::string>{"a", "b,c", "d"});
  CHECK(table.rows == rows);
  CHECK(table.column("b,c", "test") == 1);
}

TEST_CASE("the text itself is what RFC 4180 asks for") {
  CsvWriter writer({"name", "n", "x"});
  writer.row("a,\"b\"", 3, 0.1);
  writer.row("c", int64_t{-4}, std::nan(""));
  CHECK(writer.text() == "name,n,x\n\"a,\"\"b\"\"\",3,0.1\nc,-4,\n");
}

TEST_CASE("a lone empty cell is a row, not a blank line") {
  CsvWriter writer({"only"});
  writer.row("");
  writer.row("x");
  CHECK(parse_csv(writer.text(), "test").rows == std::vector<std::vector<std::string>>{{""}, {"x"}});
}

TEST_CASE("other programs' line ends and byte-order marks are read") {
  const CsvTable table = parse_csv(
      "\xEF\xBB\xBF"
      "a,b\r\n1,\"2\"\r\n\r\n3,4",
      "test");
  CHECK(table.columns == std::vector<std::string>{"a", "b"});
  CHECK(table.rows == std::vector<std::vector<std::string>>{{"1", "2"}, {"3", "4"}});
}

TEST_CASE("broken tables are errors that name the line") {
  CHECK_THROWS_WITH_AS(parse_csv("a,b\n1,2\n3\n", "f.csv"),
                       "f.csv: line 3: 1 cells where there are 2 columns", Error);
  CHECK_THROWS_WITH_AS(parse_csv("a\n\"x\ny", "f.csv"),
                       "f.csv: line 2: a quoted cell is not closed; the file may be cut off", Error);
  CHECK_THROWS_AS(parse_csv("a\n\"x\"y\n", "f.csv"), Error);
  CHECK_THROWS_AS(parse_csv("", "f.csv"), Error);
  CHECK_THROWS_AS(parse_csv("a\n", "f.csv").column("b", "f.csv"), Error);
  // A line break inside a cell counts as a line.
  CHECK_THROWS_WITH_AS(parse_csv("a,b\n\"1\n1\",2\n3\n", "f.csv"),
                       "f.csv: line 4: 1 cells where there are 2 columns", Error);
}

TEST_CASE("rows of another length than the header cannot be written") {
  CsvWriter writer({"a", "b"});
  CHECK_THROWS_AS(writer.row(1), std::logic_error);
  CHECK_THROWS_AS(writer.text(), std::logic_error);
}

TEST_CASE("numbers are short and come back to the same bits") {
  CHECK(number_text(0.1) == "0.1");
  CHECK(number_text(0.002) == "0.002");
  CHECK(number_text(3) == "3");
  CHECK(number_text(-0.0) == "-0");
  const double limits[] = {1.0 / 3,
                           1e-300,
                           std::numeric_limits<double>::denorm_min(),
                           std::numeric_limits<double>::max(),
                           -std::nextafter(1.0, 2.0),
                           -0.0};
  for (const double value : limits) {
    CHECK(std::bit_cast<uint64_t>(number_from_text(number_text(value), "t")) ==
          std::bit_cast<uint64_t>(value));
  }
  CHECK(number_from_text(number_text(INFINITY), "t") == INFINITY);
  CHECK(number_from_text("-inf", "t") == -INFINITY);
  CHECK(std::isnan(number_from_text("nan", "t")));
  CHECK(std::isnan(number_from_text("", "t")));
  CHECK(number_text(-std::nan("")) == "nan");
  CHECK_THROWS_AS(number_from_text("1.5x", "t"), Error);
}

TEST_CASE("a table is read from a file, whose name opens its errors") {
  const ScratchFolder folder;
  const auto path = folder.path / "t.csv";
  write_atomically(path, "a,b\n1\n");
  CHECK_THROWS_WITH_AS(read_csv(path), doctest::Contains(path.c_str()), Error);
}

}  // namespace
}  // namespace signet::study
