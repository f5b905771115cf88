#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma,bmi,bmi2"))), apply_to = function)
#define VARIANT(NAME) NAME##_avx2
#define WIDTH 8
#define ROWS 6
#include "Variant.h"
#pragma clang attribute pop
#endif
