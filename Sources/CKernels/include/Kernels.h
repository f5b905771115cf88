#pragma once

// Every kernel: what it returns, its name, its parameters, and how they are passed on.
#define CK_KERNELS(KERNEL) \
  KERNEL(void, ck_unary, (ck_unary_operation op, const float *x, float *y, size_t n), (op, x, y, n)) \
  KERNEL(void, ck_unary_gradient, (ck_unary_operation op, const float *x, const float *dy, float *dx, size_t n), (op, x, dy, dx, n)) \
  KERNEL(void, ck_binary, (ck_binary_operation op, const float *a, const float *b, float *y, size_t n), (op, a, b, y, n)) \
  KERNEL(void, ck_binary_scalar, (ck_binary_operation op, const float *a, float b, float *y, size_t n), (op, a, b, y, n)) \
  KERNEL(void, ck_scalar_binary, (ck_binary_operation op, float a, const float *b, float *y, size_t n), (op, a, b, y, n)) \
  KERNEL(void, ck_accumulate, (const float *a, float *y, size_t n), (a, y, n)) \
  KERNEL(float, ck_sum, (const float *x, size_t n), (x, n)) \
  KERNEL(double, ck_sum_of_squares, (const float *x, size_t n), (x, n)) \
  KERNEL(float, ck_dot, (const float *a, const float *b, size_t n), (a, b, n)) \
  KERNEL(float, ck_largest, (const float *x, size_t n), (x, n)) \
  KERNEL(float, ck_exponentials, (const float *x, float largest, float *y, size_t n), (x, largest, y, n)) \
  KERNEL(void, ck_moments, (const float *x, size_t n, float *mean, float *variance), (x, n, mean, variance)) \
  KERNEL(void, ck_bytes, (const uint8_t *x, float scale, float *y, size_t n), (x, scale, y, n)) \
  KERNEL(void, ck_adamw, (float *p, const float *g, float *m, float *v, float *mean, size_t n, float scale, float rate, float beta1, float beta2, float epsilon, float decay, float correction1, float correction2, float share), (p, g, m, v, mean, n, scale, rate, beta1, beta2, epsilon, decay, correction1, correction2, share)) \
  KERNEL(void, ck_mix, (const float *b, float share, float *y, size_t n), (b, share, y, n)) \
  KERNEL(void, ck_scale, (float s, float *y, size_t n), (s, y, n)) \
  KERNEL(void, ck_softmax_gradient, (const float *y, const float *dy, float dot, float *dx, size_t n), (y, dy, dot, dx, n)) \
  KERNEL(void, ck_channel_sums, (const float *x, size_t pixels, size_t c, float *sums), (x, pixels, c, sums)) \
  KERNEL(void, ck_channel_squares, (const float *x, const float *mean, size_t pixels, size_t c, float *sums), (x, mean, pixels, c, sums)) \
  KERNEL(void, ck_channel_affine, (ck_finish finish, const float *x, const float *a, const float *b, const float *r, float *y, size_t pixels, size_t c), (finish, x, a, b, r, y, pixels, c)) \
  KERNEL(void, ck_channel_upstream, (ck_finish finish, const float *x, const float *a, const float *b, const float *r, const float *dy, const float *mean, float *dz, float *sums, float *dots, size_t pixels, size_t c), (finish, x, a, b, r, dy, mean, dz, sums, dots, pixels, c)) \
  KERNEL(void, ck_channel_gradient, (const float *x, const float *dz, const float *a, const float *b, const float *d, float *dx, size_t pixels, size_t c), (x, dz, a, b, d, dx, pixels, c)) \
  KERNEL(void, ck_channel_scale, (const float *dz, const float *a, float *dx, size_t pixels, size_t c), (dz, a, dx, pixels, c)) \
  KERNEL(void, ck_max_pool, (const float *image, int height, int width, size_t c, int size, int stride, int padding, int row, int columns, float *y), (image, height, width, c, size, stride, padding, row, columns, y)) \
  KERNEL(void, ck_max_pool_gradient, (const float *image, const float *y, const float *dy, int height, int width, size_t c, int size, int stride, int padding, int row, int columns, float *rest, float *dx), (image, y, dy, height, width, c, size, stride, padding, row, columns, rest, dx)) \
  KERNEL(void, ck_row_normalize, (const float *x, float mean, float factor, const float *scale, const float *bias, float *y, size_t n), (x, mean, factor, scale, bias, y, n)) \
  KERNEL(void, ck_row_normalize_gradient, (const float *x, float mean, float factor, const float *scale, const float *dy, int centered, float *dx, size_t n), (x, mean, factor, scale, dy, centered, dx, n)) \
  KERNEL(void, ck_row_normalize_parameters, (const float *x, float mean, float factor, const float *dy, float *dscale, float *dbias, size_t n), (x, mean, factor, dy, dscale, dbias, n)) \
  KERNEL(float, ck_attention_row, (float *s, const float *mask, float scale, size_t n), (s, mask, scale, n)) \
  KERNEL(void, ck_attention_again, (float *s, const float *mask, float scale, float total, size_t n), (s, mask, scale, total, n)) \
  KERNEL(void, ck_attention_gradient, (const float *p, float *dp, float dot, float scale, size_t n), (p, dp, dot, scale, n)) \
  KERNEL(void, ck_dropout, (const float *x, float *y, size_t n, uint64_t key, uint64_t first, float rate), (x, y, n, key, first, rate)) \
  KERNEL(void, ck_transpose, (size_t rows, size_t columns, const float *from, size_t fs, float *to, size_t ts), (rows, columns, from, fs, to, ts)) \
  KERNEL(size_t, ck_packed_size, (size_t k, size_t n), (k, n)) \
  KERNEL(void, ck_pack, (size_t k, size_t n, const float *b, size_t bs, int transposed, float *to), (k, n, b, bs, transposed, to)) \
  KERNEL(void, ck_product_packed, (size_t m, size_t n, size_t k, const float *a, size_t as, const float *packed, size_t depth, float *c, size_t cs, const float *bias, int accumulate), (m, n, k, a, as, packed, depth, c, cs, bias, accumulate)) \
  KERNEL(size_t, ck_product_scratch, (size_t m, size_t k, int a_transposed), (m, k, a_transposed)) \
  KERNEL(void, ck_product, (size_t m, size_t n, size_t k, const float *a, size_t as, int a_transposed, const float *b, size_t bs, int b_transposed, float *c, size_t cs, const float *bias, int accumulate, float *scratch), (m, n, k, a, as, a_transposed, b, bs, b_transposed, c, cs, bias, accumulate, scratch)) \
  KERNEL(void, ck_winograd_data, (const float *image, int height, int width, size_t channels, int y, int x, float *to, size_t step), (image, height, width, channels, y, x, to, step)) \
  KERNEL(void, ck_winograd_result, (const float *from, size_t step, float *image, int height, int width, size_t channels, int y, int x, const float *bias), (from, step, image, height, width, channels, y, x, bias)) \
  KERNEL(void, ck_winograd_upstream, (const float *image, int height, int width, size_t channels, int y, int x, float *to, size_t step), (image, height, width, channels, y, x, to, step)) \
  KERNEL(void, ck_winograd_weights, (const float *weight, size_t inputs, size_t outputs, size_t first, size_t last, float *to), (weight, inputs, outputs, first, last, to)) \
  KERNEL(void, ck_winograd_weight_gradient, (const float *from, size_t count, size_t first, size_t last, float *to), (from, count, first, last, to)) \
  KERNEL(void, ck_gather, (const ck_window *w, const float *image, size_t first, size_t last, float *to), (w, image, first, last, to)) \
  KERNEL(void, ck_scatter, (const ck_window *w, const float *rows, size_t first, size_t last, float *image), (w, rows, first, last, image)) \
  KERNEL(size_t, ck_farthest, (const float *x, const float *y, const float *z, float px, float py, float pz, float *d, size_t n), (x, y, z, px, py, pz, d, n)) \
  KERNEL(void, ck_nearest, (const float *ax, const float *ay, const float *az, size_t n, const float *bx, const float *by, const float *bz, size_t m, float *distance, int32_t *place), (ax, ay, az, n, bx, by, bz, m, distance, place)) \
  KERNEL(void, ck_splat_blend, (const ck_splat *splats, const int32_t *list, size_t count, int left, int top, float *remaining, float *sums, int32_t *last), (splats, list, count, left, top, remaining, sums, last)) \
  KERNEL(void, ck_splat_blend_gradient, (const ck_splat *splats, const int32_t *list, size_t count, int left, int top, const float *remaining, const int32_t *last, const float *output_gradient, const float *background, float *gradients), (splats, list, count, left, top, remaining, last, output_gradient, background, gradients))
