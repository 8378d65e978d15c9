/* What a repeated step runs: the kernel without its reductions, and without what only they read.
 *
 *     dgrad   g2, z2, c2, w2, z1, s1 -> g1, sums       again:  dgrad  g2, z2, c2, w2 -> g1
 *             x-hat = (z1 - mean) rstd; core                          core
 *
 * Statistics were collected the first time; a repeat only makes the same bytes again.
 */
#include "fuse_repeat.h"

/* is_used[r]: the result depends on register r. */
static void mark_used(const SnugPointwise *code, bool *is_used)
{
    is_used[code->count - 1] = true;
    for (int32_t r = code->count; r-- > 0;) {
        int16_t operands[3];
        int32_t count = point_operands(&code->code[r], operands);
        for (int32_t k = 0; is_used[r] && k < count; k++)
            is_used[operands[k]] = true;
    }
}

static void mark_args(const SnugPointwise *code, const bool *is_used, bool *is_read)
{
    for (int32_t r = 0; r < code->count; r++)
        if ((is_used == NULL || is_used[r]) && point_reads_arg(&code->code[r]))
            is_read[code->code[r].arg] = true;
}

/* The code with dead registers left out and args renumbered; args by old number. */
static SnugPointwise shrink_code(Arena *arena, const SnugPointwise *code, const bool *is_used,
                                 const int32_t *args)
{
    SnugPoint *points = arena_array(arena, SnugPoint, (size_t)code->count);
    int16_t *moved = arena_array(arena, int16_t, (size_t)code->count);
    int32_t count = 0;

    for (int32_t r = 0; r < code->count; r++) {
        int16_t operands[3];
        if (is_used != NULL && !is_used[r])
            continue;
        SnugPoint point = code->code[r];
        int32_t operand_count = point_operands(&point, operands);
        if (operand_count > 0)
            point.a = moved[point.a];
        if (operand_count > 1)
            point.b = moved[point.b];
        if (operand_count > 2)
            point.d = moved[point.d];
        if (point_reads_arg(&point))
            point.arg = (int16_t)args[point.arg];
        moved[r] = (int16_t)count;
        points[count++] = point;
    }
    return (SnugPointwise){.code = points, .count = count};
}

/* is_read[a]: a repeat of the kernel needs arg a. Requires reductions, so one part. */
static void find_repeat_args(const SnugKernel *kernel, const bool *is_used, bool *is_read)
{
    mark_args(&kernel->in[0], NULL, is_read);
    mark_args(&kernel->in[1], NULL, is_read);
    mark_args(&kernel->parts[0].out, is_used, is_read);
    is_read[kernel->output_arg] = true;
    if (kernel->weight_arg >= 0)
        is_read[kernel->weight_arg] = true;
}

bool repeat_needs(const SnugKernel *kernel, int32_t arg)
{
    bool is_needed = true;

    if (kernel->reduction_count > 0 && kernel->output_arg >= 0) {
        Arena *arena = arena_create();
        bool *is_used = arena_array(arena, bool, (size_t)kernel->parts[0].out.count);
        bool *is_read = arena_array(arena, bool, (size_t)kernel->arg_count);
        mark_used(&kernel->parts[0].out, is_used);
        find_repeat_args(kernel, is_used, is_read);
        is_needed = is_read[arg];
        arena_destroy(arena);
    }
    return is_needed;
}

SnugKernel repeat_kernel(const SnugKernel *kernel, Arena *arena, const int32_t **kept)
{
    SnugKernel repeat = *kernel;
    bool *is_read = arena_array(arena, bool, (size_t)kernel->arg_count);
    int32_t *from = arena_array(arena, int32_t, (size_t)kernel->arg_count);
    int32_t *to = arena_array(arena, int32_t, (size_t)kernel->arg_count);
    SnugArg *args = arena_array(arena, SnugArg, (size_t)kernel->arg_count);
    bool *is_used = NULL;

    *kept = from;
    if (kernel->reduction_count == 0) {
        for (int32_t a = 0; a < kernel->arg_count; a++)
            from[a] = a;
        return repeat;
    }
    is_used = arena_array(arena, bool, (size_t)kernel->parts[0].out.count);
    mark_used(&kernel->parts[0].out, is_used);
    find_repeat_args(kernel, is_used, is_read);
    repeat.arg_count = 0;
    for (int32_t a = 0; a < kernel->arg_count; a++) {
        if (!is_read[a])
            continue;
        from[repeat.arg_count] = a;
        to[a] = repeat.arg_count;
        args[repeat.arg_count++] = kernel->args[a];
    }
    SnugPart *part = arena_new(arena, SnugPart);
    *part = kernel->parts[0];
    part->out = shrink_code(arena, &kernel->parts[0].out, is_used, to);
    for (int side = 0; side < 2; side++)
        if (kernel->in[side].count > 0)
            repeat.in[side] = shrink_code(arena, &kernel->in[side], NULL, to);
    repeat.args = args;
    repeat.parts = part;
    repeat.output_arg = to[kernel->output_arg];
    repeat.weight_arg = kernel->weight_arg >= 0 ? to[kernel->weight_arg] : -1;
    repeat.reduction_count = 0;
    for (int k = 0; k < SNUG_MAX_REDUCTIONS; k++)
        repeat.reductions[k] = (SnugReduction){0};
    return repeat;
}
