#include "data/hog.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>

namespace signet::data {
namespace {

constexpr int kBins = 9;
constexpr float kCut = 0.2f;
// Of a block's squared length, so that a block without gradients stays near zero.
constexpr float kSmall = 1e-3f;

/// [rows, columns, kBins]: mean magnitude a pixel, in units of the grey range.
std::vector<float> cell_histograms(const Image& grey, int cell, int rows, int columns) {
  std::vector<float> histograms(size_t(rows * columns * kBins));
  const auto pixel = [&](int y, int x) { return float(grey.pixels[size_t(y * grey.width + x)]) / 255; };
  for (int y = 1; y < std::min(rows * cell, grey.height - 1); ++y) {
    for (int x = 1; x < std::min(columns * cell, grey.width - 1); ++x) {
      const float dy = pixel(y + 1, x) - pixel(y - 1, x), dx = pixel(y, x + 1) - pixel(y, x - 1);
      const float magnitude = std::sqrt(dx * dx + dy * dy) / float(cell * cell);
      if (magnitude == 0) continue;
      float turn = std::atan2(dy, dx) / std::numbers::pi_v<float>;  // of half a circle
      if (turn < 0) turn += 1;
      const float place = turn * kBins;
      const int below = int(place);
      const float share = place - float(below);
      float* const own = histograms.data() + (y / cell * columns + x / cell) * kBins;
      own[below % kBins] += (1 - share) * magnitude;
      own[(below + 1) % kBins] += share * magnitude;
    }
  }
  return histograms;
}

}  // namespace

std::vector<float> histograms_of_gradients(const Image& image, int cell) {
  const int rows = image.height / cell, columns = image.width / cell;
  if (rows < 2 || columns < 2) {
    throw std::invalid_argument("[histograms_of_gradients] the image has fewer than 2x2 cells");
  }
  const auto cells = cell_histograms(to_grey(image), cell, rows, columns);
  std::vector<float> out;
  out.reserve(size_t((rows - 1) * (columns - 1) * 4 * kBins));
  for (int y = 0; y + 1 < rows; ++y) {
    for (int x = 0; x + 1 < columns; ++x) {
      const auto begin = out.size();
      float squares = kSmall;
      for (const int place :
           {y * columns + x, (y + 1) * columns + x, y * columns + x + 1, (y + 1) * columns + x + 1}) {
        for (int bin = 0; bin < kBins; ++bin) {
          out.push_back(cells[size_t(place * kBins + bin)]);
          squares += out.back() * out.back();
        }
      }
      const float length = std::sqrt(squares);
      for (size_t i = begin; i < out.size(); ++i) out[i] = std::min(out[i] / length, kCut);
    }
  }
  return out;
}

}  // namespace signet::data
