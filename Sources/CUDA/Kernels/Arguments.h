#ifndef CUDA_ARGUMENTS
#define CUDA_ARGUMENTS

// What the kernels take: one struct each, by value. C, C++, NVRTC and Swift read this file, so it includes nothing.
//
// A kernel's name is its struct's without `_arguments`; where a struct has several kernels the comment names them.
// "Launch" gives the grid and the block (threads in x). Unless said otherwise grid y and z and shared memory are 1, 1, 0.
// "Elementwise n" is grid min(ceil(n / 1024), 8192), block 256. Tensors without numbers are not launched.
// ceil(a / b) is (a + b - 1) / b. Pointers may be null only where said. Structs have no padding: their bytes can be compared.
// Counts below 2^31 are indexed by 32 bits, larger ones by 64.
//
// NVRTC's options: --gpu-architecture=sm_XY --std=c++17 --minimal --restrict --fmad=true --device-as-default-execution-space.
//

// ---------------------------------------------------------------- Elementwise.cu

// As ck_unary_operation and ck_binary_operation, in the same order.
enum {
  cuda_exp, cuda_log, cuda_sqrt, cuda_square, cuda_absolute, cuda_sine, cuda_cosine, cuda_reciprocal,
  cuda_relu, cuda_gelu, cuda_gelu_tanh, cuda_silu, cuda_mish, cuda_softplus, cuda_tanh, cuda_sigmoid
};
enum { cuda_add, cuda_subtract, cuda_multiply, cuda_divide, cuda_maximum, cuda_minimum };
// As ck_finish.
enum { cuda_no_finish, cuda_finish_relu, cuda_finish_mish, cuda_finish_silu };
enum { cuda_axes = 6 };

// y = f(x). Launch: elementwise count.
typedef struct {
  const float *x;
  float *y;
  long long count;
  int operation;
  int unused;
} cuda_unary_arguments;

// dx = dy f'(x). Launch: elementwise count.
typedef struct {
  const float *x, *dy;
  float *dx;
  long long count;
  int operation;
  int unused;
} cuda_unary_gradient_arguments;

// y = x op number. y may be x. Launch: elementwise count.
typedef struct {
  const float *x;
  float *y;
  long long count;
  float number;
  int operation;
} cuda_binary_scalar_arguments;

// y = a op b. axes 0: equal shapes, contiguous. Else the result has `axes` merged axes, axis 0 the innermost, with `sizes`,
// and a's and b's numbers lie `left` and `right` apart along each (0 where they are repeated); y is contiguous.
// y may be a or b where those are contiguous. Launch: elementwise count.
typedef struct {
  const float *a, *b;
  float *y;
  long long count;
  long long left[cuda_axes], right[cuda_axes];
  int sizes[cuda_axes];
  int operation;
  int axes;
} cuda_binary_arguments;

// mask = a >= b, or a <= b when smaller is 1, as 1 and 0. Contiguous, equal shapes. Launch: elementwise count.
typedef struct {
  const float *a, *b;
  float *mask;
  long long count;
  int smaller;
  int unused;
} cuda_mask_arguments;

// dx = low <= x && x <= high ? dy : 0. Launch: elementwise count.
typedef struct {
  const float *x, *dy;
  float *dx;
  long long count;
  float low, high;
} cuda_clamp_gradient_arguments;

// y = value. Launch: elementwise count.
typedef struct {
  float *y;
  long long count;
  float value;
  int unused;
} cuda_fill_arguments;

// y += a. Launch: elementwise count.
typedef struct {
  const float *a;
  float *y;
  long long count;
} cuda_accumulate_arguments;

// y += (b - y) share. Launch: elementwise count.
typedef struct {
  const float *b;
  float *y;
  long long count;
  float share;
  int unused;
} cuda_mix_arguments;

// ---------------------------------------------------------------- Movement.cu

