#pragma once

// Every kernel: what it returns, its name, its parameters, and how they are passed on. All declarations are made of this list.
#define CK_KERNELS(KERNEL) \
  KERNEL(void, ck_unary, (ck_unary_operation op, const float *x, float *y, size_t n), (op, x, y, n)) \
  /* dx = dy * f'(x) */ \
  KERNEL(void, ck_unary_gradient, (ck_unary_operation op, const float *x, const float *dy, float *dx, size_t n), (op, x, dy, dx, n)) \
  KERNEL(void, ck_binary, (ck_binary_operation op, const float *a, const float *b, float *y, size_t n), (op, a, b, y, n)) \
  KERNEL(void, ck_binary_scalar, (ck_binary_operation op, const float *a, float b, float *y, size_t n), (op, a, b, y, n)) \
  KERNEL(void, ck_scalar_binary, (ck_binary_operation op, float a, const float *b, float *y, size_t n), (op, a, b, y, n)) \
  /* y += a */ \
  KERNEL(void, ck_accumulate, (const float *a, float *y, size_t n), (a, y, n)) \
  KERNEL(float, ck_sum, (const float *x, size_t n), (x, n)) \
  KERNEL(double, ck_sum_of_squares, (const float *x, size_t n), (x, n)) \
  KERNEL(float, ck_dot, (const float *a, const float *b, size_t n), (a, b, n)) \
  KERNEL(float, ck_largest, (const float *x, size_t n), (x, n)) \
  /* y = exp(x - largest), returns the sum */ \
  KERNEL(float, ck_exponentials, (const float *x, float largest, float *y, size_t n), (x, largest, y, n)) \
  /* Of one row. */ \
  KERNEL(void, ck_moments, (const float *x, size_t n, float *mean, float *variance), (x, n, mean, variance)) \
  KERNEL(void, ck_bytes, (const uint8_t *x, float scale, float *y, size_t n), (x, scale, y, n)) \
  /* One step of AdamW on n parameters in place, and of their average when mean is not null; see Tensors/AdamWStep.swift. */ \
  KERNEL(void, ck_adamw, (float *p, const float *g, float *m, float *v, float *mean, size_t n, float scale, float rate, float beta1, float beta2, float epsilon, float decay, float correction1, float correction2, float share), (p, g, m, v, mean, n, scale, rate, beta1, beta2, epsilon, decay, correction1, correction2, share)) \
  /* y += (b - y) * share */ \
  KERNEL(void, ck_mix, (const float *b, float share, float *y, size_t n), (b, share, y, n)) \
  /* y *= s */ \
  KERNEL(void, ck_scale, (float s, float *y, size_t n), (s, y, n)) \
  /* dx = y * (dy - dot) */ \
  KERNEL(void, ck_softmax_gradient, (const float *y, const float *dy, float dot, float *dx, size_t n), (y, dy, dot, dx, n)) \
  /* Channels last: [pixels, c]. Sums are added to what is there. */ \
  KERNEL(void, ck_channel_sums, (const float *x, size_t pixels, size_t c, float *sums), (x, pixels, c, sums)) \
  /* sums += (x - mean)^2 */ \
  KERNEL(void, ck_channel_squares, (const float *x, const float *mean, size_t pixels, size_t c, float *sums), (x, mean, pixels, c, sums)) \
  /* y = finish(x * a + b + r); b [c] and r [pixels, c] may be null. */ \
  KERNEL(void, ck_channel_affine, (ck_finish finish, const float *x, const float *a, const float *b, const float *r, float *y, size_t pixels, size_t c), (finish, x, a, b, r, y, pixels, c)) \
  /* dz = dy * finish'(x * a + b + r), sums += dz, dots += dz * (x - mean); mean may be null. */ \
  KERNEL(void, ck_channel_upstream, (ck_finish finish, const float *x, const float *a, const float *b, const float *r, const float *dy, const float *mean, float *dz, float *sums, float *dots, size_t pixels, size_t c), (finish, x, a, b, r, dy, mean, dz, sums, dots, pixels, c)) \
  /* dx = dz * a + x * b + d; dx may be dz. */ \
  KERNEL(void, ck_channel_gradient, (const float *x, const float *dz, const float *a, const float *b, const float *d, float *dx, size_t pixels, size_t c), (x, dz, a, b, d, dx, pixels, c)) \
  /* dx = dz * a; dx may be dz. */ \
  KERNEL(void, ck_channel_scale, (const float *dz, const float *a, float *dx, size_t pixels, size_t c), (dz, a, dx, pixels, c)) \
  /* One row of the result of pooling an image [height, width, c]. */ \
  KERNEL(void, ck_max_pool, (const float *image, int height, int width, size_t c, int size, int stride, int padding, int row, int columns, float *y), (image, height, width, c, size, stride, padding, row, columns, y)) \
  /* Adds that row's gradient to the image's; `rest` is scratch of c numbers. */ \
  KERNEL(void, ck_max_pool_gradient, (const float *image, const float *y, const float *dy, int height, int width, size_t c, int size, int stride, int padding, int row, int columns, float *rest, float *dx), (image, y, dy, height, width, c, size, stride, padding, row, columns, rest, dx)) \
  /* One row of layer normalization: xhat = (x - mean) * factor, y = xhat * scale + bias (either may be null). */ \
  KERNEL(void, ck_row_normalize, (const float *x, float mean, float factor, const float *scale, const float *bias, float *y, size_t n), (x, mean, factor, scale, bias, y, n)) \
  /* Its gradient: g = dy * scale, dx = factor * (g - shift - xhat * slope). */ \
  KERNEL(void, ck_row_normalize_gradient, (const float *x, float mean, float factor, const float *scale, const float *dy, int centered, float *dx, size_t n), (x, mean, factor, scale, dy, centered, dx, n)) \
  /* dscale += dy * xhat, dbias += dy */ \
  KERNEL(void, ck_row_normalize_parameters, (const float *x, float mean, float factor, const float *dy, float *dscale, float *dbias, size_t n), (x, mean, factor, dy, dscale, dbias, n)) \
  /* One row of attention's scores to probabilities: s = softmax(s * scale + mask), mask may be null. Returns log Σ exp. */ \
  KERNEL(float, ck_attention_row, (float *s, const float *mask, float scale, size_t n), (s, mask, scale, n)) \
  /* The same from the sum's logarithm. */ \
  KERNEL(void, ck_attention_again, (float *s, const float *mask, float scale, float total, size_t n), (s, mask, scale, total, n)) \
  /* dp = p * (dp - dot) * scale */ \
  KERNEL(void, ck_attention_gradient, (const float *p, float *dp, float dot, float scale, size_t n), (p, dp, dot, scale, n)) \
  /* y[i] = x[i] / (1 - rate) where a random word of (key, first + i) says keep, else 0. */ \
  KERNEL(void, ck_dropout, (const float *x, float *y, size_t n, uint64_t key, uint64_t first, float rate), (x, y, n, key, first, rate)) \
  /* Matrices are row-major; `fs`, `ts`, `as`, `bs`, `cs` are the distances between their rows. to[j][i] = from[i][j] */ \
  KERNEL(void, ck_transpose, (size_t rows, size_t columns, const float *from, size_t fs, float *to, size_t ts), (rows, columns, from, fs, to, ts)) \
  /* How many floats `ck_pack` writes. */ \
  KERNEL(size_t, ck_packed_size, (size_t k, size_t n), (k, n)) \
  /* B in the layout that products read it in, for using it more than once. */ \
  KERNEL(void, ck_pack, (size_t k, size_t n, const float *b, size_t bs, int transposed, float *to), (k, n, b, bs, transposed, to)) \
  /* `depth` rows were packed, of which the first k count. */ \
  KERNEL(void, ck_product_packed, (size_t m, size_t n, size_t k, const float *a, size_t as, const float *packed, size_t depth, float *c, size_t cs, const float *bias, int accumulate), (m, n, k, a, as, packed, depth, c, cs, bias, accumulate)) \
  /* How many floats of scratch `ck_product` takes. */ \
  KERNEL(size_t, ck_product_scratch, (size_t m, size_t k, int a_transposed), (m, k, a_transposed)) \
  /* C = A B, A [m, k] (stored [k, m] when transposed), B [k, n] (stored [n, k] when transposed). Starts from the bias of \
     each column (or null), or from what C holds when accumulating. Sums run over k in order, whatever m and n. */ \
  KERNEL(void, ck_product, (size_t m, size_t n, size_t k, const float *a, size_t as, int a_transposed, const float *b, size_t bs, int b_transposed, float *c, size_t cs, const float *bias, int accumulate, float *scratch), (m, n, k, a, as, a_transposed, b, bs, b_transposed, c, cs, bias, accumulate, scratch)) \
  /* C = A B of at most 8 columns, B stored [n, k]: sums run along k in vectors, in an order that k alone decides. Faster where \
     k is long; its bits are not those of `ck_product`. */ \
  KERNEL(void, ck_product_narrow, (size_t m, size_t n, size_t k, const float *a, size_t as, const float *b, size_t bs, float *c, size_t cs, const float *bias, int accumulate), (m, n, k, a, as, b, bs, c, cs, bias, accumulate)) \
  /* Winograd's F(4x4, 3x3), channels last, in multiples of 16. The 6x6 pixels at (y, x) of an image, zeros outside, to 36 \
     rows of channels, `step` apart. */ \
  KERNEL(void, ck_winograd_data, (const float *image, int height, int width, size_t channels, int y, int x, float *to, size_t step), (image, height, width, channels, y, x, to, step)) \
  /* 36 rows to the 4x4 pixels at (y, x) of an image, those inside it; bias may be null. */ \
  KERNEL(void, ck_winograd_result, (const float *from, size_t step, float *image, int height, int width, size_t channels, int y, int x, const float *bias), (from, step, image, height, width, channels, y, x, bias)) \
  /* The 4x4 pixels at (y, x) of the result's gradient to 36 rows. */ \
  KERNEL(void, ck_winograd_upstream, (const float *image, int height, int width, size_t channels, int y, int x, float *to, size_t step), (image, height, width, channels, y, x, to, step)) \
  /* Inputs first..<last of [3, 3, inputs, outputs] to 36 packed matrices. */ \
  KERNEL(void, ck_winograd_weights, (const float *weight, size_t inputs, size_t outputs, size_t first, size_t last, float *to), (weight, inputs, outputs, first, last, to)) \
  /* Numbers first..<last of 36 matrices of `count` to those of the nine of the weight's gradient. */ \
  KERNEL(void, ck_winograd_weight_gradient, (const float *from, size_t count, size_t first, size_t last, float *to), (from, count, first, last, to)) \
  /* The windows of result pixels first..<last as rows; writes up to 15 numbers beyond the last row. */ \
  KERNEL(void, ck_gather, (const ck_window *w, const float *image, size_t first, size_t last, float *to), (w, image, first, last, to)) \
  /* Adds rows back to where the windows lie. */ \
  KERNEL(void, ck_scatter, (const ck_window *w, const float *rows, size_t first, size_t last, float *image), (w, rows, first, last, image)) \
  /* Points, x, y and z apart: d becomes the smaller of itself and the squared distance to p; returns the place of the largest. */ \
  KERNEL(size_t, ck_farthest, (const float *x, const float *y, const float *z, float px, float py, float pz, float *d, size_t n), (x, y, z, px, py, pz, d, n)) \
  /* Squared distances of n points to p, x, y and z apart, each axis counted by its weight. */ \
  KERNEL(void, ck_distances, (const float *p, const float *weights, const float *x, const float *y, const float *z, size_t n, float *to), (p, weights, x, y, z, n, to)) \
  /* For each of n points the squared distance to the nearest of m others, and its place. */ \
  KERNEL(void, ck_nearest, (const float *ax, const float *ay, const float *az, size_t n, const float *bx, const float *by, const float *bz, size_t m, float *distance, int32_t *place), (ax, ay, az, n, bx, by, bz, m, distance, place)) \
  /* Blends the splats of `list`, nearest first, into the tile whose first pixel is (left, top): the light that is left \
     [16*16], the sums of colors [4][16*16], and the place in the list, plus 1, of each pixel's last contributor. */ \
  KERNEL(void, ck_splat_blend, (const ck_splat *splats, const int32_t *list, size_t count, int left, int top, float *remaining, float *sums, int32_t *last), (splats, list, count, left, top, remaining, sums, last)) \
  /* The backward pass. output_gradient: of the four sums and of alpha [5][16*16]. gradients: for each of the list of x, y, a, \
     b, c, opacity and the colors, [count][10]. */ \
  KERNEL(void, ck_splat_blend_gradient, (const ck_splat *splats, const int32_t *list, size_t count, int left, int top, const float *remaining, const int32_t *last, const float *output_gradient, const float *background, float *gradients), (splats, list, count, left, top, remaining, last, output_gradient, background, gradients))
