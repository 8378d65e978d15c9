/* The CUDA driver, NVRTC and cuBLAS, opened while the program runs: a trainer starts on any machine
 * and says by name what is missing. No CUDA header is needed; the types are the driver's, by their
 * width.
 */
#ifndef SNUG_CUDA_API_H
#define SNUG_CUDA_API_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/system/error.h"
#include "runtime/system/os.h"

typedef int CudaResult, NvrtcResult, CublasResult; /* 0: success */
typedef int CudaDevice;
typedef unsigned long long CudaAddress;
typedef struct CUctx_st *CudaContext;
typedef struct CUstream_st *CudaStream;
typedef struct CUevent_st *CudaEvent;
typedef struct CUmod_st *CudaModule;
typedef struct CUfunc_st *CudaFunction;
typedef struct CUgraph_st *CudaGraph;
typedef struct CUgraphNode_st *CudaGraphNode;
typedef struct CUgraphExec_st *CudaGraphExec;
typedef struct _nvrtcProgram *NvrtcProgram;
typedef struct cublasContext *CublasHandle;

typedef struct CudaKernelNode { /* CUDA_KERNEL_NODE_PARAMS_v2 */
    CudaFunction function;
    unsigned grid[3], block[3], shared_bytes;
    void **parameters, **extra;
    void *kernel, *context; /* NULL: `function` counts */
} CudaKernelNode;

enum {
    CUDA_MOST_PATH = 1024,

    CUDA_OUT_OF_MEMORY = 2,
    CUDA_NO_DEVICE = 100,
    CUDA_INVALID_IMAGE = 200,
    CUDA_NO_BINARY_FOR_GPU = 209,

    CUDA_ATTRIBUTE_MULTIPROCESSORS = 16,
    CUDA_ATTRIBUTE_CAPABILITY_MAJOR = 75,
    CUDA_ATTRIBUTE_CAPABILITY_MINOR = 76,
    CUDA_ATTRIBUTE_SHARED_OPT_IN = 97, /* most dynamic shared bytes of a block */
    CUDA_FUNCTION_DYNAMIC_SHARED = 8,
    CUDA_STREAM_NON_BLOCKING = 1,
    CUDA_EVENT_DISABLE_TIMING = 2,
    CUDA_CAPTURE_THREAD_LOCAL = 1,

    CUBLAS_ALLOC_FAILED = 3,
    CUBLAS_F32 = 0, /* cudaDataType */
    CUBLAS_F16 = 2,
    CUBLAS_COMPUTE_F32 = 68,
    CUBLAS_NO_REDUCED_PRECISION = 16, /* math mode: partial sums are f32 too */
    CUBLAS_NO_ATOMICS = 0,
    CUBLAS_DEFAULT_ALGORITHM = -1
};

typedef struct CudaApi {
#define DRIVER(name, symbol, parameters) CudaResult(*name) parameters;
#define NVRTC(name, parameters)          NvrtcResult(*name) parameters;
#define CUBLAS(name, symbol, parameters) CublasResult(*name) parameters;
#include "cuda_api.def"
#undef DRIVER
#undef NVRTC
#undef CUBLAS
    OsLibrary *driver, *nvrtc, *cublas; /* cublas: NULL until it is opened */
    char driver_path[CUDA_MOST_PATH], nvrtc_path[CUDA_MOST_PATH]; /* as they were opened */
    char cublas_path[CUDA_MOST_PATH];
    int driver_version; /* 13000: CUDA 13.0; the most that this driver runs */
    int nvrtc_major, nvrtc_minor;
} CudaApi;

/* Opens the driver, then the newest NVRTC whose code this driver runs. folder: looked into first,
 * "" or NULL: none. Then: the executable's folder, CUDA_PATH, Python's nvidia packages of the
 * active environment, the usual toolkit folder, the loader's own search; never the current folder.
 * On failure the error names what is missing and what to install. What was opened stays open until
 * the process ends: NVIDIA's libraries leave memory behind when they are unloaded. */
bool cuda_api_open(CudaApi *api, const char *folder, Error *error);

/* NVRTC alone, as tests need it: the newest of at most that major version, 0: any. */
bool cuda_api_open_nvrtc(CudaApi *api, const char *folder, int most_major, Error *error);

/* cuBLAS, of the driver's major version or an older one: looked for in the same places. What api
 * holds already stays. */
bool cuda_api_open_cublas(CudaApi *api, const char *folder, Error *error);

/* error: "what: CUDA_ERROR_NAME", why: the driver's own words. Returns false. */
bool cuda_failed(const CudaApi *api, CudaResult result, const char *what, Error *error);

#endif
