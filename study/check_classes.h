#pragma once
// What the check says of whole classes: which look alike, and whether mirror images keep their class.

#include <span>
#include <string>
#include <vector>

#include "study/check_labels.h"

namespace signet::study {

/// Two classes that are taken for one another.
struct AlikePair {
  int first = 0, second = 0;  ///< first < second
  /// Half the sum of the mean probability of `second` over the images of `first`, and the other way round, by
  /// classifiers that have seen neither the image nor its near-twins.
  double likeness = 0;
  int64_t confused = 0;             ///< images of either class whose most probable class is the other one
  int first_image = 0, second_image = 0;  ///< the closest images of the two by cosine
};

/// The pairs of likeness at least `least`, the most alike first, `most` at most.
std::vector<AlikePair> find_alike(const LabelCheck& check, std::span<const int> labels, int classes,
                                  double least, size_t most);

/// Where the mirror images of one class land.
struct MirroredClass {
  int label = 0;
  int64_t recognised = 0;  ///< images looked at whose own class is the most probable one
  int64_t kept = 0;        ///< of these, whose mirror image is of the same class
  int other = -1;          ///< the class in which most of the other mirror images land
  int64_t landed = 0;      ///< and how many
};

enum class FlipVerdict { unsafe, doubtful, new_kind, safe, unknown };

struct FlipCheck {
  int64_t images = 0;               ///< looked at
  int64_t recognised = 0, kept = 0;  ///< summed over the classes
  std::vector<MirroredClass> classes;
  std::vector<std::pair<int, int>> twins;  ///< images whose mirror image is a near-twin in another class
  /// Accuracy of a classifier that tells mirror images from images, on images that it has not seen; 0.5 is
  /// guessing.
  double told_apart = 0;

  double kept_share() const { return recognised == 0 ? 0 : double(kept) / double(recognised); }
  /// Classes of five or more recognised images at least half of whose mirror images land in one other class.
  std::vector<MirroredClass> swapped() const;
  /// unsafe: a class is swapped, or of two images or more in a hundred the mirror image is a near-twin in
  /// another class. doubtful: fewer than nine in ten mirror images keep their class. new_kind: they do, but
  /// mirror images are told apart with an accuracy of 0.75 or more. safe: the rest. unknown: fewer than
  /// twenty images are recognised.
  FlipVerdict verdict() const;
};

/// Which images to look at: at most 20 a class, spread evenly over it, and about `most` in all.
std::vector<int> images_to_mirror(std::span<const int> labels, int classes, size_t most);

/// `images` and the features of their mirror images, in the scale of the check's features;
/// `mirror_twins` as data::find_mirror_twins gives them.
FlipCheck check_flip(const LabelCheck& check, std::span<const int> labels, int classes,
                     std::span<const int> images, const Tensor& mirrored, std::span<const int> mirror_twins);

}  // namespace signet::study
