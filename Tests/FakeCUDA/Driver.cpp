// The driver API: devices, contexts, modules, memory, streams, events, graphs.

#include "Machine.hpp"

#include <algorithm>
#include <cstdlib>
#include <dlfcn.h>

using namespace fake;

namespace {

struct Event {
  Context *context;
  bool timed;
  long recorded = 0, done = 0;  // numbers of records asked for and passed
  int asked = 0;                // queries in a row that were answered "not ready"
  unsigned long capture = 0;    // the one it was last recorded in, 0 for none
  std::shared_ptr<Stream> stream;
  std::chrono::steady_clock::time_point at;
};

struct Module {
  Context *context;
  Image image;
  std::map<std::string, std::unique_ptr<FunctionOnHost>> functions;
};

struct Graph {
  std::shared_ptr<std::vector<Operation>> operations;
};

Live<Module> modules;
Live<Graph> graphs, executables;
std::mutex eventLock;
std::map<void *, std::shared_ptr<Event>> events;

Machine &machine() { return Machine::shared(); }

bool isDevice(CUdevice device) { return device >= 0 && device < machine().settings.devices; }

std::shared_ptr<Event> find(CUevent handle) {
  std::lock_guard guard(eventLock);
  auto at = events.find(handle);
  return at == events.end() ? nullptr : at->second;
}

bool passed(const Event &event, long number) {
  std::lock_guard guard(eventLock);
  return event.done >= number;
}

FunctionOnHost *function(CUfunction handle) {
  FunctionOnHost *found = nullptr;
  std::lock_guard guard(modules.lock);
  for (auto &[_, module] : modules.all)
    for (auto &[_, one] : module->functions)
      if (one.get() == handle && module->context == current()) found = one.get();
  return found;
}

/// A name of this library: other libraries in the process do not count.
void *own(const std::string &name) {
  static void *self = [] {
    Dl_info info;
    return dladdr(reinterpret_cast<void *>(&cuInit), &info) ? dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD) : nullptr;
  }();
  return self ? dlsym(self, name.c_str()) : nullptr;
}

const Block *pinnedBlock(const void *pointer, size_t bytes) {
  return machine().find(machine().pinned, uintptr_t(pointer), bytes);
}

}  // namespace

