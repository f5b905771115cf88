// Statistics, factors and finishes by channel: group and batch norm, FiLM, gates. Channels last.
#include "Dialect.h"
#include "Arguments.h"

// ---- Statistics.

// Threads as rows of up to 32 channels, for `channels` of them.
struct Rows {
  int width, count, row, column;
};
DEVICE Rows rows_of(int channels) {
  int width = channels < 32 ? channels : 32, thread = (int)threadIdx.x;
  return {width, (int)blockDim.x / width, thread / width, thread % width};
}

// Numbers known by how many they are, their mean and the sum of squares about it.
struct Spread {
  float count, mean, squares;
};
// Chan et al. 1979.
DEVICE Spread merged(Spread a, Spread b) {
  if (b.count == 0) return a;
  if (a.count == 0) return b;
  float count = a.count + b.count, way = b.mean - a.mean;
  return {count, a.mean + way * (b.count / count), a.squares + b.squares + way * way * (a.count * b.count / count)};
}

// The rows' parts in order: afterwards row 0 has the channel's. Shared memory is free again at the end.
DEVICE Spread merge_rows(Rows rows, int channels, Spread own) {
  SHARED(Spread, spreads, [512]);
  spreads[threadIdx.x] = own;
  __syncthreads();
  if (rows.row == 0 && rows.column < channels)
    for (int i = 1; i < rows.count; i++) own = merged(own, spreads[i * rows.width + rows.column]);
  __syncthreads();
  return own;
}

// Where a block's slab lies among the channels.
struct Slab {
  int first, channels, width;
};
DEVICE int slab_size(int channels, int groups) {
  int width = channels / groups;
  return width >= 32 ? width : 32 / width * width;
}
DEVICE int slab_count(int channels, int groups) { return (channels + slab_size(channels, groups) - 1) / slab_size(channels, groups); }
DEVICE Slab slab_number(int number, int channels, int groups) {
  int size = slab_size(channels, groups), first = number * size;
  return {first, smaller_of(size, channels - first), channels / groups};
}

// From a slab's means and squares, both by channel and of `count` numbers each, to its groups': moments and variance. A warp a group.
struct Target {
  float *moments, *variance;  // of the set
  int channels;
  float epsilon;
};
DEVICE void finish_groups(Slab slab, float count, float *means, float *squares, const Target &to) {
  for (int group = warp(); group < slab.channels / slab.width; group += blockDim.x / 32) {
    int first = group * slab.width;
    float sum = 0;
    for (int c = lane(); c < slab.width; c += 32) sum += means[first + c];
    float mean = warp_sum(sum) / (float)slab.width;
    sum = 0;
    for (int c = lane(); c < slab.width; c += 32) {
      float way = means[first + c] - mean;
      sum += squares[first + c] + count * way * way;
    }
    float variance = warp_sum(sum) / (count * (float)slab.width), factor = 1.0f / sqrtf(variance + to.epsilon);
    for (int c = lane(); c < slab.width; c += 32) {
      int channel = slab.first + first + c;
      to.moments[channel] = mean;
      to.moments[to.channels + channel] = factor;
      to.variance[channel] = variance;
    }
  }
}

