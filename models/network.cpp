#include "models/network.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "models/resnet.h"
#include "models/scratch.h"
#include "tensor/error.h"

namespace signet::models {

int Network::stage_index(const std::string& name) const {
  const auto& all = stages();
  const auto found = std::find(all.begin(), all.end(), name);
  if (found == all.end())
    fail("{} has no stage \"{}\"; it has {}", architecture(), name, fmt::join(all, ", "));
  return int(found - all.begin());
}

void Network::freeze_before(int first_trainable, bool batch_statistics) {
  for (int stage = 0; stage < stage_count(); ++stage) {
    const bool frozen = stage < first_trainable;
    for (nn::Module* module : stage_modules(stage)) {
      module->set_trainable(!frozen);
      module->set_training(!frozen || batch_statistics);
      module->set_batch_statistics(!frozen || batch_statistics);
    }
  }
}

std::unique_ptr<Network> make_network(const std::string& architecture, int num_classes, int image_size,
                                      int width, Device device) {
  if (num_classes < 1) fail("a network for {} classes cannot be made", num_classes);
  if (architecture == "resnet18" || architecture == "resnet34") {
    ResNetOptions options;
    if (architecture == "resnet34") options.blocks = {3, 4, 6, 3};
    options.architecture = architecture;
    options.num_classes = num_classes;
    options.width = width;
    if (image_size > 0) options.image_size = image_size;
    return std::make_unique<ResNet>(options, device);
  }
  if (architecture == "mlp")
    return std::make_unique<Mlp>(num_classes, image_size > 0 ? image_size : 28, device);
  if (architecture == "cnn")
    return std::make_unique<Cnn>(num_classes, image_size > 0 ? image_size : 32, device);
  fail("--model {}: unknown model; use resnet18, resnet34, mlp or cnn", architecture);
}

}  // namespace signet::models
