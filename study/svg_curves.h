#pragma once
// Loss, accuracy and precision/recall/F1 over the epochs, as a picture.

#include <span>
#include <string>

#include "study/records.h"

namespace signet::study {

/// A self-contained SVG of three panels over a common axis of epochs. Phases (in the order in which they
/// first appear) follow one another, divided by lines; each fold is a thin line, the mean of the folds a
/// thick one, drawn as far as every fold of the phase got. Rings mark the epochs whose weights were kept,
/// crosses those at which a fold stopped early. Figures that are not finite are skipped. Records may carry
/// several models' names: the phases tell them apart.
std::string curves_svg(std::span<const EpochRecord> epochs, std::span<const PhaseOutcome> outcomes,
                       const std::string& title);

}  // namespace signet::study
