#pragma once

// CUDA as this package meets it: nothing is linked. Four libraries are opened at run time and every function is looked
// up by its exported name. One list a library gives its struct of function pointers, the loop that fills it, and (in
// `Tests/FakeCUDA`) the declarations that the fake must match.
//
// Where the numbers come from: NVIDIA's public headers, CUDA 12.9 and 13.5 (both agree on all that stands here). Sizes
// are bytes unless a comment says otherwise.

#include "Constants.h"
#include "Lists.h"

#include <stddef.h>

// What the kernels take, from beside them: the one declaration that Swift, NVRTC and the fake read.
#include "../../CUDA/Kernels/Arguments.h"

#ifdef __cplusplus
extern "C" {
#endif

// A table never changes once it is filled, so threads may share it.
#if defined(__clang__)
#define CCUDA_SENDABLE __attribute__((swift_attr("@Sendable")))
#else
#define CCUDA_SENDABLE
#endif

#define CCUDA_FIELD(result, name, parameters) result(*name) parameters;

/// `libcuda.so.1`. Every result is a `CUresult`: 0, or a `CCUDA_...` error.
typedef struct CCUDA_SENDABLE ccuda_driver { CCUDA_DRIVER(CCUDA_FIELD) } ccuda_driver;
/// `libnvrtc.so.13` or `.12`, the compiler.
typedef struct CCUDA_SENDABLE ccuda_nvrtc { CCUDA_NVRTC(CCUDA_FIELD) } ccuda_nvrtc;
/// `libcublasLt.so.13` or `.12`, matrix products.
typedef struct CCUDA_SENDABLE ccuda_blas { CCUDA_BLAS(CCUDA_FIELD) } ccuda_blas;
/// `libnccl.so.2`, between GPUs.
typedef struct CCUDA_SENDABLE ccuda_nccl { CCUDA_NCCL(CCUDA_FIELD) } ccuda_nccl;

#undef CCUDA_FIELD

/// Opens a library by path or soname, with every symbol bound at once. Returns 0, or -1 with the loader's words in `message`.
int ccuda_open(const char *path_or_soname, void **handle, char *message, size_t capacity);

/// Fills a table; NULL when every name was found, else the first that was not.
const char *ccuda_fill_driver(void *handle, ccuda_driver *table);
const char *ccuda_fill_nvrtc(void *handle, ccuda_nvrtc *table);
const char *ccuda_fill_blas(void *handle, ccuda_blas *table);
const char *ccuda_fill_nccl(void *handle, ccuda_nccl *table);

/// The files behind a table, by the address of one function of each.
const char *ccuda_path_of_driver(const ccuda_driver *table);
const char *ccuda_path_of_nvrtc(const ccuda_nvrtc *table);
const char *ccuda_path_of_blas(const ccuda_blas *table);

/// Launches a kernel of one parameter: the struct at `arguments`, which the driver copies before this returns.
/// `block` counts threads, `shared` the bytes of dynamic shared memory.
int ccuda_launch(
  const ccuda_driver *driver, CUfunction function, unsigned gx, unsigned gy, unsigned gz, unsigned block,
  unsigned shared, CUstream stream, const void *arguments);

#ifdef __cplusplus
}
#endif