// Row r of width numbers from from[from_start + r from_step] to to[to_start + r to_step]. Launch: elementwise rows * width.
typedef struct {
  const float *from;
  float *to;
  long long from_start, from_step, to_start, to_step;
  long long rows, width;
} cuda_copy_rows_arguments;

// Each row of [rows, width] with `before` and `after` values around it: [rows, before + width + after]; width may be 0.
// Also pads an image's channels (3 to 4: before 0, after 1). Launch: elementwise rows * (before + width + after).
typedef struct {
  const float *from;
  float *to;
  long long rows, before, width, after;
  float value;
  int unused;
} cuda_pad_arguments;

// `parts` tensors [rows, widths[i]] side by side as one of [rows, sum of widths]. More than 8: several launches with `start`, the
// first column of part 0, and `step`, the width of the whole. Launch: elementwise rows * sum of widths.
typedef struct {
  float *part[8];
  long long widths[8];
  float *whole;
  long long rows, start, step;
  int parts;
  int unused;
} cuda_concatenate_arguments;

// to has `axes` axes, axis 0 the innermost, with `sizes`; from's numbers lie `steps` apart along each. Merge axes that stay
// together first. Any strided copy: also repeats (step 0). Launch: elementwise count.
typedef struct {
  const float *from;
  float *to;
  long long count;
  long long steps[cuda_axes];
  int sizes[cuda_axes];
  int axes;
  int unused;
} cuda_permute_arguments;

// [matrices, rows, columns] to [matrices, columns, rows]. Filters between [kh, kw, in, out] and [out, kh, kw, in] are this with
// matrices 1 and rows kh kw in (there) or out (back).
// Launch: grid matrices * ceil(rows / 32) * ceil(columns / 32), block 256.
typedef struct {
  const float *from;
  float *to;
  long long matrices;
  int rows, columns;
} cuda_transpose_arguments;

// [outer, size, inner] to [outer, count, inner] by places [count], or [outer, count] where each has its own.
// Launch: elementwise outer * count * inner.
typedef struct {
  const float *from;
  const int *places;
  float *to;
  long long outer, size, count, inner, own;
} cuda_gather_rows_arguments;

// The gradient: to[o, r] = sum of from[o, p] over the p with places[p] = r, ascending, starting from 0: the CPU's sums.
// Launch: grid ceil(outer * size / 8), block 256.
typedef struct {
  const float *from;
  const int *places;
  float *to;
  long long outer, size, count, inner, own;
} cuda_scatter_rows_arguments;

// ---------------------------------------------------------------- Reductions.cu

// Sums of rows: [rows, size] to [rows, parts], parts = ceil(size / part). part = size for whole rows; one long row: part 65536,
// then a second launch over [1, parts] with part = parts. Starts from 0; size may be 0 with part 1 and parts 1.
// Launch: size <= 1024 (then part >= size): grid ceil(rows / 8); else grid rows * parts. Block 256.
typedef struct {
  const float *x;
  float *y;
  long long rows, size, part;
} cuda_sum_inner_arguments;

// [outer, size, inner] to [outer, parts, inner], parts = ceil(size / part): sums over `part` rows each. For more than one part
// a second launch over [outer, parts, inner] with part = parts. Advice: part 256 where outer is 1, else size.
// plain 1 (for size <= 16, or outer * inner >= 65536; then part >= size): a thread a number, in order.
// Launch: plain: grid ceil(outer * inner / 256); else grid outer * parts * ceil(inner / 32). Block 256.
typedef struct {
  const float *x;
  float *y;
  long long outer, size, inner, part;
  int plain;
  int unused;
} cuda_sum_middle_arguments;

// The first place of the largest along size, [outer, size, inner] to [outer, inner], size > 0, and the largest. places, largest:
// either may be null. Launch: inner 1: grid ceil(outer / 8), else grid ceil(outer * inner / 256). Block 256.
typedef struct {
  const float *x;
  int *places;
  float *largest;
  long long outer, size, inner;
} cuda_argmax_arguments;

