/* The cuda device: executes a program on an NVIDIA card.
 *
 *     open   driver, card, memory enough?, one allocation, kernels by NVRTC, a graph a segment;
 *            cuBLAS, where kernels were given to it
 *     run    one graph launch: launches that do not need each other's bytes run at the same time
 *
 * A batch is copied while the card computes the one before:
 *
 *     host      memcpy into pinned memory           (one of two slots, by turns)
 *     copies    pinned -> staging                   (after the last batch has left it)
 *     compute   staging -> inputs, the graph        (after the copy)
 *
 * run returns when the work is queued; upload and download outside of the batch's inputs wait for
 * it.
 */
#include "runtime/device.h"

#include <stdlib.h>
#include <string.h>

#include "cuda_api.h"
#include "cuda_gemm.h"
#include "kernel_cache.h"
#include "launch_order.h"

enum { SLOTS = 2, DEFAULT_SHARED_BYTES = 48 << 10, POISON = 0xff, MOST_ARGS = 65 };

/* The batch's inputs, one stretch of the persistent part, and their copy in staging. */
typedef struct Inputs {
    int64_t begin, bytes; /* bytes 0: the program has no staging */
    char *pinned[SLOTS];
    CudaEvent copied[SLOTS]; /* the slot may be written again */
    CudaEvent consumed;      /* staging may be written again */
    int slot;
    bool is_new; /* something was uploaded since the last run */
    bool is_pinned;
} Inputs;

struct Device {
    const SnugProgram *program;
    DeviceOptions options;
    CudaApi api;
    CudaDevice card;
    char card_name[128];
    int32_t capability;
    bool has_context;
    CudaAddress base;
    CudaStream compute, copies;
    CudaModule *modules;      /* one a kernel; NULL where cuBLAS makes it */
    CudaFunction **functions; /* one an entry of each kernel */
    CublasHandle library;     /* NULL: our own kernels make all */
    CudaGraphExec graphs[SNUG_SEGMENT_COUNT];
    Inputs inputs;
    CudaEvent before, after; /* of a launch that is timed */
    double *seconds[SNUG_SEGMENT_COUNT];
    int64_t runs[SNUG_SEGMENT_COUNT];
};

/* The call's result as our error; `what` says what was being done. */
static bool check(const Device *device, CudaResult result, const char *what, Error *error)
{
    return result == 0 || cuda_failed(&device->api, result, what, error);
}

/* ---- card and memory ------------------------------------------------------------------------- */

static bool open_card(Device *device, Error *error)
{
    const CudaApi *api = &device->api;
    CudaContext context;
    int count = 0, major = 0, minor = 0;

    if (!check(device, api->cuDeviceGetCount(&count), "cannot count the cards", error))
        return false;
    if (count == 0)
        return error_set(error, ERROR_DEVICE, "the NVIDIA driver finds no card");
    if (!check(device, api->cuDeviceGet(&device->card, 0), "cannot open the first card", error))
        return false;
    api->cuDeviceGetName(device->card_name, sizeof device->card_name, device->card);
    api->cuDeviceGetAttribute(&major, CUDA_ATTRIBUTE_CAPABILITY_MAJOR, device->card);
    api->cuDeviceGetAttribute(&minor, CUDA_ATTRIBUTE_CAPABILITY_MINOR, device->card);
    device->capability = 10 * major + minor;
    if (device->capability < 80) {
        error_set(error, ERROR_DEVICE, "%s has compute capability %d.%d, 8.0 is needed",
                  device->card_name, major, minor);
        return error_hint(error, "kernels copy asynchronously, which cards do since the RTX 30 "
                                 "series; compile for the processor: --device host");
    }
    device->has_context = check(device, api->cuDevicePrimaryCtxRetain(&context, device->card),
                                "cannot make a context on the card", error);
    return device->has_context
           && check(device, api->cuCtxSetCurrent(context), "cannot use the card's context", error);
}

static double mebibytes(int64_t bytes)
{
    return (double)bytes / (1 << 20);
}

