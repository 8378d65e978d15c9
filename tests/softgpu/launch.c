/* A launch: its limits, its blocks over CPU threads, a block's warps and barriers.
 *
 * Blocks run in an order drawn from the seed, and so do the warps of a block; a warp runs until it
 * waits at a barrier, ends, or has had its turn.
 */
#include "exec_ops.h"
#include "gpu.h"
#include "warp.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { TURN = 20000 };             /* instructions */
#define ENDLESS (INT64_C(1) << 33) /* of a warp */

typedef struct Worker {
    Block block;
    uint8_t *files, *locals;
    int64_t files_bytes, locals_bytes;
    SoftGpuCounters counters;
    uint64_t *next; /* shared by the workers of a launch: blocks taken so far */
    uint64_t stride, start, blocks;
    pthread_t thread;
} Worker;

__extension__ typedef unsigned __int128 WideProduct;

static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* ---- faults ---------------------------------------------------------------------------------- */

static SoftGpuStatus status_of(SoftGpuFault kind)
{
    switch (kind) {
    case SOFTGPU_FAULT_out_of_bounds:
    case SOFTGPU_FAULT_read_only: return SOFTGPU_ILLEGAL_ADDRESS;
    case SOFTGPU_FAULT_misaligned: return SOFTGPU_MISALIGNED;
    case SOFTGPU_FAULT_endless: return SOFTGPU_TIMEOUT;
    case SOFTGPU_FAULT_trap: return SOFTGPU_ASSERT;
    default: return SOFTGPU_LAUNCH_FAILED;
    }
}

static const char *kind_name(SoftGpuFault kind)
{
    static const char *const names[] = {
        [SOFTGPU_FAULT_none] = "nothing",
        [SOFTGPU_FAULT_ptx] = "unknown PTX",
        [SOFTGPU_FAULT_out_of_bounds] = "out of bounds",
        [SOFTGPU_FAULT_misaligned] = "misaligned",
        [SOFTGPU_FAULT_shared_race] = "race in shared memory",
        [SOFTGPU_FAULT_async_pending] = "cp.async not waited for",
        [SOFTGPU_FAULT_divergent_barrier] = "divergent barrier",
        [SOFTGPU_FAULT_divergent_warp] = "divergent warp",
        [SOFTGPU_FAULT_launch_limits] = "limit",
        [SOFTGPU_FAULT_read_only] = "read-only memory",
        [SOFTGPU_FAULT_global_race] = "race between launches",
        [SOFTGPU_FAULT_trap] = "trap",
        [SOFTGPU_FAULT_endless] = "endless",
        [SOFTGPU_FAULT_block_race] = "race between blocks",
    };

    return names[kind];
}

/* The instruction as the text has it, without blanks around it. */
static void copy_line(const SoftGpuModule *module, int32_t line, char *text, size_t size)
{
    const char *at = module->text;

    for (int32_t i = 1; i < line && at; i++) {
        at = strchr(at, '\n');
        at = at ? at + 1 : NULL;
    }
    while (at && (*at == ' ' || *at == '\t'))
        at++;
    size_t length = at ? strcspn(at, "\r\n") : 0;
    if (length >= size)
        length = size - 1;
    if (at)
        memcpy(text, at, length);
    text[length] = '\0';
    for (size_t i = 0; i < length; i++)
        if (text[i] == '\t')
            text[i] = ' ';
}