KERNEL_BOUNDS(cuda_channel_moments, cuda_channel_moments_arguments, 256, 4) {
  DYNAMIC_SHARED(float, means);
  int slabs = slab_count(a.channels, a.groups), parts = (a.pixels + a.part - 1) / a.part;
  long long cell = blockIdx.x / slabs, image = cell / parts;
  Slab slab = slab_number((int)(blockIdx.x - cell * slabs), a.channels, a.groups);
  float *squares = means + slab_size(a.channels, a.groups);
  int first = (int)(cell - image * parts) * a.part, end = smaller_of(first + a.part, a.pixels);
  const float *x = a.x + image * a.pixels * a.channels + slab.first;
  for (int from = 0; from < slab.channels; from += 32) {
    int channels = smaller_of(32, slab.channels - from);
    Rows rows = rows_of(channels);
    // About the thread's first number, so that one pass is enough.
    Spread own = {0, 0, 0};
    if (rows.row < rows.count && first + rows.row < end) {
      const float *at = x + from + rows.column;
      float about = at[(long long)(first + rows.row) * a.channels], sum = 0, square = 0;
      int count = 0;
      UNROLL_BY(4) for (int pixel = first + rows.row; pixel < end; pixel += rows.count) {
        float d = at[(long long)pixel * a.channels] - about;
        sum += d;
        square += d * d;
        count++;
      }
      float rest = square - sum * sum / (float)count;
      own = {(float)count, about + sum / (float)count, rest < 0 ? 0 : rest};
    }
    own = merge_rows(rows, channels, own);
    if (rows.row == 0 && rows.column < channels) {
      means[from + rows.column] = own.mean;
      squares[from + rows.column] = own.squares;
    }
  }
  __syncthreads();
  if (a.parts) {
    float *to = a.parts + cell * 2 * a.channels + slab.first;
    for (int c = threadIdx.x; c < slab.channels; c += 256) {
      to[c] = means[c];
      to[a.channels + c] = squares[c];
    }
  } else {
    Target to = {
        a.moments + image * 2 * a.channels, a.variance + image * a.channels, a.channels, a.epsilon};
    finish_groups(slab, (float)a.pixels, means, squares, to);
  }
}

KERNEL_BOUNDS(cuda_channel_merge, cuda_channel_merge_arguments, 256, 4) {
  DYNAMIC_SHARED(float, means);
  int slabs = slab_count(a.channels, a.groups), parts = (a.pixels + a.part - 1) / a.part;
  long long set = blockIdx.x / slabs, members = a.together ? a.images : 1;
  Slab slab = slab_number((int)(blockIdx.x - set * slabs), a.channels, a.groups);
  float *squares = means + slab_size(a.channels, a.groups);
  const float *from_set = a.parts + set * parts * 2 * a.channels + slab.first;
  for (int from = 0; from < slab.channels; from += 32) {
    int channels = smaller_of(32, slab.channels - from);
    Rows rows = rows_of(channels);
    Spread own = {0, 0, 0};
    if (rows.row < rows.count) {
      const float *at = from_set + from + rows.column;
      for (long long k = rows.row; k < members * parts; k += rows.count) {
        int size = smaller_of(a.part, a.pixels - (int)(k % parts) * a.part);
        own = merged(own, {(float)size, at[k * 2 * a.channels], at[(k * 2 + 1) * a.channels]});
      }
    }
    own = merge_rows(rows, channels, own);
    if (rows.row == 0 && rows.column < channels) {
      means[from + rows.column] = own.mean;
      squares[from + rows.column] = own.squares;
    }
  }
  __syncthreads();
  Target to = {
      a.moments + set * 2 * a.channels, a.variance + set * a.channels, a.channels, a.epsilon};
  finish_groups(slab, (float)members * (float)a.pixels, means, squares, to);
}

KERNEL_PLAIN(cuda_channel_factors, cuda_channel_factors_arguments) {
  each(a.sets * a.channels, [&](auto i) {
    auto set = i / (decltype(i))a.channels;
    int channel = (int)(i - set * (decltype(i))a.channels);
    const float *moments = a.moments + (long long)set * 2 * a.channels;
    float *to = a.factors + (long long)set * 2 * a.channels;
    float factor = moments[a.channels + channel];
    if (a.scale) factor *= a.scale[channel];
    to[channel] = factor;
    to[a.channels + channel] = (a.bias ? a.bias[channel] : 0.0f) - moments[channel] * factor;
  });
}

// ---- Number by number, in fours where channels allow.

template <int W> struct Pack {
  float v[W];
};
DEVICE Pack<1> load(Pack<1>, const float *at) { return {{*at}}; }
DEVICE Pack<4> load(Pack<4>, const float *at) {
  float4 v = *(const float4 *)at;
  return {{v.x, v.y, v.z, v.w}};
}
DEVICE void store(Pack<1> pack, float *at) { *at = pack.v[0]; }
DEVICE void store(Pack<4> pack, float *at) { *(float4 *)at = {pack.v[0], pack.v[1], pack.v[2], pack.v[3]}; }

