// The language of the kernels: a part of CUDA C++ that NVRTC compiles for GPUs without any headers, and that a host compiler
// compiles as well, to run the same files in tests (Tests/FakeCUDA/include/Fibers.hpp).
//
// Allowed: blocks of whole warps in one dimension; barriers, shuffles and votes that whole warps reach, with the full mask;
// integer atomics; generic lambdas; the words below. Not allowed: other headers, lock step without barriers, blocks that wait for blocks.
//
// NVRTC's options: --gpu-architecture=sm_XY --std=c++17 --minimal --restrict --fmad=true --device-as-default-execution-space (the
// last one for generic lambdas, which would be the host's otherwise).
#ifndef CUDA_DIALECT
#define CUDA_DIALECT

#if defined(__CUDACC__) || defined(__CUDACC_RTC__)

#define DEVICE static __device__ __forceinline__
// For what is long and called from several places.
#define DEVICE_CALL static __device__ __noinline__
#define KERNEL(name, Arguments) extern "C" __global__ void name(const Arguments a)
// One that meets no barrier and exchanges nothing: on the host a loop.
#define KERNEL_PLAIN(name, Arguments) extern "C" __global__ void name(const Arguments a)
#define KERNEL_BOUNDS(name, Arguments, threads, blocks) extern "C" __global__ void __launch_bounds__(threads, blocks) name(const Arguments a)
// On a boundary of 16 bytes, to be read and written in fours.
#define SHARED(T, name, size) __shared__ __align__(16) T name size
#define DYNAMIC_SHARED(T, name) \
  extern __shared__ __align__(16) unsigned char dynamic_memory[]; \
  T *name = (T *)dynamic_memory
#define UNROLL _Pragma("unroll")
#define UNROLL_TEXT(text) _Pragma(#text)
#define UNROLL_BY(count) UNROLL_TEXT(unroll count)
#ifndef INFINITY
#define INFINITY __int_as_float(0x7f800000)
#endif
#ifndef NAN
#define NAN __int_as_float(0x7fffffff)
#endif

DEVICE unsigned tf32(float value) {
  unsigned bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
  return bits;
}
// d += A B, [16, 8] by [8, 8]. Volatile: it must not be moved to where only some lanes need the result.
DEVICE void mma_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// To the nearest, ties to even.
DEVICE unsigned short bf16(float value) {
  unsigned short bits;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
}
// The same shapes; two numbers a register, the first one low.
DEVICE void mma_bf16(float (&d)[4], const unsigned (&a)[2], unsigned b) {
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(b));
}
// What bf16 keeps of two numbers, in one register.
DEVICE unsigned upper_halves(float low, float high) { return __byte_perm(__float_as_uint(low), __float_as_uint(high), 0x7632); }

#else
#include "Fibers.hpp"
#endif

#define ALL_LANES 0xffffffffu

// ---- Sentences that several files use.

DEVICE int lane() { return threadIdx.x % 32; }
DEVICE int warp() { return threadIdx.x / 32; }

template <class T> DEVICE T smaller_of(T a, T b) { return b < a ? b : a; }
template <class T> DEVICE T larger_of(T a, T b) { return b > a ? b : a; }

DEVICE bool is_finite(float value) { return (__float_as_uint(value) & 0x7f800000u) != 0x7f800000u; }

// Every lane gets the sum, added in one order.
template <class T> DEVICE T warp_sum(T value) {
  UNROLL for (int distance = 16; distance > 0; distance /= 2) value += __shfl_xor_sync(ALL_LANES, value, distance);
  return value;
}
DEVICE float warp_largest(float value) {
  UNROLL for (int distance = 16; distance > 0; distance /= 2) {
    float other = __shfl_xor_sync(ALL_LANES, value, distance);
    value = other > value ? other : value;
  }
  return value;
}

// Every thread of a block of 256 gets the sum: of each warp, then of the warps in order.
template <class T> DEVICE T block_sum(T value, T *parts) {
  value = warp_sum(value);
  __syncthreads();  // the last sum has been read
  if (lane() == 0) parts[warp()] = value;
  __syncthreads();
  T sum = parts[0];
  UNROLL for (int i = 1; i < 8; i++) sum += parts[i];
  return sum;
}
DEVICE float block_largest(float value, float *parts) {
  value = warp_largest(value);
  __syncthreads();
  if (lane() == 0) parts[warp()] = value;
  __syncthreads();
  float largest = parts[0];
  UNROLL for (int i = 1; i < 8; i++) largest = parts[i] > largest ? parts[i] : largest;
  return largest;
}

DEVICE bool aligned(const void *a) { return ((unsigned long long)a & 15) == 0; }

