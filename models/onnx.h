#pragma once
// Networks as ONNX files, for ONNX Runtime and whatever else reads them.

#include <map>
#include <string>

#include "models/network.h"

namespace signet::models {

struct OnnxOptions {
  bool fold_batchnorm = true;  ///< into the convolutions before it; else BatchNormalization nodes are kept
  /// Takes pictures as they are decoded instead of the network's input: grey, antialiased resizing and
  /// normalising become part of the graph. ONNX Runtime 1.32 resizes to the same pixels as data/image.h but
  /// for fewer than one in a hundred, which differ by 1.
  bool with_preprocessing = false;
};

/// The bytes of an ONNX file of a network in evaluation mode, with torchvision's names for the weights.
/// Input "images": float [batch, channels, size, size], normalised as InputSpec says; with preprocessing,
/// uint8 [batch, height, width, 3], red first, of any height and width. Output "logits": float [batch,
/// classes]. The batch is open. Opset 17; with preprocessing 18, the first whose Resize can antialias.
std::string to_onnx(Network& network, const std::map<std::string, std::string>& metadata,
                    const OnnxOptions& options = {});

}  // namespace signet::models