static void describe_place(const Warp *warp, const Op *op, uint32_t lane, char *text, size_t size)
{
    const Block *block = warp->block;
    const SoftGpuKernel *kernel = block->launch->kernel;
    const uint32_t *shape = block->launch->shape.block;
    uint32_t thread = (uint32_t)warp->index * LANES + (lane == ALL_LANES ? 0 : lane);
    char instruction[120], source[300] = "";

    copy_line(kernel->module, op->line, instruction, sizeof instruction);
    if (op->source >= 0) {
        const Source *where = &kernel->sources[op->source];
        const char *file =
            where->file >= 0 && where->file < 64 ? kernel->module->files[where->file] : NULL;
        snprintf(source, sizeof source, ", source %.250s:%d", file ? file : "?", where->line);
    }
    snprintf(text, size, "%s, PTX line %d (%s)%s, block (%u,%u,%u), %s (%u,%u,%u)", kernel->name,
             op->line, instruction, source, block->id[0], block->id[1], block->id[2],
             lane == ALL_LANES ? "the warp of thread" : "thread", thread % shape[0],
             thread / shape[0] % shape[1], thread / (shape[0] * shape[1]));
}

bool fault(Warp *warp, const Op *op, uint32_t lane, SoftGpuFault kind, const char *format, ...)
{
    char text[2048], place[700], what[512];
    va_list list;

    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    describe_place(warp, op, lane, place, sizeof place);
    snprintf(text, sizeof text, "%s: %s: %s", kind_name(kind), place, what);
    set_fault(warp->block->launch->gpu, status_of(kind), kind, text);
    warp->state = WARP_failed;
    warp->wake = 0;
    return false;
}

/* ---- a warp ---------------------------------------------------------------------------------- */

void warp_run(Warp *warp, int64_t instructions)
{
    const Op *ops = warp->block->launch->kernel->ops;
    int64_t lanes = 0, done = 0;

    while (done < instructions) {
        if (warp->pc >= warp->wake && !warp_settle(warp))
            break;
        const Op *op = &ops[warp->pc++];
        done++;
        warp->mask = warp->active;
        if (op->guard != NO_REGISTER) {
            uint32_t guard = *(const uint32_t *)(warp->file + op->guard);
            warp->mask &= op->flags & OP_NEGATED ? ~guard : guard;
            if (!warp->mask)
                continue;
        }
        lanes += __builtin_popcount(warp->mask);
        op->run(warp, op);
    }
    warp->counters.thread_instructions += lanes;
    warp->counters.warp_instructions += done;
}

static uint32_t special_lane(const Warp *warp, Special special, uint32_t lane)
{
    const Block *block = warp->block;
    const SoftGpuLaunch *shape = &block->launch->shape;
    uint32_t thread = (uint32_t)warp->index * LANES + lane;

    switch (special) {
    case SPECIAL_tid_x: return thread % shape->block[0];
    case SPECIAL_tid_y: return thread / shape->block[0] % shape->block[1];
    case SPECIAL_tid_z: return thread / (shape->block[0] * shape->block[1]);
    case SPECIAL_ntid_x: return shape->block[0];
    case SPECIAL_ntid_y: return shape->block[1];
    case SPECIAL_ntid_z: return shape->block[2];
    case SPECIAL_ctaid_x: return block->id[0];
    case SPECIAL_ctaid_y: return block->id[1];
    case SPECIAL_ctaid_z: return block->id[2];
    case SPECIAL_nctaid_x: return shape->grid[0];
    case SPECIAL_nctaid_y: return shape->grid[1];
    case SPECIAL_nctaid_z: return shape->grid[2];
    case SPECIAL_laneid: return lane;
    case SPECIAL_warpid: return (uint32_t)warp->index;
    case SPECIAL_nwarpid: return (uint32_t)block->warp_count;
    case SPECIAL_smid: return (uint32_t)(block->index % CARD_SMS);
    case SPECIAL_nsmid: return CARD_SMS;
    case SPECIAL_lanemask_eq: return 1u << lane;
    case SPECIAL_lanemask_lt: return (1u << lane) - 1;
    case SPECIAL_lanemask_le: return (2u << lane) - 1;
    case SPECIAL_lanemask_gt: return ~((2u << lane) - 1);
    case SPECIAL_lanemask_ge: return ~((1u << lane) - 1);
    case SPECIAL_dynamic_smem_size: return shape->shared_bytes;
    case SPECIAL_total_smem_size: return block->shared_bytes;
    case SPECIAL_gridid:
    case SPECIAL_COUNT: break;
    }
    return 0;
}

