#pragma once
#include <stddef.h>

// A file of Sources/*/ that the program carries, by its name without a folder: a kernel for GPUs, an adapter in Python or what goes
// into every policy package. NULL when there is none of this name.
const unsigned char *cembedded_file(const char *name, size_t *count);
