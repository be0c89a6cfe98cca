#pragma once
// Histograms of oriented gradients: a description of shapes that needs no training.

#include <vector>

#include "data/image.h"

namespace signet::data {

/// Dalal and Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005, on the grey image:
/// central differences; in each cell of `cell` x `cell` pixels the magnitudes summed by direction (0..180
/// degrees in 9 bins, each pixel shared by the two nearest); blocks of 2x2 cells, one beginning at each cell,
/// divided by their length, values cut at 0.2. What remains of the image beyond whole cells is left out.
/// Blocks by rows, then columns; 36 numbers a block. Throws std::invalid_argument for an image of fewer than
/// 2x2 cells.
std::vector<float> histograms_of_gradients(const Image& image, int cell);

}  // namespace signet::data