static void set_lanes(uint8_t *at, uint8_t bytes, U64 v)
{
    uint32_t mask = 0;

    if (bytes == 2)
        *(U16 *)at = __builtin_convertvector(v, U16);
    else if (bytes == 4)
        *(U32 *)at = __builtin_convertvector(v, U32);
    else if (bytes == 8)
        *(U64 *)at = v;
    for (int i = 0; i < LANES && bytes == 0; i++)
        mask |= (uint32_t)(v[i] & 1) << i;
    if (bytes == 0)
        memcpy(at, &mask, sizeof mask);
}

static void fill_registers(Warp *warp)
{
    const SoftGpuKernel *kernel = warp->block->launch->kernel;

    memset(warp->file, 0xff, (size_t)kernel->file_bytes);
    for (int32_t i = 0; i < kernel->fixed_count; i++) {
        const Register *reg = &kernel->registers[kernel->fixed[i]];
        U64 v = lanes_all64(reg->bits);
        if (reg->role == REGISTER_dynamic_base)
            v += (uint64_t)kernel->dynamic_base;
        for (uint32_t lane = 0; lane < LANES && reg->role == REGISTER_special; lane++)
            v[lane] = special_lane(warp, (Special)reg->bits, lane);
        set_lanes(warp->file + reg->slot, reg->bytes, v);
    }
}

static void begin_warp(Warp *warp, Block *block, int32_t index, uint32_t threads)
{
    uint32_t left = threads - (uint32_t)index * LANES;
    Copy *copies = warp->copies;
    int32_t capacity = warp->copy_capacity;
    uint8_t *file = warp->file, *local = warp->local;

    *warp = (Warp){.file = file,
                   .local = local,
                   .copies = copies,
                   .copy_capacity = capacity,
                   .block = block,
                   .index = index};
    warp->born = left >= LANES ? UINT32_MAX : (1u << left) - 1;
    warp->live = warp->active = warp->born;
    warp->wake = UINT32_MAX;
    fill_registers(warp);
    if (block->launch->kernel->local_bytes)
        memset(warp->local, 0xff, (size_t)block->launch->kernel->local_bytes * LANES);
}

/* ---- a block --------------------------------------------------------------------------------- */

/* bar.red: over the predicates of all threads that met. */
static void reduce_barrier(Block *block, uint32_t warps)
{
    uint32_t count = 0, threads = 0;

    FOR_LANES(w, warps)
    {
        const Warp *warp = &block->warps[w];
        const Op *op = warp->barrier_op;
        if (op->kind < BARRIER_popc)
            return;
        uint32_t bits = PREDICATE(3);
        count += (uint32_t)__builtin_popcount((op->to ? ~bits : bits) & warp->born);
        threads += (uint32_t)__builtin_popcount(warp->born);
    }
    FOR_LANES(w, warps)
    {
        Warp *warp = &block->warps[w];
        const Op *op = warp->barrier_op;
        warp->mask = warp->born;
        if (op->kind == BARRIER_popc)
            PUT_U32(2, lanes_all(count));
        else if (op->kind == BARRIER_and)
            put_predicate(warp, op->r[2], count == threads ? UINT32_MAX : 0);
        else
            put_predicate(warp, op->r[2], count > 0 ? UINT32_MAX : 0);
    }
}