// Where number i of a result stands along each of its merged axes, of which axis 0 is the innermost.
template <class Arguments, class Index, class Body> DEVICE void along_axes(const Arguments &a, Index i, Body body) {
  constexpr int most = sizeof(a.sizes) / sizeof(a.sizes[0]);
  UNROLL for (int axis = 0; axis < most; axis++) {
    if (axis >= a.axes) break;
    Index size = (Index)a.sizes[axis], place = i;
    if (axis + 1 < a.axes) {
      Index rest = i / size;
      place = i - rest * size;
      i = rest;
    }
    body(axis, place);
  }
}

// Every number below count once, over a grid of any size. `body` takes an index of 32 or, for large counts, of 64 bits.
template <class Body> DEVICE void each(long long count, Body body) {
  if (count < 1ll << 31) {
    unsigned step = gridDim.x * blockDim.x, end = (unsigned)count;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < end; i += step) body(i);
  } else {
    long long step = (long long)gridDim.x * blockDim.x;
    for (unsigned long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < (unsigned long long)count; i += step) body(i);
  }
}

// The same in fours and, for what is left, in ones: `four` takes the number of a four, `one` that of a number.
template <class Four, class One> DEVICE void each_four(bool in_fours, long long count, Four four, One one) {
  long long fours = in_fours ? count / 4 : 0, step = (long long)gridDim.x * blockDim.x;
  long long first = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  for (long long i = first; i < fours; i += step) four(i);
  for (long long i = 4 * fours + first; i < count; i += step) one(i);
}

// y = f(x) and y = f(x, z), number by number; y may be x.
template <class F> DEVICE void map(const float *x, float *y, long long count, F f) {
  each_four(
      aligned(x) && aligned(y), count,
      [&](long long i) {
        float4 v = ((const float4 *)x)[i];
        v.x = f(v.x); v.y = f(v.y); v.z = f(v.z); v.w = f(v.w);
        ((float4 *)y)[i] = v;
      },
      [&](long long i) { y[i] = f(x[i]); });
}
template <class F> DEVICE void map(const float *x, const float *z, float *y, long long count, F f) {
  each_four(
      aligned(x) && aligned(z) && aligned(y), count,
      [&](long long i) {
        float4 v = ((const float4 *)x)[i], u = ((const float4 *)z)[i];
        v.x = f(v.x, u.x); v.y = f(v.y, u.y); v.z = f(v.z, u.z); v.w = f(v.w, u.w);
        ((float4 *)y)[i] = v;
      },
      [&](long long i) { y[i] = f(x[i], z[i]); });
}

// The first of the windows of `size`, `stride` apart, that reaches over a place.
DEVICE int first_window(int place, int size, int stride) { return place < size ? 0 : (place - size) / stride + 1; }

// exp(x) for x up to about 80, never 0 itself: as on the CPU, infinity times it is infinity.
DEVICE float small_exponential(float x) { return expf(x < -87.3365479f ? -87.3365479f : x); }

DEVICE float logistic(float v) {
  float e = small_exponential(v < 0 ? v : -v);
  float r = 1.0f / (1.0f + e);
  return v < 0 ? e * r : r;
}
// tanh(log(1 + e^x)) = n / (n + 2) with n = e^x (e^x + 2).
DEVICE float mish_factor(float v) {
  float e = small_exponential(v > 20.0f ? 20.0f : v);
  float n = e * (e + 2.0f);
  return n / (n + 2.0f);
}
DEVICE float mish_slope(float v) {
  float t = mish_factor(v);
  return t + v * (1.0f - t * t) * logistic(v);
}
DEVICE float silu_slope(float v) { return logistic(v) * (1.0f + v * (1.0f - logistic(v))); }

// Philox4x32-10 of (key, block); see Sources/Tensors/Random.swift.
struct Words {
  unsigned word[4];
};
DEVICE Words philox(unsigned long long key, unsigned long long block) {
  unsigned c0 = (unsigned)block, c1 = (unsigned)(block >> 32), c2 = 0, c3 = 0, k0 = (unsigned)key, k1 = (unsigned)(key >> 32);
  UNROLL for (int round = 0; round < 10; round++) {
    unsigned high0 = __umulhi(0xd2511f53u, c0), low0 = 0xd2511f53u * c0;
    unsigned high1 = __umulhi(0xcd9e8d57u, c2), low1 = 0xcd9e8d57u * c2;
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 += 0x9e3779b9u;
    k1 += 0xbb67ae85u;
  }
  return {{c0, c1, c2, c3}};
}
// Words below it are dropped.
DEVICE unsigned dropout_limit(float rate) { return (unsigned)((double)rate * 4294967296.0); }

#endif
