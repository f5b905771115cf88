// NCCL: ranks are processes or threads, which meet in a file of shared memory.

#include "Machine.hpp"

#include <atomic>
#include <fcntl.h>
#include <random>
#include <sys/mman.h>
#include <unistd.h>

using namespace fake;

namespace {

/// What all ranks see. Rounds are counted: a rank has given its part of round n when `given[rank]` is n, and has read all
/// when `taken[rank]` is.
struct Meeting {
  static constexpr int most = 16;
  static constexpr size_t room = size_t(64) << 20;
  std::atomic<int> joined, gone;
  std::atomic<long> given[most], taken[most];
  size_t bytes[most];
};

struct Communicator {
  int rank, ranks;
  Context *context;
  Meeting *meeting = nullptr;
  char *parts = nullptr;
  size_t mapped = 0;
  long round = 0;
  std::atomic<bool> aborted{false};
  ~Communicator() {
    if (meeting) munmap(meeting, mapped);
  }
};

Live<Communicator> communicators;

std::string path(const ccuda_nccl_id &id) { return "/fake-nccl-" + std::string(id.data, strnlen(id.data, 32)); }

/// False when the others will not come.
template <class Ready> bool waited(Communicator &one, Ready ready) {
  while (!ready()) {
    if (one.aborted || one.meeting->gone > 0) return false;
    usleep(200);
  }
  return true;
}

}  // namespace

extern "C" {

int ncclGetUniqueId(ccuda_nccl_id *id) {
  FAKE_LIBRARY_CALL(nothing, 2)
  std::random_device random;
  memset(id, 0, sizeof *id);
  snprintf(id->data, 32, "%08x%08x-%d", random(), random(), int(getpid()));
  return 0;
}

int ncclCommInitRank(ncclComm_t *to, int ranks, ccuda_nccl_id id, int rank) {
  FAKE_LIBRARY_CALL(context, 1)
  if (ranks < 1 || ranks > Meeting::most || rank < 0 || rank >= ranks) return 4;
  auto one = std::make_unique<Communicator>();
  one->rank = rank;
  one->ranks = ranks;
  one->context = current();
  int file = shm_open(path(id).c_str(), O_RDWR | O_CREAT, 0600);
  one->mapped = sizeof(Meeting) + ranks * Meeting::room;
  if (file < 0 || ftruncate(file, off_t(one->mapped))) return 2;
  void *memory = mmap(nullptr, one->mapped, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (memory == MAP_FAILED) return 2;
  one->meeting = static_cast<Meeting *>(memory);
  one->parts = static_cast<char *>(memory) + sizeof(Meeting);
  one->meeting->joined++;
  for (int i = 0; one->meeting->joined < ranks; i++) {
    if (i > 50000) return 6;
    usleep(200);
  }
  // Nobody else comes: when the last one leaves, it is gone.
  shm_unlink(path(id).c_str());
  *to = communicators.add(std::move(one));
  return 0;
}

int ncclAllGather(const void *from, void *to, size_t count, int type, ncclComm_t handle, CUstream stream) {
  FAKE_LIBRARY_CALL(context, 1)
  Machine &machine = Machine::shared();
  Communicator *one = communicators.find(handle);
  auto queue = machine.stream(stream);
  if (!one || !queue || one->context != current()) return 4;
  size_t bytes = 4 * count;
  if (type != 7 || bytes > Meeting::room) return 4;
  if (!machine.reachable(uintptr_t(from), bytes, __func__) || !machine.reachable(uintptr_t(to), bytes * one->ranks, __func__))
    return 4;
  call.bytes(bytes);
  return machine.enqueue(queue, {Operation::kernel, [=] {
    Meeting &all = *one->meeting;
    long round = ++one->round;
    // The part of the last round has been read by everyone.
    if (!waited(*one, [&] {
          for (int i = 0; i < one->ranks; i++)
            if (all.taken[i] < round - 1) return false;
          return true;
        }))
      return 0;
    memcpy(one->parts + one->rank * Meeting::room, from, bytes);
    all.bytes[one->rank] = bytes;
    all.given[one->rank] = round;
    for (int i = 0; i < one->ranks; i++) {
      if (!waited(*one, [&] { return all.given[i] >= round; })) return 0;
      if (all.bytes[i] != bytes) return int(CCUDA_LAUNCH_FAILED);
      memcpy(static_cast<char *>(to) + i * bytes, one->parts + i * Meeting::room, bytes);
    }
    all.taken[one->rank] = round;
    return 0;
  }}) ? 1 : 0;
}

int ncclCommAbort(ncclComm_t handle) {
  FAKE_LIBRARY_CALL(nothing, 1)
  Communicator *one = communicators.find(handle);
  if (!one) return 4;
  one->aborted = true;
  one->meeting->gone++;
  return 0;
}

int ncclCommDestroy(ncclComm_t handle) {
  FAKE_LIBRARY_CALL(nothing, 1)
  return communicators.remove(handle) ? 0 : 4;
}

const char *ncclGetErrorString(int result) {
  switch (result) {
    case 0: return "no error";
    case 1: return "unhandled cuda error";
    case 2: return "unhandled system error";
    case 4: return "invalid argument";
    case 6: return "remote process exited or there was a network error";
    default: return "internal error";
  }
}

}  // extern "C"
