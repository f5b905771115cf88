#include "Machine.hpp"

#include "FakeCUDA.h"

#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>
#include <unistd.h>

namespace fake {

namespace {

constexpr size_t guardBytes = 4096;      // on both sides
constexpr size_t largeBytes = 1 << 20;   // from here on, memory is mapped
constexpr int guardByte = 0xA5, unsetByte = 0xFF;  // four of the latter are a NaN

long number(const char *name, long fallback) {
  const char *text = getenv(name);
  return text && *text ? strtol(text, nullptr, 0) : fallback;
}

/// A file full of NaN. Mapped privately it is memory that costs nothing until it is written to.
int unsetFile(size_t &bytes) {
  static const size_t size = 16 << 20;
  static const int file = [] {
    int made = memfd_create("unset", MFD_CLOEXEC);
    std::vector<char> piece(1 << 20, char(unsetByte));
    for (size_t i = 0; i < size; i += piece.size())
      if (write(made, piece.data(), piece.size()) != ssize_t(piece.size())) abort();
    return made;
  }();
  bytes = size;
  return file;
}

bool unset(char *at, size_t bytes) {
  size_t piece;
  int file = unsetFile(piece);
  for (size_t i = 0; i < bytes; i += piece)
    if (mmap(at + i, std::min(piece, bytes - i), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file, 0) == MAP_FAILED)
      return false;
  return true;
}

}  // namespace

Settings Settings::read() {
  Settings settings;
  if (const char *mode = getenv("FAKE_CUDA_MODE")) settings.lazy = strcmp(mode, "eager") != 0;
  if (const char *device = getenv("FAKE_CUDA_DEVICE")) sscanf(device, "%d.%d", &settings.major, &settings.minor);
  settings.devices = int(number("FAKE_CUDA_DEVICES", 1));
  settings.driver = int(number("FAKE_CUDA_DRIVER", 13000));
  settings.memory = size_t(number("FAKE_CUDA_MEMORY", 4L << 30));
  settings.backwards = number("FAKE_CUDA_BACKWARDS", 0) != 0;
  settings.quiet = number("FAKE_CUDA_QUIET", 0) != 0;
  return settings;
}

Machine &Machine::shared() {
  // Never destroyed: threads may still call while the process ends.
  static Machine *machine = [] {
    auto made = new Machine;
    made->settings = Settings::read();
    made->readFaults();
    return made;
  }();
  return *machine;
}

void Machine::readFaults() {
  faults.clear();
  const char *text = getenv("FAKE_CUDA_FAIL");
  char name[128];
  int nth, code, length;
  while (text && sscanf(text, "%127[^:]:%d:%d%n", name, &nth, &code, &length) == 3) {
    faults.push_back({name, nth, code});
    text = text[length] == ',' ? text + length + 1 : nullptr;
  }
}

void Machine::complain(const std::string &text) {
  std::lock_guard guard(lock);
  complaint = text;
  if (!settings.quiet) fprintf(stderr, "FakeCUDA: %s\n", text.c_str());
}

Context *&current() {
  thread_local Context *context = nullptr;
  return context;
}

Call::Call(const char *name, Need need) : name(name) {
  Machine &machine = Machine::shared();
  std::lock_guard guard(machine.lock);
  machine.counts[name].calls += 1;
  for (auto fault = machine.faults.begin(); fault != machine.faults.end(); ++fault)
    if (fault->call == name && --fault->countdown == 0) {
      refusal = fault->code;
      injected = true;
      machine.faults.erase(fault);
      bool ofDriver = name[0] == 'c' && name[1] == 'u' && name[2] >= 'A' && name[2] <= 'Z';
      if (ofDriver && current() && (refusal == CCUDA_ILLEGAL_ADDRESS || refusal == CCUDA_LAUNCH_FAILED))
        current()->lost = refusal;
      return;
    }
  if (need == nothing) return;
  if (!machine.initialized) refusal = CCUDA_NOT_INITIALIZED;
  else if (need == context) refusal = !current() || !current()->retained ? CCUDA_INVALID_CONTEXT : current()->lost;
}

void Call::bytes(size_t count) {
  Machine &machine = Machine::shared();
  std::lock_guard guard(machine.lock);
  machine.counts[name].bytes += long(count);
}

// Memory

Block Machine::make(size_t bytes, Context *context) {
  Block block{};
  block.bytes = bytes;
  block.context = context;
  block.mapped = bytes >= largeBytes;
  // What lies between the last byte asked for and the end belongs to the guard zone.
  block.regionBytes = guardBytes + (bytes + 4095) / 4096 * 4096 + guardBytes;
  if (block.mapped) {
    void *region = mmap(nullptr, block.regionBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (region == MAP_FAILED) return block;
    block.region = static_cast<char *>(region);
    if (!unset(block.region, block.regionBytes)) {
      munmap(region, block.regionBytes);
      block.region = nullptr;
      return block;
    }
  } else {
    block.region = static_cast<char *>(aligned_alloc(4096, block.regionBytes));
    if (!block.region) return block;
    memset(block.region + guardBytes, unsetByte, bytes);
  }
  block.base = block.region + guardBytes;
  memset(block.region, guardByte, guardBytes);
  memset(block.base + bytes, guardByte, size_t(block.region + block.regionBytes - (block.base + bytes)));
  block.serial = ++serials;
  return block;
}

bool Machine::intact(const Block &block) {
  auto clean = [](const char *from, const char *end) {
    for (; from < end; from++)
      if (*from != char(guardByte)) return false;
    return true;
  };
  const char *after = block.base + block.bytes;
  bool before = clean(block.region, block.base), behind = clean(after, block.region + block.regionBytes);
  if (before && behind) return true;
  complain(
    std::string("written ") + (before ? "behind" : "before") + " a piece of " + std::to_string(block.bytes) + " bytes of "
    + (block.context ? "device" : "pinned") + " memory");
  return false;
}

bool Machine::checkGuards() {
  bool good = true;
  for (auto blocks : {&device, &pinned})
    for (auto &[_, block] : *blocks) good &= intact(block);
  return good;
}

void Machine::drop(const Block &block) {
  if (block.mapped) munmap(block.region, block.regionBytes);
  else free(block.region);
}

/// Freed memory reads as NaN for a while, so that a stale address shows in numbers.
void Machine::release(Block block) {
  if (block.mapped) unset(block.region, block.regionBytes);
  else memset(block.region, unsetByte, block.regionBytes);
  freed.push_back(block);
  freedBytes += block.mapped ? 0 : block.regionBytes;
  while (freed.size() > 256 || freedBytes > (16 << 20)) {
    Block oldest = freed.front();
    freed.pop_front();
    if (!oldest.mapped) {
      freedBytes -= oldest.regionBytes;
      for (size_t i = 0; i < oldest.regionBytes; i++)
        if (oldest.region[i] != char(unsetByte)) {
          complain("written to memory that had been freed");
          break;
        }
    }
    drop(oldest);
  }
}

const Block *Machine::find(const std::map<uintptr_t, Block> &blocks, uintptr_t address, size_t bytes) const {
  auto after = blocks.upper_bound(address);
  if (after == blocks.begin()) return nullptr;
  const Block &block = std::prev(after)->second;
  uintptr_t base = uintptr_t(block.base);
  return address - base <= block.bytes && bytes <= block.bytes - (address - base) ? &block : nullptr;
}

bool Machine::reachable(uintptr_t address, size_t bytes, const char *who) {
  std::lock_guard guard(lock);
  if (find(device, address, bytes)) return true;
  complain(std::string(who) + ": " + std::to_string(bytes) + " bytes at an address that is no live device memory");
  return false;
}

// Streams

std::shared_ptr<Stream> Machine::stream(CUstream handle) {
  std::lock_guard guard(lock);
  auto at = streams.find(handle);
  if (at != streams.end() && at->second->context == current()) return at->second;
  complain(handle ? "a stream that is not of this thread's context, or was destroyed" : "the fake has no default stream");
  return nullptr;
}

int Machine::enqueue(const std::shared_ptr<Stream> &stream, Operation operation) {
  {
    std::lock_guard guard(lock);
    if (stream->capture) {
      if (stream->capture->broken) return CCUDA_CAPTURE_INVALIDATED;
      stream->capture->operations.push_back(std::move(operation));
      return 0;
    }
    stream->queue.push_back(std::move(operation));
    if (settings.lazy) return 0;
  }
  return run(stream);
}

int Machine::run(const std::shared_ptr<Stream> &stream, const std::function<bool()> &enough) {
  std::lock_guard running(stream->running);
  while (true) {
    Operation operation;
    {
      std::lock_guard guard(lock);
      if (stream->context->lost) {
        stream->queue.clear();
        return stream->context->lost;
      }
      if (stream->queue.empty() || (enough && enough())) return 0;
      operation = std::move(stream->queue.front());
      stream->queue.pop_front();
    }
    // Without the lock: an operation may wait for other threads.
    if (int code = operation.run()) {
      std::lock_guard guard(lock);
      stream->context->lost = code;
    }
  }
}

int Machine::runAll(Context *context) {
  std::vector<std::shared_ptr<Stream>> all;
  {
    std::lock_guard guard(lock);
    for (auto &[_, stream] : streams)
      if (stream->context == context) all.push_back(stream);
  }
  for (auto &stream : all)
    if (int code = run(stream)) return code;
  std::lock_guard guard(lock);
  if (!checkGuards()) context->lost = CCUDA_ILLEGAL_ADDRESS;
  return context->lost;
}

int &captureMode() {
  thread_local int mode = CCUDA_CAPTURE_GLOBAL;
  return mode;
}

int Machine::forbiddenInCapture(const char *who) {
  std::lock_guard guard(lock);
  if (captureMode() == CCUDA_CAPTURE_RELAXED) return 0;
  bool forbidden = false;
  for (auto &[_, stream] : streams) {
    Capture *capture = stream->capture.get();
    if (!capture || capture->mode == CCUDA_CAPTURE_RELAXED) continue;
    bool own = capture->thread == std::this_thread::get_id();
    // A global capture of another thread forbids it here too, unless this thread has asked for less.
    if (!own && (capture->mode != CCUDA_CAPTURE_GLOBAL || captureMode() != CCUDA_CAPTURE_GLOBAL)) continue;
    capture->broken = true;
    forbidden = true;
  }
  if (forbidden) complain(std::string(who) + " is forbidden while a stream is being captured");
  return forbidden ? CCUDA_CAPTURE_UNSUPPORTED : 0;
}

}  // namespace fake

using fake::Machine;

extern "C" {

void fake_cuda_fail(const char *call, int nth, int code) {
  Machine &machine = Machine::shared();
  std::lock_guard guard(machine.lock);
  machine.faults.push_back({call, nth, code});
}

void fake_cuda_counts(const char *call, long *calls, long *bytes) {
  Machine &machine = Machine::shared();
  std::lock_guard guard(machine.lock);
  auto at = machine.counts.find(call);
  *calls = at == machine.counts.end() ? 0 : at->second.calls;
  *bytes = at == machine.counts.end() ? 0 : at->second.bytes;
}

void fake_cuda_reset(void) {
  Machine &machine = Machine::shared();
  std::lock_guard guard(machine.lock);
  machine.settings = fake::Settings::read();
  machine.readFaults();
  machine.counts.clear();
  machine.complaint.clear();
  machine.peak = machine.used;
  for (auto &[_, context] : machine.contexts) context->lost = 0;
}

const char *fake_cuda_complaint(void) {
  Machine &machine = Machine::shared();
  std::lock_guard guard(machine.lock);
  thread_local std::string text;
  text = machine.complaint;
  return text.c_str();
}

void fake_cuda_memory(long *now, long *peak) {
  Machine &machine = Machine::shared();
  std::lock_guard guard(machine.lock);
  *now = long(machine.used);
  *peak = long(machine.peak);
}

long fake_cuda_waiting(void) {
  Machine &machine = Machine::shared();
  std::lock_guard guard(machine.lock);
  long count = 0;
  for (auto &[_, stream] : machine.streams) count += long(stream->queue.size());
  return count;
}

}  // extern "C"
