// softmax(Q K^T scale + mask) V and its gradients, scores never kept (Dao et al. 2022, "FlashAttention"). A block of four warps has
// 64 rows, a warp 16, and goes through the others 32 at a time. Products by the tensor cores: of factors rounded to TF32 or bf16, or,
// strict, of each factor in two parts of TF32, three products for one, as precise as float32. Strict kernels read their own rows again for each
// tile, as both parts of them do not fit into registers.
#include "Dialect.h"
#include "Arguments.h"

enum { tile_rows = 32, block_rows = 64 };
// How factors are rounded.
enum { to_tf32, to_bf16, strictly };

template <int R> DEVICE float prepared(float v) {
  return R == strictly ? v : __uint_as_float(R == to_tf32 ? tf32(v) : (unsigned)bf16(v) << 16);
}

// d += A B of prepared factors.
template <int R> DEVICE void multiply(float (&d)[4], const float (&a)[4], float b0, float b1) {
  if (R == to_bf16) {
    // Columns t and t + 4 of the left factor, and the same rows of the right one, as the neighbors 2t and 2t + 1.
    unsigned left[2] = {upper_halves(a[0], a[2]), upper_halves(a[1], a[3])};
    mma_bf16(d, left, upper_halves(b0, b1));
  } else if (R == to_tf32) {
    unsigned left[4] = {__float_as_uint(a[0]), __float_as_uint(a[1]), __float_as_uint(a[2]), __float_as_uint(a[3])};
    unsigned right[2] = {__float_as_uint(b0), __float_as_uint(b1)};
    mma_tf32(d, left, right);
  } else {
    unsigned high[4], low[4], right_high[2] = {tf32(b0), tf32(b1)};
    UNROLL for (int i = 0; i < 4; i++) {
      high[i] = tf32(a[i]);
      low[i] = tf32(a[i] - __uint_as_float(high[i]));
    }
    unsigned right_low[2] = {tf32(b0 - __uint_as_float(right_high[0])), tf32(b1 - __uint_as_float(right_high[1]))};
    mma_tf32(d, low, right_high);
    mma_tf32(d, high, right_low);
    mma_tf32(d, high, right_high);
  }
}
// The same in sums over all rows: tensor cores cut what they add, some 2^-24 of the sum each time, so strict ones are added outside of
// them. Not of wide heads, whose registers do not suffice: 1e-5 of the sum at 512 rows, 1e-4 at 4096.
template <int D, int R> DEVICE void multiply_long(float (&d)[4], const float (&a)[4], float b0, float b1) {
  if (R != strictly || D > 32) return multiply<R>(d, a, b0, b1);
  float part[4] = {0, 0, 0, 0};
  multiply<R>(part, a, b0, b1);
  UNROLL for (int i = 0; i < 4; i++) d[i] += part[i];
}

// One head's rows: `width` numbers, `step` apart.
struct Head {
  const float *rows;
  int count, step, width;
  bool in_fours;
};
DEVICE Head head_of(const float *all, long long item, int head, int count, int heads, int width) {
  const float *rows = all + (item * count * heads + head) * width;
  return {rows, count, heads * width, width, width % 4 == 0 && aligned(rows)};
}

// Sixteen rows as the tensor cores take their left factor, 8 columns a part.
template <int R> DEVICE void read_part(const Head &from, int first, int part, float (&to)[4]) {
  int group = lane() / 4, t = lane() % 4;
  UNROLL for (int j = 0; j < 4; j++) {
    int row = first + group + (j & 1) * 8, column = 8 * part + t + (j / 2) * 4;
    bool in = row < from.count && column < from.width;
    to[j] = in ? prepared<R>(from.rows[(long long)row * from.step + column]) : 0.0f;
  }
}
template <int D, int R> DEVICE void read_rows(const Head &from, int first, float (&to)[D / 8][4]) {
  UNROLL for (int i = 0; i < D / 8; i++) read_part<R>(from, first, i, to[i]);
}