// `body` takes a pack of the width, the image, the first channel and the place of the first number.
template <class Body> DEVICE void each_pack(bool in_fours, long long images, int pixels, int channels, Body body) {
  auto run = [&](auto pack) {
    constexpr int width = sizeof(pack) / sizeof(float);
    each(images * pixels * channels / width, [&](auto i) {
      typedef decltype(i) Index;
      Index across = (Index)(channels / width), pixel = i / across, image = pixel / (Index)pixels;
      body(pack, (long long)image, (int)(i - pixel * across) * width, (long long)i * width);
    });
  };
  if (in_fours) run(Pack<4>());
  else run(Pack<1>());
}

template <int FINISH> struct Finish {
  static_assert(FINISH >= 0, "");
};
DEVICE float finished(Finish<cuda_no_finish>, float z) { return z; }
DEVICE float finished(Finish<cuda_finish_relu>, float z) { return z < 0 ? 0 : z; }
DEVICE float finished(Finish<cuda_finish_mish>, float z) { return z * mish_factor(z); }
DEVICE float finished(Finish<cuda_finish_silu>, float z) { return z * logistic(z); }
// The gradient before the finish.
DEVICE float before(Finish<cuda_no_finish>, float above, float) { return above; }
DEVICE float before(Finish<cuda_finish_relu>, float above, float z) { return above * (z > 0 ? 1.0f : 0.0f); }
DEVICE float before(Finish<cuda_finish_mish>, float above, float z) { return above * mish_slope(z); }
DEVICE float before(Finish<cuda_finish_silu>, float above, float z) { return above * silu_slope(z); }

template <class Run> DEVICE void with_finish(int finish, Run run) {
  switch (finish) {
    case cuda_no_finish: run(Finish<cuda_no_finish>()); break;
    case cuda_finish_relu: run(Finish<cuda_finish_relu>()); break;
    case cuda_finish_mish: run(Finish<cuda_finish_mish>()); break;
    case cuda_finish_silu: run(Finish<cuda_finish_silu>()); break;
  }
}

KERNEL_PLAIN(cuda_channel_affine, cuda_channel_affine_arguments) {
  bool in_fours = a.channels % 4 == 0 && a.step % 4 == 0 && aligned(a.x) && aligned(a.a) && aligned(a.b) && aligned(a.added) && aligned(a.y);
  with_finish(a.finish, [&](auto finish) {
    each_pack(in_fours, a.images, a.pixels, a.channels, [&](auto pack, long long image, int channel, long long at) {
      auto x = load(pack, a.x + at), factor = load(pack, a.a + image * a.step + channel), shift = pack, added = pack;
      if (a.b) shift = load(pack, a.b + image * a.step + channel);
      if (a.added) added = load(pack, a.added + at);
      UNROLL for (int k = 0; k < (int)(sizeof(pack) / sizeof(float)); k++) x.v[k] = finished(finish, x.v[k] * factor.v[k] + shift.v[k] + added.v[k]);
      store(x, a.y + at);
    });
  });
}


// ---- Gradients.

