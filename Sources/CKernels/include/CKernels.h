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
  ck_exp, ck_log, ck_sqrt, ck_square, ck_absolute, ck_sine, ck_cosine, ck_reciprocal,
  ck_relu, ck_gelu, ck_gelu_tanh, ck_silu, ck_mish, ck_softplus, ck_tanh, ck_sigmoid,
} ck_unary_operation;

typedef enum { ck_add, ck_subtract, ck_multiply, ck_divide, ck_maximum, ck_minimum } ck_binary_operation;

// What is done to a number before it is written.
typedef enum { ck_no_finish, ck_finish_relu, ck_finish_mish, ck_finish_silu } ck_finish;

// How a window moves over an image, channels last.
typedef struct {
  int height, width, channels, kernel_height, kernel_width, stride_y, stride_x, padding_y, padding_x;
  int columns;  // of the result
} ck_window;

enum { CK_TILE = 16, CK_SPLAT_COLOURS = 4, CK_SPLAT_GRADIENTS = 10 };
// A Gaussian on the image: center in pixels, inverse covariance [a b; b c], how far it reaches, and red, green, blue, depth.
typedef struct {
  float x, y, a, b, c, opacity, half_width, half_height;
  float color[CK_SPLAT_COLOURS];
} ck_splat;

#define CK_DECLARE(RESULT, NAME, PARAMETERS, ARGUMENTS) RESULT NAME PARAMETERS;
CK_KERNELS(CK_DECLARE)
#undef CK_DECLARE

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
