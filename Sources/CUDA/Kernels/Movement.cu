// Numbers in other places.
#include "Dialect.h"
#include "Arguments.h"

// A row and a place in it.
template <class Index> struct Cell {
  Index row, column;
};
template <class Index> DEVICE Cell<Index> cell(Index i, long long width) {
  Index row = i / (Index)width;
  return {row, i - row * (Index)width};
}

KERNEL_PLAIN(cuda_copy_rows, cuda_copy_rows_arguments) {
  const float *from = a.from + a.from_start;
  float *to = a.to + a.to_start;
  if (a.width % 4 == 0 && a.from_step % 4 == 0 && a.to_step % 4 == 0 && aligned(from) && aligned(to)) {
    each(a.rows * a.width / 4, [&](auto i) {
      auto at = cell(i, a.width / 4);
      ((float4 *)to)[at.row * (a.to_step / 4) + at.column] = ((const float4 *)from)[at.row * (a.from_step / 4) + at.column];
    });
  } else {
    each(a.rows * a.width, [&](auto i) {
      auto at = cell(i, a.width);
      to[at.row * a.to_step + at.column] = from[at.row * a.from_step + at.column];
    });
  }
}

KERNEL_PLAIN(cuda_pad, cuda_pad_arguments) {
  long long whole = a.before + a.width + a.after;
  each(a.rows * whole, [&](auto i) {
    auto at = cell(i, whole);
    long long column = (long long)at.column - a.before;
    a.to[i] = column >= 0 && column < a.width ? a.from[at.row * a.width + column] : a.value;
  });
}

// `move` takes a part, the place in it and the place in the whole.
KERNEL_PLAIN(cuda_concatenate, cuda_concatenate_arguments) {
  long long width = 0;
  UNROLL for (int i = 0; i < 8; i++) width += i < a.parts ? a.widths[i] : 0;
  each(a.rows * width, [&](auto i) {
    auto at = cell(i, width);
    long long column = at.column, part_width = 0;
    float *part = nullptr;
    bool found = false;
    UNROLL for (int p = 0; p < 8; p++) {
      if (p < a.parts && !found) {
        if (column < a.widths[p]) {
          found = true;
          part = a.part[p];
          part_width = a.widths[p];
        } else {
          column -= a.widths[p];
        }
      }
    }
    a.whole[at.row * a.step + a.start + at.column] = part[at.row * part_width + column];
  });
}

template <class Index> DEVICE long long source(const cuda_permute_arguments &a, Index i) {
  long long from = 0;
  along_axes(a, i, [&](int axis, Index place) { from += (long long)place * a.steps[axis]; });
  return from;
}

KERNEL_PLAIN(cuda_permute, cuda_permute_arguments) {
  bool in_fours = a.axes > 0 && a.steps[0] == 1 && a.sizes[0] % 4 == 0 && aligned(a.from) && aligned(a.to) && a.count < 1ll << 32;
  UNROLL for (int axis = 1; axis < cuda_axes; axis++) {
    if (axis < a.axes && a.steps[axis] % 4 != 0) in_fours = false;
  }
  if (in_fours) each(a.count / 4, [&](auto i) { ((float4 *)a.to)[i] = *(const float4 *)(a.from + source(a, i * 4)); });
  else each(a.count, [&](auto i) { a.to[i] = a.from[source(a, i)]; });
}

KERNEL_BOUNDS(cuda_transpose, cuda_transpose_arguments, 256, 4) {
  SHARED(float, tile, [32][33]);
  unsigned across = (a.columns + 31) / 32, down = (a.rows + 31) / 32;
  unsigned column_tile = blockIdx.x % across, row_tile = blockIdx.x / across % down;
  long long matrix = blockIdx.x / across / down, size = (long long)a.rows * a.columns;
  const float *from = a.from + matrix * size;
  float *to = a.to + matrix * size;
  int x = threadIdx.x % 32, y = threadIdx.x / 32;
  int column = column_tile * 32 + x;
  UNROLL for (int i = 0; i < 32; i += 8) {
    int row = row_tile * 32 + y + i;
    if (row < a.rows && column < a.columns) tile[y + i][x] = from[(long long)row * a.columns + column];
  }
  __syncthreads();
  int row = row_tile * 32 + x;
  UNROLL for (int i = 0; i < 32; i += 8) {
    int other = column_tile * 32 + y + i;
    if (row < a.rows && other < a.columns) to[(long long)other * a.rows + row] = tile[x][y + i];
  }
}

KERNEL_PLAIN(cuda_gather_rows, cuda_gather_rows_arguments) {
  each(a.outer * a.count * a.inner, [&](auto i) {
    auto at = cell(i, a.inner);
    auto item = cell(at.row, a.count);
    long long place = a.own ? a.places[at.row] : a.places[item.column];
    a.to[i] = a.from[((long long)item.row * a.size + place) * a.inner + at.column];
  });
}

// A warp a target row: it looks through the places, 32 at a time, and its lanes add what is theirs of each row that goes there.
KERNEL_BOUNDS(cuda_scatter_rows, cuda_scatter_rows_arguments, 256, 4) {
  long long target = (long long)blockIdx.x * 8 + warp();
  if (target >= a.outer * a.size) return;
  long long item = target / a.size;
  int row = (int)(target - item * a.size);
  const int *places = a.places + (a.own ? item * a.count : 0);
  for (long long first = 0; first < a.inner; first += 128) {
    const float *from = a.from + item * a.count * a.inner + first;
    float sums[4] = {0, 0, 0, 0};
    for (long long start = 0; start < a.count; start += 32) {
      bool goes_there = start + lane() < a.count && places[start + lane()] == row;
      for (unsigned found = __ballot_sync(ALL_LANES, goes_there); found != 0; found &= found - 1) {
        const float *x = from + (start + __ffs((int)found) - 1) * a.inner;
        UNROLL for (int i = 0; i < 4; i++) {
          if (first + lane() + 32 * i < a.inner) sums[i] += x[lane() + 32 * i];
        }
      }
    }
    UNROLL for (int i = 0; i < 4; i++) {
      if (first + lane() + 32 * i < a.inner) a.to[target * a.inner + first + lane() + 32 * i] = sums[i];
    }
  }
}
