/* A device executes a program's segments. One allocation at open, nothing after. */
#ifndef SNUG_DEVICE_H
#define SNUG_DEVICE_H

#include "program.h"
#include "runtime/system/error.h"

typedef struct Device Device;

typedef struct DeviceOptions {
    bool poison;  /* fill the arena with NaN before every segment, check the guards after it */
    bool profile; /* time each launch */
    const char
        *cuda_path; /* cuda: a folder of CUDA's libraries, NULL or "": where they usually are */
} DeviceOptions;

typedef struct DeviceOps {
    const char *name; /* "host" */
    /* Allocates total_bytes once, zeroed, between guard pages. */
    bool (*open)(Device **device, const SnugProgram *program, const DeviceOptions *options,
                 Error *error);
    void (*close)(Device *device);
    /* bytes to and from `offset` of the allocation; done on return */
    bool (*upload)(Device *device, int64_t offset, const void *data, int64_t bytes, Error *error);
    bool (*download)(Device *device, int64_t offset, void *data, int64_t bytes, Error *error);
    bool (*run)(Device *device, SnugSegmentId segment, Error *error);
    /* Allocations made by our code since open has returned: 0, or the promise is broken. NULL: the
     * device takes all of its memory in open and has nothing to count. */
    int64_t (*allocations)(const Device *device);
    /* Seconds a launch of the segment took in total, and its runs; profile only. */
    void (*profile)(const Device *device, SnugSegmentId segment, double *seconds, int64_t *runs);
} DeviceOps;

extern const DeviceOps device_host, device_cuda;

/* ---- device.c: what both check. All fill the error and return false -------------------------- */
/* The version; that each launch has a kernel and buffers inside the plan that are large enough;
 * that what it reads of the arena has been written in this segment, and by nothing else since. */
bool device_check_program(const SnugProgram *program, Error *error);
/* Bytes of an arg, its padding included. */
int64_t device_arg_bytes(const SnugArg *arg);
/* Bytes from `offset` on lie in the plan. */
bool device_check_range(const SnugProgram *program, int64_t offset, int64_t bytes, Error *error);
/* Hints at plans that fit into free_bytes, each with the command that compiles it; where none of
 * those that were made with the program does, at the command that looks for one. False. (advice.c)
 */
bool device_advise(const SnugProgram *program, int64_t free_bytes, Error *error);
/* Hints at the command that compiles the program again. */
bool device_recompile(const SnugProgram *program, Error *error);

#endif
