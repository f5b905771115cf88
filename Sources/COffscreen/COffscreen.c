// A build without the trait Kitchenette compiles this file too, perhaps on a machine without the two libraries.
#if __has_include(<mujoco/mujoco.h>) && __has_include(<GL/osmesa.h>)

#include "COffscreen.h"

#include <GL/osmesa.h>
#include <mujoco/mujoco.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// MuJoCo draws into a framebuffer object of its own; the context's own buffer only has to exist.
enum { side = 16 };

struct OffscreenContext {
  OSMesaContext context;
  unsigned char pixels[side * side * 4];
};

static void explain(char *message, int size, const char *reason) {
  if (message != NULL && size > 0) snprintf(message, (size_t)size, "%s", reason);
}

OffscreenContext *offscreen_create(char *message, int message_size) {
  // One drawing thread: for small pictures it is faster than several, and work is spread over processes.
  setenv("LP_NUM_THREADS", "1", 1);
  OffscreenContext *result = calloc(1, sizeof(OffscreenContext));
  if (result == NULL) {
    explain(message, message_size, "out of memory");
    return NULL;
  }
  result->context = OSMesaCreateContextExt(OSMESA_RGBA, 24, 8, 0, NULL);
  if (result->context == NULL) {
    explain(message, message_size, "OSMesa cannot create a context");
    free(result);
    return NULL;
  }
  if (offscreen_activate(result) != 0) {
    explain(message, message_size, "OSMesa cannot make its context current");
    offscreen_destroy(result);
    return NULL;
  }
  return result;
}

int offscreen_activate(OffscreenContext *context) {
  return OSMesaMakeCurrent(context->context, context->pixels, GL_UNSIGNED_BYTE, side, side) ? 0 : -1;
}

void offscreen_destroy(OffscreenContext *context) {
  if (context == NULL) return;
  OSMesaDestroyContext(context->context);
  free(context);
}

// Returning from this handler is undefined, so it is the last resort: callers check what they pass to MuJoCo first.
static void fatal(const char *reason) {
  fprintf(stderr, "error: MuJoCo stopped: %s\n", reason);
  fflush(stderr);
  _Exit(70);
}

static void ignored(const char *reason) { (void)reason; }

void offscreen_catch_errors(void) {
  mju_user_error = fatal;
  mju_user_warning = ignored;
}

void *offscreen_compile(const char *text, int length, char *message, int message_size) {
  mjVFS *files = malloc(sizeof(mjVFS));
  if (files == NULL) {
    explain(message, message_size, "out of memory");
    return NULL;
  }
  mj_defaultVFS(files);
  mjModel *model = NULL;
  if (mj_makeEmptyFileVFS(files, "model.xml", length) == 0) {
    memcpy(files->filedata[mj_findFileVFS(files, "model.xml")], text, (size_t)length);
    model = mj_loadXML("model.xml", files, message, message_size);
  } else {
    explain(message, message_size, "MuJoCo cannot hold the model's text");
  }
  mj_deleteVFS(files);
  free(files);
  return model;
}

#endif
