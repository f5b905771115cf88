#define _GNU_SOURCE
#include "CCUDA.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int ccuda_open(const char *path_or_soname, void **handle, char *message, size_t capacity) {
  dlerror();
  *handle = dlopen(path_or_soname, RTLD_NOW | RTLD_LOCAL);
  const char *reason = *handle ? "" : dlerror();
  if (message && capacity) snprintf(message, capacity, "%s", reason ? reason : "the loader gave no reason");
  return *handle ? 0 : -1;
}

// Copied as bytes: C has no cast between an object's address and a function's.
#define FIND(result, name, parameters)                  \
  {                                                     \
    void *symbol = dlsym(handle, #name);                \
    if (!symbol) return #name;                          \
    memcpy(&table->name, &symbol, sizeof table->name);  \
  }

const char *ccuda_fill_driver(void *handle, ccuda_driver *table) {
  CCUDA_DRIVER(FIND)
  return NULL;
}

const char *ccuda_fill_nvrtc(void *handle, ccuda_nvrtc *table) {
  CCUDA_NVRTC(FIND)
  return NULL;
}

const char *ccuda_fill_blas(void *handle, ccuda_blas *table) {
  CCUDA_BLAS(FIND)
  return NULL;
}

const char *ccuda_fill_nccl(void *handle, ccuda_nccl *table) {
  CCUDA_NCCL(FIND)
  return NULL;
}

static const char *path_of(const void *function) {
  Dl_info info;
  return function && dladdr(function, &info) ? info.dli_fname : NULL;
}

#define PATH(kind, name)                                           \
  const char *ccuda_path_of_##kind(const ccuda_##kind *table) {    \
    const void *function;                                          \
    memcpy(&function, &table->name, sizeof function);              \
    return path_of(function);                                      \
  }

PATH(driver, cuInit)
PATH(nvrtc, nvrtcVersion)
PATH(blas, cublasLtCreate)

int ccuda_launch(
  const ccuda_driver *driver, CUfunction function, unsigned gx, unsigned gy, unsigned gz, unsigned block,
  unsigned shared, CUstream stream, const void *arguments) {
  void *parameters[1] = {(void *)arguments};
  return driver->cuLaunchKernel(function, gx, gy, gz, block, 1, 1, shared, stream, parameters, NULL);
}
