// Every kernel, compiled for one kind of processor. The file that includes this one defines
//   VARIANT(name)  the kernel's name there
//   WIDTH          numbers in a vector
//   ROWS           rows of a product's tile, so that ROWS * 2 vectors of sums and their factors fit into the registers
#include "CKernels.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))

#include "Loops.h"
#include "Products.h"
#include "Patches.h"
#include "Winograd.h"
#include "Points.h"
#include "Splatting.h"
