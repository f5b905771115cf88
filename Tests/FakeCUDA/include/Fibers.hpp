// Runs kernels on the processor, a fiber a thread, so that they can be tested without a GPU: see Sources/CUDA/Kernels/Dialect.h.
//
// A fiber runs to its next barrier. A barrier of a warp opens when its 32 lanes stand at the same one, a block's when all threads
// do; anything else aborts and names the kernel. Running the threads forwards and backwards finds missing barriers: the bits
// differ. Shared memory is NaN before each block. One launch at a time. Build without _FORTIFY_SOURCE.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__clang__)
#pragma clang fp contract(off)
#endif

#if defined(__SANITIZE_ADDRESS__)
#define FIBERS_ADDRESSES 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBERS_ADDRESSES 1
#endif
#endif
#if defined(FIBERS_ADDRESSES)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(__x86_64__) || (defined(__aarch64__) && defined(__clang__))
#define FIBERS_SWITCH 1
#else
#include <ucontext.h>
#endif

namespace fibers {

struct Index {
  unsigned x, y, z;
};

// What a kernel's file says about it.
struct Kernel {
  const char *name;
  void (*run)(const void *);
  bool plain;  // meets no barrier
  Kernel *next;
  inline static Kernel *first = nullptr;

  Kernel(const char *name, void (*run)(const void *), bool plain) : name(name), run(run), plain(plain), next(first) { first = this; }
};

// Where a fiber waits.
struct Place {
  const char *word, *file;
  int line;
};

enum State { ready, at_warp, at_block, done };

struct Fiber {
  State state;
  bool started;
  unsigned parity;  // which of two slots the warp's next exchange uses
  const Place *place;
  char *stack;
#if defined(FIBERS_SWITCH)
  void *pointer;
#else
  ucontext_t context;
#endif
  void *fake_stack;
};

enum { most_threads = 1024, lanes = 32, most_static = 48 << 10, most_shared = 227 << 10 };
#if defined(FIBERS_ADDRESSES)
enum { stack_size = 256 << 10 };
#else
enum { stack_size = 128 << 10 };
#endif

// Of the running launch.
inline Index thread_index, block_index, block_size, grid_size;
inline const Kernel *kernel = nullptr;
inline void (*body)(const void *) = nullptr;
inline const void *arguments = nullptr;
inline Fiber threads[most_threads];
inline Fiber *current = nullptr;
inline long switches = 0;
inline unsigned launches = 0;
inline char *stacks = nullptr;

inline uint64_t slots[most_threads / lanes][2][lanes];
inline float fragments[most_threads / lanes][2][lanes][6];

alignas(64) inline unsigned char static_memory[most_static];
inline size_t static_used = 0;
alignas(64) inline unsigned char dynamic_memory[most_shared + 64];
inline unsigned char *dynamic_start = dynamic_memory;  // by a pointer, so that AddressSanitizer looks at every access

[[noreturn]] inline void fail(const char *what, const Place *one = nullptr, const Place *other = nullptr) {
  fprintf(
      stderr, "kernel %s, block (%u, %u, %u), thread %u: %s\n", kernel ? kernel->name : "?", block_index.x, block_index.y,
      block_index.z, thread_index.x, what);
  if (one) fprintf(stderr, "  %s at %s:%d\n", one->word, one->file, one->line);
  if (other) fprintf(stderr, "  %s at %s:%d\n", other->word, other->file, other->line);
  abort();
}

// Memory of a `SHARED` array: the same for all threads of a block, new for each launch.
struct Shared {
  unsigned launch = 0;
  size_t start = 0;
};
inline unsigned char *shared(Shared &slot, size_t size) {
  if (slot.launch != launches) {
    slot.launch = launches;
    slot.start = static_used;
    // Room between arrays is poisoned.
    static_used += (size + 63) / 64 * 64 + 64;
    if (static_used > most_static) fail("more than 48 KB of static shared memory");
    memset(static_memory + slot.start, 0xff, size);
#if defined(FIBERS_ADDRESSES)
    ASAN_POISON_MEMORY_REGION(static_memory + slot.start + size, static_used - slot.start - size);
#endif
  }
  return static_memory + slot.start;
}

#if defined(FIBERS_SWITCH)
inline void *home;
#if defined(__x86_64__)
__attribute__((naked, noinline, unused)) static void exchange_stacks(void **, void *) {
  asm("pushq %rbp\n pushq %rbx\n pushq %r12\n pushq %r13\n pushq %r14\n pushq %r15\n"
      "movq %rsp, (%rdi)\n movq %rsi, %rsp\n"
      "popq %r15\n popq %r14\n popq %r13\n popq %r12\n popq %rbx\n popq %rbp\n retq\n");
}
#else
__attribute__((naked, noinline, unused)) static void exchange_stacks(void **, void *) {
  asm("sub sp, sp, #160\n"
      "stp x19, x20, [sp]\n stp x21, x22, [sp, #16]\n stp x23, x24, [sp, #32]\n stp x25, x26, [sp, #48]\n"
      "stp x27, x28, [sp, #64]\n stp x29, x30, [sp, #80]\n"
      "stp d8, d9, [sp, #96]\n stp d10, d11, [sp, #112]\n stp d12, d13, [sp, #128]\n stp d14, d15, [sp, #144]\n"
      "mov x9, sp\n str x9, [x0]\n mov sp, x1\n"
      "ldp x19, x20, [sp]\n ldp x21, x22, [sp, #16]\n ldp x23, x24, [sp, #32]\n ldp x25, x26, [sp, #48]\n"
      "ldp x27, x28, [sp, #64]\n ldp x29, x30, [sp, #80]\n"
      "ldp d8, d9, [sp, #96]\n ldp d10, d11, [sp, #112]\n ldp d12, d13, [sp, #128]\n ldp d14, d15, [sp, #144]\n"
      "add sp, sp, #160\n ret\n");
}
#endif
#else
inline ucontext_t home;
#endif

#if defined(FIBERS_ADDRESSES)
inline const void *home_bottom;
inline size_t home_size;
inline void *home_fake;
#endif

inline Fiber *own(const Place *place) {
  if (!current) fail("KERNEL_PLAIN, but it meets a barrier", place);
  return current;
}

inline void leave(State state, const Place *place) {
  Fiber *self = own(place);
  self->state = state;
  self->place = place;
#if defined(FIBERS_ADDRESSES)
  __sanitizer_start_switch_fiber(state == done ? nullptr : &self->fake_stack, home_bottom, home_size);
#endif
#if defined(FIBERS_SWITCH)
  exchange_stacks(&self->pointer, home);
#else
  swapcontext(&self->context, &home);
#endif
#if defined(FIBERS_ADDRESSES)
  __sanitizer_finish_switch_fiber(self->fake_stack, &home_bottom, &home_size);
#endif
}

inline void start() {
#if defined(FIBERS_ADDRESSES)
  __sanitizer_finish_switch_fiber(nullptr, &home_bottom, &home_size);
#endif
  body(arguments);
  leave(done, nullptr);
}

inline void resume(unsigned number) {
  Fiber *fiber = current = &threads[number];
  thread_index.x = number;
  switches++;
#if defined(FIBERS_ADDRESSES)
  __sanitizer_start_switch_fiber(&home_fake, fiber->stack, stack_size);
#endif
  if (!fiber->started) {
    fiber->started = true;
#if defined(FIBERS_SWITCH)
    uintptr_t top = (uintptr_t)(fiber->stack + stack_size) & ~(uintptr_t)63;
#if defined(__x86_64__)
    void **frame = (void **)(top - 16) - 6;
    for (int i = 0; i < 6; i++) frame[i] = nullptr;
    frame[6] = (void *)start;
#else
    void **frame = (void **)(top - 160);
    memset(frame, 0, 160);
    frame[11] = (void *)start;
#endif
    fiber->pointer = frame;
#else
    getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = fiber->stack;
    fiber->context.uc_stack.ss_size = stack_size;
    fiber->context.uc_link = &home;
    makecontext(&fiber->context, start, 0);
#endif
  }
#if defined(FIBERS_SWITCH)
  exchange_stacks(&home, fiber->pointer);
#else
  swapcontext(&home, &fiber->context);
#endif
#if defined(FIBERS_ADDRESSES)
  __sanitizer_finish_switch_fiber(home_fake, nullptr, nullptr);
#endif
}

// Until all of its lanes stand at a block's barrier or are done.
inline void run_warp(unsigned first, bool backwards) {
  for (;;) {
    for (unsigned i = 0; i < lanes; i++) {
      unsigned number = first + (backwards ? lanes - 1 - i : i);
      if (threads[number].state == ready) resume(number);
    }
    unsigned waiting = 0;
    for (unsigned i = 0; i < lanes; i++) waiting += threads[first + i].state == at_warp;
    if (waiting == 0) return;
    for (unsigned i = 1; i < lanes; i++) {
      const Fiber &one = threads[first], &other = threads[first + i];
      if (one.state != other.state || one.place != other.place)
        fail("lanes of its warp stand in different places or are gone", one.place, other.place);
    }
    for (unsigned i = 0; i < lanes; i++) threads[first + i].state = ready;
  }
}

inline void run_block(bool backwards) {
  unsigned count = block_size.x;
  for (unsigned i = 0; i < count; i++) {
    threads[i].state = ready;
    threads[i].started = false;
    threads[i].parity = 0;
    threads[i].place = nullptr;
  }
  for (;;) {
    for (unsigned w = 0; w < count; w += lanes) run_warp(backwards ? count - lanes - w : w, backwards);
    unsigned waiting = 0;
    for (unsigned i = 0; i < count; i++) waiting += threads[i].state == at_block;
    if (waiting == 0) return;
    for (unsigned i = 1; i < count; i++)
      if (threads[0].state != threads[i].state || threads[0].place != threads[i].place)
        fail("threads of the block stand at different barriers or are gone", threads[0].place, threads[i].place);
    for (unsigned i = 0; i < count; i++) threads[i].state = ready;
  }
}

inline void make_stacks() {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), step = stack_size + page;
  stacks = (char *)mmap(nullptr, step * most_threads, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (stacks == MAP_FAILED) fail("no memory for stacks");
  for (int i = 0; i < most_threads; i++) {
    mprotect(stacks + i * step, page, PROT_NONE);
    threads[i].stack = stacks + i * step + page;
  }
}

// ---- Words of the dialect.

inline uint64_t (&deposit(uint64_t bits, const Place *place))[lanes] {
  unsigned number = thread_index.x;
  Fiber *self = own(place);
  auto &slot = slots[number / lanes][self->parity];
  self->parity ^= 1;
  slot[number % lanes] = bits;
  leave(at_warp, place);
  return slot;
}

template <class T> T exchange(T value, unsigned lane, const Place *place) {
  static_assert(sizeof(T) <= 8, "");
  uint64_t bits = 0;
  memcpy(&bits, &value, sizeof value);
  auto &slot = deposit(bits, place);
  memcpy(&value, &slot[lane % lanes], sizeof value);
  return value;
}

inline unsigned lane_number() { return thread_index.x % lanes; }
template <class T> T from_lower(T value, unsigned distance, const Place *place) {
  unsigned lane = lane_number();
  return exchange(value, lane >= distance ? lane - distance : lane, place);
}
template <class T> T from_upper(T value, unsigned distance, const Place *place) {
  unsigned lane = lane_number();
  return exchange(value, lane + distance < lanes ? lane + distance : lane, place);
}

inline unsigned ballot(bool value, const Place *place) {
  auto &slot = deposit(value, place);
  unsigned result = 0;
  for (unsigned i = 0; i < lanes; i++) result |= (unsigned)slot[i] << i;
  return result;
}

inline float as_float(unsigned bits) {
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

// d += A B, [16, 8] by [8, 8], the numbers dealt to the lanes as mma.m16n8k8 has them.
inline void multiply(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], const Place *place) {
  unsigned number = thread_index.x, lane = number % lanes;
  Fiber *self = own(place);
  auto &all = fragments[number / lanes][self->parity];
  self->parity ^= 1;
  for (int i = 0; i < 4; i++) all[lane][i] = as_float(a[i]);
  for (int i = 0; i < 2; i++) all[lane][4 + i] = as_float(b[i]);
  leave(at_warp, place);
  unsigned group = lane / 4, place_in_group = lane % 4;
  for (unsigned k = 0; k < 8; k++) {
    unsigned t = k % 4, upper = k / 4;
    float upper_row = all[4 * group + t][2 * upper], lower_row = all[4 * group + t][2 * upper + 1];
    float left = all[8 * place_in_group + t][4 + upper], right = all[8 * place_in_group + 4 + t][4 + upper];
    d[0] += upper_row * left;
    d[1] += upper_row * right;
    d[2] += lower_row * left;
    d[3] += lower_row * right;
  }
}

// The same of numbers in bf16, two a register: k 2t and 2t + 1 where TF32 has t and t + 4, in both factors.
inline void multiply(float (&d)[4], const unsigned (&a)[2], unsigned b, const Place *place) {
  const unsigned upper = 0xffff0000u;
  const unsigned left[4] = {a[0] << 16, a[1] << 16, a[0] & upper, a[1] & upper}, right[2] = {b << 16, b & upper};
  multiply(d, left, right, place);
}

}  // namespace fibers

