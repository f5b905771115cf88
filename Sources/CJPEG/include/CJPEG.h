#pragma once
#include <stddef.h>
#include <stdint.h>

// libjpeg with errors as values: it would exit the process, and Swift cannot call setjmp.

// Its name and version, as the program was built with it: "libjpeg-turbo 2.1.5".
const char *cjpeg_version(void);
// Decodes to RGB, width * height * 3 bytes; an image of another size is refused. Without `pixels` it only finds the size.
// Returns 0, or -1 with a reason in `message` (200 bytes).
int cjpeg_decode(const uint8_t *data, size_t length, uint8_t *pixels, int *width, int *height, char *message);
// Encodes RGB at `quality` 1...100. `*data` is malloc'd; the caller frees it.
int cjpeg_encode(const uint8_t *pixels, int width, int height, int quality, uint8_t **data, size_t *length, char *message);
