/* What both devices check: that a program's tables are whole, that no byte is read which something
 * else has been written over, and that bytes from outside lie in the plan. */
#include "device.h"

#include <stdlib.h>

int64_t device_arg_bytes(const SnugArg *arg)
{
    int64_t element = arg->type == SNUG_F32 ? 4 : arg->type == SNUG_U8 ? 1 : 2;

    return (int64_t)arg->shape.n * arg->shape.h * arg->shape.w * arg->pitch * element;
}

bool device_recompile(const SnugProgram *program, Error *error)
{
    error_hint(error,
               "compile it on this machine: snug compile %s --batch_size %d"
               " --image_size %d %d --device %s%s%s",
               program->model_path, program->batch_size, program->image_height,
               program->image_width, program->device, program->overrides[0] ? " " : "",
               program->overrides);
    return false;
}

/* ---- tables ---------------------------------------------------------------------------------- */

static bool buffers_are_inside(const SnugProgram *program, Error *error)
{
    for (int32_t b = 0; b < program->buffer_count; b++) {
        const SnugBuffer *buffer = &program->buffers[b];
        if (buffer->offset < 0 || buffer->offset % SNUG_ALIGNMENT != 0)
            return error_why(error, "%s is at byte %lld, which is no multiple of %d", buffer->name,
                             (long long)buffer->offset, SNUG_ALIGNMENT);
        if (buffer->bytes < 0 || buffer->offset > program->total_bytes - buffer->bytes)
            return error_why(error, "%s ends at byte %lld, the plan at %lld", buffer->name,
                             (long long)(buffer->offset + buffer->bytes),
                             (long long)program->total_bytes);
    }
    return true;
}

/* Every launch names a kernel, and a buffer large enough for each of its args and its workspace. */
static bool launch_is_valid(const SnugProgram *program, const SnugLaunch *launch, Error *error)
{
    if (launch->kernel < 0 || launch->kernel >= program->kernel_count)
        return error_why(error, "%s has no kernel", launch->label);
    const SnugKernel *kernel = &program->kernels[launch->kernel];
    int32_t count = kernel->arg_count + (kernel->workspace_bytes > 0);
    for (int32_t a = 0; a < count; a++) {
        int32_t b = launch->buffers[a];
        if (b < 0 || b >= program->buffer_count)
            return error_why(error, "%s has no buffer for its operand %d", launch->label, a);
        int64_t needs =
            a < kernel->arg_count ? device_arg_bytes(&kernel->args[a]) : kernel->workspace_bytes;
        if (program->buffers[b].bytes < needs)
            return error_why(error, "%s has %lld bytes, %s needs %lld", program->buffers[b].name,
                             (long long)program->buffers[b].bytes, launch->label, (long long)needs);
    }
    return true;
}

/* ---- bytes ----------------------------------------------------------------------------------- */

/* The arena, cut where a buffer begins or ends: who wrote the bytes of each piece last. */
typedef struct Pieces {
    int64_t *begin;  /* ascending; one more: the end */
    int32_t *holder; /* a buffer, -1: none yet */
    int32_t count;
} Pieces;

static int compare_bytes(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;

    return (a > b) - (a < b);
}

static bool cut_pieces(Pieces *pieces, const SnugProgram *program)
{
    size_t most = 2 * (size_t)program->buffer_count + 2;
    int32_t count = 0;

    pieces->begin = malloc(most * sizeof *pieces->begin);
    pieces->holder = malloc(most * sizeof *pieces->holder);
    if (pieces->begin == NULL || pieces->holder == NULL)
        return false;
    pieces->begin[count++] = program->persistent_bytes;
    for (int32_t b = 0; b < program->buffer_count; b++) {
        if (program->buffers[b].offset < program->persistent_bytes)
            continue;
        pieces->begin[count++] = program->buffers[b].offset;
        pieces->begin[count++] = program->buffers[b].offset + program->buffers[b].bytes;
    }
    qsort(pieces->begin, (size_t)count, sizeof *pieces->begin, compare_bytes);
    for (int32_t k = 0; k < count; k++)
        if (pieces->count == 0 || pieces->begin[k] > pieces->begin[pieces->count - 1])
            pieces->begin[pieces->count++] = pieces->begin[k];
    pieces->count--;
    return true;
}

/* The piece that begins at a byte where a buffer does. */
static int32_t first_piece(const Pieces *pieces, int64_t byte)
{
    const int64_t *found = bsearch(&byte, pieces->begin, (size_t)pieces->count + 1,
                                   sizeof *pieces->begin, compare_bytes);

    return (int32_t)(found - pieces->begin);
}

static bool reads_arg(const SnugPoint *point)
{
    static const SnugPointFrom from[SNUG_POINT_OP_COUNT] = {
#define POINT(name, from, ...) [SNUG_POINT_##name] = SNUG_FROM_##from,
#include "points.def"
#undef POINT
    };

    return from[point->op] == SNUG_FROM_tensor || from[point->op] == SNUG_FROM_vector;
}

