/* The device and its memory. */
#include "gpu.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ALIGNMENT = 256 }; /* of an allocation, as cuMemAlloc promises */

void *allocate_or_exit(int64_t count, int64_t bytes)
{
    void *memory = calloc((size_t)(count > 0 ? count : 1), (size_t)bytes);

    if (!memory) {
        fprintf(stderr, "software GPU: no host memory for %lld bytes\n",
                (long long)(count * bytes));
        exit(70);
    }
    return memory;
}

bool grow_array(void **array, int32_t *capacity, int64_t element_bytes)
{
    int32_t wanted = *capacity ? 2 * *capacity : 16;
    void *larger = realloc(*array, (size_t)(wanted * element_bytes));

    if (!larger) {
        fprintf(stderr, "software GPU: no host memory for %lld bytes\n",
                (long long)(wanted * element_bytes));
        exit(70);
    }
    *array = larger;
    *capacity = wanted;
    return true;
}

SoftGpu *softgpu_create(const SoftGpuOptions *options)
{
    SoftGpu *gpu = calloc(1, sizeof *gpu);

    if (!gpu)
        return NULL;
    gpu->options = *options;
    if (gpu->options.threads <= 0)
        gpu->options.threads = 2;
    pthread_mutex_init(&gpu->lock, NULL);
    gpu->reads = touch_create(TOUCH_LAUNCH);
    gpu->writes = touch_create(TOUCH_LAUNCH);
    return gpu;
}

void softgpu_destroy(SoftGpu *gpu)
{
    if (!gpu)
        return;
    while (gpu->modules)
        softgpu_unload(gpu, gpu->modules);
    while (gpu->allocation_count)
        device_unmap(gpu, gpu->allocations[0].begin);
    workers_free(gpu);
    touch_free(gpu->reads);
    touch_free(gpu->writes);
    free(gpu->allocations);
    pthread_mutex_destroy(&gpu->lock);
    free(gpu);
}

SoftGpuStatus softgpu_status(const SoftGpu *gpu)
{
    return gpu->status;
}

SoftGpuFault softgpu_fault(const SoftGpu *gpu)
{
    return gpu->fault;
}

const char *softgpu_report(const SoftGpu *gpu)
{
    return gpu->report;
}

int32_t softgpu_capability(const SoftGpu *gpu, bool *is_ptx)
{
    (void)gpu;
    *is_ptx = true;
    return 86;
}

void set_fault(SoftGpu *gpu, SoftGpuStatus status, SoftGpuFault kind, const char *text)
{
    pthread_mutex_lock(&gpu->lock);
    if (gpu->status == SOFTGPU_OK) {
        snprintf(gpu->report, sizeof gpu->report, "%s", text);
        gpu->fault = kind;
        __atomic_store_n(&gpu->status, status, __ATOMIC_SEQ_CST);
    }
    pthread_mutex_unlock(&gpu->lock);
}

