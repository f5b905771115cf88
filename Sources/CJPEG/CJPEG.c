#include "CJPEG.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#define TEXT_OF(NUMBER) #NUMBER
#define TEXT(NUMBER) TEXT_OF(NUMBER)

const char *cjpeg_version(void) {
#ifdef LIBJPEG_TURBO_VERSION
  return "libjpeg-turbo " TEXT(LIBJPEG_TURBO_VERSION);
#else
  return "libjpeg " TEXT(JPEG_LIB_VERSION);
#endif
}

struct failure {
  struct jpeg_error_mgr manager;
  jmp_buf back;
  char *message;
};

static void fail(j_common_ptr info) {
  struct failure *failure = (struct failure *)info->err;
  char text[JMSG_LENGTH_MAX];
  info->err->format_message(info, text);
  snprintf(failure->message, 200, "%s", text);
  longjmp(failure->back, 1);
}

// A warning means damaged data: libjpeg would go on with grey.
static void warn(j_common_ptr info, int level) {
  if (level < 0) fail(info);
}

static struct jpeg_error_mgr *prepare(struct failure *failure, char *message) {
  struct jpeg_error_mgr *manager = jpeg_std_error(&failure->manager);
  manager->error_exit = fail;
  manager->emit_message = warn;
  failure->message = message;
  return manager;
}

int cjpeg_decode(const uint8_t *data, size_t length, uint8_t *pixels, int *width, int *height, char *message) {
  struct jpeg_decompress_struct info;
  struct failure failure;
  memset(&info, 0, sizeof info);
  info.err = prepare(&failure, message);
  if (setjmp(failure.back)) {
    jpeg_destroy_decompress(&info);
    return -1;
  }
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, data, length);
  jpeg_read_header(&info, TRUE);
  if (pixels == NULL) {
    *width = (int)info.image_width;
    *height = (int)info.image_height;
    jpeg_destroy_decompress(&info);
    return 0;
  }
  if ((int)info.image_width != *width || (int)info.image_height != *height) {
    snprintf(message, 200, "%u by %u pixels where %d by %d belong", info.image_width, info.image_height, *width, *height);
    jpeg_destroy_decompress(&info);
    return -1;
  }
  info.out_color_space = JCS_RGB;
  jpeg_start_decompress(&info);
  while (info.output_scanline < info.output_height) {
    JSAMPROW row = pixels + (size_t)info.output_scanline * (size_t)*width * 3;
    jpeg_read_scanlines(&info, &row, 1);
  }
  jpeg_finish_decompress(&info);
  jpeg_destroy_decompress(&info);
  return 0;
}

int cjpeg_encode(const uint8_t *pixels, int width, int height, int quality, uint8_t **data, size_t *length, char *message) {
  struct jpeg_compress_struct info;
  struct failure failure;
  unsigned char *volatile buffer = NULL;
  unsigned char *out = NULL;
  unsigned long size = 0;
  memset(&info, 0, sizeof info);
  info.err = prepare(&failure, message);
  if (setjmp(failure.back)) {
    jpeg_destroy_compress(&info);
    free(buffer);
    return -1;
  }
  jpeg_create_compress(&info);
  jpeg_mem_dest(&info, &out, &size);
  info.image_width = (JDIMENSION)width;
  info.image_height = (JDIMENSION)height;
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, quality, TRUE);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = (JSAMPROW)(pixels + (size_t)info.next_scanline * (size_t)width * 3);
    jpeg_write_scanlines(&info, &row, 1);
    buffer = out;
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  *data = out;
  *length = size;
  return 0;
}