/* The plan's bytes must be free before they are taken: on Windows the driver would move them to the
 * system's memory instead of failing. */
static bool check_memory(Device *device, Error *error)
{
    const SnugProgram *program = device->program;
    size_t free_bytes = 0, all_bytes = 0;

    if (!check(device, device->api.cuMemGetInfo(&free_bytes, &all_bytes),
               "the card does not say how much memory is free", error))
        return false;
    if ((int64_t)free_bytes >= program->total_bytes)
        return true;
    int64_t held = (int64_t)(all_bytes - free_bytes);
    error_set(error, ERROR_MEMORY, "%s has %.1f MiB free, the plan needs %.1f MiB",
              device->card_name, mebibytes((int64_t)free_bytes), mebibytes(program->total_bytes));
    error_why(error, "%.1f of its %.1f MiB are held by the driver and other programs",
              mebibytes(held), mebibytes((int64_t)all_bytes));
    return device_advise(program, (int64_t)free_bytes, error);
}

static bool allocate(Device *device, Error *error)
{
    const CudaApi *api = &device->api;

    return check_memory(device, error)
           && check(device, api->cuMemAlloc(&device->base, (size_t)device->program->total_bytes),
                    "cannot allocate the plan's memory", error);
}

static bool make_streams(Device *device, Error *error)
{
    const CudaApi *api = &device->api;

    return check(device, api->cuStreamCreate(&device->compute, CUDA_STREAM_NON_BLOCKING),
                 "cannot make a stream", error)
           && check(device, api->cuStreamCreate(&device->copies, CUDA_STREAM_NON_BLOCKING),
                    "cannot make a stream", error);
}

/* cuBLAS, before anybody asks how much memory is free: it holds some. Where it is missing our own
 * kernels do its work within the same plan, unless the user has asked for it. */
static bool open_library(Device *device, Error *error)
{
    const SnugProgram *program = device->program;
    Error missing = {0};
    int32_t wanted = 0;

    for (int32_t k = 0; k < program->kernel_count; k++)
        wanted += program->cuda_kernels[k].gemm.m > 0;
    if (wanted == 0)
        return true;
    if (program->requires_cublas != 0) {
        if (!cuda_api_open_cublas(&device->api, device->options.cuda_path, error))
            return false;
    } else if (!cuda_api_open_cublas(&device->api, device->options.cuda_path, &missing)) {
        fprintf(stderr,
                "warning: %s: snug's own kernels make %d matrix product%s that it was to "
                "make\n",
                missing.what, wanted, wanted == 1 ? "" : "s");
        return true;
    }
    device->library = cuda_gemm_create(&device->api, device->compute, error);
    return device->library != NULL;
}

static bool is_library_kernel(const Device *device, int32_t k)
{
    return device->library != NULL && device->program->cuda_kernels[k].gemm.m > 0;
}

/* ---- kernels --------------------------------------------------------------------------------- */

/* A driver that cannot take this NVRTC's machine code (a newer card, another maker of drivers) is
 * given PTX: asked with a kernel that does nothing. */
static bool takes_machine_code(const Device *device, int32_t capability)
{
    KernelCompile compile = {.api = &device->api, .capability = capability, .is_quiet = true};
    KernelImage probe = {.name = "probe", .source = "extern \"C\" __global__ void probe() {}\n"};
    Error ignored = {0};
    CudaModule module = NULL;
    bool ok = kernel_cache_compile(&compile, &probe, 1, &ignored)
              && device->api.cuModuleLoadDataEx(&module, probe.image, 0, NULL, NULL) == 0;

    if (module != NULL)
        device->api.cuModuleUnload(module);
    free(probe.image);
    return ok;
}