/* Whether arg a is read by the epilogue alone, each element where the result's is written. */
static bool may_be_replaced(const SnugKernel *kernel, int32_t a)
{
    if (kernel->part_count != 1 || a == kernel->weight_arg || kernel->args[a].access != SNUG_READ)
        return false;
    for (int side = 0; side < 2; side++)
        for (int32_t r = 0; r < kernel->in[side].count; r++)
            if (reads_arg(&kernel->in[side].code[r]) && kernel->in[side].code[r].arg == a)
                return false;
    for (int32_t r = 0; r < kernel->parts[0].out.count; r++) {
        const SnugPoint *point = &kernel->parts[0].out.code[r];
        bool is_here = point->op == SNUG_POINT_load && point->factor == 1 && point->channel == 0;
        if (reads_arg(point) && !is_here && point->arg == a)
            return false;
    }
    return true;
}

/* What a launch writes lies on nothing else that it uses, but a result may be in place of an
 * operand. */
static bool writes_apart(const SnugProgram *program, const SnugLaunch *launch, int32_t w,
                         Error *error)
{
    const SnugKernel *kernel = &program->kernels[launch->kernel];
    const SnugBuffer *made = &program->buffers[launch->buffers[w]];
    int32_t count = kernel->arg_count + (kernel->workspace_bytes > 0);

    for (int32_t a = 0; a < count; a++) {
        const SnugBuffer *other = &program->buffers[launch->buffers[a]];
        if (a == w || other->offset >= made->offset + made->bytes
            || made->offset >= other->offset + other->bytes)
            continue;
        if (w != kernel->output_arg || a >= kernel->arg_count || other->offset != made->offset
            || !may_be_replaced(kernel, a))
            return error_why(error, "%s writes %s where it uses %s", launch->label, made->name,
                             other->name);
    }
    return true;
}

/* One launch: what it reads of the arena is there, then what it writes takes its bytes. */
static bool pass_launch(Pieces *pieces, const SnugProgram *program, const SnugLaunch *launch,
                        Error *error)
{
    const SnugKernel *kernel = &program->kernels[launch->kernel];
    int32_t count = kernel->arg_count + (kernel->workspace_bytes > 0);

    for (int writes = 0; writes < 2; writes++)
        for (int32_t a = 0; a < count; a++) {
            int32_t b = launch->buffers[a];
            const SnugBuffer *buffer = &program->buffers[b];
            bool is_read = a < kernel->arg_count && kernel->args[a].access != SNUG_WRITE;
            int64_t end =
                buffer->offset + (is_read ? device_arg_bytes(&kernel->args[a]) : buffer->bytes);
            if (is_read == (writes != 0) || buffer->offset < program->persistent_bytes)
                continue;
            if (!is_read && !writes_apart(program, launch, a, error))
                return false;
            for (int32_t k = first_piece(pieces, buffer->offset); pieces->begin[k] < end; k++) {
                int32_t holder = pieces->holder[k];
                if (is_read && holder != b)
                    return error_why(error, "%s reads %s, %s%s", launch->label, buffer->name,
                                     holder < 0 ? "which nothing has written"
                                                : "on whose bytes lies by then ",
                                     holder < 0 ? "" : program->buffers[holder].name);
                pieces->holder[k] = b;
            }
        }
    return true;
}

/* Whoever planned these bytes: nothing is read that something else has been written over. */
static bool bytes_are_whole(const SnugProgram *program, Error *error)
{
    Pieces pieces = {0};
    bool ok = cut_pieces(&pieces, program);

    if (!ok)
        error_why(error, "no memory to check them");
    for (int s = 0; ok && s < SNUG_SEGMENT_COUNT; s++) {
        for (int32_t k = 0; k < pieces.count; k++)
            pieces.holder[k] = -1;
        for (int32_t l = 0; ok && l < program->segments[s].launch_count; l++)
            ok = pass_launch(&pieces, program, &program->segments[s].launches[l], error);
    }
    free(pieces.begin);
    free(pieces.holder);
    return ok;
}

static bool launches_are_valid(const SnugProgram *program, Error *error)
{
    for (int s = 0; s < SNUG_SEGMENT_COUNT; s++)
        for (int32_t l = 0; l < program->segments[s].launch_count; l++)
            if (!launch_is_valid(program, &program->segments[s].launches[l], error))
                return false;
    return true;
}

bool device_check_program(const SnugProgram *program, Error *error)
{
    Error found = {0};

    if (program->version != SNUG_PROGRAM_VERSION)
        error_why(&found, "they are version %d, this runtime takes %d", program->version,
                  SNUG_PROGRAM_VERSION);
    else if (buffers_are_inside(program, &found) && launches_are_valid(program, &found)
             && bytes_are_whole(program, &found))
        return true;
    error_set(error, ERROR_DEVICE, "the program's tables do not fit this runtime");
    error_why(error, "%s", found.why);
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
