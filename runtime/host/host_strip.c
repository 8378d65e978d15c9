/* Kernels with an epilogue, strip by strip.
 *
 *     unit      what one thread takes: whole partials of the reductions
 *     strip     rows whose tiles stay in the second-level cache:
 *               prologue -> x tile -> core -> core tile -> epilogue -> result and sums
 *     block     pixels whose registers stay in the first-level cache
 *
 *     image 0  | strip 0 | strip 1 | strip 2 | strip 3 |
 *              |     partial 0     |     partial 1     |      2 strips a partial: 2 units
 *
 * Sums are collected from the values as rounded for storage, element i of a block into lane i of an
 * accumulator; at the end of a partial the lanes of a channel are added up in order. Nothing of a
 * result depends on which thread made it.
 */
#include "host.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- geometry -------------------------------------------------------------------------------- */

enum { CACHE_BYTES = 448 << 10 }; /* of a second-level cache of 1 MiB, weights and code apart */

int32_t host_choose_rows(SnugShape domain, int32_t partial, int32_t multiple, double halo,
                         int64_t row_bytes, int32_t threads)
{
    int32_t best = domain.h;
    double best_time = INFINITY;
    for (int32_t rows = 1; rows <= domain.h; rows++) {
        if (rows % multiple != 0 && rows != domain.h)
            continue;
        if (partial > 0 && partial % rows != 0 && rows % partial != 0)
            continue;
        int64_t strips = (domain.h + rows - 1) / rows, a_unit = 1;
        if (partial > rows)
            a_unit = partial / rows;
        int64_t units = domain.n * (strips + a_unit - 1) / a_unit;
        double slowest = (double)((units + threads - 1) / threads * a_unit);
        double time = slowest * ((double)rows + halo);
        if (domain.h % rows != 0)
            time *= 1.06; /* a rest goes through a tile of its own */
        if (rows * row_bytes > CACHE_BYTES)
            time *= rows * row_bytes > 2 * CACHE_BYTES ? 1.3 : 1.08;
        if (time < best_time - 1e-9) {
            best = rows;
            best_time = time;
        }
    }
    return best;
}

typedef struct Domains {
    SnugDomain result, in[2];
} Domains;

