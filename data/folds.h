#pragma once
// Cutting a data set into folds for cross-validation.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "data/dataset.h"

namespace signet::data {

/// What may not be torn apart: nothing, the takes of one class, signer and light, or all images of a signer.
enum class Split : uint8_t { random, group, signer };

/// "random", "group" or "signer".
std::string_view split_name(Split split);

/// For each sample the fold that validates on it: 0 … folds - 1, or -1 for one that is only trained on.
///
///   random   stratified: each class is shuffled and dealt out; any two folds differ by at most one image of
///   a
///            class and at most one image in all
///   group    the takes of one (class, signer, light) stay together; groups are dealt to the fold that has
///            fewest images of the class, then fewest in all
///   signer   leave one signer out: fold i validates on signers(dataset)[i], whatever `folds` is
///
/// A data set with a predefined split has one fold, 0 for val and -1 for train, whatever is asked for.
/// Depends only on the data set, the arguments and `seed`. Throws Error for fewer than two folds, a class
/// with fewer images than folds (random) or of one group only (group), fewer groups than folds, names that do
/// not tell signer or light, fewer than two signers.
std::vector<int> make_folds(const Dataset& dataset, Split split, int folds, uint64_t seed);

/// The number of folds: one more than the largest.
int fold_count(std::span<const int> folds);

/// Indices of the samples that fold `fold` trains on (all that it does not validate on), ascending.
std::vector<int> training_indices(std::span<const int> folds, int fold);

/// Indices of the samples that fold `fold` validates on, ascending.
std::vector<int> validation_indices(std::span<const int> folds, int fold);

}  // namespace signet::data
