/* The memory of a program for its reader: the map of the one allocation, then every buffer in order
 * of address under a banner for its class.
 *
 *     [stem_conv]              = {.offset =  202240, .bytes =   16384,      |[   0,   17)|
 *         .type = SNUG_F32, .shape = {1, 16, 16, 16}, .pitch = 16, .line = 6, .name = "stem.conv"},
 *
 * Buffers of the arena that share bytes stand together, and their lives say why they may.
 */
#include "emit_text.h"

#include <stdlib.h>
#include <string.h>

/* What the one allocation is divided into, in order of address (persistent.c). */
typedef enum RegionId {
    REGION_weights,
    REGION_state,
    REGION_halves,
    REGION_gradients,
    REGION_moments,
    REGION_averages,
    REGION_inputs,
    REGION_arena,
    REGION_COUNT
} RegionId;

typedef struct Region {
    const char *name, *meaning;
    int64_t begin, end;
} Region;

static void find_regions(const Emitter *emitter, Region *regions)
{
    const Layout *layout = &emitter->c->layout;
    const Region all[REGION_COUNT] = {
        [REGION_weights] = {"weights", "trained parameters", 0, layout->weights},
        [REGION_state] = {"state", "running statistics", 0, layout->state},
        [REGION_halves] = {"half copies", "of weights, for matrix products", 0, layout->halves},
        [REGION_gradients] = {"gradients", "summed until the next update", 0, layout->grads},
        [REGION_moments] = {"moments", "of AdamW; params has their offsets", 0, layout->moments},
        [REGION_averages] = {"averages", "of parameters, for evaluation", 0, layout->ema},
        [REGION_inputs] = {"inputs",
                           layout->staging < 0 ? "the batch, scalars"
                                               : "the batch, the next one, scalars",
                           0, layout->inputs},
        [REGION_arena] = {"arena", "what lives within a segment", 0, layout->arena_bytes},
    };
    int64_t at = 0;

    for (int r = 0; r < REGION_COUNT; r++) {
        if (r == REGION_arena && at != layout->persistent_bytes)
            BUG("the classes have %lld bytes, the persistent part %lld", (long long)at,
                (long long)layout->persistent_bytes);
        regions[r] = all[r];
        regions[r].begin = at;
        at += all[r].end;
        regions[r].end = at;
    }
}

void emit_memory_map(const Emitter *emitter)
{
    const SnugProgram *p = emitter->program;
    Region regions[REGION_COUNT];
    FILE *out = emitter->out;

    find_regions(emitter, regions);
    fprintf(out, "/* ==== batch %d, image %dx%d, %s in %s: %s ====\n *\n", p->batch_size,
            p->image_height, p->image_width, p->device, type_name(p->storage),
            format_bytes(emitter->arena, p->total_bytes));
    for (int r = 0; r < REGION_COUNT; r++) {
        const Region *region = &regions[r];
        if (region->end > region->begin)
            fprintf(out, " *     %-12s %11lld .. %11lld  %11s  %s\n", region->name,
                    (long long)region->begin, (long long)region->end,
                    format_bytes(emitter->arena, region->end - region->begin), region->meaning);
    }
    fputs(" */\n\n", out);
}

/* ---- order ----------------------------------------------------------------------------------- */

typedef struct Place {
    int64_t offset;
    SnugSegmentId segment;
    uint32_t first;
    int32_t buffer;
} Place;

static int compare_places(const void *left, const void *right)
{
    const Place *a = left, *b = right;

    if (a->segment != b->segment)
        return a->segment < b->segment ? -1 : 1;
    if (a->offset != b->offset)
        return a->offset < b->offset ? -1 : 1;
    if (a->first != b->first)
        return a->first < b->first ? -1 : 1;
    return (a->buffer > b->buffer) - (a->buffer < b->buffer);
}

static bool is_in(const Region *region, const SnugBuffer *buffer)
{
    return buffer->offset >= region->begin && buffer->offset < region->end;
}