inline void fibers_launch(
    void (*run)(const void *), const void *arguments, unsigned gx, unsigned gy, unsigned gz, unsigned count,
    unsigned shared_bytes, int backwards) {
  using namespace fibers;
  kernel = Kernel::first;
  while (kernel && kernel->run != run) kernel = kernel->next;
  block_index = thread_index = {0, 0, 0};
  if (!kernel) fail("not a kernel");
  if (count == 0 || count > most_threads || count % lanes != 0) fail("a block must have whole warps, 1024 threads at most");
  if (gx == 0 || gy == 0 || gz == 0 || gx > 0x7fffffffu || gy > 65535 || gz > 65535) fail("the grid is empty or too large");
  if (shared_bytes > most_shared) fail("too much shared memory");
  if (!stacks) make_stacks();
#if defined(FIBERS_ADDRESSES)
  ASAN_UNPOISON_MEMORY_REGION(static_memory, sizeof static_memory);
  ASAN_UNPOISON_MEMORY_REGION(dynamic_memory, sizeof dynamic_memory);
  ASAN_POISON_MEMORY_REGION(dynamic_memory + shared_bytes, sizeof dynamic_memory - shared_bytes);
#endif
  launches++;
  static_used = 0;
  body = run;
  fibers::arguments = arguments;
  block_size = {count, 1, 1};
  grid_size = {gx, gy, gz};
  unsigned long long blocks = (unsigned long long)gx * gy * gz;
  for (unsigned long long i = 0; i < blocks; i++) {
    unsigned long long block = backwards ? blocks - 1 - i : i;
    block_index = {(unsigned)(block % gx), (unsigned)(block / gx % gy), (unsigned)(block / gx / gy)};
    if (kernel->plain) {
      current = nullptr;
      for (unsigned t = 0; t < count; t++) {
        thread_index.x = backwards ? count - 1 - t : t;
        run(arguments);
      }
      continue;
    }
    memset(dynamic_memory, 0xff, shared_bytes);
#if defined(FIBERS_ADDRESSES)
    ASAN_UNPOISON_MEMORY_REGION(static_memory, sizeof static_memory);
#endif
    memset(static_memory, 0xff, static_used);
    if (i > 0) {
      // The arrays' places are known from the first block on; they are asked for anew so that the room between is poisoned again.
      launches++;
      static_used = 0;
    }
    run_block(backwards != 0);
  }
#if defined(FIBERS_ADDRESSES)
  ASAN_UNPOISON_MEMORY_REGION(static_memory, sizeof static_memory);
  ASAN_UNPOISON_MEMORY_REGION(dynamic_memory, sizeof dynamic_memory);
#endif
}

