#include "tensor/graph.h"

namespace signet {

thread_local CapturedGraph::Effects* CapturedGraph::recording_ = nullptr;

CapturedGraph::CapturedGraph(Device device, const std::function<void()>& work)
    : device_(device), pool_(device) {
  cuda::set_device(device.index);
  const MemoryPool::Use use(pool_);
  recording_ = &effects_;
  try {
    graph_ = std::make_unique<cuda::Graph>(work);
  } catch (...) {
    recording_ = nullptr;
    throw;
  }
  recording_ = nullptr;
}

CapturedGraph::~CapturedGraph() = default;

void CapturedGraph::launch() {
  cuda::set_device(device_.index);
  graph_->launch();
  for (const auto& effect : effects_) effect();
}

}  // namespace signet
