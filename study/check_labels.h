#pragma once
// Which labels of a data set are probably wrong. A model that has not seen an image says what it would be
// called, and so do its neighbours; where both contradict the label, the label is suspect.
//
// Sources: confident learning (Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in
// Dataset Labels", JAIR 2021) for out-of-fold probabilities, class thresholds and the number of errors;
// products of experts (Hinton, 2002) for how the opinions are put together.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "study/check_ridge.h"

namespace signet::study {

/// Who belongs together, by the images' places; what is not known is -1 or an empty list.
struct CheckGroups {
  std::vector<int> twins;    ///< near-twins and takes of one person and light, which vouch for one another
  std::vector<int> signers;  ///< people; empty if the names do not tell
};

/// Of a data set with `labels` in place of its own and `near_twins` as data::NearTwins::group has them. Takes
/// are known by label, signer and light, so far as names tell.
CheckGroups check_groups(const data::Dataset& dataset, std::span<const int> labels,
                         const std::vector<int>& near_twins);

/// What the check says of one image.
struct LabelOpinion {
  int suggested = 0;  ///< the most probable class other than the label
  /// p[suggested] / (p[suggested] + p[label]); above 0.5 the suggestion is the more probable of the two. 0
  /// where the label cannot be judged.
  double score = 0;
  std::vector<int> like_label, like_suggested;  ///< nearest images of either class, nearest first
};

/// What planting errors into these very labels showed: how well the check finds errors here.
struct Rehearsal {
  int64_t planted = 0;
  int64_t found = 0;        ///< among the first `planted` of the ranking
  int64_t found_twice = 0;  ///< among the first 2 * `planted`
};

class LabelCheck {
 public:
  /// Classes of fewer images are not judged: too few are left when some are held back.
  static constexpr int kFewest = 4;
  static constexpr int kNeighbours = 10;

  /// `features` as scaled_features gives them, [images, columns]. What depends on features and groups alone
  /// is done here.
  LabelCheck(Tensor features, const CheckGroups& groups, uint64_t seed);

  /// The probability of each class for each image [images, classes]:
  ///   log p[i,c] = mean over the experts e of log(p_e[i,c] + 1e-4) + constant,
  /// with these experts, none of which has seen the image's own label:
  ///   - ridge classifiers over random folds: near-twins of the image are among what they learned;
  ///   - the same over folds that keep groups of near-twins together: what the image looks like apart from
  ///     its twins, which may have been mislabelled with it;
  ///   - the same over folds of signers, where known;
  ///   - the vote of the nearest kNeighbours images by cosine distance d, each weighing exp(-d / median d);
  ///   - the same vote without the image's own group.
  /// An expert that had no image of the label to learn from is left out for that image.
  std::vector<double> probabilities(std::span<const int> labels, int classes) const;

  /// The opinion on every image, without neighbours.
  std::vector<LabelOpinion> judge(std::span<const int> labels, int classes) const;
  /// Fills in up to `count` neighbours of each kind, from other groups than the image's own where there are
  /// such.
  void add_neighbours(LabelOpinion& opinion, int image, std::span<const int> labels, int count) const;

  /// Moves `share` of the labels to another class at random, judges, and counts what was found.
  Rehearsal rehearse(std::span<const int> labels, int classes, double share, uint64_t seed) const;

  /// The classifiers over folds that keep groups together.
  const CrossRidge& grouped() const { return *ridges_[1]; }
  const Tensor& features() const { return features_; }

 private:
  struct Neighbour {
    int image;
    float distance;
  };
  void find_neighbours();
  void add_votes(std::vector<double>& log_sum, std::vector<int>& experts,
                 const std::vector<Neighbour>& neighbours, std::span<const int> labels, int classes) const;

  Tensor features_;
  std::vector<int> groups_;
  std::vector<std::unique_ptr<CrossRidge>> ridges_;
  std::vector<Neighbour> near_, near_outside_;  ///< [images, kNeighbours]; image -1 where there are fewer
};

/// Confident learning's estimate of the number of wrong labels. With p the probabilities and t[c] the mean of
/// p[i,c] over the images labelled c, an image is counted for the class c of the highest p among those with
/// p[i,c] >= t[c] (none if there is none); C[a][b] counts images labelled a. The estimate is
///   sum over a != b of C[a][b] / (sum over b of C[a][b]) * (number of images labelled a).
double estimated_errors(std::span<const double> probabilities, std::span<const int> labels, int classes);

/// Folds 0..k-1 that keep groups whole: the largest group first, each to the fold with the fewest images so
/// far; groups as large in an order drawn from `seed`. There are no more folds than groups.
std::vector<int> grouped_folds(std::span<const int> groups, int k, uint64_t seed);

}  // namespace signet::study
