// A build without the trait Kitchenette compiles this file too, perhaps on a machine without the two libraries.
#if __has_include(<mujoco/mujoco.h>) && __has_include(<GL/osmesa.h>)

#include "COffscreen.h"

#include <GL/osmesa.h>
#include <dlfcn.h>
#include <mujoco/mujoco.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// OSMesa brings a compiler along, a hundred megabytes that most verbs have no use for: it is loaded when a camera is first
// wanted. MuJoCo looks its functions up among the process's global names.
static struct {
  OSMesaContext (*create)(GLenum, GLint, GLint, GLint, OSMesaContext);
  GLboolean (*activate)(OSMesaContext, void *, GLenum, GLsizei, GLsizei);
  void (*destroy)(OSMesaContext);
} mesa;

static int load_mesa(void) {
  if (mesa.destroy != NULL) return 0;
  void *library = dlopen("libOSMesa.so.8", RTLD_NOW | RTLD_GLOBAL);
  if (library == NULL) library = dlopen("libOSMesa.so", RTLD_NOW | RTLD_GLOBAL);
  if (library == NULL) return -1;
  *(void **)&mesa.create = dlsym(library, "OSMesaCreateContextExt");
  *(void **)&mesa.activate = dlsym(library, "OSMesaMakeCurrent");
  *(void **)&mesa.destroy = dlsym(library, "OSMesaDestroyContext");
  return mesa.create != NULL && mesa.activate != NULL && mesa.destroy != NULL ? 0 : -1;
}

// MuJoCo draws into a framebuffer object of its own; the context's own buffer only has to exist.
enum { side = 16 };

struct OffscreenContext {
  OSMesaContext context;
  unsigned char pixels[side * side * 4];
};

static void *failed(char *message, int size, const char *reason) {
  if (message != NULL && size > 0) snprintf(message, (size_t)size, "%s", reason);
  return NULL;
}

OffscreenContext *offscreen_create(char *message, int message_size) {
  // Drawn by the thread that asks: for small images handing them to others costs more, and work is spread over processes.
  setenv("LP_NUM_THREADS", "0", 1);
  if (load_mesa() != 0) return failed(message, message_size, "OSMesa is not installed (libosmesa6)");
  OffscreenContext *result = calloc(1, sizeof(OffscreenContext));
  if (result == NULL) return failed(message, message_size, "out of memory");
  result->context = mesa.create(OSMESA_RGBA, 24, 8, 0, NULL);
  if (result->context == NULL) {
    free(result);
    return failed(message, message_size, "OSMesa cannot create a context");
  }
  if (offscreen_activate(result) != 0) {
    offscreen_destroy(result);
    return failed(message, message_size, "OSMesa cannot make its context current");
  }
  return result;
}

int offscreen_activate(OffscreenContext *context) {
  return mesa.activate(context->context, context->pixels, GL_UNSIGNED_BYTE, side, side) ? 0 : -1;
}

void offscreen_destroy(OffscreenContext *context) {
  if (context == NULL) return;
  mesa.destroy(context->context);
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
  if (files == NULL) return failed(message, message_size, "out of memory");
  mj_defaultVFS(files);
  mjModel *model = NULL;
  if (mj_makeEmptyFileVFS(files, "model.xml", length) == 0) {
    memcpy(files->filedata[mj_findFileVFS(files, "model.xml")], text, (size_t)length);
    model = mj_loadXML("model.xml", files, message, message_size);
  } else {
    failed(message, message_size, "MuJoCo cannot hold the model's text");
  }
  mj_deleteVFS(files);
  free(files);
  return model;
}

#endif