DEVICE void clear(float (&d)[4][4]) {
  UNROLL for (int n = 0; n < 4; n++)
    UNROLL for (int j = 0; j < 4; j++) d[n][j] = 0;
}
DEVICE void copy(const float (&from)[4], float (&to)[4]) {
  UNROLL for (int j = 0; j < 4; j++) to[j] = from[j];
}

// Products of sixteen rows with the 8 rows of a tile from 8n on: of rows that are kept, or with all 32, read now.
template <int D, int R> DEVICE void multiply_kept(float (&d)[4], const float (&rows)[D / 8][4], const float (*tile)[D + 4], int n) {
  int group = lane() / 4, t = lane() % 4;
  UNROLL for (int i = 0; i < D / 8; i++) multiply<R>(d, rows[i], tile[8 * n + group][8 * i + t], tile[8 * n + group][8 * i + t + 4]);
}
template <int D, int R> DEVICE void multiply_read(float (&d)[4][4], const Head &from, int first, const float (*tile)[D + 4]) {
  int group = lane() / 4, t = lane() % 4;
  UNROLL_BY(1) for (int i = 0; i < D / 8; i++) {
    float part[4];
    read_part<R>(from, first, i, part);
    UNROLL for (int n = 0; n < 4; n++) multiply<R>(d[n], part, tile[8 * n + group][8 * i + t], tile[8 * n + group][8 * i + t + 4]);
  }
}

// Thirty-two rows into shared memory, zeros around them.
template <int D, int R> DEVICE void read_tile(const Head &from, int first, float (*to)[D + 4]) {
  for (int i = threadIdx.x; i < tile_rows * D / 4; i += 128) {
    int row = i / (D / 4), column = i % (D / 4) * 4;
    float4 v = {0, 0, 0, 0};
    if (first + row < from.count && column < from.width) {
      const float *at = from.rows + (long long)(first + row) * from.step + column;
      if (from.in_fours) {
        v = *(const float4 *)at;
      } else {
        v.x = at[0];
        if (column + 1 < from.width) v.y = at[1];
        if (column + 2 < from.width) v.z = at[2];
        if (column + 3 < from.width) v.w = at[3];
      }
    }
    *(float4 *)&to[row][column] = {prepared<R>(v.x), prepared<R>(v.y), prepared<R>(v.z), prepared<R>(v.w)};
  }
}

// Sums as the tensor cores leave them: of rows group and group + 8, and the columns 2t and 2t + 1.
template <int D> DEVICE void write_rows(const float (&from)[D / 8][4], float *to, int first, int count, int step, int width) {
  int group = lane() / 4, t = lane() % 4;
  UNROLL for (int i = 0; i < D / 8; i++)
    UNROLL for (int j = 0; j < 4; j++) {
      int row = first + group + (j / 2) * 8, column = 8 * i + 2 * t + (j & 1);
      if (row < count && column < width) to[(long long)row * step + column] = from[i][j];
    }
}

// Whether any thread of the block sees something; `votes` are two sets in turn, so that one barrier is enough.
DEVICE bool anyone(bool mine, int (*votes)[4], int turn) {
  mine = __any_sync(ALL_LANES, mine);
  if (lane() == 0) votes[turn & 1][warp()] = mine;
  __syncthreads();
  return votes[turn & 1][0] | votes[turn & 1][1] | votes[turn & 1][2] | votes[turn & 1][3];
}

// Which of four neighbors stay, by the CPU's index.
DEVICE unsigned kept_bits(unsigned long long key, unsigned long long block, unsigned limit) {
  Words words = philox(key, block);
  return (words.word[0] >= limit) | (words.word[1] >= limit) << 1 | (words.word[2] >= limit) << 2 | (words.word[3] >= limit) << 3;
}

struct Dropout {
  unsigned long long key, start;  // start: of the head's first row, in blocks of four words
  long long step;                 // from row to row
  unsigned limit;
  float factor;
};
template <class Arguments> DEVICE Dropout dropout_of(const Arguments &a, long long item, int head) {
  long long step = (a.keys + 3) / 4;
  unsigned long long first = (unsigned long long)(((item + a.first_item) * a.heads + head) * a.queries) * step;
  return {a.key ? *a.key : 0, first, step, dropout_limit(a.rate), 1.0f / (1.0f - a.rate)};
}

