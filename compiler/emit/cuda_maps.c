/* Kernels that make their result chunk by chunk, without a matrix product: one thread a chunk of 8
 * channels, lanes of a
 * block along the channels, rows along the pixels. */
#include "cuda.h"

#include <ctype.h>

#include "compiler/ir/ir.h"
#include "emit.h"

enum {
    MAX_LANES = 32,
    BLOCKS_A_MULTIPROCESSOR = 6, /* of 256 threads, where registers allow it */
    MAX_PIXELS_A_THREAD = 8
};

/* Lanes of a block for so many chunks: at most MAX_LANES, in groups as even as can be. */
static int64_t lanes_for(int64_t chunks)
{
    return divide_up(chunks, divide_up(chunks, MAX_LANES));
}

/* The end of an enum. */
static const char *lane_members(const CudaSource *source, int64_t chunks)
{
    int64_t lanes = lanes_for(chunks);

    return arena_printf(source->arena, "LANES = %lld, ROWS = %lld, GROUPS = %lld };\n",
                        (long long)lanes, (long long)(source->threads / lanes),
                        (long long)divide_up(chunks, lanes));
}

/* ---- map ------------------------------------------------------------------------------------- */

/* Channels [begin, end) of the result that the part writes; the last writes the padding too. */
static void part_channels(const SnugKernel *kernel, int32_t p, int32_t *begin, int32_t *end)
{
    const SnugPart *part = &kernel->parts[p];
    bool is_last = p + 1 == kernel->part_count;

    *begin = part->channel_begin;
    *end = part->channel_begin + part->channel_count;
    if (is_last && kernel->output_arg >= 0)
        *end = kernel->args[kernel->output_arg].pitch;
}

/* So that the card is filled, but no thread's work is longer than needs be. */
static int64_t pixels_a_thread(const CudaSource *source, int64_t threads_wanted)
{
    int64_t at_once =
        (int64_t)source->card->multiprocessors * BLOCKS_A_MULTIPROCESSOR * source->threads;
    return max_i64(1, min_i64(threads_wanted / at_once, MAX_PIXELS_A_THREAD));
}

static void write_parts(CudaSource *source)
{
    const SnugKernel *kernel = source->kernel;
    SnugType rounding = kernel->output_arg >= 0 ? kernel->args[kernel->output_arg].type : SNUG_F32;
    Text list = {.arena = source->arena};

    for (int32_t p = 0; p < kernel->part_count; p++) {
        const SnugPart *part = &kernel->parts[p];
        SnugShape domain = result_domain(kernel);
        int32_t begin, end;
        part_channels(kernel, p, &begin, &end);
        domain.c = part->channel_count;
        const char *members =
            arena_printf(source->arena, "    enum { BEGIN = %d, END = %d, %s", begin, end,
                         lane_members(source, divide_up(end - begin, 8)));
        cuda_write_code(source, arena_printf(source->arena, "Part%d", p), &part->out, domain,
                        rounding, kernel->part_count == 1, members);
        text_printf(&list, " PART(Part%d)", p);
    }
    cuda_define_name(source, "PARTS", list.bytes + 1);
}

void cuda_write_walk(CudaSource *source)
{
    const SnugKernel *kernel = source->kernel;
    SnugShape domain = result_domain(kernel);
    int64_t pixels = (int64_t)domain.h * domain.w, groups = 0, chunks = 0;
    int64_t least_rows = source->threads;

    for (int32_t p = 0; p < kernel->part_count; p++) {
        int32_t begin, end;
        part_channels(kernel, p, &begin, &end);
        int64_t lanes = lanes_for(divide_up(end - begin, 8));
        least_rows = min_i64(least_rows, source->threads / lanes);
        groups += divide_up(divide_up(end - begin, 8), lanes);
        chunks += divide_up(end - begin, 8);
    }
    cuda_define_shape(source, "", domain);
    cuda_write_out(source);
    cuda_write_reductions(source);
    if (kernel->reduction_count > 0) {
        SnugTile tile = kernel->reductions[0].tile;
        int64_t down = divide_up(domain.h, tile.rows), across = divide_up(domain.w, tile.columns);
        cuda_define(source, "TILE_ROWS", tile.rows);
        cuda_define(source, "TILE_COLUMNS", tile.columns);
        cuda_define(source, "TILES_DOWN", down);
        cuda_define(source, "TILES_ACROSS", across);
        cuda_entry(source, "", down * across, groups, domain.n, 0);
    } else {
        int64_t each = pixels_a_thread(source, domain.n * pixels * chunks);
        cuda_define(source, "PIXELS_A_THREAD", each);
        cuda_entry(source, "", divide_up(pixels, least_rows * each), groups, domain.n, 0);
    }
    write_parts(source);
}

void cuda_describe_map(CudaSource *source)
{
    cuda_write_walk(source);
}

/* ---- windows --------------------------------------------------------------------------------- */

/* Which core of window.cuh it is: IS_MAX_POOL for max_pool, and none of the others. */
static void define_kind(CudaSource *source)
{
    char *macro = arena_strdup(source->arena, arena_printf(source->arena, "IS_%s",
                                                           kernel_info[source->kernel->kind].name));

    for (char *at = macro; *at != '\0'; at++)
        *at = (char)toupper((unsigned char)*at);
    cuda_define_flag(source, macro, 1);
    source->kind_macro = macro;
}

void cuda_describe_window(CudaSource *source)
{
    const SnugWindow *window = &source->kernel->window;

    define_kind(source);
    cuda_define_shape(source, "X_", window->x);
    cuda_define_shape(source, "Y_", window->y);
    cuda_define(source, "KERNEL", window->kernel);
    cuda_define(source, "STRIDE", window->stride);
    cuda_define(source, "PAD", window->pad);
    cuda_write_prologues(source);
    cuda_write_walk(source);
}
