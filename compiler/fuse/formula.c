/* Registers back to formulas: the code of a kernel as a person would write it.
 *
 *     r0 = load z        r1 = channel stats row 2        r2 = channel stats row 3
 *     r3 = fma r0 r1 r2  r4 = relu r3                    ->  relu(z * stats.scale + stats.shift)
 */
#include "formula.h"

#include <string.h>

typedef struct Formula {
    Arena *arena;
    const SnugKernel *kernel;
    const char *const *arg_names;
} Formula;

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

const char *fill_point_text(Arena *arena, const char *template, const char *const texts[3])
{
    static const char names[] = "abd";
    Text text = {.arena = arena};

    for (const char *c = template; *c != '\0'; c++) {
        if (*c != '$') {
            text_append(&text, c, 1);
            continue;
        }
        bool is_factor = c[1] == '(';
        const char *name = strchr(names, c[is_factor ? 2 : 1]);
        if (name == NULL || *name == '\0' || texts[name - names] == NULL
            || (is_factor && c[3] != ')'))
            BUG("\"%s\" names no operand of its instruction", template);
        text_put(&text, texts[name - names]);
        c += is_factor ? 3 : 1;
    }
    return text.bytes;
}

static const char *channel_text(const Formula *formula, const SnugPoint *point)
{
    return arena_printf(formula->arena, "%s%s%s", arg_name(formula, point->arg),
                        row_name(formula->kernel->args[point->arg].shape.w, point->row),
                        channels_suffix(formula, point->channel));
}

static const char *expression(const Formula *formula, const SnugPointwise *code,
                              const char *const *names, int32_t reg, Binding level);

/* Operand in a place that binds as tightly as `level`. A register with a name is that name. */
static const char *operand(const Formula *formula, const SnugPointwise *code,
                           const char *const *names, int32_t reg, Binding level)
{
    return names[reg] != NULL ? names[reg] : expression(formula, code, names, reg, level);
}

static const char *registers_text(const Formula *formula, const SnugPointwise *code,
                                  const char *const *names, const SnugPoint *point)
{
    const char *template = point_info[point->op].formula, *texts[3] = {NULL};
    int16_t operands[3];
    int32_t count = point_operands(point, operands);

    for (int32_t k = 0; k < count; k++) {
        bool is_factor = strstr(template, (const char *[]){"$(a)", "$(b)", "$(d)"}[k]) != NULL;
        texts[k] =
            operand(formula, code, names, operands[k], is_factor ? BINDING_product : BINDING_sum);
    }
    return fill_point_text(formula->arena, template, texts);
}

static const char *expression(const Formula *formula, const SnugPointwise *code,
                              const char *const *names, int32_t reg, Binding level)
{
    const SnugPoint *point = &code->code[reg];
    const PointInfo *info = &point_info[point->op];

    switch (info->from) {
    case SNUG_FROM_core: return info->formula;
    case SNUG_FROM_tensor: return load_text(formula, point);
    case SNUG_FROM_vector: return channel_text(formula, point);
    case SNUG_FROM_constant: return constant_text(formula, point);
    case SNUG_FROM_registers: break;
    }
    const char *text = registers_text(formula, code, names, point);
    return info->binds < level ? arena_printf(formula->arena, "(%s)", text) : text;
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
        const char *right = expression(&formula, code, names, r, BINDING_sum);
        names[r] = arena_printf(arena, "t%d", ++named);
        text_printf(&text, "%s = %s; ", names[r], right);
    }
    text_put(&text, expression(&formula, code, names, code->count - 1, BINDING_sum));
    for (int32_t k = 0; k < reduction_count; k++) {
        const SnugReduction *reduction = &kernel->reductions[k];
        text_put(&text, reduction->kind == SNUG_REDUCE_moments ? "; moments" : "; sum");
        if (reduction->kind == SNUG_REDUCE_grad)
            text_printf(&text, " and sum * %s", names[reduction->with]);
        text_printf(&text, " -> %s", arg_names[reduction->arg]);
    }
    return text.bytes;
}