/* Lets the warps of each barrier go that is complete; whether there was one. */
static bool complete_barriers(Block *block, uint32_t *arrived)
{
    bool some = false;

    for (int32_t number = 0; number < NAMED_BARRIERS; number++) {
        uint32_t here = 0, wanted = 0;
        for (int32_t w = 0; w < block->warp_count; w++) {
            const Warp *warp = &block->warps[w];
            if (warp->state == WARP_at_barrier && warp->barrier == number) {
                here |= 1u << w;
                wanted = warp->barrier_warps ? warp->barrier_warps : (uint32_t)block->warp_count;
            }
        }
        uint32_t all = here | arrived[number];
        if (!here || (uint32_t)__builtin_popcount(all) < wanted)
            continue;
        reduce_barrier(block, here);
        if (block->races_on)
            races_barrier(&block->races, all);
        arrived[number] = 0;
        FOR_LANES(w, here)
        block->warps[w].state = WARP_runs;
        some = true;
    }
    return some;
}

static void report_barrier(Block *block)
{
    for (int32_t w = 0; w < block->warp_count; w++) {
        Warp *warp = &block->warps[w];
        if (warp->state != WARP_at_barrier)
            continue;
        int32_t done = 0, elsewhere = 0;
        for (int32_t v = 0; v < block->warp_count; v++) {
            done += block->warps[v].state == WARP_done;
            elsewhere += block->warps[v].state == WARP_at_barrier
                         && block->warps[v].barrier != warp->barrier;
        }
        fault(warp, warp->barrier_op, ALL_LANES, SOFTGPU_FAULT_divergent_barrier,
              "barrier %d never completes: of %d warps %d have exited, %d wait at another barrier",
              warp->barrier, block->warp_count, done, elsewhere);
        return;
    }
}

/* A warp's turn; what it stopped for. */
static void take_turn(Block *block, Warp *warp, uint32_t *arrived)
{
    warp_run(warp, TURN);
    if (warp->state == WARP_arrives) {
        arrived[warp->barrier] |= 1u << warp->index;
        warp->state = WARP_runs;
    }
    if (warp->counters.warp_instructions > ENDLESS)
        fault(warp, &block->launch->kernel->ops[0], ALL_LANES, SOFTGPU_FAULT_endless,
              "has not ended after %lld instructions", (long long)ENDLESS);
}

static void run_block(Block *block)
{
    uint32_t arrived[NAMED_BARRIERS] = {0};
    const SoftGpu *gpu = block->launch->gpu;

    while (__atomic_load_n(&gpu->status, __ATOMIC_RELAXED) == SOFTGPU_OK) {
        int32_t runnable = 0, done = 0;
        uint32_t first =
            (uint32_t)((block->random = mix(block->random)) % (uint32_t)block->warp_count);
        for (int32_t i = 0; i < block->warp_count; i++) {
            Warp *warp = &block->warps[(first + (uint32_t)i) % (uint32_t)block->warp_count];
            if (warp->state == WARP_runs) {
                take_turn(block, warp, arrived);
                runnable++;
            }
            if (warp->state == WARP_failed)
                return;
            done += warp->state == WARP_done;
        }
        bool moved = complete_barriers(block, arrived);
        if (done == block->warp_count)
            return;
        if (!moved && !runnable) {
            report_barrier(block);
            return;
        }
    }
}

static void add_counters(SoftGpuCounters *to, const SoftGpuCounters *from)
{
    to->launches += from->launches;
    to->thread_instructions += from->thread_instructions;
    to->warp_instructions += from->warp_instructions;
    to->macs += from->macs;
    to->global_read_bytes += from->global_read_bytes;
    to->global_written_bytes += from->global_written_bytes;
    to->touched_read_bytes += from->touched_read_bytes;
    to->touched_written_bytes += from->touched_written_bytes;
    to->barriers += from->barriers;
}

/* ---- races between blocks ---------------------------------------------------------------------
 *
 * Nothing orders the blocks of a launch: a block may not write what another one reads or writes.
 * Each block is compared, in granules of 2 bytes, with all that are done.
 */
