// NCCL: the ranks are threads of one process. Each call is two operations of a stream: hand in, and collect.

#include "Arithmetic.hpp"
#include "Machine.hpp"

#include <condition_variable>
#include <cstdio>

using namespace fake;

namespace {

constexpr auto patience = std::chrono::seconds(60);

struct Communicator;

/// What the ranks share.
struct Group {
  std::string key;
  int ranks;
  std::mutex lock;
  std::condition_variable changed;
  std::vector<Communicator *> members;
  bool aborted = false;
  struct Round {
    std::string what;  // the same from every rank, or the program is wrong
    std::vector<std::vector<char>> given;
    int handedIn = 0, collected = 0;
  };
  std::map<long, Round> rounds;
};

struct Communicator {
  std::shared_ptr<Group> group;
  Context *context;
  int rank, error = 0;
  long handedIn = 0, collected = 0;  // rounds
  std::shared_ptr<Stream> stream;    // the last one it was used on
};

Live<Communicator> communicators;
std::mutex groupsLock;
std::map<std::string, std::shared_ptr<Group>> groups;
thread_local int depth = 0;

Machine &machine() { return Machine::shared(); }

size_t width(int type) {
  switch (type) {
    case CCUDA_NCCL_INT32:
    case CCUDA_NCCL_FLOAT32: return 4;
    case CCUDA_NCCL_FLOAT64: return 8;
    case CCUDA_NCCL_BFLOAT16: return 2;
  }
  return 0;
}

int handIn(Communicator *one, const std::string &what, const void *from, size_t bytes) {
  Group &group = *one->group;
  std::lock_guard guard(group.lock);
  auto &round = group.rounds[one->handedIn++];
  if (round.given.empty()) round.given.resize(size_t(group.ranks)), round.what = what;
  if (round.what != what) {
    machine().complain("ranks met in different calls: " + round.what + " and " + what);
    group.aborted = true;
    one->error = CCUDA_NCCL_INVALID_USAGE;
  }
  if (from) round.given[size_t(one->rank)].assign((const char *)from, (const char *)from + bytes);
  round.handedIn += 1;
  group.changed.notify_all();
  return 0;
}

/// Waits for the others. Their streams are run from here where nobody else does: on a real device they would run.
int collect(Communicator *one, const std::function<void(const std::vector<std::vector<char>> &)> &use) {
  auto group = one->group;
  long number = one->collected++;
  auto end = std::chrono::steady_clock::now() + patience;
  while (true) {
    std::vector<std::pair<Communicator *, std::shared_ptr<Stream>>> late;
    {
      std::unique_lock guard(group->lock);
      auto &round = group->rounds[number];
      if (group->aborted) {
        if (!one->error) one->error = CCUDA_NCCL_REMOTE_ERROR;
        return 0;
      }
      if (round.handedIn == group->ranks) {
        use(round.given);
        if (++round.collected == group->ranks) group->rounds.erase(number);
        return 0;
      }
      for (auto member : group->members)
        if (member && member != one && member->handedIn <= number && member->stream)
          late.push_back({member, member->stream});
    }
    for (auto &[member, stream] : late)
      if (std::unique_lock running(stream->running, std::try_to_lock); running) {
        auto there = [&, other = member] {
          std::lock_guard guard(group->lock);
          return other->handedIn > number;
        };
        machine().run(stream, there);
      }
    std::unique_lock guard(group->lock);
    group->changed.wait_for(guard, std::chrono::milliseconds(2));
    if (std::chrono::steady_clock::now() > end) {
      machine().complain("a rank waited for the others for a minute");
      group->aborted = true;
    }
  }
}

template <class T> void reduce(const std::vector<std::vector<char>> &given, void *to, size_t count, int operation) {
  auto result = static_cast<T *>(to);
  for (size_t i = 0; i < count; i++) {
    T value = reinterpret_cast<const T *>(given[0].data())[i];
    for (size_t rank = 1; rank < given.size(); rank++) {
      T other = reinterpret_cast<const T *>(given[rank].data())[i];
      value = operation == CCUDA_NCCL_SUM ? value + other : other > value ? other : value;
    }
    result[i] = value;
  }
}

void reduceBFloat16(const std::vector<std::vector<char>> &given, void *to, size_t count, int operation) {
  auto result = static_cast<uint16_t *>(to);
  for (size_t i = 0; i < count; i++) {
    auto at = [&](size_t rank) { return fromBFloat16(reinterpret_cast<const uint16_t *>(given[rank].data())[i]); };
    float value = at(0);
    for (size_t rank = 1; rank < given.size(); rank++)
      value = operation == CCUDA_NCCL_SUM ? value + at(rank) : std::max(value, at(rank));
    result[i] = bfloat16(value);
  }
}

int invalid(const std::string &why) {
  machine().complain("NCCL: " + why);
  return CCUDA_NCCL_INVALID_ARGUMENT;
}

int meet(
  ncclComm_t handle, CUstream to, const std::string &what, const void *from, size_t fromBytes, void *result,
  size_t resultBytes, std::function<void(const std::vector<std::vector<char>> &)> use) {
  Communicator *one = communicators.find(handle);
  if (!one || one->context != current()) return invalid("no such communicator here");
  auto stream = machine().stream(to);
  if (!stream) return invalid("no such stream");
  auto reachable = [=] {
    return (!from || machine().reachable(uintptr_t(from), fromBytes, what.c_str()))
      && machine().reachable(uintptr_t(result), resultBytes, what.c_str());
  };
  if (!reachable()) return CCUDA_NCCL_INVALID_ARGUMENT;
  {
    std::lock_guard guard(one->group->lock);
    one->stream = stream;
  }
  int code = machine().enqueue(stream, {Operation::kernel, [=] {
    return reachable() ? handIn(one, what, from, fromBytes) : int(CCUDA_ILLEGAL_ADDRESS);
  }});
  if (!code) code = machine().enqueue(stream, {Operation::kernel, [=] { return collect(one, use); }});
  return code ? CCUDA_NCCL_CUDA_ERROR : 0;
}

int leave(ncclComm_t handle, bool abort) {
  Communicator *one = communicators.find(handle);
  if (!one) return invalid("no such communicator");
  if (!abort && one->stream) machine().run(one->stream);
  {
    std::lock_guard guard(one->group->lock);
    one->group->members[size_t(one->rank)] = nullptr;
    if (abort) one->group->aborted = true;
    one->group->changed.notify_all();
  }
  // What still stands in its queue would ask for it.
  if (abort && one->stream) machine().run(one->stream);
  communicators.remove(handle);
  return 0;
}

}  // namespace