static bool load_kernel(Device *device, int32_t k, const KernelImage *image, Error *error)
{
    const CudaApi *api = &device->api;
    const SnugCudaKernel *kernel = &device->program->cuda_kernels[k];
    char what[256];

    snprintf(what, sizeof what, "cannot load kernel %s", image->name);
    device->functions[k] = calloc((size_t)kernel->entry_count + 1, sizeof(CudaFunction));
    if (device->functions[k] == NULL)
        return error_set(error, ERROR_MEMORY, "no memory for the device's tables");
    if (!check(device, api->cuModuleLoadDataEx(&device->modules[k], image->image, 0, NULL, NULL),
               what, error))
        return false;
    for (int32_t e = 0; e < kernel->entry_count; e++) {
        const SnugCudaEntry *entry = &kernel->entries[e];
        CudaFunction *function = &device->functions[k][e];
        if (!check(device, api->cuModuleGetFunction(function, device->modules[k], entry->name),
                   what, error))
            return false;
        if (entry->shared_bytes > DEFAULT_SHARED_BYTES
            && !check(device,
                      api->cuFuncSetAttribute(*function, CUDA_FUNCTION_DYNAMIC_SHARED,
                                              entry->shared_bytes),
                      what, error))
            return false;
    }
    return true;
}

static bool compile_kernels(Device *device, KernelImage *images, int32_t image_count, Error *error)
{
    const SnugProgram *program = device->program;
    int32_t count = program->cuda_header_count;
    const char **texts = calloc((size_t)count + 1, sizeof *texts);
    const char **names = calloc((size_t)count + 1, sizeof *names);
    char *cache = os_cache_folder(), *folder = cache != NULL ? os_join(cache, "snug") : NULL;
    KernelCompile compile = {.api = &device->api,
                             .headers = texts,
                             .header_names = names,
                             .header_count = count,
                             .folder = folder};
    bool ok = texts != NULL && names != NULL;

    for (int32_t h = 0; ok && h < count; h++) {
        texts[h] = program->cuda_headers[h].text;
        names[h] = program->cuda_headers[h].name;
    }
    compile.capability = kernel_cache_capability(&device->api, device->capability, &compile.is_ptx);
    compile.is_ptx = compile.is_ptx || !takes_machine_code(device, compile.capability);
    ok = ok ? kernel_cache_compile(&compile, images, image_count, error)
            : error_set(error, ERROR_MEMORY, "no memory to compile kernels");
    free(folder);
    free(cache);
    free(names);
    free(texts);
    return ok;
}

static bool prepare_kernels(Device *device, Error *error)
{
    const SnugProgram *program = device->program;
    size_t count = (size_t)program->kernel_count;
    KernelImage *images = calloc(count + 1, sizeof *images);
    int32_t image_count = 0, next = 0;
    char file[256];

    device->modules = calloc(count + 1, sizeof *device->modules);
    device->functions = calloc(count + 1, sizeof *device->functions);
    if (images == NULL || device->modules == NULL || device->functions == NULL) {
        free(images);
        return error_set(error, ERROR_MEMORY, "no memory for the device's tables");
    }
    snprintf(file, sizeof file, "%s.cu", program->model);
    for (int32_t k = 0; k < program->kernel_count; k++)
        if (!is_library_kernel(device, k))
            images[image_count++] = (KernelImage){.name = program->kernels[k].name,
                                                  .source = program->cuda_kernels[k].source,
                                                  .file = file,
                                                  .line = program->cuda_kernels[k].line};
    bool ok = compile_kernels(device, images, image_count, error);
    for (int32_t k = 0; ok && k < program->kernel_count; k++)
        if (!is_library_kernel(device, k))
            ok = load_kernel(device, k, &images[next++], error);
    for (int32_t k = 0; k < image_count; k++)
        free(images[k].image);
    free(images);
    return ok;
}

/* ---- launches -------------------------------------------------------------------------------- */

/* Device addresses of the launch's buffers; pointers[a] points at addresses[a]. */
static void launch_arguments(const Device *device, const SnugLaunch *launch, CudaAddress *addresses,
                             void **pointers)
{
    const SnugProgram *program = device->program;
    const SnugKernel *kernel = &program->kernels[launch->kernel];
    int32_t count = kernel->arg_count + (kernel->workspace_bytes > 0);

    for (int32_t a = 0; a < count; a++) {
        addresses[a] = device->base + (CudaAddress)program->buffers[launch->buffers[a]].offset;
        pointers[a] = &addresses[a];
    }
}

