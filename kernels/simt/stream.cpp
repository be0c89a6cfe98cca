// Streams, events and graphs of the runtime API.

#include "kernels/simt/stream.h"

#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "kernels/simt/device.h"

namespace signet::simt {

using Work = std::vector<std::function<void()>>;

struct Event {
  Stream* stream = nullptr;  ///< where it was last recorded
  uint64_t issued = 0;       ///< how often a stream was told to record it
  uint64_t reached = 0;      ///< and has
  std::chrono::steady_clock::time_point time;
};
/// Work that was put off, or a wait for an event to be reached so many times.
struct PutOff {
  std::function<void()> work;
  Event* event = nullptr;
  uint64_t count = 0;

  bool may_go() const { return event == nullptr || event->reached >= count; }
};
struct Stream {
  bool capturing = false;
  Work captured;
  std::deque<PutOff> put_off;
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
  std::vector<T*> all() {
    const std::lock_guard lock(mutex_);
    return {all_.begin(), all_.end()};
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

namespace {

uint64_t delay_draws = 0;  // 0: nothing is put off

bool draw() {
  delay_draws = delay_draws * 6364136223846793005u + 1442695040888963407u;
  return delay_draws >> 63 != 0;
}

void finish(Stream& stream, const Event* until = nullptr, uint64_t count = 0);

// Does the next thing that the stream has put off, and before it what that waits for.
void step(Stream& stream) {
  const PutOff next = std::move(stream.put_off.front());
  stream.put_off.pop_front();
  if (!next.may_go()) finish(*next.event->stream, next.event, next.count);
  if (next.work) next.work();
}

// Does all that a stream has put off, or as much as it takes to reach an event.
void finish(Stream& stream, const Event* until, uint64_t count) {
  while (!stream.put_off.empty() && (until == nullptr || until->reached < count)) step(stream);
}

void put_off(Stream& stream, PutOff item) {
  stream.put_off.push_back(std::move(item));
  while (!stream.put_off.empty() && stream.put_off.front().may_go() && draw()) step(stream);
}

}  // namespace

void set_stream_delays(uint64_t seed) {
  finish_streams();
  delay_draws = seed;
}
bool streams_are_delayed() {
  return delay_draws != 0;
}
void finish_streams() {
  if (!streams_are_delayed()) return;
  for (Stream* stream : living<Stream>().all()) finish(*stream);
}

void enqueue(cudaStream_t stream, std::function<void()> work) {
  if (stream && stream->capturing) {
    stream->captured.push_back(std::move(work));
  } else if (stream && streams_are_delayed()) {
    put_off(*stream, {std::move(work)});
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
  if (stream && stream->capturing) return set_last_error(cudaErrorStreamCaptureUnsupported);
  if (stream) finish(*stream);
  return cudaSuccess;
}
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  return cudaStreamSynchronize(stream);
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  if (stream && valid(stream)) finish(*stream);
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
  event->stream = stream;
  ++event->issued;
  enqueue(stream, [event] {
    ++event->reached;
    event->time = std::chrono::steady_clock::now();
  });
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (!living<Event>().has(event)) return set_last_error(cudaErrorInvalidResourceHandle);
  if (event->stream) finish(*event->stream, event, event->issued);
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  return cudaEventSynchronize(event);
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t stop) {
  if (!living<Event>().has(start) || !living<Event>().has(stop) || start->reached == 0 || stop->reached == 0)
    return set_last_error(cudaErrorInvalidResourceHandle);
  *milliseconds = std::chrono::duration<float, std::milli>(stop->time - start->time).count();
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  finish_streams();  // one may still wait for it
  return destroy(event);
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  if (!valid(stream) || !living<Event>().has(event)) return set_last_error(cudaErrorInvalidResourceHandle);
  if (stream && streams_are_delayed()) put_off(*stream, {nullptr, event, event->issued});
  return cudaSuccess;
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
