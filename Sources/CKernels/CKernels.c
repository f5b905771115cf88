// Chooses the kernels for the processor: one table of functions for each kind, one pointer to the table in use.
#include "CKernels.h"

#include <stdlib.h>
#include <string.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#define DECLARE(RESULT, NAME, PARAMETERS, ARGUMENTS) RESULT NAME##_baseline PARAMETERS, NAME##_avx2 PARAMETERS, NAME##_avx512 PARAMETERS;
#define LIST_BASELINE(RESULT, NAME, PARAMETERS, ARGUMENTS) NAME##_baseline,
#define LIST_AVX2(RESULT, NAME, PARAMETERS, ARGUMENTS) NAME##_avx2,
#define LIST_AVX512(RESULT, NAME, PARAMETERS, ARGUMENTS) NAME##_avx512,
#define FORWARD(RESULT, NAME, PARAMETERS, ARGUMENTS) RESULT NAME PARAMETERS { return current->NAME ARGUMENTS; }

CK_KERNELS(DECLARE)

static const ck_table tables[] = {
    [ck_baseline] = {CK_KERNELS(LIST_BASELINE)},
#if defined(__x86_64__)
    [ck_avx2] = {CK_KERNELS(LIST_AVX2)},
    [ck_avx512] = {CK_KERNELS(LIST_AVX512)},
#endif
};

static const ck_table *current = &tables[ck_baseline];

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

static const char *const names[] = {[ck_baseline] = "baseline", [ck_avx2] = "avx2", [ck_avx512] = "avx512"};

// IMITATE_KERNELS names another variant than the best: to compare them, or to have the bits of another machine.
__attribute__((constructor)) static void choose(void) {
  const char *wanted = getenv("IMITATE_KERNELS");
  ck_variant best = ck_best_variant();
  current = &tables[best];
  for (int variant = ck_baseline; wanted != NULL && variant <= (int)best; variant++)
    if (strcmp(wanted, names[variant]) == 0) current = &tables[variant];
}

const ck_table *ck_kernels(ck_variant variant) {
  ck_variant best = ck_best_variant();
  return &tables[variant < best ? variant : best];
}

ck_variant ck_current_variant(void) { return (ck_variant)(current - tables); }

CK_KERNELS(FORWARD)

void ck_keep_freed_memory(void) {
#if defined(__GLIBC__)
  mallopt(M_TRIM_THRESHOLD, 1 << 29);
  mallopt(M_MMAP_THRESHOLD, 1 << 25);  // the largest it takes
#endif
}