static GemmLaunch gemm_launch(const Device *device, const SnugLaunch *launch,
                              const CudaAddress *addresses, const char *label)
{
    return (GemmLaunch){.kernel = &device->program->kernels[launch->kernel],
                        .gemm = &device->program->cuda_kernels[launch->kernel].gemm,
                        .addresses = addresses,
                        .label = label};
}

static CudaKernelNode entry_node(const Device *device, const SnugLaunch *launch, int32_t e,
                                 void **pointers)
{
    const SnugCudaEntry *entry = &device->program->cuda_kernels[launch->kernel].entries[e];

    return (CudaKernelNode){
        .function = device->functions[launch->kernel][e],
        .grid = {(unsigned)entry->grid[0], (unsigned)entry->grid[1], (unsigned)entry->grid[2]},
        .block = {(unsigned)entry->threads, 1, 1},
        .shared_bytes = (unsigned)entry->shared_bytes,
        .parameters = pointers,
    };
}

/* Nodes of launch l: its entries, one after the other; the first waits for the last node of each
 * launch in the order. last: the last node of each launch. */
static bool add_launch(const Device *device, CudaGraph graph, SnugSegmentId segment, int32_t l,
                       const LaunchOrder *order, CudaGraphNode *last, CudaGraphNode *after,
                       Error *error)
{
    const SnugLaunch *launch = &device->program->segments[segment].launches[l];
    CudaAddress addresses[MOST_ARGS];
    void *pointers[MOST_ARGS];
    size_t count = 0;

    launch_arguments(device, launch, addresses, pointers);
    for (int32_t k = order->begin[l]; k < order->begin[l + 1]; k++)
        after[count++] = last[order->after[k]];
    if (is_library_kernel(device, launch->kernel)) { /* open clears memory behind it */
        GemmLaunch gemm = gemm_launch(device, launch, addresses, launch->label);
        return cuda_gemm_add(&device->api, device->library, device->compute, &gemm, graph, after,
                             count, &last[l], error);
    }
    for (int32_t e = 0; e < device->program->cuda_kernels[launch->kernel].entry_count; e++) {
        CudaKernelNode node = entry_node(device, launch, e, pointers);
        CudaGraphNode made;
        if (!check(device, device->api.cuGraphAddKernelNode(&made, graph, after, count, &node),
                   launch->label, error))
            return false;
        last[l] = after[0] = made;
        count = 1;
    }
    return true;
}

static bool build_graph(Device *device, SnugSegmentId segment, Error *error)
{
    const CudaApi *api = &device->api;
    int32_t count = device->program->segments[segment].launch_count;
    CudaGraphNode *last = calloc((size_t)count + 1, sizeof *last);
    CudaGraphNode *after = calloc((size_t)count + 1, sizeof *after);
    CudaGraph graph = NULL;
    LaunchOrder order = {0};
    bool ok = last != NULL && after != NULL && launch_order_find(&order, device->program, segment);

    if (!ok)
        error_set(error, ERROR_MEMORY, "no memory for a graph of %d launches", count);
    ok = ok && check(device, api->cuGraphCreate(&graph, 0), "cannot make a graph", error);
    for (int32_t l = 0; ok && l < count; l++)
        ok = add_launch(device, graph, segment, l, &order, last, after, error);
    ok = ok
         && check(device, api->cuGraphInstantiate(&device->graphs[segment], graph, 0),
                  "cannot make a graph ready", error);
    if (graph != NULL)
        api->cuGraphDestroy(graph);
    launch_order_free(&order);
    free(after);
    free(last);
    return ok;
}

