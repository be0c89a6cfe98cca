#pragma once
// Features drawn in a plane.

#include <span>
#include <string>
#include <vector>

#include "study/inspect_probe.h"
#include "study/svg_canvas.h"

namespace signet::study {

/// The two directions in which features vary most, and what share of their variance each has.
struct PrincipalPlane {
  std::vector<Point> points;  ///< an image each, its mean the origin
  double first_share = 0, second_share = 0;
};

/// Principal component analysis by orthogonal iteration on the covariance, from a fixed start: the same
/// features give the same points. The sign of a direction is chosen so that its largest entry is positive.
PrincipalPlane principal_plane(const Matrix& features);

/// t-SNE (van der Maaten and Hinton, "Visualizing Data using t-SNE", 2008), exact: all pairs. Perplexity 30
/// (less for fewer than 91 images), 500 steps, the first 125 with attraction times 12. It starts from the
/// principal plane (Kobak and Berens, "The art of using t-SNE for single-cell transcriptomics", 2019), so
/// nothing in it is random and the same features give the same points on any number of threads.
std::vector<Point> tsne(const Matrix& features);

/// Of each image's `k` nearest neighbours (Euclidean, fewer where there are not so many) the share that
/// carries its label, averaged.
double neighbour_agreement(const Matrix& features, std::span<const std::string> labels, int k = 10);

}  // namespace signet::study
