/* What both devices check: that a program's tables are whole, and that bytes lie in the plan. */
#include "device.h"

#include "host.h"

bool device_recompile(const SnugProgram *program, Error *error)
{
    error_hint(error, "compile it on this machine: snug compile %s --batch_size %d"
                      " --image_size %d %d --device %s%s%s", program->model_path, program->batch_size,
               program->image_height, program->image_width, program->device,
               program->overrides[0] ? " " : "", program->overrides);
    return false;
}

static bool buffers_are_inside(const SnugProgram *program)
{
    for (int32_t b = 0; b < program->buffer_count; b++) {
        const SnugBuffer *buffer = &program->buffers[b];
        if (buffer->offset < 0 || buffer->bytes < 0 || buffer->offset % SNUG_ALIGNMENT != 0 ||
            buffer->offset > program->total_bytes - buffer->bytes)
            return false;
    }
    return true;
}

/* Every launch names a kernel, and a buffer large enough for each of its args and its workspace. */
static bool launches_are_valid(const SnugProgram *program)
{
    for (int32_t s = 0; s < SNUG_SEGMENT_COUNT; s++)
        for (int32_t l = 0; l < program->segments[s].launch_count; l++) {
            const SnugLaunch *launch = &program->segments[s].launches[l];
            if (launch->kernel < 0 || launch->kernel >= program->kernel_count)
                return false;
            const SnugKernel *kernel = &program->kernels[launch->kernel];
            int32_t count = kernel->arg_count + (kernel->workspace_bytes > 0);
            for (int32_t a = 0; a < count; a++) {
                int32_t b = launch->buffers[a];
                if (b < 0 || b >= program->buffer_count)
                    return false;
                int64_t needs = a < kernel->arg_count ? host_arg_bytes(&kernel->args[a])
                                                      : kernel->workspace_bytes;
                if (program->buffers[b].bytes < needs)
                    return false;
            }
        }
    return true;
}

bool device_check_program(const SnugProgram *program, Error *error)
{
    if (program->version == SNUG_PROGRAM_VERSION && buffers_are_inside(program)
        && launches_are_valid(program))
        return true;
    error_set(error, ERROR_DEVICE, "the program's tables do not fit this runtime");
    return device_recompile(program, error);
}

bool device_check_range(const SnugProgram *program, int64_t offset, int64_t bytes, Error *error)
{
    if (offset < 0 || bytes < 0 || offset > program->total_bytes - bytes)
        return error_set(error, ERROR_DEVICE, "bytes %lld to %lld lie outside the plan's %lld",
                         (long long)offset, (long long)(offset + bytes),
                         (long long)program->total_bytes);
    return true;
}
