/* The host device: executes a program on the CPU.
 *
 * open makes the one allocation and prepares every kernel; run walks a segment's launches. A step
 * allocates nothing here; oneDNN allocates a few hundred bytes at each of its calls and frees them
 * before it returns.
 */
#include "runtime/device.h"

#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "runtime/system/os.h"

enum { GUARD_BYTES = 256, GUARD_BYTE = 0xa5 };

struct Device {
    const SnugProgram *program;
    DeviceOptions options;
    char *base; /* total_bytes, then the guard bytes */
    HostKernel **kernels;
    void **args; /* of the launch that runs */
    HostTeam *team;
    double *seconds[SNUG_SEGMENT_COUNT];
    int64_t runs[SNUG_SEGMENT_COUNT];
    bool is_open;
    int64_t allocations;
};

/* All of the device's own memory but the arena comes from here, so that what a step takes shows. */
static void *take(Device *device, int64_t count, size_t size)
{
    device->allocations += device->is_open;
    return calloc((size_t)host_max(count, 1), size);
}

static bool prepare_kernels(Device *device, Error *error)
{
    const SnugProgram *program = device->program;
    for (int32_t i = 0; i < program->kernel_count; i++) {
        const SnugKernel *kernel = &program->kernels[i];
        HostKernel *k = host_kernel_create(kernel, program->host_threads, false);
        device->kernels[i] = k;
        if (k == NULL) {
            error_set(error, ERROR_DEVICE, "this machine cannot run kernel %s", kernel->name);
            return device_recompile(program, error);
        }
        int64_t needs = host_kernel_workspace(k);
        if (needs > kernel->workspace_bytes) {
            error_set(error, ERROR_DEVICE,
                      "kernel %s needs %lld bytes of workspace here, %lld were planned",
                      kernel->name, (long long)needs, (long long)kernel->workspace_bytes);
            error_why(error, "the program was compiled for another CPU or another oneDNN");
            return device_recompile(program, error);
        }
    }
    return true;
}

static void host_close(Device *device)
{
    if (device == NULL)
        return;
    for (int32_t i = 0; device->kernels && i < device->program->kernel_count; i++)
        host_kernel_destroy(device->kernels[i]);
    for (int32_t s = 0; s < SNUG_SEGMENT_COUNT; s++)
        free(device->seconds[s]);
    if (device->base)
        os_unmap_guarded(device->base, device->program->total_bytes + GUARD_BYTES);
    host_team_destroy(device->team);
    free(device->kernels);
    free(device->args);
    free(device);
}

static bool open_device(Device *device, Error *error)
{
    const SnugProgram *program = device->program;
    if (!device_check_program(program, error))
        return false;
    device->kernels = take(device, program->kernel_count, sizeof(HostKernel *));
    device->args = take(device, HOST_MAX_ARGS, sizeof(void *));
    bool ok = device->kernels && device->args;
    for (int32_t s = 0; s < SNUG_SEGMENT_COUNT; s++) {
        device->seconds[s] = take(device, program->segments[s].launch_count, sizeof(double));
        ok = ok && device->seconds[s];
    }
    if (!ok)
        return error_set(error, ERROR_MEMORY, "no memory for the device's tables");
    if (!prepare_kernels(device, error))
        return false;
    device->team = host_team_create(program->host_threads);
    if (device->team == NULL)
        return error_set(error, ERROR_DEVICE, "cannot start %d threads", program->host_threads);
    device->base = os_map_guarded(program->total_bytes + GUARD_BYTES);
    if (device->base == NULL) {
        error_set(error, ERROR_MEMORY, "cannot allocate the %lld bytes of the plan",
                  (long long)program->total_bytes);
        error_hint(error, "compile with a smaller --vram, so that the plan fits this machine");
        return false;
    }
    memset(device->base + program->total_bytes, GUARD_BYTE, GUARD_BYTES);
    return true;
}

static bool host_open(Device **out, const SnugProgram *program, const DeviceOptions *options,
                      Error *error)
{
    Device *device = calloc(1, sizeof *device);
    *out = NULL;
    if (device == NULL)
        return error_set(error, ERROR_MEMORY, "no memory for the device's tables");
    device->program = program;
    if (options)
        device->options = *options;
    if (!open_device(device, error)) {
        host_close(device);
        return false;
    }
    device->is_open = true;
    *out = device;
    return true;
}

static bool host_upload(Device *device, int64_t offset, const void *data, int64_t bytes,
                        Error *error)
{
    if (!device_check_range(device->program, offset, bytes, error))
        return false;
    memcpy(device->base + offset, data, (size_t)bytes);
    return true;
}

static bool host_download(Device *device, int64_t offset, void *data, int64_t bytes, Error *error)
{
    if (!device_check_range(device->program, offset, bytes, error))
        return false;
    memcpy(data, device->base + offset, (size_t)bytes);
    return true;
}

static void poison(char *memory, int64_t bytes)
{
    memset(memory, 0xff, (size_t)bytes); /* NaN in every float type */
}

static bool check_guard(const Device *device, const char *label, Error *error)
{
    for (int32_t i = 0; i < GUARD_BYTES; i++)
        if ((unsigned char)device->base[device->program->total_bytes + i] != GUARD_BYTE)
            return error_set(error, ERROR_DEVICE, "%s wrote beyond the end of the plan", label);
    return true;
}

static bool run_launch(Device *device, const SnugLaunch *launch)
{
    const SnugProgram *program = device->program;
    const SnugKernel *kernel = &program->kernels[launch->kernel];
    HostLaunch at = {.program = program,
                     .base = device->base,
                     .args = device->args,
                     .team = device->team};
    for (int32_t a = 0; a < kernel->arg_count; a++)
        device->args[a] = device->base + program->buffers[launch->buffers[a]].offset;
    if (kernel->workspace_bytes > 0) {
        at.workspace = device->base + program->buffers[launch->buffers[kernel->arg_count]].offset;
        if (device->options.poison)
            poison(at.workspace, kernel->workspace_bytes);
    }
    return host_kernel_run(device->kernels[launch->kernel], &at);
}

static bool host_run(Device *device, SnugSegmentId segment, Error *error)
{
    const SnugProgram *program = device->program;
    const SnugSegment *list = &program->segments[segment];
    bool ok = true;
    if (device->options.poison)
        poison(device->base + program->persistent_bytes,
               program->total_bytes - program->persistent_bytes);
    for (int32_t l = 0; ok && l < list->launch_count; l++) {
        double start = device->options.profile ? os_seconds() : 0.0;
        if (!run_launch(device, &list->launches[l]))
            ok = error_set(error, ERROR_DEVICE, "oneDNN failed in %s", list->launches[l].label);
        if (device->options.profile)
            device->seconds[segment][l] += os_seconds() - start;
        if (ok && device->options.poison)
            ok = check_guard(device, list->launches[l].label, error);
    }
    device->runs[segment]++;
    return ok;
}

static int64_t host_allocations(const Device *device)
{
    return device->allocations;
}

static void host_profile(const Device *device, SnugSegmentId segment, double *seconds,
                         int64_t *runs)
{
    int32_t count = device->program->segments[segment].launch_count;
    memcpy(seconds, device->seconds[segment], (size_t)count * sizeof *seconds);
    *runs = device->runs[segment];
}

const DeviceOps device_host = {
    .name = "host",
    .open = host_open,
    .close = host_close,
    .upload = host_upload,
    .download = host_download,
    .run = host_run,
    .allocations = host_allocations,
    .profile = host_profile,
};