KERNEL_BOUNDS(cuda_channel_upstream, cuda_channel_upstream_arguments, 256, 4) {
  SHARED(float, sums, [2][256]);
  int across = (a.channels + 31) / 32, parts = (a.pixels + a.part - 1) / a.part;
  long long cell = blockIdx.x / across, image = cell / parts;
  int from = (int)(blockIdx.x - cell * across) * 32, channels = smaller_of(32, a.channels - from);
  Rows rows = rows_of(channels);
  int first = (int)(cell - image * parts) * a.part, end = smaller_of(first + a.part, a.pixels), channel = from + rows.column;
  float sum = 0, dot = 0;
  if (rows.row < rows.count) {
    float factor = a.a[image * a.step + channel], shift = a.b ? a.b[image * a.step + channel] : 0.0f;
    float mean = a.mean ? a.mean[image * a.mean_step + channel] : 0.0f;
    long long start = image * a.pixels * a.channels + channel;
    with_finish(a.finish, [&](auto finish) {
      UNROLL_BY(2) for (int pixel = first + rows.row; pixel < end; pixel += rows.count) {
        long long at = start + (long long)pixel * a.channels;
        float x = a.x[at], dz = before(finish, a.dy[at], x * factor + shift + (a.added ? a.added[at] : 0.0f));
        if (a.dz) a.dz[at] = dz;
        sum += dz;
        dot += dz * (x - mean);
      }
    });
  }
  sums[0][threadIdx.x] = sum;
  sums[1][threadIdx.x] = dot;
  __syncthreads();
  int which = (int)threadIdx.x / channels;
  if (which >= 2) return;
  int column = (int)threadIdx.x - which * channels;
  float total = sums[which][column];
  for (int i = 1; i < rows.count; i++) total += sums[which][i * rows.width + column];
  a.sums[(cell * 2 + which) * a.channels + from + column] = total;
}

KERNEL_BOUNDS(cuda_channel_coefficients, cuda_channel_coefficients_arguments, 256, 4) {
  long long cell = (long long)blockIdx.x * 8 + warp();
  if (cell >= a.sets * a.groups) return;
  long long set = cell / a.groups;
  int width = a.channels / a.groups, first = (int)(cell - set * a.groups) * width;
  const float *sums = a.sums + set * 2 * a.channels + first, *moments = a.moments + set * 2 * a.channels + first;
  float *parts = a.parts + set * 2 * a.channels + first, *to = a.coefficients + set * 3 * a.channels + first;
  float shift = 0, slope = 0;
  for (int c = lane(); c < width; c += 32) {
    float weight = a.scale ? a.scale[first + c] : 1.0f, sum = sums[c], product = sums[a.channels + c] * moments[a.channels + c];
    parts[c] = sum;
    parts[a.channels + c] = product;
    shift += weight * sum;
    slope += weight * product;
  }
  shift = warp_sum(shift) / a.size;
  slope = warp_sum(slope) / a.size;
  for (int c = lane(); c < width; c += 32) {
    float r = moments[a.channels + c];
    to[c] = a.scale ? r * a.scale[first + c] : r;
    to[a.channels + c] = -r * r * slope;
    to[2 * a.channels + c] = r * r * slope * moments[c] - r * shift;
  }
}

KERNEL_PLAIN(cuda_channel_gradient, cuda_channel_gradient_arguments) {
  bool in_fours = a.channels % 4 == 0 && a.step % 4 == 0 && aligned(a.x) && aligned(a.dz) && aligned(a.coefficients) && aligned(a.dx);
  each_pack(in_fours, a.images, a.pixels, a.channels, [&](auto pack, long long image, int channel, long long at) {
    const float *own = a.coefficients + image * a.step + channel;
    auto x = load(pack, a.x + at), dz = load(pack, a.dz + at), c = load(pack, own), b = load(pack, own + a.channels), d = load(pack, own + 2 * a.channels);
    UNROLL for (int k = 0; k < (int)(sizeof(pack) / sizeof(float)); k++) dz.v[k] = dz.v[k] * c.v[k] + x.v[k] * b.v[k] + d.v[k];
    store(dz, a.dx + at);
  });
}


KERNEL_PLAIN(cuda_channel_scale, cuda_channel_scale_arguments) {
  bool in_fours = a.channels % 4 == 0 && a.step % 4 == 0 && aligned(a.dz) && aligned(a.a) && aligned(a.dx);
  each_pack(in_fours, a.images, a.pixels, a.channels, [&](auto pack, long long image, int channel, long long at) {
    auto dz = load(pack, a.dz + at), factor = load(pack, a.a + image * a.step + channel);
    UNROLL for (int k = 0; k < (int)(sizeof(pack) / sizeof(float)); k++) dz.v[k] *= factor.v[k];
    store(dz, a.dx + at);
  });
}
