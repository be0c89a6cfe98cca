#pragma once
// The part of the page about features: what a linear probe reads from each stage, how alike the stages are
// before and after, and the last features drawn in a plane.

#include <string>
#include <vector>

#include "study/inspect_networks.h"

namespace signet::study {

/// Accuracy of linear probes after each stage, as a chart and as a table.
std::string probes_html(const Inspected& inspected, const InspectedImages& images,
                        const std::vector<StageFeatures>& stages);

/// Linear CKA of every stage before with every stage after; "" without a network before.
std::string alignment_html(const Inspected& inspected, const std::vector<StageFeatures>& stages);

/// The features that the head reads, in the plane: t-SNE and principal components, of both networks where
/// they differ, coloured by class or by signer; and how many neighbours agree.
std::string plane_html(const Inspected& inspected, const InspectedImages& images, const StageFeatures& last);

}  // namespace signet::study
