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
  int64_t confused = 0;  ///< images of either class whose most probable class is the other one
  int first_image = 0, second_image = 0;  ///< the closest images of the two by cosine
};

/// The pairs of likeness at least `least`, the most alike first, `most` at most.
std::vector<AlikePair> find_alike(const LabelCheck& check, std::span<const int> labels, int classes,
                                  double least, size_t most);

/// What learning from mirror images as well does to the images of one class.
struct FlippedClass {
  int label = 0;
  int64_t images = 0, right_without = 0, right_with = 0;
  int other = -1;     ///< the class that most of the images that were right go to
  int64_t taken = 0;  ///< and how many
};

enum class FlipVerdict { unsafe, costly, new_kind, safe, unknown };

/// What --fliplr would do, measured: the same images are classified by ridge classifiers that learned from
/// images and by others that learned from images and their mirror images, neither of which has seen the image
/// or its near-twins.
struct FlipCheck {
  int64_t images = 0;
  int64_t lost = 0, gained = 0;  ///< images that only the former, only the latter classifier gets right
  std::vector<FlippedClass> classes;
  std::vector<std::pair<int, int>> twins;  ///< images whose mirror image is a near-twin in another class
  /// Accuracy of a classifier that tells mirror images from images; 0.5 is guessing.
  double told_apart = 0;

  double accuracy_without() const;
  double accuracy_with() const;
  /// Classes that lose at least three images, and a quarter of those that were right, to one other class.
  std::vector<FlippedClass> merged() const;
  /// unsafe: a class is merged into another, or of two images or more in a hundred the mirror image is a
  /// near-twin in another class. costly: neither, but lost - gained is 3 or more and above twice the square
  /// root of lost + gained (McNemar's test at two standard deviations). new_kind: nothing is lost, but mirror
  /// images are told apart with an accuracy of 0.75 or more. safe: the rest. unknown: fewer than twenty
  /// images are right without.
  FlipVerdict verdict() const;
};

/// Which images to look at: at most 20 a class, spread evenly over it, and about `most` in all.
std::vector<int> images_to_mirror(std::span<const int> labels, int classes, size_t most);

/// `images` and the features of their mirror images, in the scale of the check's features; `mirror_twins` as
/// data::find_mirror_twins gives them.
FlipCheck check_flip(const LabelCheck& check, std::span<const int> labels, int classes,
                     std::span<const int> images, const Tensor& mirrored, std::span<const int> mirror_twins);

}  // namespace signet::study
