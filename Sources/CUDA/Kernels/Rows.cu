// Softmax and norms over the last axis: a warp a row up to 1024 numbers, a block above. A thread keeps its numbers of the row in
// registers, up to 16, and reads longer rows again, from the cache.
#include "Dialect.h"
#include "Arguments.h"

// How many numbers a thread keeps (0: none), and whether a block or a warp has the row.
template <int N, bool BLOCK> struct Shape {
  enum { kept = N, slots = N > 0 ? N : 1, block = BLOCK, threads = BLOCK ? 256 : 32 };
};

template <class S> DEVICE int first_place(S) { return S::block ? (int)threadIdx.x : lane(); }

// Every number of the row that is this thread's: `body` takes where it is kept and where it stands.
template <class S, class Body> DEVICE void along(S shape, int width, Body body) {
  if constexpr (S::kept > 0) {
    UNROLL for (int k = 0; k < S::kept; k++) {
      int i = first_place(shape) + k * S::threads;
      if (i < width) body(k, i);
    }
  } else {
    for (int i = first_place(shape); i < width; i += S::threads) body(0, i);
  }
}
template <class S> DEVICE float row_sum(S, float value, float *parts) {
  if constexpr (S::block) return block_sum(value, parts);
  else return warp_sum(value);
}
template <class S> DEVICE float row_largest(S, float value, float *parts) {
  if constexpr (S::block) return block_largest(value, parts);
  else return warp_largest(value);
}

template <class Run> DEVICE void each_row(long long rows, int width, Run run) {
  long long row = width <= 1024 ? (long long)blockIdx.x * 8 + warp() : blockIdx.x;
  if (row >= rows) return;
  if (width <= 32) run(Shape<1, false>(), row);
  else if (width <= 128) run(Shape<4, false>(), row);
  else if (width <= 512) run(Shape<16, false>(), row);
  else if (width <= 1024) run(Shape<0, false>(), row);
  else if (width <= 4096) run(Shape<16, true>(), row);
  else run(Shape<0, true>(), row);
}

// As on the CPU: a first number that is none stays, others are passed over.
template <class S> DEVICE float largest(S shape, const float *x, int width, float *kept, float *parts) {
  float value = x[0];
  along(shape, width, [&](int k, int i) {
    kept[k] = x[i];
    if (kept[k] > value) value = kept[k];
  });
  return row_largest(shape, value, parts);
}

KERNEL_BOUNDS(cuda_softmax, cuda_softmax_arguments, 256, 4) {
  SHARED(float, parts, [8]);
  each_row(a.rows, a.width, [&](auto shape, long long row) {
    typedef decltype(shape) S;
    const float *x = a.x + row * a.width;
    float *y = a.y + row * a.width;
    float kept[S::slots], sum = 0, top = largest(shape, x, a.width, kept, parts);
    along(shape, a.width, [&](int k, int i) {
      kept[k] = expf((S::kept ? kept[k] : x[i]) - top);
      if (!S::kept) y[i] = kept[k];
      sum += kept[k];
    });
    float factor = 1.0f / row_sum(shape, sum, parts);
    along(shape, a.width, [&](int k, int i) { y[i] = (S::kept ? kept[k] : y[i]) * factor; });
  });
}

KERNEL_BOUNDS(cuda_softmax_gradient, cuda_softmax_gradient_arguments, 256, 2) {
  SHARED(float, parts, [8]);
  each_row(a.rows, a.width, [&](auto shape, long long row) {
    typedef decltype(shape) S;
    const float *y = a.y + row * a.width, *dy = a.dy + row * a.width;
    float *dx = a.dx + row * a.width;
    float shares[S::slots], above[S::slots], sum = 0;
    along(shape, a.width, [&](int k, int i) {
      shares[k] = y[i];
      above[k] = dy[i];
      sum += shares[k] * above[k];
    });
    float dot = row_sum(shape, sum, parts);
    along(shape, a.width, [&](int k, int i) {
      dx[i] = (S::kept ? shares[k] : y[i]) * ((S::kept ? above[k] : dy[i]) - dot);
    });
  });
}