// The gradient: dx[o, s, i] = dy[o, i] where places[o, i] = s, else 0. Launch: elementwise outer * size * inner.
typedef struct {
  const int *places;
  const float *dy;
  float *dx;
  long long outer, size, inner;
} cuda_argmax_gradient_arguments;

// ---------------------------------------------------------------- Rows.cu
// Launch of all but row_norm_parameters: width <= 1024: grid ceil(rows / 8), else grid rows. Block 256. width > 0.

// y = exp(x) / sum of exp(x) over each row of [rows, width].
typedef struct {
  const float *x;
  float *y;
  long long rows;
  int width;
  int unused;
} cuda_softmax_arguments;

// dx = y (dy - sum of y dy)
typedef struct {
  const float *y, *dy;
  float *dx;
  long long rows;
  int width;
  int unused;
} cuda_softmax_gradient_arguments;

// y [rows] = log of the sum of exp(x); a largest that is not finite is the result.
typedef struct {
  const float *x;
  float *y;
  long long rows;
  int width;
  int unused;
} cuda_log_sum_exp_arguments;

// moments [rows, 2]: mean (0 unless centered) and reciprocal deviation. scale, bias [width]: either may be null.
typedef struct {
  const float *x, *scale, *bias;
  float *y, *moments;
  long long rows;
  int width;
  int centered;
  float epsilon;
  int unused;
} cuda_row_norm_arguments;

// With g = dy scale (scale may be null): dx = factor (g - mean of g - xhat mean of g xhat), without the first mean unless centered.
typedef struct {
  const float *x, *moments, *scale, *dy;
  float *dx;
  long long rows;
  int width;
  int centered;
} cuda_row_norm_gradient_arguments;

// parts [ceil(rows / part), 2, width]: of `part` rows each (advice: 64) the sums of dy (x - mean) factor, and of dy. Then
// sum_middle over [1, ceil(rows / part), 2 width] gives [2, width]: the scale's and the bias's gradient.
// Launch: grid ceil(rows / part) * ceil(width / 32), block 256.
typedef struct {
  const float *x, *moments, *dy;
  float *parts;
  long long rows;
  int width;
  int part;
} cuda_row_norm_parameters_arguments;

// ---------------------------------------------------------------- Channels.cu
// x [images, pixels, channels]. Moments, factors [sets, 2, channels]; sets is images, or 1 for the whole batch.
// width = channels / groups. slab: the channels of a block, whole groups: width >= 32 ? width : 32 / width * width.
// slabs = ceil(channels / slab).

// Mean and 1 / sqrt(variance + epsilon) by image and group, spread over the group's channels, when parts is null, and variance
// [images, channels]. With parts: [images * ceil(pixels / part), 2, channels], means and sums of squares about them of `part` pixels each (the last
// part of an image may be shorter), for channel_merge; moments and variance are not touched. Without: part = pixels.
// Launch: grid images * ceil(pixels / part) * slabs, block 256, shared 8 * slab bytes.
typedef struct {
  const float *x;
  float *parts, *moments, *variance;
  long long images;
  int pixels, channels, groups, part;
  float epsilon;
  int unused;
} cuda_channel_moments_arguments;

// parts to moments and variance. together: one set of all images, else one a image.
// Launch: grid (together ? 1 : images) * slabs, block 256, shared 8 * slab bytes.
typedef struct {
  const float *parts;
  float *moments, *variance;
  long long images;
  int pixels, channels, groups, part;
  float epsilon;
  int together;
} cuda_channel_merge_arguments;

// a = factor scale, b = bias - mean a. scale, bias [channels] may be null. Launch: elementwise sets * channels.
typedef struct {
  const float *moments, *scale, *bias;
  float *factors;
  long long sets;
  int channels;
  int unused;
} cuda_channel_factors_arguments;

