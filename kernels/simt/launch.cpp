#include "kernels/simt/launch.h"

#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>

#include "kernels/parallel.h"
#include "kernels/simt/memory.h"
#include "kernels/simt/stream.h"

namespace signet::simt {
namespace {

constexpr size_t kMaxStaticShared = 48 << 10;
constexpr unsigned kMaxGridX = 0x7FFFFFFF, kMaxGridYZ = 65535;

std::atomic<uint64_t>& seed_slot() {
  static std::atomic<uint64_t> seed([] {
    const char* text = std::getenv("SIGNET_SIMT_SEED");
    return text ? std::strtoull(text, nullptr, 10) : 0;
  }());
  return seed;
}

// Looked up once a kernel.
const std::vector<SharedVariable>& variables_of(const void* kernel) {
  static std::mutex mutex;
  static auto& known = *new std::map<const void*, std::vector<SharedVariable>>;
  const std::lock_guard lock(mutex);
  const auto found = known.find(kernel);
  return found != known.end() ? found->second
                              : known.emplace(kernel, shared_variables_of(kernel)).first->second;
}

std::string of(dim3 v) {
  std::string text = "(";
  return text.append(std::to_string(v.x) + ", " + std::to_string(v.y) + ", " + std::to_string(v.z) + ")");
}

__extension__ using Wide = unsigned __int128;

// Why a device would not take the launch; empty if it would.
std::string refusal(const LaunchRequest& r, size_t static_bytes) {
  const uint64_t threads = uint64_t(r.block.x) * r.block.y * r.block.z;
  if (threads == 0 || threads > kMaxThreads || r.block.x > kMaxThreads || r.block.y > kMaxThreads ||
      r.block.z > 64)
    return "a block " + of(r.block) + " of " + std::to_string(threads) +
           " threads (a device takes 1 to 1024, at most 64 along z)";
  if (r.grid.x > kMaxGridX || r.grid.y > kMaxGridYZ || r.grid.z > kMaxGridYZ)
    return "a grid " + of(r.grid) +
           " (a device takes at most 2147483647 blocks along x, 65535 along y and z)";
  if (static_bytes > kMaxStaticShared)
    return std::to_string(static_bytes) + " bytes of __shared__ variables (at most 49152)";
  if (r.shared_bytes + static_bytes > kMaxDynamicShared)
    return std::to_string(r.shared_bytes) + " bytes of dynamic and " + std::to_string(static_bytes) +
           " of static shared memory (at most 232448 together)";
  return "";
}

}  // namespace

void set_schedule_seed(uint64_t seed) {
  seed_slot().store(seed);
}
uint64_t schedule_seed() {
  return seed_slot().load(std::memory_order_relaxed);
}

void run_grid(Job& job) {
  static std::atomic<uint64_t> launches{0};
  job.serial = ++launches;
  const uint64_t blocks = uint64_t(job.grid.x) * job.grid.y * job.grid.z;
  static std::atomic<uint32_t> stamps{1};
  job.first_stamp = stamps.fetch_add(uint32_t(blocks));
  // Blocks start in the order first, first + step, first + 2 step... modulo their number: each of them once.
  const uint64_t draw = (schedule_seed() + job.serial) * 0x9E3779B97F4A7C15u >> 20;
  const uint64_t first = draw % blocks;
  uint64_t step = draw / 3 % blocks | 1;
  while (std::gcd(step, blocks) != 1) ++step;
  const uint64_t chunks = std::min<uint64_t>(blocks, 64);
  parallel_for(int64_t(chunks), [&](int64_t chunk) {
    static thread_local Block block;
    for (uint64_t i = uint64_t(chunk); i < blocks && !job.stopped.load(std::memory_order_relaxed);
         i += chunks)
      block.run(job, uint64_t((Wide{i} * step + first) % blocks));
  });
  if (job.report) throw KernelError(*job.report);
}

void launch(const LaunchRequest& request, void (*run)(const void*), std::shared_ptr<const void> arguments,
            size_t argument_bytes) {
  const auto& variables = variables_of(request.kernel);
  size_t static_bytes = 0;
  for (const SharedVariable& v : variables) static_bytes += v.bytes;
  if (const std::string why = refusal(request, static_bytes); !why.empty()) {
    Report report;
    report.kernel = function_name(request.kernel);
    report.detail = "cudaErrorInvalidConfiguration: " + why;
    throw KernelError(std::move(report));
  }
  enqueue(request.stream, [request, run, arguments = std::move(arguments), argument_bytes, &variables] {
    Job job;
    job.run = run;
    job.arguments = arguments.get();
    job.argument_bytes = argument_bytes;
    job.kernel = request.kernel;
    job.grid = request.grid;
    job.block = request.block;
    job.shared_bytes = request.shared_bytes;
    job.checker = request.checker;
    job.variables = variables;
    if (request.checker) keep_byte_states();
    run_grid(job);
    if (!request.checker) mark_all_written();
  });
}

}  // namespace signet::simt
