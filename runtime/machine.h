/* What the compiler asks the machine that it runs on: answered by the runtime, which knows the
 * devices. */
#ifndef SNUG_MACHINE_H
#define SNUG_MACHINE_H

#include "program.h"

/* Bytes of workspace that the host device needs for this kernel on this machine with so many
 * threads, its library's scratchpad included; -1: the kernel is not one that it can run. The
 * compiler asks before it plans, the device asks again before it runs. (host_kernel.c) */
int64_t snug_host_workspace(const SnugKernel *kernel, int32_t threads);

/* 1 where this CPU multiplies bf16: the compiler then stores bf16, else f32. (host_dnnl.c) */
int32_t snug_host_has_bf16(void);

/* What of CUDA this machine has. Texts are empty, numbers 0, where a part is missing.
 * (cuda_parts.c) */
typedef struct SnugCudaParts {
    char driver[1024], nvrtc[1024]; /* as the libraries were opened */
    char problem[512];              /* why kernels cannot run here; "": they can */
    char card[128];
    int32_t driver_version, nvrtc_version; /* 13000: 13.0; of the driver, the newest that it runs */
    int32_t capability;                    /* 86: 8.6 */
    int64_t card_bytes, free_bytes;
} SnugCudaParts;
/* folder: looked into first for the libraries; "" or NULL: none. */
void snug_find_cuda(const char *folder, SnugCudaParts *parts);

#endif