static void report_blocks(const Block *block, const char *how, uint64_t address)
{
    const Launch *launch = block->launch;
    Region region = find_region(launch->gpu, address);
    char text[512];

    snprintf(text, sizeof text,
             "%s: %s, block (%u,%u,%u) %s, about byte %llu of the %llu bytes at 0x%llx",
             kind_name(SOFTGPU_FAULT_block_race), launch->kernel->name, block->id[0], block->id[1],
             block->id[2], how, (unsigned long long)(address - region.begin),
             (unsigned long long)(region.end - region.begin), (unsigned long long)region.begin);
    set_fault(launch->gpu, SOFTGPU_LAUNCH_FAILED, SOFTGPU_FAULT_block_race, text);
}

static void check_block(Block *block)
{
    Launch *launch = block->launch;
    uint64_t address;

    pthread_mutex_lock(&launch->lock);
    if (touch_overlap(block->own_writes, launch->block_writes, &address))
        report_blocks(block, "writes what another block writes", address);
    else if (touch_overlap(block->own_writes, launch->block_reads, &address))
        report_blocks(block, "writes what another block reads", address);
    else if (touch_overlap(block->own_reads, launch->block_writes, &address))
        report_blocks(block, "reads what another block writes", address);
    touch_add(launch->block_reads, block->own_reads);
    touch_add(launch->block_writes, block->own_writes);
    pthread_mutex_unlock(&launch->lock);
    touch_clear(block->own_reads);
    touch_clear(block->own_writes);
}

/* ---- workers --------------------------------------------------------------------------------- */

static void run_one_block(Worker *worker, uint64_t index)
{
    Block *block = &worker->block;
    const SoftGpuLaunch *shape = &block->launch->shape;
    uint32_t threads = shape->block[0] * shape->block[1] * shape->block[2];

    block->index = (int64_t)index;
    block->id[0] = (uint32_t)(index % shape->grid[0]);
    block->id[1] = (uint32_t)(index / shape->grid[0] % shape->grid[1]);
    block->id[2] = (uint32_t)(index / shape->grid[0] / shape->grid[1]);
    block->random = mix(block->launch->gpu->options.seed ^ mix(index));
    memset(block->shared, 0xff, block->shared_bytes);
    if (block->races_on)
        races_begin(&block->races, (int32_t)block->shared_bytes,
                    block->launch->kernel->granule_shift, block->warp_count);
    for (int32_t w = 0; w < block->warp_count; w++)
        begin_warp(&block->warps[w], block, w, threads);
    run_block(block);
    for (int32_t w = 0; w < block->warp_count; w++)
        add_counters(&worker->counters, &block->warps[w].counters);
    if (block->own_reads)
        check_block(block);
}

static void *work(void *argument)
{
    Worker *worker = argument;
    const SoftGpu *gpu = worker->block.launch->gpu;

    while (__atomic_load_n(&gpu->status, __ATOMIC_RELAXED) == SOFTGPU_OK) {
        uint64_t taken = __atomic_fetch_add(worker->next, 1, __ATOMIC_RELAXED);
        if (taken >= worker->blocks)
            break;
        WideProduct index = (WideProduct)taken * worker->stride + worker->start;
        run_one_block(worker, (uint64_t)(index % worker->blocks));
    }
    return NULL;
}

static void grow_buffer(uint8_t **buffer, int64_t *size, int64_t wanted)
{
    if (wanted <= *size)
        return;
    free(*buffer);
    *buffer = aligned_alloc(64, (size_t)((wanted + 63) / 64 * 64));
    if (!*buffer) {
        fprintf(stderr, "software GPU: no host memory for %lld bytes\n", (long long)wanted);
        exit(70);
    }
    *size = wanted;
}