/* The buffers of a region: by segment in the arena, then by address, then by time. */
static int32_t places_of(const Emitter *emitter, const Region *region, Place *places)
{
    const SnugProgram *program = emitter->program;
    int32_t count = 0;

    for (int32_t b = 0; b < program->buffer_count; b++) {
        const BufferLife *life = &emitter->tables->buffer_lives[b];
        if (is_in(region, &program->buffers[b]))
            places[count++] =
                (Place){program->buffers[b].offset, life->segment, life->life.first, b};
    }
    qsort(places, (size_t)count, sizeof *places, compare_places);
    return count;
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* Columns of the table, by its widest entries; a name that would leave the others no room has a
 * line of its own. */
typedef struct Columns {
    int name, offset, bytes, step;
} Columns;

static int digits(int64_t number)
{
    int count = 1;

    for (; number >= 10; number /= 10)
        count++;
    return count;
}

static int at_least(int a, int b)
{
    return a > b ? a : b;
}

static Columns measure(const Emitter *emitter)
{
    const SnugProgram *program = emitter->program;
    Columns columns = {0};

    for (int32_t b = 0; b < program->buffer_count; b++) {
        const SnugBuffer *buffer = &program->buffers[b];
        columns.offset = at_least(columns.offset, digits(buffer->offset));
        columns.bytes = at_least(columns.bytes, digits(buffer->bytes));
        columns.step = at_least(columns.step, digits(emitter->tables->buffer_lives[b].life.last));
    }
    int others = (int)strlen("    [] = {.offset = , .bytes = , /* [, ) */") + columns.offset
                 + columns.bytes + 2 * columns.step;
    for (int32_t b = 0; b < program->buffer_count; b++) {
        int name = (int)strlen(emitter->buffers[b]);
        if (name + others <= LINE_COLUMNS)
            columns.name = at_least(columns.name, name);
    }
    return columns;
}

static void emit_buffer(const Emitter *emitter, const Columns *columns, int32_t b)
{
    const SnugBuffer *buffer = &emitter->program->buffers[b];
    const BufferLife *life = &emitter->tables->buffer_lives[b];
    const char *name = emitter->buffers[b];
    int padding = columns->name - (int)strlen(name);
    FILE *out = emitter->out;

    fprintf(out, "    [%s]", name);
    if (padding >= 0)
        fprintf(out, "%*s", padding, "");
    else
        fprintf(out, "\n%*s", columns->name + (int)strlen("    []"), "");
    fprintf(out, " = {.offset = %*lld, .bytes = %*lld,", columns->offset, (long long)buffer->offset,
            columns->bytes, (long long)buffer->bytes);
    if (life->life.last > 0)
        fprintf(out, " /* [%*u, %*u) */", columns->step, life->life.first, columns->step,
                life->life.last);
    fputc('\n', out);
    if (life->takes_over >= 0)
        fprintf(out, "        /* takes over the bytes of %s */\n",
                emitter->buffers[life->takes_over]);
    Row row = row_open(emitter, 8, "        ");
    row_item(&row, ".type = %s", c_type(buffer->type));
    if (buffer->shape.n != 0) {
        row_item(&row, ".shape = %s", c_shape(emitter, buffer->shape));
        row_item(&row, ".pitch = %d", buffer->pitch);
    }
    row_line(&row, emitter->tables->buffer_sources[b]);
    row_string(&row, "name", buffer->name);
    row_close(&row, "},\n");
}

/* "arena of micro_step: 186.3 KiB": each segment begins at the arena's first byte. */
static void emit_banner(const Emitter *emitter, const Region *region, const Place *places,
                        int32_t count)
{
    static const char *const of[SNUG_SEGMENT_COUNT] = {
        [SNUG_SEGMENT_micro_step] = " of micro_step",
        [SNUG_SEGMENT_update] = " of update",
        [SNUG_SEGMENT_evaluate] = " of evaluate",
        [SNUG_SEGMENT_init] = " of init",
    };
    bool is_arena = emitter->tables->buffer_lives[places[0].buffer].life.last > 0;
    int64_t end = is_arena ? region->begin : region->end;

    for (int32_t k = 0; k < count && places[k].segment == places[0].segment; k++) {
        const SnugBuffer *buffer = &emitter->program->buffers[places[k].buffer];
        end = max_i64(end, buffer->offset + buffer->bytes);
    }
    fprintf(emitter->out, "\n    /* ---- %s%s: %s ---- */\n\n", region->name,
            is_arena ? of[places[0].segment] : "",
            format_bytes(emitter->arena, end - region->begin));
}

/* Buffers from places[k] that share bytes with one another, directly or by others between them. */
static int32_t group_size(const SnugProgram *program, const Place *places, int32_t count,
                          int64_t *end)
{
    int32_t size = 0;

    *end = 0;
    while (size < count && places[size].segment == places[0].segment
           && (size == 0 || places[size].offset < *end)) {
        const SnugBuffer *buffer = &program->buffers[places[size++].buffer];
        *end = max_i64(*end, buffer->offset + buffer->bytes);
    }
    return size;
}

/* The buffers of one region. What shares bytes stands together, below the bytes that it shares. */
static void emit_region(const Emitter *emitter, const Columns *columns, const Region *region,
                        const Place *places, int32_t count)
{
    FILE *out = emitter->out;
    int32_t before = 0;

    for (int32_t k = 0; k < count;) {
        int64_t end;
        int32_t size = group_size(emitter->program, &places[k], count - k, &end);
        bool begins = k == 0 || places[k].segment != places[k - 1].segment;
        if (begins)
            emit_banner(emitter, region, &places[k], count - k);
        else if (size > 1 || before > 1)
            fputc('\n', out);
        if (size > 1)
            fprintf(out, "    /* %lld .. %lld, %s: %d buffers in turn */\n",
                    (long long)places[k].offset, (long long)end,
                    format_bytes(emitter->arena, end - places[k].offset), size);
        for (int32_t g = 0; g < size; g++)
            emit_buffer(emitter, columns, places[k + g].buffer);
        before = size;
        k += size;
    }
}

void emit_buffers(const Emitter *emitter)
{
    const SnugProgram *program = emitter->program;
    Place *places = arena_array(emitter->arena, Place, (size_t)program->buffer_count);
    Columns columns = measure(emitter);
    Region regions[REGION_COUNT];
    int32_t printed = 0;

    find_regions(emitter, regions);
    fprintf(emitter->out, "static const SnugBuffer %sbuffers[] = {", emitter->prefix);
    for (int r = 0; r < REGION_COUNT; r++) {
        int32_t count = places_of(emitter, &regions[r], places);
        emit_region(emitter, &columns, &regions[r], places, count);
        printed += count;
    }
    if (printed != program->buffer_count)
        BUG("%d of %d buffers have a class", printed, program->buffer_count);
    fputs("};\n\n", emitter->out);
}
