#pragma once
#include "Kernels.h"

#include <stddef.h>
#include <stdint.h>

// Vector kernels, compiled for several processors and chosen when the program starts. Arrays are contiguous floats.

typedef enum { ck_baseline, ck_avx2, ck_avx512 } ck_variant;

// The fastest that this processor runs.
ck_variant ck_best_variant(void);
// The one in use: the best, unless the environment's IMITATE_KERNELS names another (baseline, avx2, avx512).
ck_variant ck_current_variant(void);

typedef enum {
  ck_negate, ck_exp, ck_log, ck_sqrt, ck_square, ck_absolute, ck_sine, ck_cosine, ck_reciprocal,
  ck_relu, ck_gelu, ck_gelu_tanh, ck_silu, ck_mish, ck_softplus, ck_tanh, ck_sigmoid,
} ck_unary_operation;

typedef enum { ck_add, ck_subtract, ck_multiply, ck_divide, ck_maximum, ck_minimum } ck_binary_operation;

void ck_unary(ck_unary_operation op, const float *x, float *y, size_t n);
// dx = dy * f'(x)
void ck_unary_gradient(ck_unary_operation op, const float *x, const float *dy, float *dx, size_t n);
void ck_binary(ck_binary_operation op, const float *a, const float *b, float *y, size_t n);
void ck_binary_scalar(ck_binary_operation op, const float *a, float b, float *y, size_t n);
void ck_scalar_binary(ck_binary_operation op, float a, const float *b, float *y, size_t n);
// y += a
void ck_accumulate(const float *a, float *y, size_t n);
float ck_sum(const float *x, size_t n);
double ck_sum_of_squares(const float *x, size_t n);
float ck_dot(const float *a, const float *b, size_t n);
float ck_largest(const float *x, size_t n);
// y = exp(x - largest), returns the sum
float ck_exponentials(const float *x, float largest, float *y, size_t n);
// mean and reciprocal deviation of one row
void ck_moments(const float *x, size_t n, float *mean, float *variance);
void ck_bytes(const uint8_t *x, float scale, float *y, size_t n);
// One step of AdamW on n parameters in place, and of their average when mean is not null; see Tensors/AdamWStep.swift.
void ck_adamw(float *parameter, const float *gradient, float *first, float *second, float *mean, size_t n, float scale,
              float rate, float beta1, float beta2, float epsilon, float decay, float correction1, float correction2,
              float share);
// y += (b - y) * share
void ck_mix(const float *b, float share, float *y, size_t n);
// y *= s
void ck_scale(float s, float *y, size_t n);
// dx = y * (dy - dot)
void ck_softmax_gradient(const float *y, const float *dy, float dot, float *dx, size_t n);
// Channels last: [pixels, c]. Sums are added to what is there.
void ck_channel_sums(const float *x, size_t pixels, size_t c, float *sums);
// sums += (x - mean)^2
void ck_channel_squares(const float *x, const float *mean, size_t pixels, size_t c, float *sums);
// What is done to a number before it is written.
typedef enum { ck_no_finish, ck_finish_relu, ck_finish_mish, ck_finish_silu } ck_finish;
// y = finish(x * a + b + r); b [c] and r [pixels, c] may be null.
void ck_channel_affine(ck_finish finish, const float *x, const float *a, const float *b, const float *r, float *y,
                       size_t pixels, size_t c);
// dz = dy * finish'(x * a + b + r), sums += dz, dots += dz * (x - mean); mean may be null.
void ck_channel_upstream(ck_finish finish, const float *x, const float *a, const float *b, const float *r,
                         const float *dy, const float *mean, float *dz, float *sums, float *dots, size_t pixels,
                         size_t c);
// dx = dz * a + x * b + d; dx may be dz.
void ck_channel_gradient(const float *x, const float *dz, const float *a, const float *b, const float *d, float *dx,
                         size_t pixels, size_t c);
// dx = dz * a; dx may be dz.
void ck_channel_scale(const float *dz, const float *a, float *dx, size_t pixels, size_t c);
// One row of the result of pooling an image [height, width, c].
void ck_max_pool(const float *image, int height, int width, size_t c, int size, int stride, int padding, int row,
                 int columns, float *y);
// Adds that row's gradient to the image's; `rest` is scratch of c numbers.
void ck_max_pool_gradient(const float *image, const float *y, const float *dy, int height, int width, size_t c, int size,
                          int stride, int padding, int row, int columns, float *rest, float *dx);
// One row of layer normalization: xhat = (x - mean) * factor, y = xhat * scale + bias (either may be null).
void ck_row_normalize(const float *x, float mean, float factor, const float *scale, const float *bias, float *y, size_t n);
// Its gradient: g = dy * scale, dx = factor * (g - shift - xhat * slope).
void ck_row_normalize_gradient(const float *x, float mean, float factor, const float *scale, const float *dy, int centered,
                               float *dx, size_t n);
// dscale += dy * xhat, dbias += dy
void ck_row_normalize_parameters(const float *x, float mean, float factor, const float *dy, float *dscale, float *dbias,
                                 size_t n);