extern "C" {

int ncclGetVersion(int *version) {
  FAKE_CALL(nothing)
  *version = 22800;
  return 0;
}

int ncclGetUniqueId(ccuda_nccl_id *identifier) {
  FAKE_CALL(nothing)
  static std::mutex lock;
  static int count = 0;
  std::lock_guard guard(lock);
  memset(identifier->bytes, 0, sizeof identifier->bytes);
  snprintf(identifier->bytes, sizeof identifier->bytes, "fake group %d", ++count);
  return 0;
}

int ncclCommInitRank(ncclComm_t *communicator, int ranks, ccuda_nccl_id identifier, int rank) {
  FAKE_LIBRARY_CALL(context, CCUDA_NCCL_CUDA_ERROR)
  if (!communicator || ranks < 1 || rank < 0 || rank >= ranks) return invalid("a rank outside of the group");
  std::string key(identifier.bytes, sizeof identifier.bytes);
  if (key.compare(0, 10, "fake group") != 0) return invalid("an identifier that nobody made");
  std::shared_ptr<Group> group;
  {
    std::lock_guard guard(groupsLock);
    auto &one = groups[key];
    if (!one) {
      one = std::make_shared<Group>();
      one->key = key;
      one->ranks = ranks;
      one->members.resize(size_t(ranks));
    }
    group = one;
  }
  auto made = std::make_unique<Communicator>();
  made->group = group;
  made->context = current();
  made->rank = rank;
  std::unique_lock guard(group->lock);
  if (group->ranks != ranks || group->members[size_t(rank)]) return invalid("a rank that is there twice");
  group->members[size_t(rank)] = made.get();
  group->changed.notify_all();
  bool all = group->changed.wait_for(guard, patience, [&] {
    for (auto member : group->members)
      if (!member) return group->aborted;
    return true;
  });
  if (!all) {
    group->members[size_t(rank)] = nullptr;
    return CCUDA_NCCL_SYSTEM_ERROR;
  }
  guard.unlock();
  *communicator = communicators.add(std::move(made));
  return 0;
}

int ncclCommDestroy(ncclComm_t communicator) {
  FAKE_LIBRARY_CALL(context, CCUDA_NCCL_CUDA_ERROR)
  return leave(communicator, false);
}

int ncclCommAbort(ncclComm_t communicator) {
  FAKE_LIBRARY_CALL(nothing, CCUDA_NCCL_CUDA_ERROR)
  return leave(communicator, true);
}

int ncclCommGetAsyncError(ncclComm_t communicator, int *error) {
  FAKE_CALL(nothing)
  Communicator *one = communicators.find(communicator);
  if (!one || !error) return invalid("no such communicator");
  std::lock_guard guard(one->group->lock);
  *error = one->error ? one->error : one->group->aborted ? int(CCUDA_NCCL_REMOTE_ERROR) : 0;
  return 0;
}

const char *ncclGetErrorString(int result) {
  switch (result) {
    case CCUDA_NCCL_SUCCESS: return "no error";
    case CCUDA_NCCL_CUDA_ERROR: return "unhandled cuda error";
    case CCUDA_NCCL_SYSTEM_ERROR: return "unhandled system error";
    case CCUDA_NCCL_INTERNAL_ERROR: return "internal error";
    case CCUDA_NCCL_INVALID_ARGUMENT: return "invalid argument";
    case CCUDA_NCCL_INVALID_USAGE: return "invalid usage";
    case CCUDA_NCCL_REMOTE_ERROR: return "remote process exited or there was a network error";
    case CCUDA_NCCL_IN_PROGRESS: return "operation in progress";
  }
  return "unknown result code";
}

int ncclAllReduce(
  const void *from, void *to, size_t count, int dataType, int operation, ncclComm_t communicator, CUstream stream) {
  FAKE_LIBRARY_CALL(context, CCUDA_NCCL_CUDA_ERROR)
  size_t bytes = count * width(dataType);
  if (!width(dataType)) return invalid("type " + std::to_string(dataType) + " is not in the fake");
  if (operation != CCUDA_NCCL_SUM && operation != CCUDA_NCCL_MAX) return invalid("only sum and max are in the fake");
  call.bytes(bytes);
  std::string what = "ncclAllReduce of " + std::to_string(count) + " numbers of type " + std::to_string(dataType)
    + ", operation " + std::to_string(operation);
  return meet(communicator, stream, what, from, bytes, to, bytes, [=](auto &given) {
    switch (dataType) {
      case CCUDA_NCCL_INT32: return reduce<int>(given, to, count, operation);
      case CCUDA_NCCL_FLOAT32: return reduce<float>(given, to, count, operation);
      case CCUDA_NCCL_FLOAT64: return reduce<double>(given, to, count, operation);
      case CCUDA_NCCL_BFLOAT16: return reduceBFloat16(given, to, count, operation);
    }
  });
}

int ncclAllGather(
  const void *from, void *to, size_t countEach, int dataType, ncclComm_t communicator, CUstream stream) {
  FAKE_LIBRARY_CALL(context, CCUDA_NCCL_CUDA_ERROR)
  Communicator *one = communicators.find(communicator);
  if (!one) return invalid("no such communicator");
  size_t bytes = countEach * width(dataType);
  if (!width(dataType)) return invalid("type " + std::to_string(dataType) + " is not in the fake");
  call.bytes(bytes);
  std::string what = "ncclAllGather of " + std::to_string(countEach) + " numbers of type " + std::to_string(dataType);
  return meet(communicator, stream, what, from, bytes, to, bytes * size_t(one->group->ranks), [=](auto &given) {
    for (size_t rank = 0; rank < given.size(); rank++) memcpy(static_cast<char *>(to) + rank * bytes, given[rank].data(), bytes);
  });
}

int ncclBroadcast(
  const void *from, void *to, size_t count, int dataType, int root, ncclComm_t communicator, CUstream stream) {
  FAKE_LIBRARY_CALL(context, CCUDA_NCCL_CUDA_ERROR)
  Communicator *one = communicators.find(communicator);
  if (!one || root < 0 || root >= one->group->ranks) return invalid("no such communicator, or a root outside of it");
  size_t bytes = count * width(dataType);
  if (!width(dataType)) return invalid("type " + std::to_string(dataType) + " is not in the fake");
  call.bytes(bytes);
  std::string what = "ncclBroadcast of " + std::to_string(count) + " numbers of type " + std::to_string(dataType)
    + " from rank " + std::to_string(root);
  // Only the root's source counts.
  return meet(communicator, stream, what, one->rank == root ? from : nullptr, bytes, to, bytes, [=](auto &given) {
    memcpy(to, given[size_t(root)].data(), bytes);
  });
}

int ncclGroupStart(void) {
  FAKE_CALL(nothing)
  depth += 1;
  return 0;
}

int ncclGroupEnd(void) {
  FAKE_CALL(nothing)
  if (!depth) return CCUDA_NCCL_INVALID_USAGE;
  depth -= 1;
  return 0;
}

}  // extern "C"
