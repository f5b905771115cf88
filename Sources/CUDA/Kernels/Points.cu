// Points in space: which are far apart, and which is near.
#include "Dialect.h"
#include "Arguments.h"

// Rounded as the CPU's vector code rounds it, so that the same points are chosen.
DEVICE float squared_distance(float dx, float dy, float dz) { return __fmaf_rn(dz, dz, __fmaf_rn(dx, dx, __fmul_rn(dy, dy))); }

// Larger for larger distances and, of equals, for smaller places: distances are not negative, so their bits are in their order.
DEVICE unsigned long long rank(float distance, int place) { return (unsigned long long)__float_as_uint(distance) << 32 | (0xffffffffu - (unsigned)place); }
DEVICE unsigned long long warp_largest_rank(unsigned long long value) {
  UNROLL for (int distance = 16; distance > 0; distance /= 2) value = larger_of(value, __shfl_xor_sync(ALL_LANES, value, distance));
  return value;
}

// A block a cloud. A thread keeps KEPT points in registers, or none and reads them each time.
template <int KEPT> DEVICE void choose(const cuda_farthest_points_arguments &a, unsigned long long *parts) {
  const float *points = a.points + (long long)blockIdx.x * a.n * 3;
  float *distances = a.distances + (long long)blockIdx.x * a.n;
  int *places = a.places + (long long)blockIdx.x * a.count, thread = threadIdx.x;
  float x[KEPT > 0 ? KEPT : 1], y[KEPT > 0 ? KEPT : 1], z[KEPT > 0 ? KEPT : 1], nearest[KEPT > 0 ? KEPT : 1];
  if constexpr (KEPT > 0) {
    UNROLL for (int k = 0; k < KEPT; k++) {
      int i = thread + k * 1024;
      bool in = i < a.n;
      x[k] = in ? points[3 * i] : 0.0f;
      y[k] = in ? points[3 * i + 1] : 0.0f;
      z[k] = in ? points[3 * i + 2] : 0.0f;
      nearest[k] = INFINITY;
    }
  } else {
    for (int i = thread; i < a.n; i += 1024) distances[i] = INFINITY;
  }
  int last = 0;
  if (thread == 0) places[0] = 0;
  for (int chosen = 1; chosen < a.count; chosen++) {
    float px = points[3 * last], py = points[3 * last + 1], pz = points[3 * last + 2];
    unsigned long long best = 0;
    if constexpr (KEPT > 0) {
      UNROLL for (int k = 0; k < KEPT; k++) {
        int i = thread + k * 1024;
        float d = squared_distance(x[k] - px, y[k] - py, z[k] - pz);
        nearest[k] = d < nearest[k] ? d : nearest[k];
        if (i < a.n) best = larger_of(best, rank(nearest[k], i));
      }
    } else {
      for (int i = thread; i < a.n; i += 1024) {
        float d = squared_distance(points[3 * i] - px, points[3 * i + 1] - py, points[3 * i + 2] - pz), old = distances[i];
        d = d < old ? d : old;
        distances[i] = d;
        best = larger_of(best, rank(d, i));
      }
    }
    best = warp_largest_rank(best);
    if (lane() == 0) parts[warp()] = best;
    __syncthreads();
    best = warp_largest_rank(parts[lane()]);
    last = (int)(0xffffffffu - (unsigned)best);
    if (thread == 0) places[chosen] = last;
    __syncthreads();  // the parts have been read
  }
}

KERNEL_BOUNDS(cuda_farthest_points, cuda_farthest_points_arguments, 1024, 1) {
  SHARED(unsigned long long, parts, [32]);
  if (a.n <= 1024) choose<1>(a, parts);
  else if (a.n <= 4096) choose<4>(a, parts);
  else if (a.n <= 8192) choose<8>(a, parts);
  else choose<0>(a, parts);
}

// 256 points a block, 256 others at a time.
KERNEL_BOUNDS(cuda_nearest, cuda_nearest_arguments, 256, 4) {
  SHARED(float, others, [3][256]);
  int blocks = (a.n + 255) / 256;
  long long item = blockIdx.x / blocks;
  int point = (int)(blockIdx.x - item * blocks) * 256 + threadIdx.x;
  const float *from = a.b + item * a.m * 3;
  float x = 0, y = 0, z = 0, best = INFINITY;
  int place = 0;
  if (point < a.n) {
    const float *own = a.a + (item * a.n + point) * 3;
    x = own[0];
    y = own[1];
    z = own[2];
  }
  for (int first = 0; first < a.m; first += 256) {
    int count = smaller_of(256, a.m - first);
    __syncthreads();
    for (int i = threadIdx.x; i < 3 * count; i += 256) others[i % 3][i / 3] = from[3 * (long long)first + i];
    __syncthreads();
    for (int i = 0; i < count; i++) {
      float d = squared_distance(x - others[0][i], y - others[1][i], z - others[2][i]);
      if (d < best) {
        best = d;
        place = first + i;
      }
    }
  }
  if (point >= a.n) return;
  if (a.places) a.places[item * a.n + point] = place;
  if (a.distances) a.distances[item * a.n + point] = best;
}

// A thread keeps its point and goes through 16 rows.
KERNEL_PLAIN(cuda_distances, cuda_distances_arguments) {
  int chunks = (a.n + 255) / 256, strips = (a.rows + 15) / 16;
  int point = (int)(blockIdx.x % chunks) * 256 + threadIdx.x;
  long long strip = blockIdx.x / chunks, item = strip / strips;
  int first = (int)(strip - item * strips) * 16, last = smaller_of(first + 16, a.rows);
  if (point >= a.n) return;
  const float *own = a.points + (item * a.n + point) * 3;
  float x = own[0], y = own[1], z = own[2];
  for (int row = first; row < last; row++) {
    const float *place = a.places + (item * a.rows + row) * 3, *weight = a.weights + row * 3;
    float dx = x - place[0], dy = y - place[1], dz = z - place[2];
    a.to[(item * a.rows + row) * a.n + point] = weight[0] * dx * dx + weight[1] * dy * dy + weight[2] * dz * dz;
  }
}
