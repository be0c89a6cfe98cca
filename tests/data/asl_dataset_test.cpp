// The real data set, where it is at hand: counts, folds and leakage.

#include <fmt/format.h>

#include <cstdlib>

#include "data/folds.h"
#include "data/leakage.h"
#include "tests/data/fixtures.h"

using namespace signet::data;

namespace {

/// The folder of the data set: below SIGNET_SHARED, by default ../shared beside the sources.
std::filesystem::path asl_folder() {
  const char* named = std::getenv("SIGNET_SHARED");
  const std::filesystem::path shared = named ? named : SIGNET_SOURCE_DIR "/../shared";
  return shared / "data" / "asl_dataset";
}

}  // namespace

TEST_CASE("the ASL data set: names, folds and leakage") {
  if (!std::filesystem::exists(asl_folder())) {
    fmt::print("skipped: {} is not there (SIGNET_SHARED names the folder above data/)\n",
               asl_folder().string());
    return;
  }
  const auto dataset = scan_dataset(asl_folder());
  CHECK(dataset.size() == 2515);
  REQUIRE(dataset.num_classes() == 36);
  for (int label = 0; label < 36; ++label) {
    CHECK(class_counts(dataset)[size_t(label)] == (dataset.classes[size_t(label)] == "t" ? 65 : 70));
  }
  CHECK(signers(dataset) == std::vector<std::string>{"1", "2", "3", "4", "5"});

  const ImageStore store(dataset, {kNearTwinSpec});
  CHECK(store.bad_files().empty());
  const auto leakage = [&](Split split) {
    const auto folds = make_folds(store.dataset(), split, 5, 0);
    CHECK(fold_count(folds) == 5);
    for (int f = 0; f < 5 && split == Split::random; ++f) CHECK(validation_indices(folds, f).size() == 503);
    return measure_leakage(store, folds);
  };
  const auto random = leakage(Split::random), group = leakage(Split::group), signer = leakage(Split::signer);
  for (const auto& figure : {random, group, signer}) CHECK(figure.named == 2515);
  CHECK(random.sibling_share() == 1);
  CHECK(random.near_twin_share() > 0.7);
  CHECK(group.sibling_share() == 0);
  CHECK(group.near_twin_share() < 0.03);
  CHECK(signer.sibling_share() == 0);
  CHECK(signer.near_twin_share() < 0.01);
}