static void prepare_worker(Worker *worker, Launch *launch)
{
    const SoftGpuKernel *kernel = launch->kernel;
    const uint32_t *shape = launch->shape.block;
    Block *block = &worker->block;

    block->launch = launch;
    block->warp_count = (int32_t)((shape[0] * shape[1] * shape[2] + LANES - 1) / LANES);
    block->shared_bytes = (uint32_t)kernel->dynamic_base + launch->shape.shared_bytes;
    block->races_on = !launch->gpu->options.skip_races && block->shared_bytes > 0;
    if (!block->shared)
        block->shared = allocate_or_exit(1, CARD_SHARED_OPT_IN + 64);
    if (!block->reads) {
        block->reads = touch_create(TOUCH_LAUNCH);
        block->writes = touch_create(TOUCH_LAUNCH);
    }
    block->own_reads = launch->block_reads ? touch_create(TOUCH_BLOCK) : NULL;
    block->own_writes = launch->block_reads ? touch_create(TOUCH_BLOCK) : NULL;
    touch_clear(block->reads);
    touch_clear(block->writes);
    int64_t local_bytes = (int64_t)kernel->local_bytes * LANES;
    grow_buffer(&worker->files, &worker->files_bytes, kernel->file_bytes * block->warp_count);
    grow_buffer(&worker->locals, &worker->locals_bytes, local_bytes * block->warp_count);
    for (int32_t w = 0; w < block->warp_count; w++) {
        block->warps[w].file = worker->files + w * kernel->file_bytes;
        block->warps[w].local = local_bytes ? worker->locals + w * local_bytes : NULL;
    }
    worker->counters = (SoftGpuCounters){0};
}

void workers_free(SoftGpu *gpu)
{
    for (int32_t i = 0; gpu->workers && i < gpu->options.threads; i++) {
        Worker *worker = &gpu->workers[i];
        free(worker->files);
        free(worker->locals);
        free(worker->block.shared);
        races_free(&worker->block.races);
        touch_free(worker->block.reads);
        touch_free(worker->block.writes);
        for (int32_t w = 0; w < MAX_WARPS; w++)
            free(worker->block.warps[w].copies);
    }
    free(gpu->workers);
    gpu->workers = NULL;
}