// The four of a lane, rows of queries: bit j of (row j / 2, column j & 1). Two lanes share the blocks of both rows.
DEVICE unsigned kept_by_query(const Dropout &drop, int first_row, int first_key) {
  int group = lane() / 4, t = lane() % 4, odd = t & 1;
  unsigned long long block = drop.start + (unsigned long long)(first_row + group + 8 * odd) * drop.step + (first_key + 4 * (t / 2)) / 4;
  unsigned mine = kept_bits(drop.key, block, drop.limit), other = __shfl_xor_sync(ALL_LANES, mine, 1);
  return odd ? other >> 2 | (mine >> 2) << 2 : (mine & 3) | (other & 3) << 2;
}
// The same, rows of keys. Four lanes share four blocks.
DEVICE unsigned kept_by_key(const Dropout &drop, int first_key, int first_query) {
  int group = lane() / 4, t = lane() % 4, own = group % 4;
  int query = first_query + 2 * t + (own & 1), key = first_key + group / 4 * 4 + (own / 2) * 8;
  unsigned mine = kept_bits(drop.key, drop.start + (unsigned long long)query * drop.step + key / 4, drop.limit), result = 0;
  UNROLL for (int j = 0; j < 4; j++) {
    unsigned other = __shfl_sync(ALL_LANES, mine, (group / 4 * 4 + j) * 4 + t);
    result |= (other >> own & 1) << j;
  }
  return result;
}

