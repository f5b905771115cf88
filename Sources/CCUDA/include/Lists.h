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

typedef void *cudnnHandle_t;
typedef void *cudnnTensorDescriptor_t;
typedef void *cudnnFilterDescriptor_t;
typedef void *cudnnConvolutionDescriptor_t;

typedef void *ncclComm_t;

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

typedef struct ccuda_dnn_choice {
  int algorithm;
  int status;
  float time;  // milliseconds, -1 when not measured
  size_t memory;
  int determinism;
  int math;
  int reserved[3];
} ccuda_dnn_choice;

/// What rank 0 hands to the others; passed by value.
typedef struct ccuda_nccl_id {
  char bytes[128];
} ccuda_nccl_id;

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

#define CCUDA_DNN(X)                                                                                                  \
  X(int, cudnnCreate, (cudnnHandle_t *handle))                                                                        \
  X(int, cudnnDestroy, (cudnnHandle_t handle))                                                                        \
  X(int, cudnnSetStream, (cudnnHandle_t handle, CUstream stream))                                                     \
  X(size_t, cudnnGetVersion, (void))                                                                                  \
  X(const char *, cudnnGetErrorString, (int status))                                                                  \
  X(int, cudnnCreateTensorDescriptor, (cudnnTensorDescriptor_t *descriptor))                                          \
  X(int, cudnnDestroyTensorDescriptor, (cudnnTensorDescriptor_t descriptor))                                          \
  X(int, cudnnSetTensor4dDescriptor,                                                                                  \
    (cudnnTensorDescriptor_t descriptor, int format, int dataType, int images, int channels, int height, int width))  \
  X(int, cudnnCreateFilterDescriptor, (cudnnFilterDescriptor_t *descriptor))                                          \
  X(int, cudnnDestroyFilterDescriptor, (cudnnFilterDescriptor_t descriptor))                                          \
  X(int, cudnnSetFilter4dDescriptor,                                                                                  \
    (cudnnFilterDescriptor_t descriptor, int dataType, int format, int outputs, int inputs, int height, int width))   \
  X(int, cudnnCreateConvolutionDescriptor, (cudnnConvolutionDescriptor_t *descriptor))                                \
  X(int, cudnnDestroyConvolutionDescriptor, (cudnnConvolutionDescriptor_t descriptor))                                \
  X(int, cudnnSetConvolution2dDescriptor,                                                                             \
    (cudnnConvolutionDescriptor_t descriptor, int padHeight, int padWidth, int strideHeight, int strideWidth,         \
     int dilationHeight, int dilationWidth, int mode, int computeType))                                               \
  X(int, cudnnSetConvolutionMathType, (cudnnConvolutionDescriptor_t descriptor, int math))                            \
  X(int, cudnnGetConvolutionForwardAlgorithm_v7,                                                                      \
    (cudnnHandle_t handle, cudnnTensorDescriptor_t x, cudnnFilterDescriptor_t w,                                      \
     cudnnConvolutionDescriptor_t convolution, cudnnTensorDescriptor_t y, int wanted, int *found,                     \
     ccuda_dnn_choice *choices))                                                                                      \
  X(int, cudnnGetConvolutionBackwardDataAlgorithm_v7,                                                                 \
    (cudnnHandle_t handle, cudnnFilterDescriptor_t w, cudnnTensorDescriptor_t dy,                                     \
     cudnnConvolutionDescriptor_t convolution, cudnnTensorDescriptor_t dx, int wanted, int *found,                    \
     ccuda_dnn_choice *choices))                                                                                      \
  X(int, cudnnGetConvolutionBackwardFilterAlgorithm_v7,                                                               \
    (cudnnHandle_t handle, cudnnTensorDescriptor_t x, cudnnTensorDescriptor_t dy,                                     \
     cudnnConvolutionDescriptor_t convolution, cudnnFilterDescriptor_t dw, int wanted, int *found,                    \
     ccuda_dnn_choice *choices))                                                                                      \
  X(int, cudnnGetConvolutionForwardWorkspaceSize,                                                                     \
    (cudnnHandle_t handle, cudnnTensorDescriptor_t x, cudnnFilterDescriptor_t w,                                      \
     cudnnConvolutionDescriptor_t convolution, cudnnTensorDescriptor_t y, int algorithm, size_t *bytes))              \
  X(int, cudnnGetConvolutionBackwardDataWorkspaceSize,                                                                \
    (cudnnHandle_t handle, cudnnFilterDescriptor_t w, cudnnTensorDescriptor_t dy,                                     \
     cudnnConvolutionDescriptor_t convolution, cudnnTensorDescriptor_t dx, int algorithm, size_t *bytes))             \
  X(int, cudnnGetConvolutionBackwardFilterWorkspaceSize,                                                              \
    (cudnnHandle_t handle, cudnnTensorDescriptor_t x, cudnnTensorDescriptor_t dy,                                     \
     cudnnConvolutionDescriptor_t convolution, cudnnFilterDescriptor_t dw, int algorithm, size_t *bytes))             \
  X(int, cudnnConvolutionForward,                                                                                     \
    (cudnnHandle_t handle, const void *alpha, cudnnTensorDescriptor_t layoutX, const void *x,                         \
     cudnnFilterDescriptor_t layoutW, const void *w, cudnnConvolutionDescriptor_t convolution, int algorithm,         \
     void *workspace, size_t bytes, const void *beta, cudnnTensorDescriptor_t layoutY, void *y))                      \
  X(int, cudnnConvolutionBackwardData,                                                                                \
    (cudnnHandle_t handle, const void *alpha, cudnnFilterDescriptor_t layoutW, const void *w,                         \
     cudnnTensorDescriptor_t layoutDY, const void *dy, cudnnConvolutionDescriptor_t convolution, int algorithm,       \
     void *workspace, size_t bytes, const void *beta, cudnnTensorDescriptor_t layoutDX, void *dx))                    \
  X(int, cudnnConvolutionBackwardFilter,                                                                              \
    (cudnnHandle_t handle, const void *alpha, cudnnTensorDescriptor_t layoutX, const void *x,                         \
     cudnnTensorDescriptor_t layoutDY, const void *dy, cudnnConvolutionDescriptor_t convolution, int algorithm,       \
     void *workspace, size_t bytes, const void *beta, cudnnFilterDescriptor_t layoutDW, void *dw))

#define CCUDA_NCCL(X)                                                                                                 \
  X(int, ncclGetVersion, (int *version))                                                                              \
  X(int, ncclGetUniqueId, (ccuda_nccl_id *identifier))                                                                \
  X(int, ncclCommInitRank, (ncclComm_t *communicator, int ranks, ccuda_nccl_id identifier, int rank))                 \
  X(int, ncclCommDestroy, (ncclComm_t communicator))                                                                  \
  X(int, ncclCommAbort, (ncclComm_t communicator))                                                                    \
  X(int, ncclCommGetAsyncError, (ncclComm_t communicator, int *error))                                                \
  X(const char *, ncclGetErrorString, (int result))                                                                   \
  X(int, ncclAllReduce,                                                                                               \
    (const void *from, void *to, size_t count, int dataType, int operation, ncclComm_t communicator,                  \
     CUstream stream))                                                                                                \
  X(int, ncclAllGather,                                                                                               \
    (const void *from, void *to, size_t countEach, int dataType, ncclComm_t communicator, CUstream stream))           \
  X(int, ncclBroadcast,                                                                                               \
    (const void *from, void *to, size_t count, int dataType, int root, ncclComm_t communicator, CUstream stream))     \
  X(int, ncclGroupStart, (void))                                                                                      \
  X(int, ncclGroupEnd, (void))
