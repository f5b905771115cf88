// Gaussians as an image, and back: see Sources/Tensors/CPU/Splatting.swift. Sorted by depth, dealt into tiles of 16 x 16 pixels,
// blended front to back; gradients are kept by entry and added for each Gaussian in the order of its tiles.
#include "Dialect.h"
#include "Arguments.h"

// ---- Three numbers, and three rows of them.

struct Vector {
  float x, y, z;
};
DEVICE Vector operator+(Vector a, Vector b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
DEVICE Vector operator*(float f, Vector a) { return {f * a.x, f * a.y, f * a.z}; }
DEVICE Vector by_axis(Vector a, Vector b) { return {a.x * b.x, a.y * b.y, a.z * b.z}; }
DEVICE float dot(Vector a, Vector b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
DEVICE Vector at(const float *from, int i) { return {from[3ll * i], from[3ll * i + 1], from[3ll * i + 2]}; }
DEVICE void put(float *to, int i, Vector v) {
  to[3ll * i] = v.x;
  to[3ll * i + 1] = v.y;
  to[3ll * i + 2] = v.z;
}

struct Matrix {
  Vector a, b, c;
};
DEVICE Matrix transposed(Matrix m) { return {{m.a.x, m.b.x, m.c.x}, {m.a.y, m.b.y, m.c.y}, {m.a.z, m.b.z, m.c.z}}; }
DEVICE Vector operator*(Matrix m, Vector v) { return {dot(m.a, v), dot(m.b, v), dot(m.c, v)}; }
DEVICE Vector row_times(Vector r, Matrix m) { return r.x * m.a + r.y * m.b + r.z * m.c; }
DEVICE Matrix operator*(Matrix m, Matrix n) { return {row_times(m.a, n), row_times(m.b, n), row_times(m.c, n)}; }
DEVICE Matrix columns_times(Matrix m, Vector f) { return {by_axis(m.a, f), by_axis(m.b, f), by_axis(m.c, f)}; }

struct Quaternion {
  float w, x, y, z;
};
DEVICE Matrix rotation_of(Quaternion q) {
  return {
      {1 - 2 * (q.y * q.y + q.z * q.z), 2 * (q.x * q.y - q.w * q.z), 2 * (q.x * q.z + q.w * q.y)},
      {2 * (q.x * q.y + q.w * q.z), 1 - 2 * (q.x * q.x + q.z * q.z), 2 * (q.y * q.z - q.w * q.x)},
      {2 * (q.x * q.z - q.w * q.y), 2 * (q.y * q.z + q.w * q.x), 1 - 2 * (q.x * q.x + q.y * q.y)}};
}
DEVICE Quaternion quaternion(const float *from, int i) { return {from[4ll * i], from[4ll * i + 1], from[4ll * i + 2], from[4ll * i + 3]}; }
DEVICE float length_of(Quaternion q) { return sqrtf(q.w * q.w + q.x * q.x + q.y * q.y + q.z * q.z); }

// ---- Projection.

DEVICE Matrix matrix_of(const cuda_splat_view &view) {
  const float *r = view.rotation;
  return {{r[0], r[1], r[2]}, {r[3], r[4], r[5]}, {r[6], r[7], r[8]}};
}

// A Gaussian before the camera.
struct Projection {
  bool visible;
  Matrix rotation, half;       // half: in the camera's frame, rotation times scales
  Vector mean, first, second;  // the mean in that frame; first, second: the rows of the Jacobian times half
  float kept[2];               // the mean's x and y, kept near the image,
  bool moved[2];               // and whether they had to be moved
  float conic[3], variances[2];
};

DEVICE Projection project(const cuda_splat_view &view, Vector mean, Vector scale, Quaternion q) {
  Projection p;
  p.visible = false;
  p.mean = matrix_of(view) * mean + Vector{view.translation[0], view.translation[1], view.translation[2]};
  float length = length_of(q), z = p.mean.z;
  if (!(z > view.near && is_finite(z) && length > 0 && is_finite(length))) return p;
  // Far beside the image the projection is no longer like a straight one: there it is taken from its edge.
  float place[2] = {p.mean.x, p.mean.y}, size[2] = {(float)view.width, (float)view.height};
  UNROLL for (int i = 0; i < 2; i++) {
    float margin = 0.15f * size[i] / view.focal[i], low = -(view.center[i] / view.focal[i]) - margin;
    float high = (size[i] - view.center[i]) / view.focal[i] + margin, ratio = place[i] / z;
    float clipped = ratio < low ? low : ratio;
    clipped = clipped > high ? high : clipped;
    p.kept[i] = clipped * z;
    p.moved[i] = ratio != clipped;
  }
  p.rotation = rotation_of({q.w / length, q.x / length, q.y / length, q.z / length});
  p.half = columns_times(matrix_of(view) * p.rotation, scale);
  float fx = view.focal[0], fy = view.focal[1];
  Matrix across = transposed(p.half);
  p.first = across * Vector{fx / z, 0, -fx * p.kept[0] / (z * z)};
  p.second = across * Vector{0, fy / z, -fy * p.kept[1] / (z * z)};
  // The blur keeps Gaussians from slipping between the pixels.
  float xx = dot(p.first, p.first) + 0.3f, yy = dot(p.second, p.second) + 0.3f, xy = dot(p.first, p.second);
  float determinant = xx * yy - xy * xy;
  if (!(determinant > 0 && is_finite(determinant))) return p;
  p.conic[0] = yy / determinant;
  p.conic[1] = -xy / determinant;
  p.conic[2] = xx / determinant;
  p.variances[0] = xx;
  p.variances[1] = yy;
  p.visible = true;
  return p;
}

DEVICE void span(float middle, float half, int limit, int *to) {
  int first = larger_of(0, (int)((middle - half) / 16.0f));
  to[0] = first;
  to[1] = larger_of(first, smaller_of(limit, (int)((middle + half) / 16.0f) + 1));
}

KERNEL_PLAIN(cuda_splat_project, cuda_splat_project_arguments) {
  int i = blockIdx.x * 256 + threadIdx.x;
  if (i >= a.n) return;
  cuda_splat splat = {};
  int spans[4] = {0, 0, 0, 0};
  float opacity = a.opacities[i];
  if (opacity >= 1.0f / 255.0f && is_finite(opacity)) {
    Projection p = project(a.view, at(a.means, i), at(a.scales, i), quaternion(a.rotations, i));
    if (p.visible) {
      float x = a.view.focal[0] * p.mean.x / p.mean.z + a.view.center[0], y = a.view.focal[1] * p.mean.y / p.mean.z + a.view.center[1];
      // Beyond this many deviations it is below 1/255.
      float reach = sqrtf(2.0f * logf(255.0f * opacity));
      reach = reach < 3.33f ? reach : 3.33f;
      float width = reach * sqrtf(p.variances[0]), height = reach * sqrtf(p.variances[1]);
      bool drawn = x + width > 0 && y + height > 0 && x - width < (float)a.view.width && y - height < (float)a.view.height;
      if (drawn && width < 1e6f && height < 1e6f) {
        splat = {
            x, y, p.conic[0], p.conic[1], p.conic[2], opacity, width, height,
            {a.colors[3ll * i], a.colors[3ll * i + 1], a.colors[3ll * i + 2], p.mean.z}};
        span(x, width, a.view.columns, spans);
        span(y, height, a.view.rows, spans + 2);
      }
    }
  }
  a.splats[i] = splat;
  UNROLL for (int k = 0; k < 4; k++) a.spans[4ll * i + k] = spans[k];
  // Numbers above 0 are in the order of their bits.
  a.keys[i] = splat.opacity > 0 ? __float_as_uint(splat.color[3]) : 0xffffffffu;
  a.values[i] = i;
}

// ---- Sorting.

enum { sort_block = 2048 };

KERNEL_BOUNDS(cuda_sort_count, cuda_sort_count_arguments, 256, 4) {
  SHARED(int, digits, [256]);
  digits[threadIdx.x] = 0;
  __syncthreads();
  int count = a.count, first = blockIdx.x * sort_block;
  for (int i = first + threadIdx.x; i < smaller_of(first + sort_block, count); i += 256) atomicAdd(&digits[a.keys[i] >> a.shift & 255], 1);
  __syncthreads();
  a.counts[(long long)threadIdx.x * gridDim.x + blockIdx.x] = digits[threadIdx.x];
}

KERNEL_BOUNDS(cuda_scan, cuda_scan_arguments, 1024, 1) {
  SHARED(int, parts, [32]);
  long long before = 0;
  for (int first = 0; first < a.count; first += 4096) {
    int own[4], sum = 0, start = first + threadIdx.x * 4;
    UNROLL for (int k = 0; k < 4; k++) {
      own[k] = start + k < a.count ? a.from[start + k] : 0;
      sum += own[k];
    }
    int scan = sum;
    UNROLL for (int distance = 1; distance < 32; distance *= 2) {
      int lower = __shfl_up_sync(ALL_LANES, scan, distance);
      if (lane() >= distance) scan += lower;
    }
    if (lane() == 31) parts[warp()] = scan;
    __syncthreads();
    int own_part = parts[lane()], part = own_part;
    UNROLL for (int distance = 1; distance < 32; distance *= 2) {
      int lower = __shfl_up_sync(ALL_LANES, part, distance);
      if (lane() >= distance) part += lower;
    }
    int all = __shfl_sync(ALL_LANES, part, 31), lower_parts = __shfl_sync(ALL_LANES, part - own_part, warp());
    long long place = before + lower_parts + scan - sum;
    UNROLL for (int k = 0; k < 4; k++) {
      // Sums beyond what an int holds stay at its end.
      if (start + k < a.count) a.to[start + k] = (int)smaller_of(place, 0x7fffffffll);
      place += own[k];
    }
    before += all;
    __syncthreads();  // the parts have been read
  }
  if (a.total && threadIdx.x == 0) *a.total = (int)smaller_of(before, 0x7fffffffll);
}

KERNEL_BOUNDS(cuda_sort_move, cuda_sort_move_arguments, 256, 4) {
  SHARED(int, places, [256]);     // where the next key of a digit goes
  SHARED(int, warps, [8][256]);   // of each warp: how many, then where they begin
  int count = a.count, first = blockIdx.x * sort_block, thread = threadIdx.x;
  places[thread] = a.starts[(long long)thread * gridDim.x + blockIdx.x];
  for (int from = first; from < smaller_of(first + sort_block, count); from += 256) {
    int i = from + thread;
    bool in = i < count;
    unsigned key = in ? a.keys[i] : 0, digit = key >> a.shift & 255;
    UNROLL for (int w = 0; w < 8; w++) warps[w][thread] = 0;
    // The lanes of the warp that have the same digit.
    unsigned same = __ballot_sync(ALL_LANES, in);
    UNROLL for (int bit = 0; bit < 8; bit++) {
      unsigned set = __ballot_sync(ALL_LANES, digit >> bit & 1);
      same &= digit >> bit & 1 ? set : ~set;
    }
    int before = __popc(same & ((1u << lane()) - 1));
    __syncthreads();
    if (in && before == 0) warps[warp()][digit] = __popc(same);
    __syncthreads();
    int place = places[thread];
    UNROLL for (int w = 0; w < 8; w++) {
      int size = warps[w][thread];
      warps[w][thread] = place;
      place += size;
    }
    places[thread] = place;
    __syncthreads();
    if (in) {
      int to = warps[warp()][digit] + before;
      a.to_keys[to] = key;
      a.to_values[to] = a.values[i];
    }
    __syncthreads();
  }
}

// ---- Entries: a Gaussian and a tile that it touches.

DEVICE int touched(const cuda_splat *splats, const int *spans, int i) {
  const int *s = spans + 4ll * i;
  return splats[i].opacity > 0 ? (s[1] - s[0]) * (s[3] - s[2]) : 0;
}

KERNEL_PLAIN(cuda_splat_counts, cuda_splat_counts_arguments) {
  int r = blockIdx.x * 256 + threadIdx.x;
  if (r < a.n) a.counts[r] = touched(a.splats, a.spans, a.order[r]);
}

KERNEL_PLAIN(cuda_splat_entries, cuda_splat_entries_arguments) {
  int r = blockIdx.x * 256 + threadIdx.x;
  if (r >= a.n) return;
  int i = a.order[r];
  if (touched(a.splats, a.spans, i) == 0) return;
  const int *s = a.spans + 4ll * i;
  int entry = a.offsets[r];
  for (int row = s[2]; row < s[3]; row++)
    for (int column = s[0]; column < s[1]; column++) {
      if (entry >= a.capacity) return;
      a.keys[entry] = (unsigned)(row * a.columns + column);
      a.values[entry] = entry;
      a.gaussians[entry] = i;
      entry++;
    }
}

KERNEL_PLAIN(cuda_splat_starts, cuda_splat_starts_arguments) {
  int i = blockIdx.x * 256 + threadIdx.x, count = smaller_of(*a.total, a.capacity);
  if (count == 0 && i == 0)
    for (int tile = 0; tile <= a.tiles; tile++) a.starts[tile] = 0;
  if (i >= count) return;
  int tile = (int)a.keys[i];
  for (int t = i > 0 ? (int)a.keys[i - 1] + 1 : 0; t <= tile; t++) a.starts[t] = i;
  if (i == count - 1)
    for (int t = tile + 1; t <= a.tiles; t++) a.starts[t] = count;
  int entry = a.values[i];
  a.list[i] = a.gaussians[entry];
  a.places[entry] = i;
}

// ---- Blending. Constants as gsplat's: nothing below 1/255, no more than 0.99, and a ray ends before less than 1e-4 is left.

// How opaque a splat is at a pixel, and whether that counts. Rounded by name: both passes must see the same.
struct Opacity {
  float dx, dy, falloff, raw, alpha;
  bool counts;
};
DEVICE Opacity opacity_at(const cuda_splat &s, float x, float y) {
  Opacity o;
  o.dx = __fsub_rn(s.x, x);
  o.dy = __fsub_rn(s.y, y);
  float square = __fmaf_rn(__fmul_rn(s.a, o.dx), o.dx, __fmul_rn(s.c, __fmul_rn(o.dy, o.dy)));
  float sigma = __fmaf_rn(0.5f, square, __fmul_rn(__fmul_rn(s.b, o.dy), o.dx));
  o.falloff = expf(-(sigma < 80.0f ? sigma : 80.0f));
  o.raw = __fmul_rn(s.opacity, o.falloff);
  o.alpha = o.raw < 0.99f ? o.raw : 0.99f;
  o.counts = sigma >= 0.0f && o.alpha >= 1.0f / 255.0f;
  return o;
}

// The pixel of a thread: its tile's first, and its own.
struct Pixel {
  int column, row;
  bool inside;
  float x, y;
};
DEVICE Pixel pixel_of(const cuda_splat_view &view) {
  int column = (int)blockIdx.x % view.columns * 16 + (int)threadIdx.x % 16, row = (int)blockIdx.x / view.columns * 16 + (int)threadIdx.x / 16;
  return {column, row, column < view.width && row < view.height, (float)column + 0.5f, (float)row + 0.5f};
}

KERNEL_BOUNDS(cuda_splat_blend, cuda_splat_blend_arguments, 256, 2) {
  SHARED(cuda_splat, splats, [256]);
  SHARED(int, votes, [2][8]);
  Pixel pixel = pixel_of(a.view);
  int first = a.starts[blockIdx.x], count = a.starts[blockIdx.x + 1] - first, last = 0;
  float left = 1, sums[4] = {0, 0, 0, 0};
  bool alive = true;
  for (int from = 0, turn = 0; from < count; from += 256, turn ^= 1) {
    bool any = __any_sync(ALL_LANES, alive);
    if (lane() == 0) votes[turn][warp()] = any;
    __syncthreads();
    int living = 0;
    UNROLL for (int w = 0; w < 8; w++) living |= votes[turn][w];
    if (!living) break;
    if (from + (int)threadIdx.x < count) splats[threadIdx.x] = a.splats[a.list[first + from + threadIdx.x]];
    __syncthreads();
    int end = smaller_of(256, count - from);
    for (int k = 0; k < end && alive; k++) {
      const cuda_splat &s = splats[k];
      Opacity o = opacity_at(s, pixel.x, pixel.y);
      if (!o.counts) continue;
      float weight = __fmul_rn(o.alpha, left), rest = __fsub_rn(left, weight);
      if (rest <= 1e-4f) {
        alive = false;
        break;
      }
      left = rest;
      UNROLL for (int c = 0; c < 4; c++) sums[c] += weight * s.color[c];
      last = from + k + 1;
    }
  }
  long long at = (long long)blockIdx.x * 256 + threadIdx.x;
  a.remaining[at] = left;
  a.last[at] = last;
  if (!pixel.inside) return;
  float *to = a.image + ((long long)pixel.row * a.view.width + pixel.column) * 5;
  UNROLL for (int c = 0; c < 3; c++) to[c] = sums[c] + left * a.view.background[c];
  to[3] = sums[3];
  to[4] = 1 - left;
}

KERNEL_BOUNDS(cuda_splat_blend_gradient, cuda_splat_blend_gradient_arguments, 256, 2) {
  enum { batch = 32 };
  SHARED(cuda_splat, splats, [batch]);
  SHARED(float, parts, [batch][8][10]);
  Pixel pixel = pixel_of(a.view);
  int first = a.starts[blockIdx.x], count = a.starts[blockIdx.x + 1] - first;
  long long at = (long long)blockIdx.x * 256 + threadIdx.x;
  float through = a.remaining[at], above[5] = {0, 0, 0, 0, 0}, behind[4] = {0, 0, 0, 0};
  int last = a.last[at];
  // Pixels beyond the image get nothing.
  if (pixel.inside) {
    UNROLL for (int c = 0; c < 5; c++) above[c] = a.dimage[((long long)pixel.row * a.view.width + pixel.column) * 5 + c];
  }
  // What the light that is left at the end is worth: alpha less the background.
  float worth = above[4];
  UNROLL for (int c = 0; c < 3; c++) worth -= a.view.background[c] * above[c];
  float rest = through * worth;
  for (int end = count; end > 0; end -= batch) {
    int from = larger_of(0, end - batch);
    __syncthreads();
    if (from + (int)threadIdx.x < end) splats[threadIdx.x] = a.splats[a.list[first + from + threadIdx.x]];
    __syncthreads();
    for (int k = end - from - 1; k >= 0; k--) {
      const cuda_splat &s = splats[k];
      Opacity o = opacity_at(s, pixel.x, pixel.y);
      bool takes = o.counts && last > from + k;
      float g[10] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
      if (__any_sync(ALL_LANES, takes)) {
        if (takes) {
          float again = 1.0f / (1.0f - o.alpha);
          through *= again;
          float weight = o.alpha * through, v_alpha = rest * again;
          UNROLL for (int c = 0; c < 4; c++) {
            g[6 + c] = weight * above[c];
            v_alpha += (s.color[c] * through - behind[c] * again) * above[c];
            behind[c] += weight * s.color[c];
          }
          // Where the cap bites nothing flows through the opacity.
          if (!(o.raw <= 0.99f)) v_alpha = 0;
          float v_sigma = -o.raw * v_alpha;
          g[0] = v_sigma * (s.a * o.dx + s.b * o.dy);
          g[1] = v_sigma * (s.b * o.dx + s.c * o.dy);
          g[2] = v_sigma * (0.5f * o.dx * o.dx);
          g[3] = v_sigma * (o.dx * o.dy);
          g[4] = v_sigma * (0.5f * o.dy * o.dy);
          g[5] = o.falloff * v_alpha;
        }
        UNROLL for (int c = 0; c < 10; c++) g[c] = warp_sum(g[c]);
      }
      if (lane() == 0) {
        UNROLL for (int c = 0; c < 10; c++) parts[k][warp()][c] = g[c];
      }
    }
    __syncthreads();
    for (int i = threadIdx.x; i < (end - from) * 10; i += 256) {
      int k = i / 10, c = i % 10;
      float sum = parts[k][0][c];
      UNROLL for (int w = 1; w < 8; w++) sum += parts[k][w][c];
      a.gradients[(long long)(first + from + k) * 10 + c] = sum;
    }
  }
}

KERNEL_PLAIN(cuda_splat_gradient, cuda_splat_gradient_arguments) {
  int r = blockIdx.x * 256 + threadIdx.x;
  if (r >= a.n) return;
  int i = a.order[r], count = touched(a.splats, a.spans, i);
  float g[10] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  for (int k = 0; k < count && a.offsets[r] + k < a.capacity; k++) {
    const float *own = a.gradients + (long long)a.places[a.offsets[r] + k] * 10;
    UNROLL for (int c = 0; c < 10; c++) g[c] += own[c];
  }
  Vector dmean = {0, 0, 0}, dscale = {0, 0, 0};
  Quaternion dq = {0, 0, 0, 0};
  Quaternion raw = quaternion(a.rotations, i);
  Vector scales = at(a.scales, i);
  bool drawn = a.splats[i].opacity > 0;
  Projection p;
  p.visible = false;
  if (drawn) p = project(a.view, at(a.means, i), scales, raw);
  if (p.visible) {
    float ka = p.conic[0], kb = p.conic[1], kc = p.conic[2];
    // Through the inverse, G = -K GK K; b stands for both off-diagonal numbers.
    float ga = g[2], gb = g[3] / 2, gc = g[4];
    float m00 = ga * ka + gb * kb, m01 = ga * kb + gb * kc, m10 = gb * ka + gc * kb, m11 = gb * kb + gc * kc;
    float s00 = -(ka * m00 + kb * m10), s01 = -(ka * m01 + kb * m11), s11 = -(kb * m01 + kc * m11);
    // The covariance is (J H)(J H)^T with H = half.
    Vector v0 = 2.0f * (s00 * p.first + s01 * p.second), v1 = 2.0f * (s01 * p.first + s11 * p.second);
    float fx = a.view.focal[0], fy = a.view.focal[1], z = p.mean.z;
    Vector row0 = {fx / z, 0, -fx * p.kept[0] / (z * z)}, row1 = {0, fy / z, -fy * p.kept[1] / (z * z)};
    // To H: J^T V, and to J: V H^T.
    Matrix to_half = {row0.x * v0 + row1.x * v1, row0.y * v0 + row1.y * v1, row0.z * v0 + row1.z * v1};
    Vector j0 = p.half * v0, j1 = p.half * v1;
    Vector t = {fx / z * g[0], fy / z * g[1], -(fx * p.mean.x * g[0] + fy * p.mean.y * g[1]) / (z * z) + g[9]};
    t.z += -fx / (z * z) * j0.x - fy / (z * z) * j1.y;
    // -f kept / z^2: when kept it moves with x and z, when moved to the edge it is f ratio / z.
    float ex = fx * p.kept[0] / (z * z * z) * j0.z, ey = fy * p.kept[1] / (z * z * z) * j1.z;
    if (p.moved[0]) {
      t.z += ex;
    } else {
      t.x += -fx / (z * z) * j0.z;
      t.z += 2 * ex;
    }
    if (p.moved[1]) {
      t.z += ey;
    } else {
      t.y += -fy / (z * z) * j1.z;
      t.z += 2 * ey;
    }
    Matrix back = transposed(matrix_of(a.view)), to_m = back * to_half;
    dmean = back * t;
    // M = R diag(s).
    Matrix columns = transposed(to_m), turned = transposed(p.rotation), m = columns_times(to_m, scales);
    dscale = {dot(columns.a, turned.a), dot(columns.b, turned.b), dot(columns.c, turned.c)};
    float length = length_of(raw), w = raw.w / length, x = raw.x / length, y = raw.y / length, qz = raw.z / length;
    Quaternion gq = {
        2 * (x * (m.c.y - m.b.z) + y * (m.a.z - m.c.x) + qz * (m.b.x - m.a.y)),
        2 * (-2 * x * (m.b.y + m.c.z) + y * (m.b.x + m.a.y) + qz * (m.c.x + m.a.z) + w * (m.c.y - m.b.z)),
        2 * (x * (m.b.x + m.a.y) - 2 * y * (m.a.x + m.c.z) + qz * (m.c.y + m.b.z) + w * (m.a.z - m.c.x)),
        2 * (x * (m.c.x + m.a.z) + y * (m.c.y + m.b.z) - 2 * qz * (m.a.x + m.b.y) + w * (m.b.x - m.a.y))};
    float along = gq.w * w + gq.x * x + gq.y * y + gq.z * qz;
    dq = {(gq.w - along * w) / length, (gq.x - along * x) / length, (gq.y - along * y) / length, (gq.z - along * qz) / length};
  }
  put(a.dmeans, i, dmean);
  put(a.dscales, i, dscale);
  a.drotations[4ll * i] = dq.w;
  a.drotations[4ll * i + 1] = dq.x;
  a.drotations[4ll * i + 2] = dq.y;
  a.drotations[4ll * i + 3] = dq.z;
  put(a.dcolors, i, drawn ? Vector{g[6], g[7], g[8]} : Vector{0, 0, 0});
  a.dopacities[i] = drawn ? g[5] : 0.0f;
}
