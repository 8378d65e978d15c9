/* Registers back to formulas: the code of a kernel as a person would write it.
 *
 *     r0 = load z        r1 = channel stats row 2        r2 = channel stats row 3
 *     r3 = fma r0 r1 r2  r4 = relu r3                    ->  relu(z * stats.scale + stats.shift)
 */
#include "formula.h"

#include "fuse_repeat.h"

typedef struct Formula {
    Arena *arena;
    const SnugKernel *kernel;
    const char *const *arg_names;
} Formula;

typedef enum Level { LEVEL_sum, LEVEL_product, LEVEL_atom } Level;

static const char *arg_name(const Formula *formula, int32_t arg)
{
    return formula->arg_names[arg];
}

/* What the rows of statistics and coefficients are called; "" for plain vectors. */
static const char *row_name(int32_t rows, int32_t row)
{
    static const char *const stats[] = {".mean", ".rstd", ".scale", ".shift"};
    static const char *const coefficients[] = {".A", ".B", ".C"};

    if (rows == 4)
        return stats[row];
    return rows == 3 ? coefficients[row] : "";
}

static const char *channels_suffix(const Formula *formula, int32_t channel)
{
    return channel == 0 ? "" : arena_printf(formula->arena, "[%d ..]", channel);
}

static const char *load_text(const Formula *formula, const SnugPoint *point)
{
    const char *name = arg_name(formula, point->arg);
    const char *suffix = channels_suffix(formula, point->channel);

    if (point->op == SNUG_POINT_load_bilinear)
        return arena_printf(formula->arena, "bilinear(%s%s, %d)", name, suffix, point->factor);
    if (point->factor != 1)
        return arena_printf(formula->arena, "up(%s%s, %d)", name, suffix, point->factor);
    return arena_printf(formula->arena, "%s%s", name, suffix);
}

static const char *constant_text(const Formula *formula, const SnugPoint *point)
{
    const float *c = point->constants;

    if (c[0] == c[1] && c[1] == c[2] && c[2] == c[3])
        return arena_printf(formula->arena, "%.6g", (double)c[0]);
    return arena_printf(formula->arena, "[%.6g %.6g %.6g]", (double)c[0], (double)c[1],
                        (double)c[2]);
}

static const char *expression(const Formula *formula, const SnugPointwise *code,
                              const char *const *names, int32_t reg, Level level);

/* Operand in a place that binds as tightly as `level`. A register with a name is that name. */
static const char *operand(const Formula *formula, const SnugPointwise *code,
                           const char *const *names, int32_t reg, Level level)
{
    return names[reg] != NULL ? names[reg] : expression(formula, code, names, reg, level);
}

static const char *expression(const Formula *formula, const SnugPointwise *code,
                              const char *const *names, int32_t reg, Level level)
{
    const SnugPoint *point = &code->code[reg];
    Arena *arena = formula->arena;
    Level own = LEVEL_atom;
    const char *text;

#define OPERAND(member, its_level) operand(formula, code, names, point->member, LEVEL_##its_level)
    switch (point->op) {
    case SNUG_POINT_core: return "core";
    case SNUG_POINT_load:
    case SNUG_POINT_load_bilinear: return load_text(formula, point);
    case SNUG_POINT_constant: return constant_text(formula, point);
    case SNUG_POINT_channel:
        return arena_printf(arena, "%s%s%s", arg_name(formula, point->arg),
                            row_name(formula->kernel->args[point->arg].shape.w, point->row),
                            channels_suffix(formula, point->channel));
    case SNUG_POINT_add:
        own = LEVEL_sum;
        text = arena_printf(arena, "%s + %s", OPERAND(a, sum), OPERAND(b, sum));
        break;
    case SNUG_POINT_multiply:
        own = LEVEL_product;
        text = arena_printf(arena, "%s * %s", OPERAND(a, product), OPERAND(b, product));
        break;
    case SNUG_POINT_fma:
        own = LEVEL_sum;
        text = arena_printf(arena, "%s * %s + %s", OPERAND(a, product), OPERAND(b, product),
                            OPERAND(d, sum));
        break;
    case SNUG_POINT_relu: return arena_printf(arena, "relu(%s)", OPERAND(a, sum));
    case SNUG_POINT_mask:
        return arena_printf(arena, "mask(%s, %s)", OPERAND(a, sum), OPERAND(b, sum));
    case SNUG_POINT_sigmoid: return arena_printf(arena, "sigmoid(%s)", OPERAND(a, sum));
    case SNUG_POINT_round: return arena_printf(arena, "round(%s)", OPERAND(a, sum));
    case SNUG_POINT_sigmoid_grad:
        return arena_printf(arena, "sigmoid_grad(%s, %s)", OPERAND(a, sum), OPERAND(b, sum));
    default: BUG("instruction %d has no formula", (int)point->op);
    }
#undef OPERAND
    return own < level ? arena_printf(arena, "(%s)", text) : text;
}

static bool is_leaf(const SnugPoint *point)
{
    int16_t operands[3];

    return point_operands(point, operands) == 0;
}

static void count_uses(const SnugPointwise *code, int32_t *uses)
{
    for (int32_t r = 0; r < code->count; r++) {
        int16_t operands[3];
        int32_t count = point_operands(&code->code[r], operands);
        for (int32_t k = 0; k < count; k++)
            uses[operands[k]]++;
    }
}

const char *formula_text(Arena *arena, const SnugKernel *kernel, const char *const *arg_names,
                         const SnugPointwise *code, bool reduces)
{
    Formula formula = {arena, kernel, arg_names};
    int32_t *uses = arena_array(arena, int32_t, (size_t)code->count);
    const char **names = arena_array(arena, const char *, (size_t)code->count);
    int32_t reduction_count = reduces ? kernel->reduction_count : 0;
    Text text = {.arena = arena};
    int named = 0;

    count_uses(code, uses);
    for (int32_t k = 0; k < reduction_count; k++)
        if (kernel->reductions[k].kind == SNUG_REDUCE_grad)
            uses[kernel->reductions[k].with] += 2;
    for (int32_t r = 0; r + 1 < code->count; r++) {
        if (uses[r] < 2 || is_leaf(&code->code[r]))
            continue;
        const char *right = expression(&formula, code, names, r, LEVEL_sum);
        names[r] = arena_printf(arena, "t%d", ++named);
        text_printf(&text, "%s = %s; ", names[r], right);
    }
    text_put(&text, expression(&formula, code, names, code->count - 1, LEVEL_sum));
    for (int32_t k = 0; k < reduction_count; k++) {
        const SnugReduction *reduction = &kernel->reductions[k];
        text_put(&text, reduction->kind == SNUG_REDUCE_moments ? "; moments" : "; sum");
        if (reduction->kind == SNUG_REDUCE_grad)
            text_printf(&text, " and sum * %s", names[reduction->with]);
        text_printf(&text, " -> %s", arg_names[reduction->arg]);
    }
    return text.bytes;
}
