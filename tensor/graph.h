#pragma once
// Work of a CUDA device that is recorded once and launched many times: a training step is some hundred small
// kernels, which as one graph cost the CPU a single call.
//
// A recording holds addresses and numbers, so whatever changes from launch to launch has to lie in a tensor
// that exists before: the batch, say. What the work allocates comes from a pool that the graph keeps, since
// each launch writes there. What the work changes on the CPU is done by do_at_each_launch.

#include <functional>
#include <vector>

#include "kernels/cuda/runtime.h"
#include "tensor/allocator.h"

namespace signet {

/// Calls `effect`; but while this thread records a graph, leaves that to each launch. For all that work on
/// tensors does on the CPU besides: versions, counters.
template <class Effect>
void do_at_each_launch(Effect effect);

class CapturedGraph {
 public:
  /// Records `work` on a CUDA device; nothing of it is done before launch(). The same work must have been
  /// done once before, so that what is made at first use is there. `work` may not read from the device.
  /// Throws Error if memory does not suffice, and what `work` throws.
  CapturedGraph(Device device, const std::function<void()>& work);
  CapturedGraph(const CapturedGraph&) = delete;
  CapturedGraph& operator=(const CapturedGraph&) = delete;
  ~CapturedGraph();

  /// Does the work, on the thread that recorded it. Tensors that `work` left behind hold the new results.
  void launch();

 private:
  using Effects = std::vector<std::function<void()>>;
  template <class Effect>
  friend void do_at_each_launch(Effect effect);
  /// Where this thread records effects; null unless it records.
  static thread_local Effects* recording_;

  Device device_;
  MemoryPool pool_;
  Effects effects_;
  std::unique_ptr<cuda::Graph> graph_;
};

template <class Effect>
void do_at_each_launch(Effect effect) {
  if (CapturedGraph::recording_ == nullptr) {
    effect();
  } else {
    CapturedGraph::recording_->emplace_back(std::move(effect));
  }
}

}  // namespace signet