/* Queues all of a launch on the compute stream. */
static bool queue_launch(const Device *device, const SnugLaunch *launch, const char *what,
                         Error *error)
{
    CudaAddress addresses[MOST_ARGS];
    void *pointers[MOST_ARGS];

    launch_arguments(device, launch, addresses, pointers);
    if (is_library_kernel(device, launch->kernel)) {
        GemmLaunch gemm = gemm_launch(device, launch, addresses, what);
        return cuda_gemm_run(&device->api, device->library, &gemm, error);
    }
    for (int32_t e = 0; e < device->program->cuda_kernels[launch->kernel].entry_count; e++) {
        CudaKernelNode node = entry_node(device, launch, e, pointers);
        if (!check(device,
                   device->api.cuLaunchKernel(node.function, node.grid[0], node.grid[1],
                                              node.grid[2], node.block[0], 1, 1, node.shared_bytes,
                                              device->compute, pointers, NULL),
                   what, error))
            return false;
    }
    return true;
}

/* One launch after the other, each waited for: times it, and names the one that fails. */
static bool run_apart(Device *device, SnugSegmentId segment, Error *error)
{
    const CudaApi *api = &device->api;
    const SnugSegment *list = &device->program->segments[segment];
    bool ok = true;

    for (int32_t l = 0; ok && l < list->launch_count; l++) {
        const SnugLaunch *launch = &list->launches[l];
        float milliseconds = 0;
        char what[256];
        snprintf(what, sizeof what, "%s, line %d of %s, failed in kernel %s", launch->label,
                 launch->line, device->program->model_path,
                 device->program->kernels[launch->kernel].name);
        ok = check(device, api->cuEventRecord(device->before, device->compute), what, error)
             && queue_launch(device, launch, what, error)
             && check(device, api->cuEventRecord(device->after, device->compute), what, error)
             && check(device, api->cuEventSynchronize(device->after), what, error);
        if (ok && api->cuEventElapsedTime(&milliseconds, device->before, device->after) == 0)
            device->seconds[segment][l] += (double)milliseconds * 1e-3;
    }
    return ok;
}

/* ---- the batch's inputs ---------------------------------------------------------------------- */

static bool prepare_inputs(Device *device, Error *error)
{
    const SnugProgram *program = device->program;
    const int32_t buffers[] = {program->image_buffer, program->points_buffer,
                               program->image_weights_buffer};
    Inputs *inputs = &device->inputs;
    int64_t begin = INT64_MAX, end = 0;
    bool ok = true;

    for (int k = 0; k < 3; k++) {
        if (buffers[k] < 0)
            continue;
        const SnugBuffer *buffer = &program->buffers[buffers[k]];
        begin = buffer->offset < begin ? buffer->offset : begin;
        end = buffer->offset + buffer->bytes > end ? buffer->offset + buffer->bytes : end;
    }
    if (program->staging_offset < 0 || end == 0)
        return true;
    inputs->begin = begin;
    inputs->bytes = end - begin;
    inputs->is_pinned = true;
    for (int k = 0; ok && k < SLOTS; k++) {
        void *memory = NULL;
        if (device->api.cuMemHostAlloc(&memory, (size_t)inputs->bytes, 0) != 0) {
            inputs->is_pinned = false;
            break;
        }
        inputs->pinned[k] = memory;
        ok = check(device, device->api.cuEventCreate(&inputs->copied[k], CUDA_EVENT_DISABLE_TIMING),
                   "cannot make an event", error);
    }
    if (ok && !inputs->is_pinned) {
        fprintf(stderr,
                "warning: no pinned memory for %.1f MiB of batches: copies wait for the "
                "card\n",
                mebibytes(SLOTS * inputs->bytes));
        inputs->bytes = 0;
    }
    return ok
           && check(device, device->api.cuEventCreate(&inputs->consumed, CUDA_EVENT_DISABLE_TIMING),
                    "cannot make an event", error);
}

static bool is_input(const Inputs *inputs, int64_t offset, int64_t bytes)
{
    return inputs->bytes > 0 && offset >= inputs->begin
           && offset + bytes <= inputs->begin + inputs->bytes;
}

/* The first upload of a batch takes the other slot once its last copy is done, and staging once the
 * card has taken the last batch out of it. */
