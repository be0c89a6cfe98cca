// Streams, events and graphs of the runtime API.

#include "kernels/simt/stream.h"

#include <chrono>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "kernels/simt/device.h"

namespace signet::simt {

using Work = std::vector<std::function<void()>>;

struct Stream {
  bool capturing = false;
  Work captured;
};
struct Event {
  bool recorded = false;
  std::chrono::steady_clock::time_point time;
};
struct Graph {
  Work work;
};
struct GraphExec {
  Work work;
};

namespace {

// Living objects of one kind, so that a dead handle is refused and not followed.
template <class T>
class Living {
 public:
  T* make() {
    const std::lock_guard lock(mutex_);
    return *all_.insert(new T).first;
  }
  bool has(T* object) {
    const std::lock_guard lock(mutex_);
    return all_.contains(object);
  }
  bool destroy(T* object) {
    const std::lock_guard lock(mutex_);
    if (all_.erase(object) == 0) return false;
    delete object;
    return true;
  }

 private:
  std::mutex mutex_;
  std::set<T*> all_;
};

template <class T>
Living<T>& living() {
  static Living<T>& instance = *new Living<T>;
  return instance;
}

// The default stream is no object.
bool valid(cudaStream_t stream) {
  return stream == nullptr || living<Stream>().has(stream);
}

cudaError_t ok_or(bool condition, cudaError_t error) {
  return condition ? cudaSuccess : set_last_error(error);
}

template <class T>
cudaError_t destroy(T* object) {
  return ok_or(living<T>().destroy(object), cudaErrorInvalidResourceHandle);
}

}  // namespace

void enqueue(cudaStream_t stream, std::function<void()> work) {
  if (stream && stream->capturing) {
    stream->captured.push_back(std::move(work));
  } else {
    work();
  }
}

}  // namespace signet::simt

using namespace signet::simt;

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = living<Stream>().make();
  return cudaSuccess;
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return cudaStreamCreateWithFlags(stream, cudaStreamDefault);
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (!valid(stream)) return set_last_error(cudaErrorInvalidResourceHandle);
  return ok_or(!stream || !stream->capturing, cudaErrorStreamCaptureUnsupported);
}
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  return cudaStreamSynchronize(stream);
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return destroy(stream);
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = living<Event>().make();
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (!living<Event>().has(event) || !valid(stream)) return set_last_error(cudaErrorInvalidResourceHandle);
  enqueue(stream, [event] {
    event->recorded = true;
    event->time = std::chrono::steady_clock::now();
  });
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return ok_or(living<Event>().has(event), cudaErrorInvalidResourceHandle);
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  return cudaEventSynchronize(event);
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t stop) {
  if (!living<Event>().has(start) || !living<Event>().has(stop) || !start->recorded || !stop->recorded)
    return set_last_error(cudaErrorInvalidResourceHandle);
  *milliseconds = std::chrono::duration<float, std::milli>(stop->time - start->time).count();
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return destroy(event);
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  return ok_or(valid(stream) && living<Event>().has(event), cudaErrorInvalidResourceHandle);
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (!stream || !valid(stream)) return set_last_error(cudaErrorStreamCaptureUnsupported);
  if (stream->capturing) return set_last_error(cudaErrorIllegalState);
  stream->capturing = true;
  stream->captured.clear();
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  if (!stream || !valid(stream) || !stream->capturing) return set_last_error(cudaErrorIllegalState);
  stream->capturing = false;
  *graph = living<Graph>().make();
  (*graph)->work = std::exchange(stream->captured, {});
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  if (!valid(stream)) return set_last_error(cudaErrorInvalidResourceHandle);
  *status = stream && stream->capturing ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  if (!living<Graph>().has(graph)) return set_last_error(cudaErrorInvalidResourceHandle);
  *exec = living<GraphExec>().make();
  (*exec)->work = graph->work;
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  if (!living<GraphExec>().has(exec) || !valid(stream)) return set_last_error(cudaErrorInvalidResourceHandle);
  for (const auto& work : exec->work) enqueue(stream, work);
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return destroy(graph);
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  return destroy(exec);
}
