#include "study/process_info.h"

#include <doctest/doctest.h>

#include <vector>

namespace signet::study {
namespace {

TEST_CASE("memory that was touched counts") {
  const double before = peak_rss_mb();
  CHECK(before > 1);
  // More than was ever resident, so that the peak must rise.
  const size_t mebibytes = size_t(before) + 64;
  const std::vector<char> touched(mebibytes << 20, 'x');
  CHECK(touched.back() == 'x');
  const double growth = peak_rss_mb() - before;
  CHECK(growth > 50);
  // Sanitisers keep several bytes of their own for each byte; a mistaken unit would be a factor of 1024.
  CHECK(growth < 20.0 * double(mebibytes));
}

TEST_CASE("the processor is named with the instruction sets that matter") {
  CHECK(processor_name_from("processor\t: 0\nmodel name\t: Some CPU @ 2.0GHz\n"
                            "flags\t\t: fpu avx2 avx512f amx_bf16x avx512_bf16\n"
                            "processor\t: 1\nmodel name\t: Another\n") ==
        "Some CPU @ 2.0GHz (avx2, avx512f, avx512_bf16)");
  CHECK(processor_name_from("model name : Plain") == "Plain");
  CHECK(processor_name_from("Hardware : x\n") == "unknown processor");
  CHECK(processor_name_from(": odd\nmodel name :\n") == "unknown processor");
  CHECK(processor_name_from("") == "unknown processor");
  CHECK_FALSE(processor_name().empty());
}

TEST_CASE("the time is written in ISO 8601") {
  const std::string now = utc_now();
  REQUIRE(now.size() == 20);
  CHECK(now[4] == '-');
  CHECK(now[10] == 'T');
  CHECK(now.back() == 'Z');
}

TEST_CASE("a stopwatch does not run backwards") {
  Stopwatch watch;
  const double first = watch.seconds();
  CHECK(first >= 0);
  CHECK(watch.seconds() >= first);
  watch.reset();
  CHECK(watch.seconds() < 60);
}

}  // namespace
}  // namespace signet::study