// y = finish(x a + b + added). a, b: image i's begin at a + i step; b, added may be null. y may be x or added.
// Launch: elementwise images * pixels * channels.
typedef struct {
  const float *x, *a, *b, *added;
  float *y;
  long long images, step;
  int pixels, channels;
  int finish;
  int unused;
} cuda_channel_affine_arguments;

// dz = dy finish'(x a + b + added), and sums [images, parts, 2, channels] of dz and of dz (x - mean), parts = ceil(pixels / part);
// for more than one part sum_middle over [images, parts, 2 channels]. dz may be null (not kept) or dy. b, added, mean may be null.
// Image i's a and b at + i step, its mean at + i mean_step. Advice: part 1024.
// Launch: grid images * parts * ceil(channels / 32), block 256.
typedef struct {
  const float *x, *a, *b, *added, *dy, *mean;
  float *dz, *sums;
  long long images, step, mean_step;
  int pixels, channels, part;
  int finish;
} cuda_channel_upstream_arguments;

// From sums [sets, 2, channels] (of a set's images): coefficients [sets, 3, channels] a, b, d of channel_gradient, and parts
// [sets, 2, channels]: the sums, and the products with the normalized number; sum_middle over [1, sets, 2 channels] of those gives
// the bias's and the scale's gradient. size: numbers of a set and group, members * pixels * width. scale may be null.
// Launch: grid ceil(sets * groups / 8), block 256.
typedef struct {
  const float *sums, *moments, *scale;
  float *coefficients, *parts;
  long long sets;
  int channels, groups;
  float size;
  int unused;
} cuda_channel_coefficients_arguments;

// dx = dz a + x b + d, a at coefficients + i step, b and d `channels` and 2 `channels` behind it. dx may be dz.
// Launch: elementwise images * pixels * channels.
typedef struct {
  const float *x, *dz, *coefficients;
  float *dx;
  long long images, step;
  int pixels, channels;
} cuda_channel_gradient_arguments;

// dx = dz a, a at a + i step. dx may be dz. Launch: elementwise images * pixels * channels.
typedef struct {
  const float *dz, *a;
  float *dx;
  long long images, step;
  int pixels, channels;
} cuda_channel_scale_arguments;

// ---------------------------------------------------------------- Attention.cu

// q, o [batch, queries, heads, width]; k, v [batch, keys, heads, width]; totals [batch, heads, queries].
// mask: planes [queries, keys], that of an item and head at mask + item mask_item + head mask_head (in numbers, 0 where shared);
// may be null. A query that sees nothing gives 0 and a total of minus infinity. rate 0: no dropout, and key may be null. key: of the dropout; it changes by
// step, so kernels read it where a graph can.
// Kernels: cuda_attention_W, cuda_attention_bf16_W and cuda_attention_strict_W, W the next of 8, 16, 32, 64, 128 above or at width. NVRTC takes some 15 s
// for the whole file, 2 to 5 s for one width: --define-macro=ATTENTION_WIDTH=64.
// Launch: grid x ceil(queries / 64), y heads, z batch (65535 at most; larger batches in several launches), block 128.
typedef struct {
  const float *q, *k, *v, *mask;
  float *o, *totals;
  const unsigned long long *key;
  long long mask_item, mask_head;
  int first_item;  // added to the item's number in the dropout's index, for batches in several launches
  int heads, queries, keys, width;
  float scale, rate;
  int unused;
} cuda_attention_arguments;

// dots [batch, heads, queries] = sum of above o over width. Launch: grid ceil(batch * heads * queries / 8), block 256.
typedef struct {
  const float *above, *o;
  float *dots;
  long long batch;
  int heads, queries, width;
  int unused;
} cuda_attention_dots_arguments;