static bool stage(Device *device, int64_t offset, const void *data, int64_t bytes, Error *error)
{
    const CudaApi *api = &device->api;
    Inputs *inputs = &device->inputs;
    int64_t at = offset - inputs->begin;

    if (!inputs->is_new) {
        inputs->slot = (inputs->slot + 1) % SLOTS;
        if (!check(device, api->cuEventSynchronize(inputs->copied[inputs->slot]),
                   "a batch cannot be copied to the card", error)
            || !check(device, api->cuStreamWaitEvent(device->copies, inputs->consumed, 0),
                      "a batch cannot be copied to the card", error))
            return false;
        inputs->is_new = true;
    }
    char *slot = inputs->pinned[inputs->slot] + at;
    memcpy(slot, data, (size_t)bytes);
    return check(
        device,
        api->cuMemcpyHtoDAsync(device->base + (CudaAddress)(device->program->staging_offset + at),
                               slot, (size_t)bytes, device->copies),
        "a batch cannot be copied to the card", error);
}

/* Staging -> inputs, before the work that reads them. */
static bool take_batch(Device *device, Error *error)
{
    const CudaApi *api = &device->api;
    Inputs *inputs = &device->inputs;
    const char *what = "a batch cannot be handed to the card's kernels";

    if (!inputs->is_new)
        return true;
    inputs->is_new = false;
    return check(device, api->cuEventRecord(inputs->copied[inputs->slot], device->copies), what,
                 error)
           && check(device,
                    api->cuStreamWaitEvent(device->compute, inputs->copied[inputs->slot], 0), what,
                    error)
           && check(
               device,
               api->cuMemcpyDtoDAsync(device->base + (CudaAddress)inputs->begin,
                                      device->base + (CudaAddress)device->program->staging_offset,
                                      (size_t)inputs->bytes, device->compute),
               what, error)
           && check(device, api->cuEventRecord(inputs->consumed, device->compute), what, error);
}

/* ---- the device ------------------------------------------------------------------------------ */

static void cuda_close(Device *device)
{
    const CudaApi *api;

    if (device == NULL)
        return;
    api = &device->api;
    if (device->compute != NULL)
        api->cuStreamSynchronize(device->compute);
    for (int s = 0; s < SNUG_SEGMENT_COUNT; s++) {
        if (device->graphs[s] != NULL)
            api->cuGraphExecDestroy(device->graphs[s]);
        free(device->seconds[s]);
    }
    for (int32_t k = 0; k < device->program->kernel_count; k++) {
        if (device->functions != NULL)
            free(device->functions[k]);
        if (device->modules != NULL && device->modules[k] != NULL)
            api->cuModuleUnload(device->modules[k]);
    }
    free(device->functions);
    free(device->modules);
    if (device->library != NULL)
        api->cublasDestroy(device->library);
    CudaEvent events[] = {device->inputs.copied[0], device->inputs.copied[1],
                          device->inputs.consumed, device->before, device->after};
    for (size_t k = 0; k < sizeof events / sizeof *events; k++)
        if (events[k] != NULL)
            api->cuEventDestroy(events[k]);
    for (int k = 0; k < SLOTS; k++)
        if (device->inputs.pinned[k] != NULL)
            api->cuMemFreeHost(device->inputs.pinned[k]);
    if (device->copies != NULL)
        api->cuStreamDestroy(device->copies);
    if (device->compute != NULL)
        api->cuStreamDestroy(device->compute);
    if (device->base != 0)
        api->cuMemFree(device->base);
    if (device->has_context)
        api->cuDevicePrimaryCtxRelease(device->card);
    free(device);
}

static bool prepare_times(Device *device, Error *error)
{
    for (int s = 0; s < SNUG_SEGMENT_COUNT; s++) {
        device->seconds[s] =
            calloc((size_t)device->program->segments[s].launch_count + 1, sizeof(double));
        if (device->seconds[s] == NULL)
            return error_set(error, ERROR_MEMORY, "no memory for the device's tables");
    }
    return check(device, device->api.cuEventCreate(&device->before, 0), "cannot make an event",
                 error)
           && check(device, device->api.cuEventCreate(&device->after, 0), "cannot make an event",
                    error);
}