bool ptx_error(SoftGpu *gpu, const char *module, int32_t line, const char *format, ...)
{
    va_list list;
    int used = line > 0 ? snprintf(gpu->report, sizeof gpu->report, "%s:%d: ", module, line)
                        : snprintf(gpu->report, sizeof gpu->report, "%s: ", module);

    va_start(list, format);
    vsnprintf(gpu->report + used, sizeof gpu->report - (size_t)used, format, list);
    va_end(list);
    return false;
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* The last allocation that begins at or before the address; -1: none. */
static int32_t find_allocation(const SoftGpu *gpu, uint64_t address)
{
    int32_t low = -1, high = gpu->allocation_count;

    while (high - low > 1) {
        int32_t middle = low + (high - low) / 2;
        if (gpu->allocations[middle].begin <= address)
            low = middle;
        else
            high = middle;
    }
    return low;
}

Region find_region(const SoftGpu *gpu, uint64_t address)
{
    int32_t index = find_allocation(gpu, address);

    if (index < 0)
        return (Region){0};
    const Allocation *found = &gpu->allocations[index];
    if (address - found->begin >= (uint64_t)found->bytes)
        return (Region){0};
    return (Region){found->begin, found->begin + (uint64_t)found->bytes, found->read_only};
}

void describe_address(const SoftGpu *gpu, uint64_t address, char *text, size_t size)
{
    int32_t index = find_allocation(gpu, address);
    const Allocation *before = index < 0 ? NULL : &gpu->allocations[index];
    const Allocation *after = index + 1 < gpu->allocation_count ? before + 1 : NULL;

    if (!before && gpu->allocation_count)
        after = &gpu->allocations[0];
    if (before && address < before->begin + (uint64_t)before->bytes)
        snprintf(text, size, "which crosses the end of the %lld bytes at 0x%llx",
                 (long long)before->bytes, (unsigned long long)before->begin);
    else if (before && (!after || address - before->begin < after->begin - address))
        snprintf(text, size, "%llu bytes behind the end of the %lld bytes at 0x%llx",
                 (unsigned long long)(address - before->begin - (uint64_t)before->bytes),
                 (long long)before->bytes, (unsigned long long)before->begin);
    else if (after)
        snprintf(text, size, "%llu bytes before the %lld bytes at 0x%llx",
                 (unsigned long long)(after->begin - address), (long long)after->bytes,
                 (unsigned long long)after->begin);
    else
        snprintf(text, size, "and nothing is allocated");
}

/* The bytes end where the guard page begins, but for what the alignment needs. */
uint64_t device_map(SoftGpu *gpu, int64_t bytes, bool read_only, bool is_module)
{
    int64_t page = sysconf(_SC_PAGESIZE);
    int64_t body = (bytes + page - 1) / page * page;
    char *mapping = mmap(NULL, (size_t)(body + 2 * page), PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (mapping == MAP_FAILED)
        return 0;
    if (mprotect(mapping + page, (size_t)body, PROT_READ | PROT_WRITE) != 0) {
        munmap(mapping, (size_t)(body + 2 * page));
        return 0;
    }
    uint64_t begin = (uint64_t)(uintptr_t)mapping + (uint64_t)(page + body - bytes);
    begin &= ~(uint64_t)(ALIGNMENT - 1);
    memset((void *)(uintptr_t)begin, 0xff, (size_t)bytes);
    GROW(gpu->allocations, gpu->allocation_count, gpu->allocation_capacity);
    int32_t at = find_allocation(gpu, begin) + 1;
    memmove(gpu->allocations + at + 1, gpu->allocations + at,
            (size_t)(gpu->allocation_count - at) * sizeof *gpu->allocations);
    gpu->allocations[at] = (Allocation){.begin = begin,
                                        .bytes = bytes,
                                        .mapping = mapping,
                                        .mapped = (size_t)(body + 2 * page),
                                        .read_only = read_only,
                                        .is_module = is_module};
    gpu->allocation_count++;
    return begin;
}

void device_unmap(SoftGpu *gpu, uint64_t address)
{
    int32_t index = find_allocation(gpu, address);

    munmap(gpu->allocations[index].mapping, gpu->allocations[index].mapped);
    gpu->allocation_count--;
    memmove(gpu->allocations + index, gpu->allocations + index + 1,
            (size_t)(gpu->allocation_count - index) * sizeof *gpu->allocations);
}

uint64_t softgpu_allocate(SoftGpu *gpu, int64_t bytes)
{
    if (bytes <= 0 || bytes > softgpu_free_bytes(gpu))
        return 0;
    uint64_t address = device_map(gpu, bytes, false, false);
    if (address)
        gpu->used_bytes += bytes;
    return address;
}

bool softgpu_free(SoftGpu *gpu, uint64_t address)
{
    int32_t index = find_allocation(gpu, address);

    if (index < 0 || gpu->allocations[index].begin != address || gpu->allocations[index].is_module)
        return ptx_error(gpu, "free", 0, "0x%llx is not the start of an allocation",
                         (unsigned long long)address);
    gpu->used_bytes -= gpu->allocations[index].bytes;
    device_unmap(gpu, address);
    return true;
}

int64_t softgpu_free_bytes(const SoftGpu *gpu)
{
    return gpu->options.memory_bytes - gpu->used_bytes;
}

bool softgpu_owns(const SoftGpu *gpu, uint64_t address, int64_t bytes)
{
    Region region = find_region(gpu, address);

    return bytes >= 0 && region.end > region.begin && (uint64_t)bytes <= region.end - address;
}

static bool check_range(SoftGpu *gpu, uint64_t address, int64_t bytes, const char *what)
{
    char where[256];

    if (bytes == 0 || softgpu_owns(gpu, address, bytes))
        return true;
    describe_address(gpu, address, where, sizeof where);
    return ptx_error(gpu, what, 0, "%lld bytes at 0x%llx, %s", (long long)bytes,
                     (unsigned long long)address, where);
}

bool softgpu_upload(SoftGpu *gpu, uint64_t to, const void *from, int64_t bytes)
{
    if (!check_range(gpu, to, bytes, "upload"))
        return false;
    if (bytes)
        memcpy((void *)(uintptr_t)to, from, (size_t)bytes);
    return true;
}

bool softgpu_download(SoftGpu *gpu, void *to, uint64_t from, int64_t bytes)
{
    if (!check_range(gpu, from, bytes, "download"))
        return false;
    if (bytes)
        memcpy(to, (const void *)(uintptr_t)from, (size_t)bytes);
    return true;
}
