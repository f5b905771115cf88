#pragma once

// The functions in use, as X(result, exported name, parameters). The names carry the version of the calling convention
// they stand for: a plain name may be an older one.

#include <stddef.h>
#include <stdint.h>

/// An address on the device.
typedef unsigned long long CUdeviceptr;
typedef int CUdevice;
typedef int CUresult;
typedef void *CUcontext;
typedef void *CUmodule;
typedef void *CUfunction;
typedef void *CUstream;
typedef void *CUevent;
typedef void *CUgraph;
typedef void *CUgraphExec;
typedef void *CUgraphNode;

typedef void *nvrtcProgram;

typedef void *cublasLtHandle_t;
typedef void *cublasLtMatmulDesc_t;
typedef void *cublasLtMatrixLayout_t;
typedef void *cublasLtMatmulPreference_t;

/// Why a graph could not take the place of another.
typedef struct ccuda_graph_update {
  int result;  // 0 success, 1 error, 2 another topology, 3 another kind of node, ...
  CUgraphNode node;
  CUgraphNode from;
} ccuda_graph_update;

/// 64 bytes that only cuBLASLt reads.
typedef struct ccuda_blas_algorithm {
  uint64_t data[8];
} ccuda_blas_algorithm;

typedef struct ccuda_blas_choice {
  ccuda_blas_algorithm algorithm;
  size_t workspace;
  int status;
  float waves;
  int reserved[4];
} ccuda_blas_choice;

typedef void *ncclComm_t;

/// By which ranks find each other.
typedef struct ccuda_nccl_id {
  char data[128];
} ccuda_nccl_id;

#define CCUDA_NCCL(X)                                                                                                 \
  X(int, ncclGetUniqueId, (ccuda_nccl_id *id))                                                                        \
  X(int, ncclCommInitRank, (ncclComm_t *communicator, int ranks, ccuda_nccl_id id, int rank))                         \
  X(int, ncclAllGather,                                                                                               \
    (const void *from, void *to, size_t count, int type, ncclComm_t communicator, CUstream stream))                   \
  X(int, ncclCommAbort, (ncclComm_t communicator))                                                                    \
  X(int, ncclCommDestroy, (ncclComm_t communicator))                                                                  \
  X(const char *, ncclGetErrorString, (int result))

#define CCUDA_DRIVER(X)                                                                                               \
  X(CUresult, cuInit, (unsigned flags))                                                                               \
  X(CUresult, cuDriverGetVersion, (int *version))                                                                     \
  X(CUresult, cuGetErrorName, (CUresult error, const char **name))                                                    \
  X(CUresult, cuGetErrorString, (CUresult error, const char **text))                                                  \
  X(CUresult, cuDeviceGetCount, (int *count))                                                                         \
  X(CUresult, cuDeviceGet, (CUdevice *device, int ordinal))                                                           \
  X(CUresult, cuDeviceGetName, (char *name, int capacity, CUdevice device))                                           \
  X(CUresult, cuDeviceGetAttribute, (int *value, int attribute, CUdevice device))                                     \
  X(CUresult, cuDeviceTotalMem_v2, (size_t *bytes, CUdevice device))                                                  \
  X(CUresult, cuDevicePrimaryCtxRetain, (CUcontext *context, CUdevice device))                                        \
  X(CUresult, cuDevicePrimaryCtxRelease_v2, (CUdevice device))                                                        \
  X(CUresult, cuCtxSetCurrent, (CUcontext context))                                                                   \
  X(CUresult, cuCtxSynchronize, (void))                                                                               \
  X(CUresult, cuModuleLoadData, (CUmodule *module, const void *image))                                                \
  X(CUresult, cuModuleGetFunction, (CUfunction *function, CUmodule module, const char *name))                         \
  X(CUresult, cuModuleUnload, (CUmodule module))                                                                      \
  X(CUresult, cuFuncSetAttribute, (CUfunction function, int attribute, int value))                                    \
  X(CUresult, cuFuncGetAttribute, (int *value, int attribute, CUfunction function))                                   \
  X(CUresult, cuLaunchKernel,                                                                                         \
    (CUfunction function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX, unsigned blockY,           \
     unsigned blockZ, unsigned shared, CUstream stream, void **parameters, void **extra))                             \
  X(CUresult, cuMemAlloc_v2, (CUdeviceptr *address, size_t bytes))                                                    \
  X(CUresult, cuMemFree_v2, (CUdeviceptr address))                                                                    \
  X(CUresult, cuMemGetInfo_v2, (size_t *free, size_t *total))                                                         \
  X(CUresult, cuMemHostAlloc, (void **pointer, size_t bytes, unsigned flags))                                         \
  X(CUresult, cuMemFreeHost, (void *pointer))                                                                         \
  X(CUresult, cuMemcpyHtoDAsync_v2, (CUdeviceptr to, const void *from, size_t bytes, CUstream stream))                \
  X(CUresult, cuMemcpyDtoHAsync_v2, (void *to, CUdeviceptr from, size_t bytes, CUstream stream))                      \
  X(CUresult, cuMemcpyDtoDAsync_v2, (CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream))                \
  X(CUresult, cuMemsetD32Async, (CUdeviceptr to, unsigned value, size_t words, CUstream stream))                      \
  X(CUresult, cuMemsetD8Async, (CUdeviceptr to, unsigned char value, size_t bytes, CUstream stream))                  \
  X(CUresult, cuStreamCreate, (CUstream *stream, unsigned flags))                                                     \
  X(CUresult, cuStreamDestroy_v2, (CUstream stream))                                                                  \
  X(CUresult, cuStreamSynchronize, (CUstream stream))                                                                 \
  X(CUresult, cuStreamWaitEvent, (CUstream stream, CUevent event, unsigned flags))                                    \
  X(CUresult, cuEventCreate, (CUevent *event, unsigned flags))                                                        \
  X(CUresult, cuEventDestroy_v2, (CUevent event))                                                                     \
  X(CUresult, cuEventRecord, (CUevent event, CUstream stream))                                                        \
  X(CUresult, cuEventQuery, (CUevent event))                                                                          \
  X(CUresult, cuEventSynchronize, (CUevent event))                                                                    \
  X(CUresult, cuEventElapsedTime, (float *milliseconds, CUevent start, CUevent end))                                  \
  X(CUresult, cuThreadExchangeStreamCaptureMode, (int *mode))                                                         \
  X(CUresult, cuStreamBeginCapture_v2, (CUstream stream, int mode))                                                   \
  X(CUresult, cuStreamEndCapture, (CUstream stream, CUgraph *graph))                                                  \
  X(CUresult, cuStreamIsCapturing, (CUstream stream, int *status))                                                    \
  X(CUresult, cuGraphInstantiateWithFlags, (CUgraphExec *executable, CUgraph graph, unsigned long long flags))        \
  X(CUresult, cuGraphLaunch, (CUgraphExec executable, CUstream stream))                                               \
  X(CUresult, cuGraphUpload, (CUgraphExec executable, CUstream stream))                                               \
  X(CUresult, cuGraphExecUpdate_v2, (CUgraphExec executable, CUgraph graph, ccuda_graph_update *update))              \
  X(CUresult, cuGraphExecDestroy, (CUgraphExec executable))                                                           \
  X(CUresult, cuGraphDestroy, (CUgraph graph))                                                                        \
  X(CUresult, cuGraphGetNodes, (CUgraph graph, CUgraphNode *nodes, size_t *count))

