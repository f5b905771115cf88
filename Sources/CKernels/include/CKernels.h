#pragma once
#include <stddef.h>
#include <stdint.h>

// Vector loops, compiled for several processors and chosen when the program starts. All arrays are contiguous floats.

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
// y += s * a
void ck_accumulate_scaled(float s, const float *a, float *y, size_t n);
// y += a * b
void ck_accumulate_product(const float *a, const float *b, float *y, size_t n);
float ck_sum(const float *x, size_t n);
double ck_sum_of_squares(const float *x, size_t n);
float ck_dot(const float *a, const float *b, size_t n);
float ck_largest(const float *x, size_t n);
// y = exp(x - largest), returns the sum
float ck_exponentials(const float *x, float largest, float *y, size_t n);
// mean and reciprocal deviation of one row
void ck_moments(const float *x, size_t n, float *mean, float *variance);
// y = (x - mean) * factor
void ck_standardize(const float *x, float mean, float factor, float *y, size_t n);
void ck_bytes(const uint8_t *x, float scale, float *y, size_t n);
// One step of AdamW on n parameters, from the old three to the new three; see Tensors/AdamWStep.swift.
void ck_adamw(const float *parameter, const float *gradient, const float *first, const float *second, float *new_parameter,
              float *new_first, float *new_second, size_t n, float scale, float rate, float beta1, float beta2,
              float epsilon, float decay, float correction1, float correction2);
// y = a * (1 - share) + b * share
void ck_mix(const float *a, const float *b, float share, float *y, size_t n);
// y *= s
void ck_scale(float s, float *y, size_t n);
// dx = y * (dy - dot)
void ck_softmax_gradient(const float *y, const float *dy, float dot, float *dx, size_t n);
// Channels last: [pixels, c]. Sums are added to what is there.
void ck_channel_sums(const float *x, size_t pixels, size_t c, float *sums);
// sums += (x - mean)^2
void ck_channel_squares(const float *x, const float *mean, size_t pixels, size_t c, float *sums);
// y = x * a + b
void ck_channel_affine(const float *x, const float *a, const float *b, float *y, size_t pixels, size_t c);
// sums += dy, dots += dy * (x - mean)
void ck_channel_dots(const float *x, const float *mean, const float *dy, size_t pixels, size_t c, float *sums, float *dots);
// dx = dy * a + x * b + d
void ck_channel_gradient(const float *x, const float *dy, const float *a, const float *b, const float *d, float *dx,
                         size_t pixels, size_t c);
// One row of layer normalisation: xhat = (x - mean) * factor, y = xhat * scale + bias (either may be null).
void ck_row_normalize(const float *x, float mean, float factor, const float *scale, const float *bias, float *y, size_t n);
// Its gradient: g = dy * scale, dx = factor * (g - shift - xhat * slope).
void ck_row_normalize_gradient(const float *x, float mean, float factor, const float *scale, const float *dy, int centred,
                               float *dx, size_t n);
// dscale += dy * xhat, dbias += dy
void ck_row_normalize_parameters(const float *x, float mean, float factor, const float *dy, float *dscale, float *dbias,
                                 size_t n);
// y[i] = x[i] / (1 - rate) where a random word of (key, first + i) says keep, else 0.
void ck_dropout(const float *x, float *y, size_t n, uint64_t key, uint64_t first, float rate);