// above: the result's gradient, as o. Kernels: cuda_attention_dq_W (writes dq), cuda_attention_dkv_W (dk and dv), and
// cuda_attention_strict_dq_W, cuda_attention_strict_dkv_W.
// Launch: dq: grid x ceil(queries / 64), y heads, z batch; dkv: grid x ceil(keys / 64), for W 128 twice that, y heads, z batch.
// Block 128.
typedef struct {
  const float *q, *k, *v, *mask, *above, *totals, *dots;
  float *dq, *dk, *dv;
  const unsigned long long *key;
  long long mask_item, mask_head;
  int first_item;
  int heads, queries, keys, width;
  float scale, rate;
  int unused;
} cuda_attention_gradient_arguments;

// ---------------------------------------------------------------- Convolution.cu

// Images [images, height, width, channels] as windows: to [images, rows, columns, kernel_height, kernel_width, channels], zeros
// outside. rows, columns: of the result. Some images only: move the pointers. Launch: elementwise of to's numbers.
typedef struct {
  const float *from;
  float *to;
  long long images;
  int height, width, channels, kernel_height, kernel_width, stride_y, stride_x, padding_y, padding_x, rows, columns;
  int unused;
} cuda_patches_arguments;

// Back, from windows to images: every pixel is the sum of its numbers in the windows, in the order of the windows (pixels without
// any: 0). Launch: elementwise images * height * width * channels.
typedef cuda_patches_arguments cuda_patches_back_arguments;

// ---------------------------------------------------------------- Pooling.cu

// x [images, height, width, channels] to y [images, rows, columns, channels]. Launch: elementwise of y's numbers.
typedef struct {
  const float *x;
  float *y;
  long long images;
  int height, width, channels, size, stride, padding, rows, columns;
} cuda_max_pool_arguments;

// The gradient goes to the first pixel of a window that holds its largest. Launch: elementwise of dx's numbers.
typedef struct {
  const float *x, *y, *dy;
  float *dx;
  long long images;
  int height, width, channels, size, stride, padding, rows, columns;
} cuda_max_pool_gradient_arguments;

// ---------------------------------------------------------------- Optimizer.cu

// Up to 16384 numbers (advice) of one parameter. average may be null.
typedef struct {
  float *values, *first, *second, *average;
  const float *gradient;
  int count;
  int group;
} cuda_adamw_piece;

// What pieces of one group share and what changes by step. correction1 = 1 - beta1^step, correction2 likewise.
typedef struct {
  float rate, decay, correction1, correction2, share;
  int unused;
} cuda_adamw_group;

// As ck_adamw; gradients are multiplied by *scale. Nothing changes when that is not a number.
// Launch: grid the number of pieces, block 256.
typedef struct {
  const cuda_adamw_piece *pieces;
  const cuda_adamw_group *groups;
  const float *scale;
  float beta1, beta2, epsilon;
  int unused;
} cuda_adamw_arguments;

// Up to 65536 numbers (advice) of one tensor.
typedef struct {
  const float *values;
  long long count;
} cuda_squares_piece;

// sums[i] = the sum of the squares of piece i, in double. Launch: grid the number of pieces, block 256.
typedef struct {
  const cuda_squares_piece *pieces;
  double *sums;
} cuda_sum_of_squares_arguments;

// *total = the sum of the sums, in a fixed order. Launch: grid 1, block 256.
typedef struct {
  const double *sums;
  double *total;
  long long count;
} cuda_total_arguments;

// The norm is the root of the sum of the sums, in their order. Row *row of log [rows + 1, 2] becomes loss and norm, and its last
// row's first number 1 once either is not finite. *factor: what brings the norm to at most `maximum`; NaN from then on.
// Launch: grid 1, block 256.
typedef struct {
  const double *sums;
  const float *loss;
  const int *row;
  float *log, *factor;
  long long count;
  int rows;
  float maximum;
} cuda_clip_arguments;

// ---------------------------------------------------------------- Random.cu