extern "C" {

// Devices and contexts

CUresult cuInit(unsigned flags) {
  FAKE_CALL(nothing)
  if (flags) return CCUDA_INVALID_VALUE;
  if (machine().settings.devices < 1) return CCUDA_NO_DEVICE;
  machine().initialized = true;
  return 0;
}

CUresult cuDriverGetVersion(int *version) {
  FAKE_CALL(nothing)
  *version = machine().settings.driver;
  return 0;
}

static const std::pair<int, std::pair<const char *, const char *>> errorNames[] = {
  {0, {"CUDA_SUCCESS", "no error"}},
  {1, {"CUDA_ERROR_INVALID_VALUE", "invalid argument"}},
  {2, {"CUDA_ERROR_OUT_OF_MEMORY", "out of memory"}},
  {3, {"CUDA_ERROR_NOT_INITIALIZED", "initialization error"}},
  {34, {"CUDA_ERROR_STUB_LIBRARY", "stub library"}},
  {100, {"CUDA_ERROR_NO_DEVICE", "no device"}},
  {101, {"CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"}},
  {200, {"CUDA_ERROR_INVALID_IMAGE", "invalid kernel image"}},
  {201, {"CUDA_ERROR_INVALID_CONTEXT", "invalid device context"}},
  {209, {"CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image for this device"}},
  {218, {"CUDA_ERROR_INVALID_PTX", "invalid PTX"}},
  {400, {"CUDA_ERROR_INVALID_HANDLE", "invalid handle"}},
  {500, {"CUDA_ERROR_NOT_FOUND", "name not found"}},
  {600, {"CUDA_ERROR_NOT_READY", "not ready"}},
  {700, {"CUDA_ERROR_ILLEGAL_ADDRESS", "illegal memory access"}},
  {701, {"CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"}},
  {719, {"CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"}},
  {803, {"CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "driver and library do not match"}},
  {900, {"CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "not permitted while a stream is capturing"}},
  {901, {"CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "the capture failed because of an earlier error"}},
  {908, {"CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD", "the capture belongs to another thread"}},
  {910, {"CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE", "the graph could not be updated"}},
};

CUresult cuGetErrorName(CUresult error, const char **name) {
  for (auto &[code, words] : errorNames)
    if (code == error) return *name = words.first, 0;
  *name = nullptr;
  return CCUDA_INVALID_VALUE;
}

CUresult cuGetErrorString(CUresult error, const char **text) {
  for (auto &[code, words] : errorNames)
    if (code == error) return *text = words.second, 0;
  *text = nullptr;
  return CCUDA_INVALID_VALUE;
}

CUresult cuDeviceGetCount(int *count) {
  FAKE_CALL(initialized)
  *count = machine().settings.devices;
  return 0;
}

CUresult cuDeviceGet(CUdevice *device, int ordinal) {
  FAKE_CALL(initialized)
  if (!isDevice(ordinal)) return CCUDA_INVALID_DEVICE;
  *device = ordinal;
  return 0;
}

CUresult cuDeviceGetName(char *name, int capacity, CUdevice device) {
  FAKE_CALL(initialized)
  if (!isDevice(device)) return CCUDA_INVALID_DEVICE;
  if (capacity < 1) return CCUDA_INVALID_VALUE;
  auto &settings = machine().settings;
  std::string text = settings.major == 9 ? "Fake H100 (CPU)"
    : "Fake " + std::to_string(settings.major) + "." + std::to_string(settings.minor) + " (CPU)";
  strncpy(name, text.c_str(), size_t(capacity));
  name[capacity - 1] = 0;
  return 0;
}

CUresult cuDeviceGetAttribute(int *value, int attribute, CUdevice device) {
  FAKE_CALL(initialized)
  if (!isDevice(device)) return CCUDA_INVALID_DEVICE;
  auto &settings = machine().settings;
  switch (attribute) {
    case CCUDA_MAX_THREADS_PER_BLOCK: *value = 1024; return 0;
    case 8: *value = 48 * 1024; return 0;  // shared memory of a block without asking
    case 10: *value = 32; return 0;        // threads of a warp
    case CCUDA_MULTIPROCESSOR_COUNT: *value = settings.large() ? 132 : 84; return 0;
    case CCUDA_L2_CACHE_BYTES: *value = settings.large() ? 50 << 20 : 6 << 20; return 0;
    case CCUDA_CAPABILITY_MAJOR: *value = settings.major; return 0;
    case CCUDA_CAPABILITY_MINOR: *value = settings.minor; return 0;
    case CCUDA_SHARED_BYTES_PER_MULTIPROCESSOR: *value = settings.sharedBytes() + 1024; return 0;
    case CCUDA_SHARED_BYTES_PER_BLOCK: *value = settings.sharedBytes(); return 0;
    case CCUDA_MEMORY_POOLS: *value = 0; return 0;
  }
  machine().complain("cuDeviceGetAttribute: attribute " + std::to_string(attribute) + " is not in the fake");
  return CCUDA_INVALID_VALUE;
}

CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device) {
  FAKE_CALL(initialized)
  if (!isDevice(device)) return CCUDA_INVALID_DEVICE;
  *bytes = size_t(80) << 30;
  return 0;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
  FAKE_CALL(initialized)
  if (!isDevice(device)) return CCUDA_INVALID_DEVICE;
  std::lock_guard guard(machine().lock);
  auto &one = machine().contexts[device];
  if (!one) one.reset(new Context{device});
  one->retained += 1;
  *context = one.get();
  return 0;
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  FAKE_CALL(initialized)
  std::lock_guard guard(machine().lock);
  auto at = machine().contexts.find(device);
  if (at == machine().contexts.end() || !at->second->retained) return CCUDA_INVALID_CONTEXT;
  at->second->retained -= 1;
  return 0;
}

CUresult cuCtxSetCurrent(CUcontext context) {
  FAKE_CALL(initialized)
  std::lock_guard guard(machine().lock);
  bool known = !context;
  for (auto &[_, one] : machine().contexts) known |= one.get() == context && one->retained;
  if (!known) return CCUDA_INVALID_CONTEXT;
  current() = static_cast<Context *>(context);
  return 0;
}

CUresult cuCtxSynchronize(void) {
  FAKE_CALL(context)
  if (int code = machine().forbiddenInCapture(__func__)) return code;
  return machine().runAll(current());
}

// Modules and launches

CUresult cuModuleLoadData(CUmodule *module, const void *image) {
  FAKE_CALL(context)
  if (!image) return CCUDA_INVALID_VALUE;
  if (int code = machine().forbiddenInCapture(__func__)) return code;
  auto made = std::make_unique<Module>();
  made->context = current();
  if (!Image::parse(image, made->image)) return CCUDA_NO_BINARY_FOR_GPU;
  auto &settings = machine().settings;
  const Image &built = made->image;
  bool fits = built.portable ? built.major * 10 + built.minor <= settings.major * 10 + settings.minor
                             : built.major == settings.major && built.minor <= settings.minor;
  if (!fits) return CCUDA_NO_BINARY_FOR_GPU;
  *module = modules.add(std::move(made));
  return 0;
}

CUresult cuModuleGetFunction(CUfunction *function, CUmodule handle, const char *name) {
  FAKE_CALL(context)
  Module *module = modules.find(handle);
  if (!module || module->context != current()) return CCUDA_INVALID_HANDLE;
  const auto &names = module->image.names;
  bool listed = std::find(names.begin(), names.end(), name) != names.end();
  if (!listed && !module->image.open) return CCUDA_NOT_FOUND;
  void *run = own(std::string(name) + "_run"), *size = own(std::string(name) + "_size");
  if (!run || !size) {
    if (listed) machine().complain(std::string("kernel ") + name + " is in the source, but not in the fake");
    return CCUDA_NOT_FOUND;
  }
  std::lock_guard guard(modules.lock);
  auto &one = module->functions[name];
  if (!one)
    one.reset(
      new FunctionOnHost{name, reinterpret_cast<void (*)(const void *)>(run), *static_cast<const unsigned *>(size)});
  *function = one.get();
  return 0;
}

CUresult cuModuleUnload(CUmodule module) {
  FAKE_CALL(context)
  // Queued launches hold pointers to its functions.
  if (int code = machine().runAll(current())) return code;
  return modules.remove(module) ? 0 : CCUDA_INVALID_HANDLE;
}

CUresult cuFuncSetAttribute(CUfunction handle, int attribute, int value) {
  FAKE_CALL(context)
  FunctionOnHost *one = function(handle);
  if (!one) return CCUDA_INVALID_HANDLE;
  if (attribute != CCUDA_FUNCTION_MAX_DYNAMIC_SHARED_BYTES) {
    machine().complain("cuFuncSetAttribute: attribute " + std::to_string(attribute) + " is not in the fake");
    return CCUDA_INVALID_VALUE;
  }
  if (value < 0 || value > machine().settings.sharedBytes()) return CCUDA_INVALID_VALUE;
  one->dynamicShared = value;
  return 0;
}

CUresult cuFuncGetAttribute(int *value, int attribute, CUfunction handle) {
  FAKE_CALL(context)
  FunctionOnHost *one = function(handle);
  if (!one) return CCUDA_INVALID_HANDLE;
  switch (attribute) {
    case CCUDA_FUNCTION_MAX_THREADS: *value = 1024; return 0;
    case CCUDA_FUNCTION_STATIC_SHARED_BYTES: *value = 0; return 0;
    case CCUDA_FUNCTION_LOCAL_BYTES: *value = 0; return 0;
    case CCUDA_FUNCTION_REGISTERS: *value = 32; return 0;
    case CCUDA_FUNCTION_MAX_DYNAMIC_SHARED_BYTES: *value = one->dynamicShared; return 0;
  }
  machine().complain("cuFuncGetAttribute: attribute " + std::to_string(attribute) + " is not in the fake");
  return CCUDA_INVALID_VALUE;
}

CUresult cuLaunchKernel(
  CUfunction handle, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX, unsigned blockY, unsigned blockZ,
  unsigned shared, CUstream to, void **parameters, void **extra) {
  FAKE_CALL(context)
  FunctionOnHost *one = function(handle);
  auto stream = machine().stream(to);
  if (!one || !stream) return CCUDA_INVALID_HANDLE;
  auto refuse = [&](const char *why) {
    machine().complain("launch of " + one->name + ": " + why);
    return CCUDA_INVALID_VALUE;
  };
  if (!gridX || !gridY || !gridZ || gridX > 0x7FFFFFFFu || gridY > 65535 || gridZ > 65535)
    return refuse("a grid that no device takes");
  if (blockY != 1 || blockZ != 1) return refuse("blocks are one-dimensional");
  if (!blockX || blockX > 1024 || blockX % 32) return refuse("a block is 1 to 32 whole warps");
  if (shared > unsigned(one->dynamicShared)) return refuse("more shared memory than was asked for");
  if (!parameters || !parameters[0] || extra) return refuse("one parameter, a struct, is expected");
  std::vector<char> arguments(static_cast<char *>(parameters[0]), static_cast<char *>(parameters[0]) + one->bytes);
  {
    std::lock_guard guard(machine().lock);
    Count &count = machine().counts[one->name];
    count.calls += 1;
    count.bytes += one->bytes;
  }
  auto run = one->run;
  return machine().enqueue(
    stream, {Operation::kernel, [=, arguments = std::move(arguments)] {
      // The alignment of `new` is enough for any struct that C passes.
      launch(run, arguments.data(), gridX, gridY, gridZ, blockX, shared, machine().settings.backwards);
      return 0;
    }});
}

// Memory

CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t bytes) {
  FAKE_CALL(context)
  if (!address || !bytes) return CCUDA_INVALID_VALUE;
  if (int code = machine().forbiddenInCapture(__func__)) return code;
  call.bytes(bytes);
  std::lock_guard guard(machine().lock);
  Context *context = current();
  size_t rounded = (bytes + 511) / 512 * 512;
  if (rounded > machine().settings.memory || context->used > machine().settings.memory - rounded)
    return CCUDA_OUT_OF_MEMORY;
  Block block = machine().make(bytes, context);
  if (!block.region) return CCUDA_OUT_OF_MEMORY;
  context->used += rounded;
  machine().used += rounded;
  machine().peak = std::max(machine().peak, machine().used);
  machine().device[uintptr_t(block.base)] = block;
  *address = uintptr_t(block.base);
  return 0;
}

CUresult cuMemFree_v2(CUdeviceptr address) {
  FAKE_CALL(context)
  if (int code = machine().forbiddenInCapture(__func__)) return code;
  if (!address) return 0;
  // The real one waits too.
  if (int code = machine().runAll(current())) return code;
  std::lock_guard guard(machine().lock);
  auto at = machine().device.find(address);
  if (at == machine().device.end() || at->second.context != current()) {
    machine().complain("freed an address that is no allocation, or for the second time");
    return CCUDA_INVALID_VALUE;
  }
  size_t rounded = (at->second.bytes + 511) / 512 * 512;
  current()->used -= rounded;
  machine().used -= rounded;
  machine().release(at->second);
  machine().device.erase(at);
  return 0;
}

CUresult cuMemGetInfo_v2(size_t *free, size_t *total) {
  FAKE_CALL(context)
  std::lock_guard guard(machine().lock);
  *free = machine().settings.memory - std::min(machine().settings.memory, current()->used);
  *total = size_t(80) << 30;
  return 0;
}

CUresult cuMemHostAlloc(void **pointer, size_t bytes, unsigned flags) {
  FAKE_CALL(context)
  if (!pointer || !bytes || flags > 7) return CCUDA_INVALID_VALUE;
  if (int code = machine().forbiddenInCapture(__func__)) return code;
  call.bytes(bytes);
  std::lock_guard guard(machine().lock);
  Block block = machine().make(bytes, nullptr);
  if (!block.region) return CCUDA_OUT_OF_MEMORY;
  machine().pinned[uintptr_t(block.base)] = block;
  *pointer = block.base;
  return 0;
}

CUresult cuMemFreeHost(void *pointer) {
  FAKE_CALL(context)
  if (int code = machine().forbiddenInCapture(__func__)) return code;
  std::lock_guard guard(machine().lock);
  auto at = machine().pinned.find(uintptr_t(pointer));
  if (at == machine().pinned.end()) return CCUDA_INVALID_VALUE;
  bool whole = machine().intact(at->second);
  machine().release(at->second);
  machine().pinned.erase(at);
  return whole ? 0 : current()->lost = CCUDA_ILLEGAL_ADDRESS;
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream handle) {
  FAKE_CALL(context)
  auto stream = machine().stream(handle);
  if (!stream) return CCUDA_INVALID_HANDLE;
  if (!from || !machine().reachable(to, bytes, __func__)) return CCUDA_INVALID_VALUE;
  call.bytes(bytes);
  std::unique_lock guard(machine().lock);
  const Block *block = pinnedBlock(from, bytes);
  if (!block && stream->capture) {
    // Allowed by the real one, which reads the address at every replay: nobody means that.
    machine().complain("a copy from memory that is not pinned is being captured");
    stream->capture->broken = true;
    return CCUDA_CAPTURE_UNSUPPORTED;
  }
  std::shared_ptr<std::vector<char>> staged;
  uintptr_t base = 0;
  unsigned long serial = 0;
  if (block) base = uintptr_t(block->base), serial = block->serial;
  else staged = std::make_shared<std::vector<char>>((const char *)from, (const char *)from + bytes);
  guard.unlock();
  return machine().enqueue(stream, {Operation::copy, [=] {
    if (!machine().reachable(to, bytes, "a queued copy to the device")) return int(CCUDA_ILLEGAL_ADDRESS);
    if (staged) {
      memcpy(reinterpret_cast<void *>(to), staged->data(), bytes);
      return 0;
    }
    std::lock_guard guard(machine().lock);
    auto at = machine().pinned.find(base);
    if (at == machine().pinned.end() || at->second.serial != serial) {
      machine().complain("pinned memory was freed before a queued copy had read it");
      return int(CCUDA_ILLEGAL_ADDRESS);
    }
    memcpy(reinterpret_cast<void *>(to), from, bytes);
    return 0;
  }});
}

CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream handle) {
  FAKE_CALL(context)
  auto stream = machine().stream(handle);
  if (!stream) return CCUDA_INVALID_HANDLE;
  if (!to || !machine().reachable(from, bytes, __func__)) return CCUDA_INVALID_VALUE;
  call.bytes(bytes);
  std::unique_lock guard(machine().lock);
  const Block *block = pinnedBlock(to, bytes);
  uintptr_t base = block ? uintptr_t(block->base) : 0;
  unsigned long serial = block ? block->serial : 0;
  if (!block && stream->capture) {
    machine().complain("a copy to memory that is not pinned is being captured");
    stream->capture->broken = true;
    return CCUDA_CAPTURE_UNSUPPORTED;
  }
  guard.unlock();
  return machine().enqueue(stream, {Operation::copy, [=] {
    if (!machine().reachable(from, bytes, "a queued copy to the host")) return int(CCUDA_ILLEGAL_ADDRESS);
    std::lock_guard guard(machine().lock);
    auto at = machine().pinned.find(base);
    if (base && (at == machine().pinned.end() || at->second.serial != serial)) {
      machine().complain("pinned memory was freed before a queued copy had filled it");
      return int(CCUDA_ILLEGAL_ADDRESS);
    }
    memcpy(to, reinterpret_cast<void *>(from), bytes);
    return 0;
  }});
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream handle) {
  FAKE_CALL(context)
  auto stream = machine().stream(handle);
  if (!stream) return CCUDA_INVALID_HANDLE;
  if (!machine().reachable(from, bytes, __func__) || !machine().reachable(to, bytes, __func__))
    return CCUDA_INVALID_VALUE;
  if (from < to + bytes && to < from + bytes && bytes) {
    machine().complain("a copy between pieces that overlap");
    return CCUDA_INVALID_VALUE;
  }
  call.bytes(bytes);
  return machine().enqueue(stream, {Operation::copy, [=] {
    const char *who = "a queued copy on the device";
    if (!machine().reachable(from, bytes, who) || !machine().reachable(to, bytes, who)) return int(CCUDA_ILLEGAL_ADDRESS);
    memcpy(reinterpret_cast<void *>(to), reinterpret_cast<void *>(from), bytes);
    return 0;
  }});
}

CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t words, CUstream handle) {
  FAKE_CALL(context)
  auto stream = machine().stream(handle);
  if (!stream) return CCUDA_INVALID_HANDLE;
  if (to % 4 || words > SIZE_MAX / 4 || !machine().reachable(to, 4 * words, __func__)) return CCUDA_INVALID_VALUE;
  call.bytes(4 * words);
  return machine().enqueue(stream, {Operation::fill, [=] {
    if (!machine().reachable(to, 4 * words, "a queued fill")) return int(CCUDA_ILLEGAL_ADDRESS);
    std::fill_n(reinterpret_cast<unsigned *>(to), words, value);
    return 0;
  }});
}

CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t bytes, CUstream handle) {
  FAKE_CALL(context)
  auto stream = machine().stream(handle);
  if (!stream) return CCUDA_INVALID_HANDLE;
  if (!machine().reachable(to, bytes, __func__)) return CCUDA_INVALID_VALUE;
  call.bytes(bytes);
  return machine().enqueue(stream, {Operation::fill, [=] {
    if (!machine().reachable(to, bytes, "a queued fill")) return int(CCUDA_ILLEGAL_ADDRESS);
    memset(reinterpret_cast<void *>(to), value, bytes);
    return 0;
  }});
}

// Streams and events

CUresult cuStreamCreate(CUstream *stream, unsigned flags) {
  FAKE_CALL(context)
  if (flags > CCUDA_STREAM_NON_BLOCKING) return CCUDA_INVALID_VALUE;
  if (int code = machine().forbiddenInCapture(__func__)) return code;
  auto made = std::make_shared<Stream>();
  made->context = current();
  std::lock_guard guard(machine().lock);
  machine().streams[made.get()] = made;
  *stream = made.get();
  return 0;
}

CUresult cuStreamDestroy_v2(CUstream handle) {
  FAKE_CALL(context)
  auto stream = machine().stream(handle);
  if (!stream) return CCUDA_INVALID_HANDLE;
  int code = machine().run(stream);
  std::lock_guard guard(machine().lock);
  machine().streams.erase(handle);
  return code;
}

CUresult cuStreamSynchronize(CUstream handle) {
  FAKE_CALL(context)
  auto stream = machine().stream(handle);
  if (!stream) return CCUDA_INVALID_HANDLE;
  {
    std::lock_guard guard(machine().lock);
    if (stream->capture) {
      machine().complain("cuStreamSynchronize of a stream that is being captured");
      stream->capture->broken = true;
      return CCUDA_CAPTURE_UNSUPPORTED;
    }
  }
  if (int code = machine().forbiddenInCapture(__func__)) return code;
  if (int code = machine().run(stream)) return code;
  std::lock_guard guard(machine().lock);
  if (!machine().checkGuards()) current()->lost = CCUDA_ILLEGAL_ADDRESS;
  return current()->lost;
}

CUresult cuStreamWaitEvent(CUstream handle, CUevent what, unsigned flags) {
  FAKE_CALL(context)
  auto stream = machine().stream(handle);
  auto event = find(what);
  if (!stream || !event) return CCUDA_INVALID_HANDLE;
  if (flags) return CCUDA_INVALID_VALUE;
  {
    std::lock_guard guard(machine().lock);
    // One stream a capture: forks and joins are not in the fake.
    if (stream->capture || event->capture) {
      if (stream->capture && stream->capture->serial == event->capture) return 0;
      machine().complain("cuStreamWaitEvent across the border of a capture");
      if (stream->capture) stream->capture->broken = true;
      return CCUDA_CAPTURE_UNSUPPORTED;
    }
  }
  if (!event->recorded) return 0;
  long number = event->recorded;
  auto other = event->stream;
  return machine().enqueue(stream, {Operation::event, [=] {
    if (passed(*event, number)) return 0;
    return machine().run(other, [=] { return passed(*event, number); });
  }});
}

CUresult cuEventCreate(CUevent *event, unsigned flags) {
  FAKE_CALL(context)
  if (flags > 3) return CCUDA_INVALID_VALUE;
  auto made = std::make_shared<Event>();
  made->context = current();
  made->timed = !(flags & CCUDA_EVENT_DISABLE_TIMING);
  std::lock_guard guard(eventLock);
  events[made.get()] = made;
  *event = made.get();
  return 0;
}

CUresult cuEventDestroy_v2(CUevent event) {
  FAKE_CALL(context)
  std::lock_guard guard(eventLock);
  return events.erase(event) ? 0 : CCUDA_INVALID_HANDLE;
}

CUresult cuEventRecord(CUevent handle, CUstream to) {
  FAKE_CALL(context)
  auto event = find(handle);
  auto stream = machine().stream(to);
  if (!event || !stream || event->context != current()) return CCUDA_INVALID_HANDLE;
  {
    std::lock_guard guard(machine().lock);
    event->capture = stream->capture ? stream->capture->serial : 0;
    if (stream->capture) return stream->capture->broken ? CCUDA_CAPTURE_INVALIDATED : 0;
  }
  long number;
  {
    std::lock_guard guard(eventLock);
    number = ++event->recorded;
    event->stream = stream;
    event->asked = 0;
  }
  return machine().enqueue(stream, {Operation::event, [=] {
    std::lock_guard guard(eventLock);
    event->done = std::max(event->done, number);
    event->at = std::chrono::steady_clock::now();
    return 0;
  }});
}

CUresult cuEventQuery(CUevent handle) {
  FAKE_CALL(context)
  auto event = find(handle);
  if (!event) return CCUDA_INVALID_HANDLE;
  if (event->capture) return CCUDA_CAPTURE_UNSUPPORTED;
  if (int code = machine().forbiddenInCapture(__func__)) return code;
  if (passed(*event, event->recorded)) return 0;
  // Somebody who polls must get there at last.
  if (++event->asked < 4) return CCUDA_NOT_READY;
  auto all = event;
  return machine().run(event->stream, [=] { return passed(*all, all->recorded); });
}

CUresult cuEventSynchronize(CUevent handle) {
  FAKE_CALL(context)
  auto event = find(handle);
  if (!event) return CCUDA_INVALID_HANDLE;
  if (event->capture) return CCUDA_CAPTURE_UNSUPPORTED;
  if (int code = machine().forbiddenInCapture(__func__)) return code;
  if (!event->recorded) return 0;
  long number = event->recorded;
  return machine().run(event->stream, [=] { return passed(*event, number); });
}

CUresult cuEventElapsedTime(float *milliseconds, CUevent first, CUevent last) {
  FAKE_CALL(context)
  auto start = find(first), end = find(last);
  if (!start || !end || !start->timed || !end->timed || !start->recorded || !end->recorded) return CCUDA_INVALID_HANDLE;
  if (!passed(*start, start->recorded) || !passed(*end, end->recorded)) return CCUDA_NOT_READY;
  *milliseconds = std::chrono::duration<float, std::milli>(end->at - start->at).count();
  return 0;
}

// Captures and graphs

CUresult cuThreadExchangeStreamCaptureMode(int *mode) {
  FAKE_CALL(initialized)
  if (*mode < 0 || *mode > 2) return CCUDA_INVALID_VALUE;
  std::swap(*mode, captureMode());
  return 0;
}

CUresult cuStreamBeginCapture_v2(CUstream handle, int mode) {
  FAKE_CALL(context)
  auto stream = machine().stream(handle);
  if (!stream) return CCUDA_INVALID_HANDLE;
  if (mode < 0 || mode > 2) return CCUDA_INVALID_VALUE;
  std::lock_guard guard(machine().lock);
  if (stream->capture) return CCUDA_INVALID_VALUE;
  stream->capture.reset(new Capture{++machine().serials, std::this_thread::get_id(), mode});
  return 0;
}

CUresult cuStreamEndCapture(CUstream handle, CUgraph *graph) {
  FAKE_CALL(context)
  *graph = nullptr;
  auto stream = machine().stream(handle);
  if (!stream) return CCUDA_INVALID_HANDLE;
  std::lock_guard guard(machine().lock);
  if (!stream->capture) return CCUDA_INVALID_VALUE;
  if (stream->capture->mode != CCUDA_CAPTURE_RELAXED && stream->capture->thread != std::this_thread::get_id())
    return CCUDA_CAPTURE_WRONG_THREAD;
  auto capture = std::move(stream->capture);
  if (capture->broken) return CCUDA_CAPTURE_INVALIDATED;
  auto made = std::make_unique<Graph>();
  made->operations = std::make_shared<std::vector<Operation>>(std::move(capture->operations));
  *graph = graphs.add(std::move(made));
  return 0;
}

CUresult cuStreamIsCapturing(CUstream handle, int *status) {
  FAKE_CALL(context)
  auto stream = machine().stream(handle);
  if (!stream) return CCUDA_INVALID_HANDLE;
  std::lock_guard guard(machine().lock);
  *status = !stream->capture ? CCUDA_NOT_CAPTURING : stream->capture->broken ? CCUDA_CAPTURE_BROKEN : CCUDA_CAPTURING;
  return 0;
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec *executable, CUgraph handle, unsigned long long flags) {
  FAKE_CALL(context)
  Graph *graph = graphs.find(handle);
  if (!graph || flags) return CCUDA_INVALID_VALUE;
  auto made = std::make_unique<Graph>();
  made->operations = graph->operations;
  *executable = executables.add(std::move(made));
  return 0;
}

CUresult cuGraphLaunch(CUgraphExec handle, CUstream to) {
  FAKE_CALL(context)
  auto stream = machine().stream(to);
  Graph *graph = executables.find(handle);
  if (!stream || !graph) return CCUDA_INVALID_HANDLE;
  {
    std::lock_guard guard(machine().lock);
    if (stream->capture) {
      machine().complain("a graph inside a graph is not in the fake");
      stream->capture->broken = true;
      return CCUDA_CAPTURE_UNSUPPORTED;
    }
  }
  // Held as it is now: a later update is for later launches.
  auto operations = graph->operations;
  return machine().enqueue(stream, {Operation::host, [=] {
    for (auto &operation : *operations)
      if (int code = operation.run()) return code;
    return 0;
  }});
}

CUresult cuGraphUpload(CUgraphExec handle, CUstream to) {
  FAKE_CALL(context)
  return machine().stream(to) && executables.find(handle) ? 0 : CCUDA_INVALID_HANDLE;
}

CUresult cuGraphExecUpdate_v2(CUgraphExec executable, CUgraph handle, ccuda_graph_update *update) {
  FAKE_CALL(context)
  Graph *old = executables.find(executable), *graph = graphs.find(handle);
  if (!old || !graph || !update) return CCUDA_INVALID_VALUE;
  *update = {};
  auto &before = *old->operations, &now = *graph->operations;
  if (before.size() != now.size()) update->result = 2;
  for (size_t i = 0; i < now.size() && !update->result; i++)
    if (before[i].kind != now[i].kind) {
      update->result = 3;
      update->node = &now[i];
    }
  if (update->result) return CCUDA_GRAPH_UPDATE_FAILED;
  old->operations = graph->operations;
  return 0;
}

CUresult cuGraphExecDestroy(CUgraphExec executable) {
  FAKE_CALL(context)
  return executables.remove(executable) ? 0 : CCUDA_INVALID_VALUE;
}

CUresult cuGraphDestroy(CUgraph graph) {
  FAKE_CALL(context)
  return graphs.remove(graph) ? 0 : CCUDA_INVALID_VALUE;
}

CUresult cuGraphGetNodes(CUgraph handle, CUgraphNode *nodes, size_t *count) {
  FAKE_CALL(context)
  Graph *graph = graphs.find(handle);
  if (!graph || !count) return CCUDA_INVALID_VALUE;
  auto &operations = *graph->operations;
  size_t space = *count;
  if (!nodes) return *count = operations.size(), 0;
  for (size_t i = 0; i < space; i++) nodes[i] = i < operations.size() ? &operations[i] : nullptr;
  *count = std::min(space, operations.size());
  return 0;
}

}  // extern "C"