template <int D, int R> DEVICE void attend(const cuda_attention_arguments &a) {
  SHARED(float, tile, [2][tile_rows][D + 4]);
  SHARED(int, votes, [2][4]);
  int group = lane() / 4, t = lane() % 4, head = blockIdx.y, first = blockIdx.x * block_rows + warp() * 16;
  long long item = blockIdx.z;
  Head q = head_of(a.q, item, head, a.queries, a.heads, a.width);
  Head k = head_of(a.k, item, head, a.keys, a.heads, a.width), v = head_of(a.v, item, head, a.keys, a.heads, a.width);
  const float *mask = a.mask ? a.mask + item * a.mask_item + head * a.mask_head : nullptr;
  bool drops = a.rate > 0;
  Dropout drop = dropout_of(a, item, head);
  float rows[R == strictly ? 1 : D / 8][4], sums[D / 8][4], largest[2] = {-INFINITY, -INFINITY}, total[2] = {0, 0};
  if constexpr (R != strictly) read_rows<D, R>(q, first, rows);
  UNROLL for (int i = 0; i < D / 8; i++)
    UNROLL for (int j = 0; j < 4; j++) sums[i][j] = 0;
  for (int from = 0, turn = 0; from < a.keys; from += tile_rows, turn++) {
    // What is added to each score: minus infinity outside.
    float added[4][4];
    bool sees = false;
    UNROLL for (int n = 0; n < 4; n++)
      UNROLL for (int j = 0; j < 4; j++) {
        int key = from + 8 * n + 2 * t + (j & 1), row = first + group + (j / 2) * 8;
        bool in = key < a.keys && row < a.queries;
        added[n][j] = !in ? -INFINITY : mask ? mask[(long long)row * a.keys + key] : 0.0f;
        sees |= added[n][j] != -INFINITY;
      }
    if (!anyone(sees, votes, turn)) continue;
    read_tile<D, R>(k, from, tile[0]);
    read_tile<D, R>(v, from, tile[1]);
    __syncthreads();
    if (!__any_sync(ALL_LANES, sees)) continue;
    float scores[4][4], top[2] = {largest[0], largest[1]};
    clear(scores);
    if constexpr (R == strictly) multiply_read<D, strictly>(scores, q, first, tile[0]);
    UNROLL for (int n = 0; n < 4; n++) {
      if constexpr (R != strictly) multiply_kept<D, R>(scores[n], rows, tile[0], n);
      UNROLL for (int j = 0; j < 4; j++) {
        scores[n][j] = added[n][j] == -INFINITY ? -INFINITY : scores[n][j] * a.scale + added[n][j];
        top[j / 2] = scores[n][j] > top[j / 2] ? scores[n][j] : top[j / 2];
      }
    }
    UNROLL for (int h = 0; h < 2; h++) {
      UNROLL for (int distance = 1; distance < 4; distance *= 2) {
        float other = __shfl_xor_sync(ALL_LANES, top[h], distance);
        top[h] = other > top[h] ? other : top[h];
      }
      float base = top[h] == -INFINITY ? 0.0f : top[h], shrink = largest[h] == -INFINITY ? 0.0f : expf(largest[h] - base);
      largest[h] = top[h];
      total[h] *= shrink;
      UNROLL for (int i = 0; i < D / 8; i++) {
        sums[i][2 * h] *= shrink;
        sums[i][2 * h + 1] *= shrink;
      }
      UNROLL for (int n = 0; n < 4; n++)
        UNROLL for (int j = 2 * h; j < 2 * h + 2; j++) {
          scores[n][j] = expf(scores[n][j] - base);
          total[h] += scores[n][j];
        }
    }
    UNROLL for (int n = 0; n < 4; n++) {
      if (drops) {
        unsigned kept = kept_by_query(drop, first, from + 8 * n);
        UNROLL for (int j = 0; j < 4; j++) scores[n][j] = kept >> j & 1 ? scores[n][j] * drop.factor : 0.0f;
      }
      // Keys in the order in which the scores stand: column t of the factor is key 2t, column t + 4 key 2t + 1.
      float weights[4] = {prepared<R>(scores[n][0]), prepared<R>(scores[n][2]), prepared<R>(scores[n][1]), prepared<R>(scores[n][3])};
      UNROLL for (int i = 0; i < D / 8; i++) multiply_long<D, R>(sums[i], weights, tile[1][8 * n + 2 * t][8 * i + group], tile[1][8 * n + 2 * t + 1][8 * i + group]);
    }
  }
  UNROLL for (int h = 0; h < 2; h++) {
    UNROLL for (int distance = 1; distance < 4; distance *= 2) total[h] += __shfl_xor_sync(ALL_LANES, total[h], distance);
    // A row that saw nothing is 0; one with a number that is none stays so.
    bool saw = largest[h] != -INFINITY || total[h] != 0;
    float inverse = saw ? 1.0f / total[h] : 0.0f;
    UNROLL for (int i = 0; i < D / 8; i++) {
      sums[i][2 * h] *= inverse;
      sums[i][2 * h + 1] *= inverse;
    }
    int row = first + group + 8 * h;
    if (t == 0 && row < a.queries) a.totals[(item * a.heads + head) * a.queries + row] = saw ? largest[h] + logf(total[h]) : -INFINITY;
  }
  write_rows<D>(sums, a.o + (item * a.queries * a.heads + head) * a.width, first, a.queries, a.heads * a.width, a.width);
}

KERNEL_BOUNDS(cuda_attention_dots, cuda_attention_dots_arguments, 256, 4) {
  long long row = (long long)blockIdx.x * 8 + warp();
  if (row >= a.batch * a.queries * a.heads) return;
  float sum = 0;
  for (int i = lane(); i < a.width; i += 32) sum += a.above[row * a.width + i] * a.o[row * a.width + i];
  sum = warp_sum(sum);
  long long cell = row / a.heads, head = row - cell * a.heads, item = cell / a.queries;
  if (lane() == 0) a.dots[(item * a.heads + head) * a.queries + (cell - item * a.queries)] = sum;
}

// Rows of queries go through keys and values and get dq; rows of keys go through queries and their gradients and get dk, dv, or one
// of the two where registers do not hold both.
enum { of_queries, of_both, of_keys, of_values };