// y = word(key, first + i) >= limit ? x / (1 - rate) : 0. first must be a multiple of 4. The CPU's bits. y may be x.
// Launch: elementwise count.
typedef struct {
  const float *x;
  float *y;
  const unsigned long long *key;
  unsigned long long first;
  long long count;
  float rate;
  int unused;
} cuda_dropout_arguments;

// Bytes [images, height, width, channels] divided by 255, each image cropped at its offset (offsets [images, 2]: y, x), to
// [images, crop_height, crop_width, to_channels]; channels beyond `channels` are 0. offsets may be null: 0, 0.
// Launch: elementwise of to's numbers.
typedef struct {
  const unsigned char *pixels;
  const int *offsets;
  float *to;
  long long images;
  int height, width, channels, crop_height, crop_width, to_channels;
} cuda_images_arguments;

// ---------------------------------------------------------------- Points.cu

// points [batch, n, 3] to places [batch, count]: the first point, then always the farthest from all chosen, the first of equals.
// distances [batch, n]: scratch. Launch: grid batch, block 1024.
typedef struct {
  const float *points;
  int *places;
  float *distances;
  int n, count;
} cuda_farthest_points_arguments;

// For each of a [batch, n, 3] the place of the nearest of b [batch, m, 3], the first of equals, and the squared distance; places,
// distances [batch, n]: either may be null. Launch: grid batch * ceil(n / 256), block 256.
typedef struct {
  const float *a, *b;
  int *places;
  float *distances;
  long long batch;
  int n, m;
} cuda_nearest_arguments;

// to [batch, rows, n] = the squared distances of places [batch, rows, 3] to points [batch, n, 3], each axis counted by its weight,
// weights [rows, 3]. Launch: grid batch * ceil(rows / 16) * ceil(n / 256), block 256.
typedef struct {
  const float *places, *points, *weights;
  float *to;
  long long batch;
  int rows, n;
} cuda_distances_arguments;

// ---------------------------------------------------------------- Harmonics.cu
// means, colors, dcolors [count, 3]; coefficients [count, terms, 3]; terms 1, 4, 9 or 16. Launch of all: grid ceil(count / 256),
// block 256.

// colors = 0.5 + sum of harmonics and coefficients, none below 0.
typedef struct {
  const float *means, *coefficients;
  float *colors;
  long long count;
  int terms;
  float camera[3];
} cuda_harmonic_colors_arguments;

// dcoefficients [count, terms, 3].
typedef struct {
  const float *means, *colors, *dcolors;
  float *dcoefficients;
  long long count;
  int terms;
  float camera[3];
} cuda_harmonic_coefficient_gradient_arguments;

// dmeans [count, 3]: of the direction; zeros for one term.
typedef struct {
  const float *means, *coefficients, *colors, *dcolors;
  float *dmeans;
  long long count;
  int terms;
  float camera[3];
} cuda_harmonic_mean_gradient_arguments;

// ---------------------------------------------------------------- Splats.cu
// An image of Gaussians, in this order (n Gaussians, tiles = columns * rows of 16 x 16 pixels, capacity entries at most):
//   splat_project; radix sort of keys with values 0..<n (4 passes of 8 bits); splat_counts; splat_entries;
//   radix sort of entry keys (passes of 8 bits up to the bits of tiles - 1; none for one tile); splat_starts; splat_blend.
// Back: splat_blend_gradient; splat_gradient.

typedef struct {
  int width, height;
  int columns, rows;  // of tiles: ceil(width / 16), ceil(height / 16)
  float focal[2], center[2];
  float rotation[9];  // rows
  float translation[3];
  float near;
  float background[3];
} cuda_splat_view;

// As ck_splat. opacity 0: not drawn.
typedef struct {
  float x, y, a, b, c, opacity, half_width, half_height;
  float color[4];
} cuda_splat;

