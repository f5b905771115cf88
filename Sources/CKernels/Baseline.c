// Any processor that the compiler knows.
#define VARIANT(NAME) NAME##_baseline
#define WIDTH 4
#define ROWS 6
#include "Variant.h"