// What Dialect.h says for a GPU.
#define DEVICE static inline __attribute__((always_inline, unused))
#define DEVICE_CALL static inline __attribute__((unused))
#define FIBERS_KERNEL(name, Arguments, plain) \
  static void name(const Arguments a); \
  extern "C" { \
  __attribute__((visibility("default"), used)) void name##_run(const void *arguments) { name(*(const Arguments *)arguments); } \
  extern const unsigned name##_size; \
  __attribute__((visibility("default"), used)) const unsigned name##_size = sizeof(Arguments); \
  extern const int name##_plain; \
  __attribute__((visibility("default"), used)) const int name##_plain = plain; \
  } \
  static fibers::Kernel name##_kernel(#name, name##_run, plain); \
  static void name(const Arguments a)
#define KERNEL(name, Arguments) FIBERS_KERNEL(name, Arguments, 0)
#define KERNEL_PLAIN(name, Arguments) FIBERS_KERNEL(name, Arguments, 1)
#define KERNEL_BOUNDS(name, Arguments, threads, blocks) FIBERS_KERNEL(name, Arguments, 0)
#define SHARED(T, name, size) \
  static fibers::Shared name##_slot; \
  typedef T name##_type size; \
  name##_type &name = *(name##_type *)fibers::shared(name##_slot, sizeof(name##_type))