// means, scales [n, 3], rotations [n, 4], colors [n, 3], opacities [n] to splats [n], spans [n, 4] (first column of tiles, last
// plus 1, first row, last plus 1), keys [n] (the depth's bits; all ones where not drawn) and values [n] (0, 1, 2, ...).
// Launch: grid ceil(n / 256), block 256.
typedef struct {
  const float *means, *scales, *rotations, *colors, *opacities;
  cuda_splat *splats;
  int *spans;
  unsigned *keys;
  int *values;
  cuda_splat_view view;
  int n;
  int unused;
} cuda_splat_project_arguments;

// One pass of the stable sort by the 8 bits from shift on, three launches. blocks = ceil(count / 2048).
// 1. sort_count: counts [256, blocks]. Launch: grid blocks, block 256.
// 2. scan of 256 * blocks numbers, in place.
// 3. sort_move: to other keys and values. Launch: grid blocks, block 256.
typedef struct {
  const unsigned *keys;
  int *counts;
  int count, shift;
} cuda_sort_count_arguments;

// to[i] = the sum of from[0..<i]; total (may be null) = the sum of all; sums beyond 2^31 - 1 stay there. Numbers below 2^19. to may be
// from. Launch: grid 1, block 1024.
typedef struct {
  const int *from;
  int *to, *total;
  int count;
  int unused;
} cuda_scan_arguments;

typedef struct {
  const unsigned *keys;
  const int *values, *starts;  // starts: sort_count's counts after the scan
  unsigned *to_keys;
  int *to_values;
  int count, shift;
} cuda_sort_move_arguments;

// counts[r] = how many tiles the Gaussian order[r] touches (0 where not drawn). Then scan counts to offsets, the total to
// `total`. Launch: grid ceil(n / 256), block 256.
typedef struct {
  const cuda_splat *splats;
  const int *spans, *order;
  int *counts;
  int n;
  int unused;
} cuda_splat_counts_arguments;

// The entries of the Gaussian order[r] from offsets[r] on: keys (the tile), values (the entry's number), gaussians (order[r]).
// Those from capacity on are left out. Launch: grid ceil(n / 256), block 256.
typedef struct {
  const cuda_splat *splats;
  const int *spans, *order, *offsets;
  unsigned *keys;
  int *values, *gaussians;
  int n, capacity, columns;
  int unused;
} cuda_splat_entries_arguments;

// From sorted keys and values: starts [tiles + 1], list [capacity] (the Gaussian of each sorted entry), places [capacity] (of
// each entry before the sort, where it is now). Launch: grid ceil(max(capacity, 1) / 256), block 256.
typedef struct {
  const unsigned *keys;
  const int *values, *gaussians, *total;
  int *starts, *list, *places;
  int capacity, tiles;
} cuda_splat_starts_arguments;

// image [height, width, 5]; remaining, last [tiles, 256]: the light left, and the place in the tile's list, plus 1, of the last
// contributor. Launch: grid tiles, block 256.
typedef struct {
  const cuda_splat *splats;
  const int *starts, *list;
  float *image, *remaining;
  int *last;
  cuda_splat_view view;
} cuda_splat_blend_arguments;

// gradients [capacity, 10]: of each sorted entry x, y, a, b, c, opacity, the colors, depth. Launch: grid tiles, block 256.
typedef struct {
  const cuda_splat *splats;
  const int *starts, *list, *last;
  const float *remaining, *dimage;
  float *gradients;
  cuda_splat_view view;
} cuda_splat_blend_gradient_arguments;

// Adds each Gaussian's entries in the order of the tiles and goes back through its projection; writes all five, zeros where not
// drawn. order, offsets, spans, places: of the forward pass. Launch: grid ceil(n / 256), block 256.
typedef struct {
  const float *means, *scales, *rotations;
  const cuda_splat *splats;
  const int *order, *offsets, *spans, *places;
  const float *gradients;
  float *dmeans, *dscales, *drotations, *dcolors, *dopacities;
  cuda_splat_view view;
  int n, capacity;
} cuda_splat_gradient_arguments;

#endif
