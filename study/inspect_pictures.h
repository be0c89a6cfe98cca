#pragma once
// The part of the page that is pictures: filters of the stem, and for chosen images what each stage responds
// to and what the answer rests on.

#include <string>
#include <vector>

#include "study/inspect_networks.h"

namespace signet::study {

/// Places in the store of the images to show. `asked` names them by their paths in the data set (Error for
/// one that is not there); without any, six that the last phase did not train on: first those that it
/// corrected, then one that it got wrong, then others, of different classes where possible.
std::vector<int> choose_examples(const Inspected& inspected, const data::ImageStore& store,
                                 const std::vector<std::string>& asked);

/// The first convolution's kernels as small pictures, of both networks if they differ; a sentence for a
/// network whose first layer reads no colours.
std::string filters_html(const Inspected& inspected);

/// A section an image: the picture, Grad-CAM of its true class by both networks, and the channels of every
/// stage that respond most.
std::string examples_html(const Inspected& inspected, const data::ImageStore& store,
                          const std::vector<int>& places, Device device);

}  // namespace signet::study