#define DYNAMIC_SHARED(T, name) T *name = (T *)fibers::dynamic_start
#define UNROLL
#define UNROLL_BY(count)

#define threadIdx fibers::thread_index
#define blockIdx fibers::block_index
#define blockDim fibers::block_size
#define gridDim fibers::grid_size

#define FIBERS_HERE(word) (__extension__({ static const fibers::Place place = {word, __FILE__, __LINE__}; &place; }))
#define __syncthreads() fibers::leave(fibers::at_block, FIBERS_HERE("__syncthreads"))
#define __syncwarp() fibers::leave(fibers::at_warp, FIBERS_HERE("__syncwarp"))
#define __shfl_xor_sync(mask, value, bits) fibers::exchange((value), fibers::lane_number() ^ (unsigned)(bits), FIBERS_HERE("__shfl_xor_sync"))
#define __shfl_up_sync(mask, value, distance) fibers::from_lower((value), (unsigned)(distance), FIBERS_HERE("__shfl_up_sync"))
#define __shfl_down_sync(mask, value, distance) fibers::from_upper((value), (unsigned)(distance), FIBERS_HERE("__shfl_down_sync"))
#define __shfl_sync(mask, value, lane) fibers::exchange((value), (unsigned)(lane), FIBERS_HERE("__shfl_sync"))
#define __ballot_sync(mask, value) fibers::ballot((value), FIBERS_HERE("__ballot_sync"))
#define __any_sync(mask, value) (fibers::ballot((value), FIBERS_HERE("__any_sync")) != 0)
#define __all_sync(mask, value) (fibers::ballot((value), FIBERS_HERE("__all_sync")) == ~0u)
#define mma_tf32(d, a, b) fibers::multiply(d, a, b, FIBERS_HERE("mma_tf32"))
#define mma_bf16(d, a, b) fibers::multiply(d, a, b, FIBERS_HERE("mma_bf16"))