static const Domains domains[SNUG_KERNEL_KIND_COUNT] = {
#define KERNEL(name, result, in0, in1, ...)                                                        \
    [SNUG_KERNEL_##name] = {SNUG_DOMAIN_##result, {SNUG_DOMAIN_##in0, SNUG_DOMAIN_##in1}},
#include "runtime/kernels.def"
#undef KERNEL
};

static SnugShape domain_shape(const SnugKernel *kernel, SnugDomain domain)
{
    return domain == SNUG_DOMAIN_x ? kernel->window.x : kernel->window.y;
}

/* The shape of the result; a map that stores nothing has it as window.y. */
static SnugShape result_domain(const SnugKernel *kernel)
{
    return domain_shape(kernel, domains[kernel->kind].result);
}

static bool is_reader_of(const SnugKernel *kernel, int32_t k, SnugShape *domain)
{
    SnugDomain in = domains[kernel->kind].in[k];
    *domain = domain_shape(kernel, in);
    return in != SNUG_DOMAIN_none;
}

static bool same_shape(SnugShape a, SnugShape b)
{
    return a.n == b.n && a.h == b.h && a.w == b.w && a.c == b.c;
}

static bool check_reductions(const HostKernel *k)
{
    const SnugKernel *kernel = k->kernel;
    if (kernel->reduction_count < 0 || kernel->reduction_count > SNUG_MAX_REDUCTIONS
        || (kernel->reduction_count > 0 && kernel->part_count != 1))
        return false;
    for (int32_t r = 0; r < kernel->reduction_count; r++) {
        const SnugReduction *reduction = &kernel->reductions[r];
        int32_t rows = reduction->rows_per_partial;
        if (rows <= 0 || k->strips.domain.h % rows != 0
            || rows != kernel->reductions[0].rows_per_partial)
            return false;
        if (reduction->arg < 0 || reduction->arg >= kernel->arg_count)
            return false;
        const SnugArg *arg = &kernel->args[reduction->arg];
        if (arg->shape.h != k->strips.domain.n * (k->strips.domain.h / rows)
            || arg->shape.w != (reduction->kind == SNUG_REDUCE_sum ? 1 : 2)
            || arg->shape.c != k->strips.domain.c || arg->type != SNUG_F32)
            return false;
    }
    return true;
}

/* ---- preparation ----------------------------------------------------------------------------- */

static bool create_codes(HostKernel *k)
{
    const SnugKernel *kernel = k->kernel;
    for (int32_t i = 0; i < 2; i++) {
        SnugShape domain;
        if (is_reader_of(kernel, i, &domain)
            && !host_code_create(&k->in[i], &kernel->in[i], kernel->args, kernel->arg_count, domain,
                                 NULL, 0))
            return false;
    }
    k->parts = calloc((size_t)kernel->part_count, sizeof *k->parts);
    if (k->parts == NULL)
        return false;
    int16_t with[SNUG_MAX_REDUCTIONS] = {0};
    for (int32_t r = 0; r < kernel->reduction_count; r++)
        if (kernel->reductions[r].kind == SNUG_REDUCE_grad)
            with[r] = kernel->reductions[r].with;
        else
            with[r] = (int16_t)(kernel->parts[0].out.count - 1);
    for (int32_t i = 0; i < kernel->part_count; i++) {
        SnugShape domain = k->strips.domain;
        domain.c = kernel->parts[i].channel_count;
        if (!host_code_create(&k->parts[i], &kernel->parts[i].out, kernel->args, kernel->arg_count,
                              domain, with, kernel->reduction_count))
            return false;
    }
    return true;
}

/* The result is the core's as it stands: a core that can store may write it itself. */
static bool may_write_in_place(const HostKernel *k)
{
    const SnugKernel *kernel = k->kernel;
    if (kernel->output_arg < 0 || !k->parts[0].is_core)
        return false;
    const SnugArg *out = &kernel->args[kernel->output_arg];
    return out->pitch == k->strips.domain.c && (out->type == SNUG_F32 || out->type == k->compute);
}

static int32_t strip_rows_of_map(const HostKernel *k)
{
    SnugShape d = k->strips.domain;
    if (k->strips.rows_per_partial > 0)
        return k->strips.rows_per_partial;
    return host_choose_rows(d, 0, 1, 0.1, (int64_t)d.w * d.c * 4, k->threads);
}

static void carve_epilogue(HostKernel *k)
{
    const SnugKernel *kernel = k->kernel;
    HostStrips *s = &k->strips;
    for (int32_t i = 0; i < 2; i++)
        s->code_memory[i] = k->in[i].moving ? host_carve(&k->each, host_code_bytes(&k->in[i])) : -1;
    s->part_headers = host_carve(&k->each, kernel->part_count * (int64_t)sizeof(HostRegisters));
    s->part_bytes = 0;
    for (int32_t i = 0; i < kernel->part_count; i++)
        s->part_bytes = host_max(s->part_bytes, host_code_bytes(&k->parts[i]));
    s->part_bytes = (s->part_bytes + HOST_ALIGNMENT - 1) / HOST_ALIGNMENT * HOST_ALIGNMENT;
    s->part_memory = host_carve(&k->each, s->part_bytes * kernel->part_count);
    int64_t block = k->parts[0].block_floats * (int64_t)sizeof(float);
    s->rounded = kernel->reduction_count > 0 ? host_carve(&k->each, block) : -1;
    for (int32_t r = 0; r < kernel->reduction_count; r++)
        s->sums[r] = host_carve(&k->each, 3 * block);
}

static bool check_output(const HostKernel *k)
{
    const SnugKernel *kernel = k->kernel;
    if (kernel->output_arg >= kernel->arg_count || kernel->part_count < 1)
        return false;
    if (kernel->output_arg < 0)
        return kernel->kind == SNUG_KERNEL_map && kernel->part_count == 1;
    const SnugArg *out = &kernel->args[kernel->output_arg];
    int32_t channels = 0;
    for (int32_t i = 0; i < kernel->part_count; i++) {
        if (kernel->parts[i].channel_begin != channels)
            return false;
        channels += kernel->parts[i].channel_count;
    }
    return same_shape(out->shape, k->strips.domain) && channels == out->shape.c
           && (out->type == SNUG_F32 || out->type == SNUG_BF16);
}

bool host_strips_create(HostKernel *k, bool dry)
{
    const SnugKernel *kernel = k->kernel;
    HostStrips *s = &k->strips;
    bool is_map = kernel->kind == SNUG_KERNEL_map;
    *s = (HostStrips){.x_tile = -1, .y_tile = -1, .core_tile = -1, .extra = -1};
    if (kernel->part_count < 1)
        return false;
    s->domain = result_domain(kernel);
    if (!check_output(k) || !check_reductions(k) || !create_codes(k))
        return false;
    s->rows_per_partial = kernel->reduction_count > 0 ? kernel->reductions[0].rows_per_partial : 0;
    bool is_conv = kernel->kind == SNUG_KERNEL_conv || kernel->kind == SNUG_KERNEL_conv_dgrad;
    if (is_map)
        s->rows = strip_rows_of_map(k);
    else if (!(is_conv ? host_conv_prepare(k, dry) : host_window_prepare(k)))
        return false;
    bool in_place = is_conv && s->domain.h % s->rows == 0 && may_write_in_place(k);
    if (!is_map && !in_place)
        s->core_tile = host_carve(&k->each, (int64_t)s->rows * s->domain.w * s->domain.c * 4);
    s->strips_per_image = (s->domain.h + s->rows - 1) / s->rows;
    s->strips_per_unit = s->rows_per_partial > s->rows ? s->rows_per_partial / s->rows : 1;
    s->units_per_image = (s->strips_per_image + s->strips_per_unit - 1) / s->strips_per_unit;
    carve_epilogue(k);
    return true;
}

void host_strips_destroy(HostKernel *k)
{
    for (int32_t i = 0; i < 2; i++)
        host_code_destroy(&k->in[i]);
    for (int32_t i = 0; k->parts && i < k->kernel->part_count; i++)
        host_code_destroy(&k->parts[i]);
    free(k->parts);
    host_conv_destroy(k->conv);
}

/* ---- reductions ------------------------------------------------------------------------------ */

static float *sum_block(const HostThread *thread, int32_t reduction, int32_t which)
{
    const HostKernel *k = thread->k;
    return (float *)(void *)(thread->memory + k->strips.sums[reduction])
           + which * k->parts[0].block_floats;
}

static void clear_sums(HostThread *thread)
{
    size_t bytes = 2 * (size_t)thread->k->parts[0].block_floats * sizeof(float);
    for (int32_t r = 0; r < thread->k->kernel->reduction_count; r++)
        memset(sum_block(thread, r, 0), 0, bytes);
}

/* values: a block of n floats; is_first: of its partial. */
static void reduce_block(HostThread *thread, const float *values, int64_t n, bool is_first)
{
    const HostKernel *k = thread->k;
    const HostCode *code = &k->parts[0];
    if (is_first)
        clear_sums(thread);
    for (int32_t r = 0; r < k->kernel->reduction_count; r++) {
        const SnugReduction *reduction = &k->kernel->reductions[r];
        float *sum = sum_block(thread, r, 0), *second = sum_block(thread, r, 1);
        float *origin = sum_block(thread, r, 2);
        for (int64_t p = 0;
             is_first && reduction->kind == SNUG_REDUCE_moments && p < code->block_pixels; p++)
            memcpy(origin + p * code->domain.c, values, (size_t)code->domain.c * sizeof *origin);
        if (reduction->kind == SNUG_REDUCE_sum)
            k->lanes->sum(sum, values, n);
        else if (reduction->kind == SNUG_REDUCE_moments)
            k->lanes->moments(sum, second, values, origin, n);
        else
            k->lanes->grad(sum, second, values, thread->parts[0].at[code->with[r]], n);
    }
}

/* Moments of a block that is stored already, the most frequent reduction, without a copy in fp32.
 */
static bool reduce_stored(HostThread *thread, const uint16_t *values, int64_t n, bool is_first)
{
    const HostKernel *k = thread->k;
    if (k->kernel->reduction_count != 1 || k->kernel->reductions[0].kind != SNUG_REDUCE_moments
        || is_first)
        return false;
    k->lanes->moments_bf16(sum_block(thread, 0, 0), sum_block(thread, 0, 1), values,
                           sum_block(thread, 0, 2), n);
    return true;
}

static const uint16_t *element_of(const HostThread *thread, int32_t arg, int64_t at)
{
    return arg < 0 ? NULL : (const uint16_t *)thread->launch->args[arg] + at;
}

static const float *slot_of(const HostThread *thread, int32_t slot)
{
    return slot < 0 ? NULL : thread->parts[0].at[slot];
}

/* The whole epilogue of a block as one loop, where it has the common form of a data gradient. */
static bool finish_grad_block(HostThread *thread, const float *core, int64_t at, int64_t n,
                              bool is_first)
{
    const SnugKernel *kernel = thread->k->kernel;
    const HostGradForm *form = &thread->k->parts[0].grad;
    if (!form->matches || core == NULL || kernel->output_arg < 0
        || kernel->reductions[0].kind != SNUG_REDUCE_grad)
        return false;
    const SnugArg *out = &kernel->args[kernel->output_arg];
    if (out->type != SNUG_BF16 || out->pitch != out->shape.c)
        return false;
    if (is_first)
        clear_sums(thread);
    HostGradBlock block = {
        .core = core,
        .add = element_of(thread, form->add, at),
        .mask = element_of(thread, form->mask, at),
        .z = element_of(thread, form->z, at),
        .scale = slot_of(thread, form->scale),
        .shift = slot_of(thread, form->shift),
        .offset = slot_of(thread, form->offset),
        .rstd = slot_of(thread, form->rstd),
        .sum = sum_block(thread, 0, 0),
        .product = sum_block(thread, 0, 1),
    };
    thread->k->lanes->grad_epilogue((uint16_t *)thread->launch->args[kernel->output_arg] + at,
                                    &block, n);
    return true;
}

/* Writes partial `index`, of `count` values a channel. */
static void write_partial(HostThread *thread, int64_t index, double count)
{
    const HostKernel *k = thread->k;
    int64_t channels = k->strips.domain.c, pixels = k->parts[0].block_pixels;
    for (int32_t r = 0; r < k->kernel->reduction_count; r++) {
        const SnugReduction *reduction = &k->kernel->reductions[r];
        const SnugArg *arg = &k->kernel->args[reduction->arg];
        const float *sum = sum_block(thread, r, 0), *second = sum_block(thread, r, 1);
        const float *origin = sum_block(thread, r, 2);
        float *out =
            (float *)thread->launch->args[reduction->arg] + index * arg->shape.w * arg->pitch;
        for (int64_t c = 0; c < channels; c++) {
            double a = 0.0, b = 0.0;
            for (int64_t p = 0; p < pixels; p++) {
                a += (double)sum[p * channels + c];
                b += (double)second[p * channels + c];
            }
            bool is_moments = reduction->kind == SNUG_REDUCE_moments;
            out[c] = (float)(is_moments ? (double)origin[c] + a / count : a);
            if (is_moments)
                out[arg->pitch + c] = (float)(b - a * a / count < 0.0 ? 0.0 : b - a * a / count);
            else if (reduction->kind == SNUG_REDUCE_grad)
                out[arg->pitch + c] = (float)b;
        }
    }
}

/* ---- epilogue -------------------------------------------------------------------------------- */

/* Stores a block of a part; the last part zeroes the padding channels. */
static void store_block(HostThread *thread, int32_t part, int64_t pixel, int64_t pixels,
                        const float *values)
{
    const SnugKernel *kernel = thread->k->kernel;
    const SnugArg *out = &kernel->args[kernel->output_arg];
    int64_t channels = kernel->parts[part].channel_count;
    int64_t runs = pixels, run = channels;
    if (out->pitch == channels) {
        runs = 1;
        run = pixels * channels;
    }
    int64_t end = part == kernel->part_count - 1 ? out->pitch : 0;
    int64_t padding = host_max(end - kernel->parts[part].channel_begin - channels, 0);
    int64_t at = pixel * out->pitch + kernel->parts[part].channel_begin;
    for (int64_t i = 0; i < runs; i++, at += out->pitch) {
        if (out->type == SNUG_BF16) {
            uint16_t *to = (uint16_t *)thread->launch->args[kernel->output_arg] + at;
            thread->k->lanes->store_bf16(to, values + i * run, run);
            memset(to + run, 0, (size_t)padding * sizeof *to);
        } else {
            float *to = (float *)thread->launch->args[kernel->output_arg] + at;
            memmove(to, values + i * run, (size_t)run * sizeof *to);
            memset(to + run, 0, (size_t)padding * sizeof *to);
        }
    }
}

/* A block of the epilogue: values, stored, reduced. core: of this block, NULL: it is in place. */
static void finish_block(HostThread *thread, int32_t part, const float *core, int64_t n, int64_t h,
                         int64_t w, int64_t pixels, bool is_first)
{
    const HostKernel *k = thread->k;
    const SnugKernel *kernel = k->kernel;
    const HostCode *code = &k->parts[part];
    int64_t floats = pixels * code->domain.c;
    int64_t pixel = (n * k->strips.domain.h + h) * k->strips.domain.w + w;
    const SnugArg *out = kernel->output_arg >= 0 ? &kernel->args[kernel->output_arg] : NULL;
    const void *result = out ? thread->launch->args[kernel->output_arg] : NULL;
    float *rounded = (float *)(void *)(thread->memory + k->strips.rounded);
    bool is_in_place = core == NULL && kernel->kind != SNUG_KERNEL_map;
    const float *values;

    if (is_in_place && out->type == SNUG_BF16
        && reduce_stored(thread, (const uint16_t *)result + pixel * out->pitch, floats, is_first))
        return;
    if (is_in_place && out->type == SNUG_BF16) {
        k->lanes->load_bf16(rounded, (const uint16_t *)result + pixel * out->pitch, floats);
        values = rounded;
    } else if (is_in_place) {
        values = (const float *)result + pixel * out->pitch;
    } else if (finish_grad_block(thread, core, pixel * code->domain.c, floats, is_first)) {
        return;
    } else {
        values =
            host_code_run(code, &thread->parts[part], thread->launch->args, core, n, h, w, pixels);
        if (out && out->type == SNUG_BF16 && kernel->reduction_count > 0) {
            k->lanes->round(rounded, values, floats);
            values = rounded;
        }
    }
    if (kernel->reduction_count > 0)
        reduce_block(thread, values, floats, is_first);
    if (out && !is_in_place)
        store_block(thread, part, pixel, pixels, values);
}

/* Rows [begin, end) of image n, inside one partial. core: of row `begin` on, or NULL. */
static void finish_rows(HostThread *thread, const float *core, int64_t n, int64_t begin,
                        int64_t end, bool is_first)
{
    const HostKernel *k = thread->k;
    int64_t width = k->strips.domain.w;
    for (int32_t part = 0; part < k->kernel->part_count; part++) {
        const HostCode *code = &k->parts[part];
        int64_t line = code->by_rows ? width : (end - begin) * width;
        for (int64_t h = begin; h < end; h += line / width)
            for (int64_t w = 0; w < line; w += code->block_pixels) {
                const float *at =
                    core ? core + ((h - begin) * width + w) * k->strips.domain.c : NULL;
                finish_block(thread, part, at, n, h, w, host_min(code->block_pixels, line - w),
                             is_first && h == begin && w == 0);
            }
    }
}

static void finish_strip(HostThread *thread, const float *core, int64_t n, int64_t row)
{
    const HostStrips *s = &thread->k->strips;
    int64_t end = host_min(row + s->rows, s->domain.h);
    int64_t step = s->rows_per_partial > 0 ? s->rows_per_partial : end - row;
    bool is_in_place = core == NULL && thread->k->kernel->kind != SNUG_KERNEL_map;
    if (is_in_place && thread->k->kernel->reduction_count == 0)
        return;
    for (int64_t h = row; h < end;) {
        int64_t next = s->rows_per_partial > 0 ? (h / step + 1) * step : end;
        int64_t stop = host_min(next, end);
        const float *at = core ? core + (h - row) * s->domain.w * s->domain.c : NULL;
        finish_rows(thread, at, n, h, stop, h % step == 0 || s->rows_per_partial == 0);
        if (s->rows_per_partial > 0 && stop == next)
            write_partial(thread, n * (s->domain.h / step) + h / step,
                          (double)step * (double)s->domain.w);
        h = stop;
    }
}

/* ---- running --------------------------------------------------------------------------------- */

static HostThread begin_thread(const HostKernel *k, const HostLaunch *launch, int32_t t)
{
    HostThread thread = {.k = k, .launch = launch, .index = t, .ok = true};
    thread.memory = launch->workspace + k->shared.used + t * k->each.used;
    for (int32_t i = 0; i < 2; i++)
        if (k->strips.code_memory[i] >= 0)
            thread.in[i] =
                host_code_begin(&k->in[i], thread.memory + k->strips.code_memory[i], launch->args);
    thread.parts = (HostRegisters *)(void *)(thread.memory + k->strips.part_headers);
    for (int32_t i = 0; i < k->kernel->part_count; i++)
        thread.parts[i] = host_code_begin(
            &k->parts[i], thread.memory + k->strips.part_memory + i * k->strips.part_bytes,
            launch->args);
    return thread;
}

static void run_unit(HostThread *thread, HostCore *core, int64_t unit)
{
    const HostStrips *s = &thread->k->strips;
    int64_t n = unit / s->units_per_image;
    int64_t first = unit % s->units_per_image * s->strips_per_unit;
    int64_t last = host_min(first + s->strips_per_unit, s->strips_per_image);
    float *tile = NULL;
    if (s->core_tile >= 0)
        tile = (float *)(void *)(thread->memory + s->core_tile);
    for (int64_t strip = first; strip < last; strip++) {
        if (core)
            core(thread, n, strip * s->rows, tile);
        finish_strip(thread, tile, n, strip * s->rows);
    }
}

typedef struct StripsRun {
    const HostKernel *k;
    const HostLaunch *launch;
    HostCore *core;
    atomic_llong next_unit;
    atomic_int failures;
} StripsRun;

static void pack_weights(void *context, int32_t t)
{
    StripsRun *run = context;
    const HostKernel *k = run->k;
    if (!host_conv_pack(k->conv, t, run->launch->args[k->kernel->weight_arg],
                        run->launch->workspace + k->packed))
        atomic_fetch_add(&run->failures, 1);
}

/* Units are taken as they come: another program on the machine delays one unit, not a share. */
static void run_units(void *context, int32_t t)
{
    StripsRun *run = context;
    const HostStrips *s = &run->k->strips;
    int64_t count = (int64_t)s->domain.n * s->units_per_image;
    HostThread thread = begin_thread(run->k, run->launch, t);
    int64_t unit;
    while ((unit = atomic_fetch_add(&run->next_unit, 1)) < count)
        run_unit(&thread, run->core, unit);
    if (!thread.ok)
        atomic_fetch_add(&run->failures, 1);
}

bool host_strips_run(const HostKernel *k, const HostLaunch *launch)
{
    SnugKernelKind kind = k->kernel->kind;
    bool is_conv = kind == SNUG_KERNEL_conv || kind == SNUG_KERNEL_conv_dgrad;
    StripsRun run = {.k = k, .launch = launch};
    run.core = kind == SNUG_KERNEL_map ? NULL : is_conv ? host_conv_core : host_window_core;
    atomic_init(&run.next_unit, 0);
    atomic_init(&run.failures, 0);
    if (is_conv)
        host_team_run(launch->team, k->threads, pack_weights, &run);
    host_team_run(launch->team, k->threads, run_units, &run);
    return atomic_load(&run.failures) == 0;
}