static bool open_device(Device *device, Error *error)
{
    const SnugProgram *program = device->program;

    if (!device_check_program(program, error))
        return false;
    if (!cuda_api_open(&device->api, device->options.cuda_path, error) || !open_card(device, error)
        || !make_streams(device, error) || !open_library(device, error) || !allocate(device, error)
        || !prepare_kernels(device, error) || !prepare_inputs(device, error)
        || !prepare_times(device, error))
        return false;
    for (int s = 0; s < SNUG_SEGMENT_COUNT; s++)
        if (program->segments[s].launch_count > 0 && !build_graph(device, (SnugSegmentId)s, error))
            return false;
    return check(device,
                 device->api.cuMemsetD8Async(device->base, 0, (size_t)program->total_bytes,
                                             device->compute),
                 "cannot clear the plan's memory", error)
           && check(device, device->api.cuStreamSynchronize(device->compute),
                    "cannot clear the plan's memory", error);
}

static bool cuda_open(Device **out, const SnugProgram *program, const DeviceOptions *options,
                      Error *error)
{
    Device *device = calloc(1, sizeof *device);

    *out = NULL;
    if (device == NULL)
        return error_set(error, ERROR_MEMORY, "no memory for the device's tables");
    device->program = program;
    if (options != NULL)
        device->options = *options;
    if (!open_device(device, error)) {
        cuda_close(device);
        return false;
    }
    *out = device;
    return true;
}

/* The work that was queued shows its errors where somebody waits for it. */
static bool wait_for_work(Device *device, Error *error)
{
    if (check(device, device->api.cuStreamSynchronize(device->compute),
              "a kernel failed on the card", error))
        return true;
    return error_hint(error, "--profile runs launch by launch and names the one that fails");
}

static bool cuda_upload(Device *device, int64_t offset, const void *data, int64_t bytes,
                        Error *error)
{
    if (!device_check_range(device->program, offset, bytes, error))
        return false;
    if (is_input(&device->inputs, offset, bytes))
        return stage(device, offset, data, bytes, error);
    return wait_for_work(device, error)
           && check(
               device,
               device->api.cuMemcpyHtoD(device->base + (CudaAddress)offset, data, (size_t)bytes),
               "cannot copy to the card", error);
}

static bool cuda_download(Device *device, int64_t offset, void *data, int64_t bytes, Error *error)
{
    return device_check_range(device->program, offset, bytes, error) && wait_for_work(device, error)
           && check(
               device,
               device->api.cuMemcpyDtoH(data, device->base + (CudaAddress)offset, (size_t)bytes),
               "cannot copy from the card", error);
}

static bool cuda_run(Device *device, SnugSegmentId segment, Error *error)
{
    const SnugProgram *program = device->program;
    bool ok = take_batch(device, error);

    if (ok && device->options.poison)
        ok = check(device,
                   device->api.cuMemsetD8Async(
                       device->base + (CudaAddress)program->persistent_bytes, POISON,
                       (size_t)(program->total_bytes - program->persistent_bytes), device->compute),
                   "cannot fill the arena", error);
    if (!ok)
        return false;
    device->runs[segment]++;
    if (device->options.profile)
        return run_apart(device, segment, error);
    return device->graphs[segment] == NULL
           || check(device, device->api.cuGraphLaunch(device->graphs[segment], device->compute),
                    "cannot launch the graph", error);
}

static void cuda_profile(const Device *device, SnugSegmentId segment, double *seconds,
                         int64_t *runs)
{
    int32_t count = device->program->segments[segment].launch_count;

    memcpy(seconds, device->seconds[segment], (size_t)count * sizeof *seconds);
    *runs = device->runs[segment];
}

const DeviceOps device_cuda = {
    .name = "cuda",
    .open = cuda_open,
    .close = cuda_close,
    .upload = cuda_upload,
    .download = cuda_download,
    .run = cuda_run,
    .profile = cuda_profile,
};
