// Sums and largest numbers. In which order numbers are added depends on shapes alone.
#include "Dialect.h"
#include "Arguments.h"

KERNEL_BOUNDS(cuda_sum_inner, cuda_sum_inner_arguments, 256, 4) {
  if (a.size <= 1024) {
    long long row = (long long)blockIdx.x * 8 + warp();
    if (row >= a.rows) return;
    const float *x = a.x + row * a.size;
    float sum = 0;
    for (int i = lane(); i < a.size; i += 32) sum += x[i];
    sum = warp_sum(sum);
    if (lane() == 0) a.y[row] = sum;
    return;
  }
  SHARED(float, sums, [8]);
  long long parts = (a.size + a.part - 1) / a.part, row = blockIdx.x / parts, first = (blockIdx.x - row * parts) * a.part;
  const float *x = a.x + row * a.size;
  long long end = smaller_of(first + a.part, a.size);
  // Four sums a thread, so that its additions do not wait for each other.
  float sum[4] = {0, 0, 0, 0};
  long long i = first + threadIdx.x;
  for (; i + 768 < end; i += 1024) {
    UNROLL for (int k = 0; k < 4; k++) sum[k] += x[i + 256 * k];
  }
  for (; i < end; i += 256) sum[0] += x[i];
  float all = block_sum((sum[0] + sum[1]) + (sum[2] + sum[3]), sums);
  if (threadIdx.x == 0) a.y[blockIdx.x] = all;
}

KERNEL_BOUNDS(cuda_sum_middle, cuda_sum_middle_arguments, 256, 4) {
  if (a.plain) {
    long long i = (long long)blockIdx.x * 256 + threadIdx.x;
    if (i >= a.outer * a.inner) return;
    long long item = i / a.inner;
    const float *x = a.x + item * a.size * a.inner + (i - item * a.inner);
    float sum = 0;
    for (long long row = 0; row < a.size; row++) sum += x[row * a.inner];
    a.y[i] = sum;
    return;
  }
  SHARED(float, sums, [8][32]);
  long long across = (a.inner + 31) / 32, parts = (a.size + a.part - 1) / a.part;
  long long part_cell = blockIdx.x / across, column = (blockIdx.x - part_cell * across) * 32 + lane();
  long long item = part_cell / parts, first = (part_cell - item * parts) * a.part, end = smaller_of(first + a.part, a.size);
  float sum = 0;
  if (column < a.inner) {
    const float *x = a.x + item * a.size * a.inner + column;
    float second = 0;
    long long row = first + warp();
    for (; row + 8 < end; row += 16) {
      sum += x[row * a.inner];
      second += x[(row + 8) * a.inner];
    }
    if (row < end) sum += x[row * a.inner];
    sum += second;
  }
  sums[warp()][lane()] = sum;
  __syncthreads();
  if (warp() != 0 || column >= a.inner) return;
  UNROLL for (int i = 1; i < 8; i++) sum += sums[i][lane()];
  a.y[part_cell * a.inner + column] = sum;
}

// The larger, the first of equals; place beyond all: none yet.
struct Largest {
  float value;
  int place;
};
DEVICE void take(Largest &best, float value, int place) {
  if (value > best.value || (value == best.value && place < best.place)) best = {value, place};
}

KERNEL_BOUNDS(cuda_argmax, cuda_argmax_arguments, 256, 4) {
  Largest best = {-INFINITY, 0x7fffffff};
  long long cell;
  const float *x;
  if (a.inner == 1) {
    cell = (long long)blockIdx.x * 8 + warp();
    if (cell >= a.outer) return;
    x = a.x + cell * a.size;
    for (int i = lane(); i < a.size; i += 32) take(best, x[i], i);
    UNROLL for (int distance = 16; distance > 0; distance /= 2) {
      float value = __shfl_xor_sync(ALL_LANES, best.value, distance);
      int place = __shfl_xor_sync(ALL_LANES, best.place, distance);
      take(best, value, place);
    }
    if (lane() != 0) return;
  } else {
    cell = (long long)blockIdx.x * 256 + threadIdx.x;
    if (cell >= a.outer * a.inner) return;
    long long item = cell / a.inner;
    x = a.x + item * a.size * a.inner + (cell - item * a.inner);
    for (int i = 0; i < a.size; i++) take(best, x[i * a.inner], i);
  }
  // A first number that is none is never beaten, as nothing is larger; others never win.
  float first = x[0];
  if (first != first) best = {first, 0};
  if (a.places) a.places[cell] = best.place;
  if (a.largest) a.largest[cell] = best.value;
}

KERNEL_PLAIN(cuda_argmax_gradient, cuda_argmax_gradient_arguments) {
  each(a.outer * a.size * a.inner, [&](auto i) {
    using Index = decltype(i);
    Index inner = (Index)a.inner, size = (Index)a.size, row = i / inner, item = row / size;
    Index from = item * inner + (i - row * inner);
    a.dx[i] = a.places[from] == (int)(row - item * size) ? 0.0f + a.dy[from] : 0.0f;
  });
}