KERNEL_BOUNDS(cuda_log_sum_exp, cuda_log_sum_exp_arguments, 256, 4) {
  SHARED(float, parts, [8]);
  each_row(a.rows, a.width, [&](auto shape, long long row) {
    typedef decltype(shape) S;
    const float *x = a.x + row * a.width;
    float kept[S::slots], sum = 0, top = largest(shape, x, a.width, kept, parts);
    along(shape, a.width, [&](int k, int i) { sum += expf((S::kept ? kept[k] : x[i]) - top); });
    sum = row_sum(shape, sum, parts);
    if (first_place(shape) == 0) a.y[row] = is_finite(top) ? top + logf(sum) : top;
  });
}

KERNEL_BOUNDS(cuda_row_norm, cuda_row_norm_arguments, 256, 4) {
  SHARED(float, parts, [8]);
  each_row(a.rows, a.width, [&](auto shape, long long row) {
    typedef decltype(shape) S;
    const float *x = a.x + row * a.width;
    float *y = a.y + row * a.width;
    float kept[S::slots], sum = 0, mean = 0;
    along(shape, a.width, [&](int k, int i) {
      kept[k] = x[i];
      sum += kept[k];
    });
    if (a.centered) mean = row_sum(shape, sum, parts) / (float)a.width;
    sum = 0;
    along(shape, a.width, [&](int k, int i) {
      float d = (S::kept ? kept[k] : x[i]) - mean;
      sum += d * d;
    });
    float factor = 1.0f / sqrtf(row_sum(shape, sum, parts) / (float)a.width + a.epsilon);
    along(shape, a.width, [&](int k, int i) {
      float v = ((S::kept ? kept[k] : x[i]) - mean) * factor;
      if (a.scale) v *= a.scale[i];
      if (a.bias) v += a.bias[i];
      y[i] = v;
    });
    if (first_place(shape) == 0) {
      a.moments[2 * row] = mean;
      a.moments[2 * row + 1] = factor;
    }
  });
}

KERNEL_BOUNDS(cuda_row_norm_gradient, cuda_row_norm_gradient_arguments, 256, 2) {
  SHARED(float, parts, [8]);
  each_row(a.rows, a.width, [&](auto shape, long long row) {
    typedef decltype(shape) S;
    const float *x = a.x + row * a.width, *dy = a.dy + row * a.width;
    float *dx = a.dx + row * a.width;
    float mean = a.moments[2 * row], factor = a.moments[2 * row + 1];
    float normal[S::slots], above[S::slots], sum = 0, dot = 0;
    auto read = [&](int k, int i) {
      normal[k] = (x[i] - mean) * factor;
      above[k] = a.scale ? dy[i] * a.scale[i] : dy[i];
    };
    along(shape, a.width, [&](int k, int i) {
      read(k, i);
      sum += above[k];
      dot += above[k] * normal[k];
    });
    float shift = a.centered ? row_sum(shape, sum, parts) / (float)a.width : 0.0f;
    float slope = row_sum(shape, dot, parts) / (float)a.width;
    along(shape, a.width, [&](int k, int i) {
      if (!S::kept) read(k, i);
      dx[i] = factor * (above[k] - shift - normal[k] * slope);
    });
  });
}

// Thirty-two columns and eight rows at a time.
KERNEL_BOUNDS(cuda_row_norm_parameters, cuda_row_norm_parameters_arguments, 256, 4) {
  SHARED(float, sums, [2][8][32]);
  int across = (a.width + 31) / 32;
  long long part = blockIdx.x / across, first = part * a.part, end = smaller_of(first + a.part, a.rows);
  int column = (int)(blockIdx.x - part * across) * 32 + lane();
  float scale = 0, bias = 0;
  if (column < a.width) {
    for (long long row = first + warp(); row < end; row += 8) {
      float above = a.dy[row * a.width + column];
      scale += above * ((a.x[row * a.width + column] - a.moments[2 * row]) * a.moments[2 * row + 1]);
      bias += above;
    }
  }
  sums[0][warp()][lane()] = scale;
  sums[1][warp()][lane()] = bias;
  __syncthreads();
  if (warp() >= 2 || column >= a.width) return;
  float sum = sums[warp()][0][lane()];
  UNROLL for (int i = 1; i < 8; i++) sum += sums[warp()][i][lane()];
  a.parts[(part * 2 + warp()) * a.width + column] = sum;
}