static uint64_t greatest_divisor(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static void run_grid(SoftGpu *gpu, Launch *launch)
{
    const uint32_t *grid = launch->shape.grid;
    uint64_t blocks = (uint64_t)grid[0] * grid[1] * grid[2], next = 0;
    uint64_t random = mix(gpu->options.seed + ++gpu->launch_serial), stride = random % blocks | 1;
    int32_t count =
        blocks < (uint64_t)gpu->options.threads ? (int32_t)blocks : gpu->options.threads;

    while (greatest_divisor(stride, blocks) != 1)
        stride++;
    if (!gpu->workers)
        gpu->workers = allocate_or_exit(gpu->options.threads, sizeof *gpu->workers);
    for (int32_t i = 0; i < count; i++) {
        Worker *worker = &gpu->workers[i];
        prepare_worker(worker, launch);
        worker->next = &next;
        worker->blocks = blocks;
        worker->stride = stride;
        worker->start = mix(random) % blocks;
    }
    int32_t started = 1;
    while (started < count
           && pthread_create(&gpu->workers[started].thread, NULL, work, &gpu->workers[started])
                  == 0)
        started++;
    work(&gpu->workers[0]);
    for (int32_t i = 1; i < started; i++)
        pthread_join(gpu->workers[i].thread, NULL);
    gpu->last = (SoftGpuCounters){.launches = 1};
    touch_clear(gpu->reads);
    touch_clear(gpu->writes);
    for (int32_t i = 0; i < count; i++) {
        add_counters(&gpu->last, &gpu->workers[i].counters);
        touch_add(gpu->reads, gpu->workers[i].block.reads);
        touch_add(gpu->writes, gpu->workers[i].block.writes);
    }
    for (int32_t i = 0; i < count; i++) {
        touch_free(gpu->workers[i].block.own_reads);
        touch_free(gpu->workers[i].block.own_writes);
    }
    gpu->last.touched_read_bytes = touch_bytes(gpu->reads);
    gpu->last.touched_written_bytes = touch_bytes(gpu->writes);
}

/* ---- the launch ------------------------------------------------------------------------------ */

static SoftGpuStatus refuse(SoftGpu *gpu, SoftGpuStatus status, const char *kernel,
                            const char *format, ...) __attribute__((format(printf, 4, 5)));
static SoftGpuStatus refuse(SoftGpu *gpu, SoftGpuStatus status, const char *kernel,
                            const char *format, ...)
{
    va_list list;
    char what[512];

    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    ptx_error(gpu, kernel, 0, "%s", what);
    return status;
}

SoftGpuStatus softgpu_check_launch(SoftGpu *gpu, const SoftGpuKernel *kernel,
                                   const SoftGpuLaunch *launch)
{
    static const uint32_t most_grid[3] = {0x7fffffff, 65535, 65535},
                          most_block[3] = {1024, 1024, 64};
    const uint32_t *block = launch->block;

    for (int i = 0; i < 3; i++) {
        if (launch->grid[i] == 0 || launch->grid[i] > most_grid[i])
            return refuse(gpu, SOFTGPU_INVALID_VALUE, kernel->name,
                          "a grid of %u in dimension %d; the card takes 1 to %u", launch->grid[i],
                          i, most_grid[i]);
        if (block[i] == 0 || block[i] > most_block[i])
            return refuse(gpu, SOFTGPU_INVALID_VALUE, kernel->name,
                          "a block of %u threads in dimension %d; the card takes 1 to %u", block[i],
                          i, most_block[i]);
    }
    int64_t threads = (int64_t)block[0] * block[1] * block[2];
    if (threads > CARD_THREADS)
        return refuse(gpu, SOFTGPU_INVALID_VALUE, kernel->name,
                      "a block of %lld threads; the card takes %d", (long long)threads,
                      CARD_THREADS);
    if (threads > kernel->max_threads || (kernel->exact_threads && threads != kernel->max_threads))
        return refuse(gpu, SOFTGPU_INVALID_VALUE, kernel->name,
                      "a block of %lld threads; the kernel is compiled for %d", (long long)threads,
                      kernel->max_threads);
    int64_t shared = (int64_t)kernel->dynamic_base + launch->shared_bytes;
    if (shared > kernel->shared_allowed)
        return refuse(
            gpu, SOFTGPU_INVALID_VALUE, kernel->name,
            "%lld bytes of shared memory; without opting in to more the kernel may use %lld",
            (long long)shared, (long long)kernel->shared_allowed);
    return SOFTGPU_OK;
}

SoftGpuStatus softgpu_launch(SoftGpu *gpu, SoftGpuKernel *kernel, const SoftGpuLaunch *shape,
                             void *const *args)
{
    if (gpu->status != SOFTGPU_OK)
        return gpu->status;
    SoftGpuStatus status = softgpu_check_launch(gpu, kernel, shape);
    if (status != SOFTGPU_OK)
        return status;
    uint8_t *params = allocate_or_exit(1, kernel->param_bytes + 8);
    for (int32_t i = 0; i < kernel->param_count; i++)
        memcpy(params + kernel->params[i].offset, args[i], (size_t)kernel->params[i].bytes);
    Launch launch = {.gpu = gpu, .kernel = kernel, .shape = *shape, .params = params};
    pthread_mutex_init(&launch.lock, NULL);
    if (gpu->options.check_blocks && !kernel->has_atomics) {
        launch.block_reads = touch_create(TOUCH_BLOCK);
        launch.block_writes = touch_create(TOUCH_BLOCK);
    }
    run_grid(gpu, &launch);
    touch_free(launch.block_reads);
    touch_free(launch.block_writes);
    pthread_mutex_destroy(&launch.lock);
    add_counters(&kernel->counters, &gpu->last);
    free(params);
    return gpu->status;
}

SoftGpuCounters softgpu_last_counters(const SoftGpu *gpu)
{
    return gpu->last;
}

SoftGpuCounters softgpu_kernel_counters(const SoftGpuKernel *kernel)
{
    return kernel->counters;
}
