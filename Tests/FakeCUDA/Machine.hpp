#pragma once

// What the files of the fake share: settings, faults, contexts, memory and streams.

#include "../../Sources/CCUDA/include/Constants.h"
#include "../../Sources/CCUDA/include/Lists.h"

#include <chrono>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

// The exported functions must match the tables that callers fill.
#define FAKE_DECLARE(result, name, parameters) result name parameters;
extern "C" {
CCUDA_DRIVER(FAKE_DECLARE)
CCUDA_NVRTC(FAKE_DECLARE)
CCUDA_BLAS(FAKE_DECLARE)
CCUDA_NCCL(FAKE_DECLARE)
}

namespace fake {

struct Settings {
  bool lazy = true, backwards = false, quiet = false;
  int major = 9, minor = 0, devices = 1, driver = 13000;
  size_t memory = size_t(4) << 30;

  static Settings read();
  bool large() const { return major * 10 + minor == 90 || major >= 10; }
  int sharedBytes() const { return large() ? 227 * 1024 : major * 10 + minor == 80 ? 163 * 1024 : 99 * 1024; }
};

struct Context;
struct Stream;

/// Something a stream does. Library calls become these as well, so that graphs hold them.
struct Operation {
  enum Kind { kernel, copy, fill, host, event };
  Kind kind;
  std::function<int()> run;  // a driver's result; anything but 0 loses the device
};

struct Capture {
  unsigned long serial;
  std::thread::id thread;
  int mode;
  bool broken = false;
  std::vector<Operation> operations{};
};

struct Stream {
  Context *context;
  std::deque<Operation> queue;
  std::unique_ptr<Capture> capture;
  std::recursive_mutex running;  // taken before the machine's lock, never after
};

struct Context {
  int device;
  int retained = 0;
  int lost = 0;
  size_t used = 0;
};

/// A piece of memory with guard zones at both ends.
struct Block {
  char *base;
  size_t bytes;
  char *region;
  size_t regionBytes;
  bool mapped;
  Context *context;  // null: pinned host memory
  unsigned long serial;
};

struct Fault {
  std::string call;
  int countdown, code;
};

struct Count {
  long calls = 0, bytes = 0;
};

struct Machine {
  std::recursive_mutex lock;
  Settings settings;
  bool initialized = false;
  std::vector<Fault> faults;
  std::map<std::string, Count> counts;
  std::string complaint;
  std::map<int, std::unique_ptr<Context>> contexts;
  std::unordered_map<void *, std::shared_ptr<Stream>> streams;
  std::map<uintptr_t, Block> device, pinned;
  std::deque<Block> freed;
  size_t freedBytes = 0, used = 0, peak = 0;
  unsigned long serials = 0;

  static Machine &shared();

  void readFaults();
  void complain(const std::string &text);

  // Memory.
  Block make(size_t bytes, Context *context);
  void release(Block block);
  void drop(const Block &block);
  bool intact(const Block &block);
  bool checkGuards();
  const Block *find(const std::map<uintptr_t, Block> &blocks, uintptr_t address, size_t bytes) const;
  /// True when the bytes lie in live device memory; complains otherwise.
  bool reachable(uintptr_t address, size_t bytes, const char *who);

  // Streams.
  std::shared_ptr<Stream> stream(CUstream handle);
  /// Appends to the queue, or to the capture; runs it in eager mode.
  int enqueue(const std::shared_ptr<Stream> &stream, Operation operation);
  /// Runs a queue until it is empty or `enough` says so.
  int run(const std::shared_ptr<Stream> &stream, const std::function<bool()> &enough = nullptr);
  int runAll(Context *context);
  /// 900 when this thread may not do such a thing now; the captures that forbid it are broken by the attempt.
  int forbiddenInCapture(const char *who);
};

/// The context that is current on this thread.
Context *&current();
/// How strict this thread asks captures to be with it.
int &captureMode();

enum Need { nothing, initialized, context };

/// Every exported function begins with one: counts the call, looks for a fault, and checks what the call needs.
struct Call {
  std::string name;
  int refusal = 0;      // the driver's code, or the injected one
  bool injected = false;
  explicit Call(const char *name, Need need);
  void bytes(size_t count);
};

#define FAKE_CALL(need)                   \
  fake::Call call(__func__, fake::need);  \
  if (call.refusal) return call.refusal;

/// For libraries with codes of their own: what they answer when the driver refuses.
#define FAKE_LIBRARY_CALL(need, failure)  \
  fake::Call call(__func__, fake::need);  \
  if (call.refusal) return call.injected ? call.refusal : failure;

struct FunctionOnHost {
  std::string name;
  void (*run)(const void *);
  unsigned bytes;
  int dynamicShared = 48 * 1024;
};

/// Runs a kernel, one at a time.
void launch(
  void (*run)(const void *), const void *arguments, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned threads,
  unsigned shared, bool backwards);

/// What the fake compiler makes and the fake driver loads.
struct Image {
  int major = 0, minor = 0;
  bool portable = false;  // what stands for PTX
  bool open = false;      // names made by macros were not all found
  std::vector<std::string> names;

  std::string text() const;
  static bool parse(const void *bytes, Image &image);
};

/// Takes part of a live set, so that a handle used after its end is seen.
template <class T> struct Live {
  std::mutex lock;
  std::map<void *, std::unique_ptr<T>> all;

  void *add(std::unique_ptr<T> one) {
    std::lock_guard guard(lock);
    void *handle = one.get();
    all[handle] = std::move(one);
    return handle;
  }
  T *find(void *handle) {
    std::lock_guard guard(lock);
    auto at = all.find(handle);
    return at == all.end() ? nullptr : at->second.get();
  }
  bool remove(void *handle) {
    std::lock_guard guard(lock);
    return all.erase(handle) == 1;
  }
};

}  // namespace fake
