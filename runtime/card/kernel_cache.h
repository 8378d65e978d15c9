/* CUDA C to machine code: NVRTC on several threads, and a cache on the disk. */
#ifndef SNUG_KERNEL_CACHE_H
#define SNUG_KERNEL_CACHE_H

#include "cuda_api.h"

/* One program of NVRTC: a kernel's source. The caller frees `image`. */
typedef struct KernelImage {
    const char *name;   /* for messages */
    const char *source; /* CUDA C */
    const char *file;   /* where people find the source, for NVRTC's messages; NULL: under `name` */
    int32_t line;       /* of `file`, where it begins; 0: the first */
    void *image;        /* out: a cubin, or PTX with a 0 behind it */
    int64_t bytes;      /* out */
    bool was_cached;    /* out */
} KernelImage;

typedef struct KernelCompile {
    const CudaApi *api;
    const char *const *headers, *const *header_names; /* what sources include, by name */
    int32_t header_count;
    int32_t capability; /* 86 */
    bool is_ptx;        /* PTX for the driver to translate, instead of machine code */
    const char *folder; /* of the cache, made where it is missing; NULL: nothing is kept */
    int32_t threads;    /* 0: as many as the machine has */
    bool is_quick;      /* less optimised, in half the time: for tests */
    bool is_quiet;      /* no progress on stderr */
} KernelCompile;

/* Fills every image. Sources that are equal are compiled once,
 * wherever they are found. A kernel that does not compile is an
 * error that names it and shows the first message; a cache that cannot be read or written only
 * costs time. Images that are there already after a failure must still be freed. */
bool kernel_cache_compile(const KernelCompile *compile, KernelImage *images, int32_t count,
                          Error *error);

/* The compute capability that NVRTC makes code for on a card of `capability`: that one, or the
 * newest it knows, whose PTX (*is_ptx) the driver then translates. 0: the card is older than all of
 * them. */
int32_t kernel_cache_capability(const CudaApi *api, int32_t capability, bool *is_ptx);

#endif