template <int D, int R, int WHAT>
DEVICE void back(const cuda_attention_gradient_arguments &a, int block, float (*one)[D + 4], float (*two)[D + 4], int (*votes)[4]) {
  constexpr bool by_key = WHAT != of_queries, wants_slopes = WHAT != of_values, wants_values = WHAT == of_both || WHAT == of_values;
  constexpr bool keeps_left = R != strictly, keeps_right = R != strictly && D < 128;
  int group = lane() / 4, t = lane() % 4, head = blockIdx.y, first = block * block_rows + warp() * 16;
  long long item = blockIdx.z;
  Head q = head_of(a.q, item, head, a.queries, a.heads, a.width), above = head_of(a.above, item, head, a.queries, a.heads, a.width);
  Head k = head_of(a.k, item, head, a.keys, a.heads, a.width), v = head_of(a.v, item, head, a.keys, a.heads, a.width);
  const float *totals = a.totals + (item * a.heads + head) * a.queries, *dots = a.dots + (item * a.heads + head) * a.queries;
  const float *mask = a.mask ? a.mask + item * a.mask_item + head * a.mask_head : nullptr;
  bool drops = a.rate > 0;
  Dropout drop = dropout_of(a, item, head);
  int mine = by_key ? a.keys : a.queries, others = by_key ? a.queries : a.keys;
  Head left = by_key ? k : q, right = by_key ? v : above;
  float x[keeps_left ? D / 8 : 1][4], y[wants_slopes && keeps_right ? D / 8 : 1][4], sums[wants_slopes ? D / 8 : 1][4], values[wants_values ? D / 8 : 1][4];
  if constexpr (keeps_left) read_rows<D, R>(left, first, x);
  if constexpr (keeps_right && wants_slopes) read_rows<D, R>(right, first, y);
  UNROLL for (int i = 0; i < D / 8; i++)
    UNROLL for (int j = 0; j < 4; j++) {
      if constexpr (wants_slopes) sums[i][j] = 0;
      if constexpr (wants_values) values[i][j] = 0;
    }
  for (int from = 0, turn = 0; from < others; from += tile_rows, turn++) {
    float added[4][4];
    bool sees = false;
    UNROLL for (int n = 0; n < 4; n++)
      UNROLL for (int j = 0; j < 4; j++) {
        int other = from + 8 * n + 2 * t + (j & 1), own = first + group + (j / 2) * 8;
        int query = by_key ? other : own, key = by_key ? own : other;
        bool in = query < a.queries && key < a.keys;
        added[n][j] = !in ? -INFINITY : mask ? mask[(long long)query * a.keys + key] : 0.0f;
        sees |= added[n][j] != -INFINITY;
      }
    if (!anyone(sees, votes, turn)) continue;
    read_tile<D, R>(by_key ? q : k, from, one);
    read_tile<D, R>(by_key ? above : v, from, two);
    __syncthreads();
    if (!__any_sync(ALL_LANES, sees)) continue;
    float all_scores[keeps_left ? 1 : 4][4], all_slopes[wants_slopes && !keeps_right ? 4 : 1][4];
    if constexpr (!keeps_left) {
      clear(all_scores);
      multiply_read<D, R>(all_scores, left, first, one);
    }
    if constexpr (wants_slopes && !keeps_right) {
      clear(all_slopes);
      multiply_read<D, R>(all_slopes, right, first, two);
    }
    UNROLL for (int n = 0; n < 4; n++) {
      float scores[4] = {0, 0, 0, 0}, slopes[4] = {0, 0, 0, 0}, weights[4];
      if constexpr (keeps_left) multiply_kept<D, R>(scores, x, one, n);
      else copy(all_scores[n], scores);
      if constexpr (wants_slopes && keeps_right) multiply_kept<D, R>(slopes, y, two, n);
      else if constexpr (wants_slopes) copy(all_slopes[n], slopes);
      unsigned kept = !drops ? 15u : by_key ? kept_by_key(drop, first, from + 8 * n) : kept_by_query(drop, first, from + 8 * n);
      UNROLL for (int j = 0; j < 4; j++) {
        int query = by_key ? from + 8 * n + 2 * t + (j & 1) : first + group + (j / 2) * 8;
        float weight = 0, slope = 0;
        if (added[n][j] != -INFINITY) {
          weight = expf(scores[j] * a.scale + added[n][j] - totals[query]);
          float dropped = kept >> j & 1 ? drop.factor : 0.0f;
          if (!drops) dropped = 1;
          slope = weight * (slopes[j] * dropped - dots[query]) * a.scale;
          weight *= dropped;
        }
        weights[j] = weight;
        slopes[j] = slope;
      }
      __syncwarp();
      if constexpr (wants_slopes) {
        float factors[4] = {prepared<R>(slopes[0]), prepared<R>(slopes[2]), prepared<R>(slopes[1]), prepared<R>(slopes[3])};
        UNROLL for (int i = 0; i < D / 8; i++) multiply_long<D, R>(sums[i], factors, one[8 * n + 2 * t][8 * i + group], one[8 * n + 2 * t + 1][8 * i + group]);
      }
      if constexpr (wants_values) {
        float factors[4] = {prepared<R>(weights[0]), prepared<R>(weights[2]), prepared<R>(weights[1]), prepared<R>(weights[3])};
        UNROLL for (int i = 0; i < D / 8; i++) multiply_long<D, R>(values[i], factors, two[8 * n + 2 * t][8 * i + group], two[8 * n + 2 * t + 1][8 * i + group]);
      }
    }
  }
  long long start = (item * mine * a.heads + head) * a.width;
  if constexpr (wants_slopes) write_rows<D>(sums, (by_key ? a.dk : a.dq) + start, first, mine, a.heads * a.width, a.width);
  if constexpr (wants_values) write_rows<D>(values, a.dv + start, first, mine, a.heads * a.width, a.width);
}