#define CCUDA_NVRTC(X)                                                                                                \
  X(int, nvrtcVersion, (int *major, int *minor))                                                                      \
  X(int, nvrtcGetNumSupportedArchs, (int *count))                                                                     \
  X(int, nvrtcGetSupportedArchs, (int *architectures))                                                                \
  X(int, nvrtcCreateProgram,                                                                                          \
    (nvrtcProgram *program, const char *source, const char *name, int headers, const char *const *contents,           \
     const char *const *names))                                                                                       \
  X(int, nvrtcCompileProgram, (nvrtcProgram program, int count, const char *const *options))                          \
  X(int, nvrtcGetCUBINSize, (nvrtcProgram program, size_t *bytes))                                                    \
  X(int, nvrtcGetCUBIN, (nvrtcProgram program, char *image))                                                          \
  X(int, nvrtcGetPTXSize, (nvrtcProgram program, size_t *bytes))                                                      \
  X(int, nvrtcGetPTX, (nvrtcProgram program, char *text))                                                             \
  X(int, nvrtcGetProgramLogSize, (nvrtcProgram program, size_t *bytes))                                               \
  X(int, nvrtcGetProgramLog, (nvrtcProgram program, char *text))                                                      \
  X(int, nvrtcDestroyProgram, (nvrtcProgram *program))                                                                \
  X(const char *, nvrtcGetErrorString, (int result))

#define CCUDA_BLAS(X)                                                                                                 \
  X(int, cublasLtCreate, (cublasLtHandle_t *handle))                                                                  \
  X(int, cublasLtDestroy, (cublasLtHandle_t handle))                                                                  \
  X(size_t, cublasLtGetVersion, (void))                                                                               \
  X(int, cublasLtMatmulDescCreate, (cublasLtMatmulDesc_t *descriptor, int computeType, int scaleType))                \
  X(int, cublasLtMatmulDescDestroy, (cublasLtMatmulDesc_t descriptor))                                                \
  X(int, cublasLtMatmulDescSetAttribute,                                                                              \
    (cublasLtMatmulDesc_t descriptor, int attribute, const void *value, size_t bytes))                                \
  X(int, cublasLtMatrixLayoutCreate,                                                                                  \
    (cublasLtMatrixLayout_t *layout, int dataType, uint64_t rows, uint64_t columns, int64_t leading))                 \
  X(int, cublasLtMatrixLayoutDestroy, (cublasLtMatrixLayout_t layout))                                                \
  X(int, cublasLtMatrixLayoutSetAttribute,                                                                            \
    (cublasLtMatrixLayout_t layout, int attribute, const void *value, size_t bytes))                                  \
  X(int, cublasLtMatmulPreferenceCreate, (cublasLtMatmulPreference_t *preference))                                    \
  X(int, cublasLtMatmulPreferenceDestroy, (cublasLtMatmulPreference_t preference))                                    \
  X(int, cublasLtMatmulPreferenceSetAttribute,                                                                        \
    (cublasLtMatmulPreference_t preference, int attribute, const void *value, size_t bytes))                          \
  X(int, cublasLtMatmulAlgoGetHeuristic,                                                                              \
    (cublasLtHandle_t handle, cublasLtMatmulDesc_t descriptor, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,    \
     cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d, cublasLtMatmulPreference_t preference, int wanted,           \
     ccuda_blas_choice *choices, int *found))                                                                         \
  X(int, cublasLtMatmul,                                                                                              \
    (cublasLtHandle_t handle, cublasLtMatmulDesc_t descriptor, const void *alpha, const void *a,                      \
     cublasLtMatrixLayout_t layoutA, const void *b, cublasLtMatrixLayout_t layoutB, const void *beta, const void *c,  \
     cublasLtMatrixLayout_t layoutC, void *d, cublasLtMatrixLayout_t layoutD, const ccuda_blas_algorithm *algorithm,  \
     void *workspace, size_t bytes, CUstream stream))
