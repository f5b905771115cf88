#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi,bmi2"))), apply_to = function)
#define VARIANT(NAME) NAME##_avx512
#define WIDTH 16
#define ROWS 14
#include "Variant.h"
#pragma clang attribute pop
#endif