// One row of attention's scores to probabilities: s = softmax(s * scale + mask), mask may be null. Returns log Σ exp.
float ck_attention_row(float *s, const float *mask, float scale, size_t n);
// The same from the sum's logarithm.
void ck_attention_again(float *s, const float *mask, float scale, float total, size_t n);
// dp = p * (dp - dot) * scale
void ck_attention_gradient(const float *p, float *dp, float dot, float scale, size_t n);
// y[i] = x[i] / (1 - rate) where a random word of (key, first + i) says keep, else 0.
void ck_dropout(const float *x, float *y, size_t n, uint64_t key, uint64_t first, float rate);

// Matrices are row-major; `as`, `bs`, `cs` are the distances between their rows.

// to[j][i] = from[i][j]
void ck_transpose(size_t rows, size_t columns, const float *from, size_t fs, float *to, size_t ts);
// C = A B, A [m, k] (stored [k, m] when transposed), B [k, n] (stored [n, k] when transposed). Starts from the bias of
// each column (or null), or from what C holds when accumulating. Sums run over k in order, whatever m and n.
void ck_product(size_t m, size_t n, size_t k, const float *a, size_t as, int a_transposed, const float *b, size_t bs,
                int b_transposed, float *c, size_t cs, const float *bias, int accumulate, float *scratch);
// How many floats of scratch that takes.
size_t ck_product_scratch(size_t m, size_t k, int a_transposed);
// B in the layout that products read it in, for using it more than once.
void ck_pack(size_t k, size_t n, const float *b, size_t bs, int transposed, float *to);
size_t ck_packed_size(size_t k, size_t n);
// `depth` rows were packed, of which the first k count.
void ck_product_packed(size_t m, size_t n, size_t k, const float *a, size_t as, const float *packed, size_t depth,
                       float *c, size_t cs, const float *bias, int accumulate);

// Winograd's F(4x4, 3x3), channels last, in multiples of 16.
// The 6x6 pixels at (y, x) of an image, zeros outside, to 36 rows of channels, `step` apart.
void ck_winograd_data(const float *image, int height, int width, size_t channels, int y, int x, float *to, size_t step);
// 36 rows to the 4x4 pixels at (y, x) of an image, those inside it; bias may be null.
void ck_winograd_result(const float *from, size_t step, float *image, int height, int width, size_t channels, int y,
                        int x, const float *bias);
// The 4x4 pixels at (y, x) of the result's gradient to 36 rows.
void ck_winograd_upstream(const float *image, int height, int width, size_t channels, int y, int x, float *to,
                          size_t step);
// Inputs first..<last of [3, 3, inputs, outputs] to 36 packed matrices.
void ck_winograd_weights(const float *weight, size_t inputs, size_t outputs, size_t first, size_t last, float *to);
// Numbers first..<last of 36 matrices of `count` to those of the nine of the weight's gradient.
void ck_winograd_weight_gradient(const float *from, size_t count, size_t first, size_t last, float *to);

// How a window moves over an image, channels last.
typedef struct {
  int height, width, channels, kernel_height, kernel_width, stride_y, stride_x, padding_y, padding_x;
  int columns;  // of the result
} ck_window;
// The windows of result pixels first..<last as rows; writes up to 15 numbers beyond the last row.
void ck_gather(const ck_window *w, const float *image, size_t first, size_t last, float *to);
// Adds rows back to where the windows lie.
void ck_scatter(const ck_window *w, const float *rows, size_t first, size_t last, float *image);

// Points, x, y and z apart: d becomes the smaller of itself and the squared distance to p; returns the place of the largest.
size_t ck_farthest(const float *x, const float *y, const float *z, float px, float py, float pz, float *d, size_t n);
// For each of n points the squared distance to the nearest of m others, and its place.
void ck_nearest(const float *ax, const float *ay, const float *az, size_t n, const float *bx, const float *by, const float *bz,
                size_t m, float *distance, int32_t *place);

enum { CK_TILE = 16, CK_SPLAT_COLOURS = 4, CK_SPLAT_GRADIENTS = 10 };
// A Gaussian on the image: its center in pixels, the inverse of its covariance [a b; b c], how far it reaches, and red,
// green, blue and depth.
typedef struct {
  float x, y, a, b, c, opacity, half_width, half_height;
  float color[CK_SPLAT_COLOURS];
} ck_splat;
// Blends the splats of `list`, nearest first, into the tile whose first pixel is (left, top): the light that is left
// [16*16], the sums of colors [4][16*16], and the place in the list, plus 1, of each pixel's last contributor.
void ck_splat_blend(const ck_splat *splats, const int32_t *list, size_t count, int left, int top, float *remaining,
                    float *sums, int32_t *last);
// The backward pass. output_gradient: of the four sums and of alpha [5][16*16]. gradients: for each of the list of x, y, a, b, c,
// opacity and the colors, [count][10].
void ck_splat_blend_gradient(const ck_splat *splats, const int32_t *list, size_t count, int left, int top,
                             const float *remaining, const int32_t *last, const float *output_gradient,
                             const float *background, float *gradients);

// The kernels of one variant, by name (the best one in place of those that the processor lacks).
#define CK_FIELD(RESULT, NAME, PARAMETERS, ARGUMENTS) RESULT(*NAME) PARAMETERS;
typedef struct {
  CK_KERNELS(CK_FIELD)
} ck_table;
#undef CK_FIELD
const ck_table *ck_kernels(ck_variant variant);

// Tells the processor that this is a loop that waits.
static inline void ck_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// Lets the C library keep freed blocks of up to 32 MB rather than give them back to the system.
void ck_keep_freed_memory(void);
