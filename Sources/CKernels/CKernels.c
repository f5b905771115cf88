// Chooses the kernels for the processor: one table of functions for each kind, one pointer to the table in use.
#include "CKernels.h"

#define KERNEL(RESULT, NAME, PARAMETERS, ARGUMENTS) RESULT NAME##_baseline PARAMETERS;
#include "Kernels.h"
#undef KERNEL
#if defined(__x86_64__)
#define KERNEL(RESULT, NAME, PARAMETERS, ARGUMENTS) RESULT NAME##_avx2 PARAMETERS; RESULT NAME##_avx512 PARAMETERS;
#include "Kernels.h"
#undef KERNEL
#endif

typedef struct {
#define KERNEL(RESULT, NAME, PARAMETERS, ARGUMENTS) RESULT(*NAME) PARAMETERS;
#include "Kernels.h"
#undef KERNEL
} table;

static const table tables[] = {
    [ck_baseline] = {
#define KERNEL(RESULT, NAME, PARAMETERS, ARGUMENTS) NAME##_baseline,
#include "Kernels.h"
#undef KERNEL
    },
#if defined(__x86_64__)
    [ck_avx2] = {
#define KERNEL(RESULT, NAME, PARAMETERS, ARGUMENTS) NAME##_avx2,
#include "Kernels.h"
#undef KERNEL
    },
    [ck_avx512] = {
#define KERNEL(RESULT, NAME, PARAMETERS, ARGUMENTS) NAME##_avx512,
#include "Kernels.h"
#undef KERNEL
    },
#endif
};

static const table *current = &tables[ck_baseline];

ck_variant ck_best_variant(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma"))
    return ck_avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) return ck_avx2;
#endif
  return ck_baseline;
}

__attribute__((constructor)) static void choose(void) { current = &tables[ck_best_variant()]; }

ck_variant ck_current_variant(void) { return (ck_variant)(current - tables); }
void ck_use_variant(ck_variant variant) {
  if (variant >= ck_baseline && variant <= ck_best_variant()) current = &tables[variant];
}

#define KERNEL(RESULT, NAME, PARAMETERS, ARGUMENTS) RESULT NAME PARAMETERS { return current->NAME ARGUMENTS; }
#include "Kernels.h"