template <int D, int R> DEVICE void back_to_queries(const cuda_attention_gradient_arguments &a) {
  SHARED(float, tile, [2][tile_rows][D + 4]);
  SHARED(int, votes, [2][4]);
  back<D, R, of_queries>(a, blockIdx.x, tile[0], tile[1], votes);
}
template <int D, int R> DEVICE void back_to_keys(const cuda_attention_gradient_arguments &a) {
  SHARED(float, tile, [2][tile_rows][D + 4]);
  SHARED(int, votes, [2][4]);
  if constexpr (D < 128) {
    back<D, R, of_both>(a, blockIdx.x, tile[0], tile[1], votes);
  } else {
    if (blockIdx.x % 2) back<D, R, of_values>(a, blockIdx.x / 2, tile[0], tile[1], votes);
    else back<D, R, of_keys>(a, blockIdx.x / 2, tile[0], tile[1], votes);
  }
}

#define ATTENTION(D) \
  KERNEL_BOUNDS(cuda_attention_##D, cuda_attention_arguments, 128, 1) { attend<D, to_tf32>(a); } \
  KERNEL_BOUNDS(cuda_attention_bf16_##D, cuda_attention_arguments, 128, 1) { attend<D, to_bf16>(a); } \
  KERNEL_BOUNDS(cuda_attention_strict_##D, cuda_attention_arguments, 128, 1) { attend<D, strictly>(a); } \
  KERNEL_BOUNDS(cuda_attention_dq_##D, cuda_attention_gradient_arguments, 128, 1) { back_to_queries<D, to_tf32>(a); } \
  KERNEL_BOUNDS(cuda_attention_bf16_dq_##D, cuda_attention_gradient_arguments, 128, 1) { back_to_queries<D, to_bf16>(a); } \
  KERNEL_BOUNDS(cuda_attention_strict_dq_##D, cuda_attention_gradient_arguments, 128, 1) { back_to_queries<D, strictly>(a); } \
  KERNEL_BOUNDS(cuda_attention_dkv_##D, cuda_attention_gradient_arguments, 128, 1) { back_to_keys<D, to_tf32>(a); } \
  KERNEL_BOUNDS(cuda_attention_bf16_dkv_##D, cuda_attention_gradient_arguments, 128, 1) { back_to_keys<D, to_bf16>(a); } \
  KERNEL_BOUNDS(cuda_attention_strict_dkv_##D, cuda_attention_gradient_arguments, 128, 1) { back_to_keys<D, strictly>(a); }
#if defined(ATTENTION_WIDTH)
// One width alone compiles in a few seconds.
#define ATTENTION_OF(D) ATTENTION(D)
ATTENTION_OF(ATTENTION_WIDTH)
#else
ATTENTION(8)
ATTENTION(16)
ATTENTION(32)
ATTENTION(64)
ATTENTION(128)
#endif