struct alignas(16) float4 {
  float x, y, z, w;
};

static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz((unsigned)x); }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((unsigned long long)a * b >> 32); }
static inline float __fmaf_rn(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline float __fadd_rn(float a, float b) { return a + b; }
static inline float __fsub_rn(float a, float b) { return a - b; }
static inline double __dmul_rn(double a, double b) { return a * b; }
static inline double __dadd_rn(double a, double b) { return a + b; }
static inline double __dsub_rn(double a, double b) { return a - b; }
static inline double __ddiv_rn(double a, double b) { return a / b; }
static inline double __dsqrt_rn(double a) { return std::sqrt(a); }
static inline float __int_as_float(int bits) { return fibers::as_float((unsigned)bits); }
static inline float __uint_as_float(unsigned bits) { return fibers::as_float(bits); }
static inline unsigned __float_as_uint(float value) { unsigned bits; memcpy(&bits, &value, 4); return bits; }
static inline int __float_as_int(float value) { return (int)__float_as_uint(value); }
static inline long long __double_as_longlong(double value) { long long bits; memcpy(&bits, &value, 8); return bits; }
static inline double __longlong_as_double(long long bits) { double value; memcpy(&value, &bits, 8); return value; }
// To the nearest, ties away from 0.
static inline unsigned tf32(float value) {
  unsigned bits = __float_as_uint(value);
  return (bits & 0x7f800000u) == 0x7f800000u ? bits : (bits + 0x1000u) & ~0x1fffu;
}
// To the nearest, ties to even.
static inline unsigned short bf16(float value) {
  unsigned bits = __float_as_uint(value);
  if (value != value) return 0x7fff;
  return (unsigned short)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}
static inline unsigned upper_halves(float low, float high) {
  return __float_as_uint(low) >> 16 | (__float_as_uint(high) & 0xffff0000u);
}
template <class T> static inline T atomicAdd(T *at, T value) { T old = *at; *at = old + value; return old; }
template <class T> static inline T atomicMax(T *at, T value) { T old = *at; if (value > old) *at = value; return old; }
