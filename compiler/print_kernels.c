/* --dump=kernels: one block a kernel, its code as formulas.
 *
 *     conv2  [conv3x3_s1_8_8_16x16]
 *       reads     conv1 bf16 1x16x16x8, bn1 f32 1x1x4x8, conv2.weight f32 8x3x3x8
 *       writes    conv2 bf16 1x16x16x8, bn2.partials f32 1x1x2x8
 *       prologue  relu(conv1 * bn1.scale + bn1.shift)
 *       epilogue  core; moments -> bn2.partials
 *       cost      294.9 kFLOP, 12.0 KiB, 3.1 us
 */
#include "pipeline.h"

#include <string.h>

typedef struct Printer {
    FILE *out;
    Arena *arena;
    const Graph *graph;
    const Kernel *kernel;
} Printer;

/* ---- formulas --------------------------------------------------------------------------------------- */

typedef enum Level { LEVEL_sum, LEVEL_product, LEVEL_atom } Level;

static const char *arg_name(const Printer *printer, int32_t arg)
{
    return printer->graph->values.items[printer->kernel->args[arg].i].name;
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

static const char *channels_suffix(const Printer *printer, int32_t channel)
{
    return channel == 0 ? "" : arena_printf(printer->arena, "[%d ..]", channel);
}

static const char *load_text(const Printer *printer, const SnugPoint *point)
{
    const char *name = arg_name(printer, point->arg);
    const char *suffix = channels_suffix(printer, point->channel);

    if (point->op == SNUG_POINT_load_bilinear)
        return arena_printf(printer->arena, "bilinear(%s%s, %d)", name, suffix, point->factor);
    if (point->factor != 1)
        return arena_printf(printer->arena, "up(%s%s, %d)", name, suffix, point->factor);
    return arena_printf(printer->arena, "%s%s", name, suffix);
}

static const char *constant_text(const Printer *printer, const SnugPoint *point)
{
    const float *c = point->constants;

    if (c[0] == c[1] && c[1] == c[2] && c[2] == c[3])
        return arena_printf(printer->arena, "%.6g", (double)c[0]);
    return arena_printf(printer->arena, "[%.6g %.6g %.6g]", (double)c[0], (double)c[1],
                        (double)c[2]);
}

static const char *expression(const Printer *printer, const SnugPointwise *code,
                              const char *const *names, int32_t reg, Level level);

/* Operand in a place that binds as tightly as `level`. A register with a name is that name. */
static const char *operand(const Printer *printer, const SnugPointwise *code,
                           const char *const *names, int32_t reg, Level level)
{
    return names[reg] != NULL ? names[reg] : expression(printer, code, names, reg, level);
}

static const char *expression(const Printer *printer, const SnugPointwise *code,
                              const char *const *names, int32_t reg, Level level)
{
    const SnugPoint *point = &code->code[reg];
    Arena *arena = printer->arena;
    Level own = LEVEL_atom;
    const char *text;

#define OPERAND(member, its_level) operand(printer, code, names, point->member, LEVEL_##its_level)
    switch (point->op) {
    case SNUG_POINT_core: return "core";
    case SNUG_POINT_load:
    case SNUG_POINT_load_bilinear: return load_text(printer, point);
    case SNUG_POINT_constant: return constant_text(printer, point);
    case SNUG_POINT_channel:
        return arena_printf(arena, "%s%s%s", arg_name(printer, point->arg),
                            row_name(printer->kernel->code.args[point->arg].shape.w, point->row),
                            channels_suffix(printer, point->channel));
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
    case SNUG_POINT_sigmoid_grad:
        return arena_printf(arena, "sigmoid_grad(%s, %s)", OPERAND(a, sum), OPERAND(b, sum));
    default: BUG("instruction %d has no formula", (int)point->op);
    }
#undef OPERAND
    return own < level ? arena_printf(arena, "(%s)", text) : text;
}

static bool is_leaf(SnugPointOp op)
{
    return op == SNUG_POINT_core || op == SNUG_POINT_load || op == SNUG_POINT_load_bilinear
           || op == SNUG_POINT_channel || op == SNUG_POINT_constant;
}

static void count_uses(const SnugPointwise *code, int32_t *uses)
{
    for (int32_t r = 0; r < code->count; r++) {
        const SnugPoint *point = &code->code[r];
        if (is_leaf(point->op))
            continue;
        uses[point->a]++;
        if (point->op == SNUG_POINT_relu || point->op == SNUG_POINT_sigmoid)
            continue;
        uses[point->b]++;
        if (point->op == SNUG_POINT_fma)
            uses[point->d]++;
    }
}

/* "t1 = ...; t2 = ...; result": what is used twice, or by a reduction, gets a name first. */
static void print_code(const Printer *printer, const char *title, const SnugPointwise *code,
                       const SnugKernel *reduces)
{
    int32_t *uses = arena_array(printer->arena, int32_t, (size_t)code->count);
    const char **names = arena_array(printer->arena, const char *, (size_t)code->count);
    int named = 0;

    count_uses(code, uses);
    for (int32_t k = 0; reduces != NULL && k < reduces->reduction_count; k++)
        if (reduces->reductions[k].kind == SNUG_REDUCE_grad)
            uses[reduces->reductions[k].with] += 2;
    fprintf(printer->out, "  %-9s ", title);
    for (int32_t r = 0; r + 1 < code->count; r++) {
        if (uses[r] < 2 || is_leaf(code->code[r].op))
            continue;
        const char *text = expression(printer, code, names, r, LEVEL_sum);
        names[r] = arena_printf(printer->arena, "t%d", ++named);
        fprintf(printer->out, "%s = %s; ", names[r], text);
    }
    fputs(expression(printer, code, names, code->count - 1, LEVEL_sum), printer->out);
    for (int32_t k = 0; reduces != NULL && k < reduces->reduction_count; k++) {
        const SnugReduction *reduction = &reduces->reductions[k];
        fprintf(printer->out, "; %s", reduction->kind == SNUG_REDUCE_moments ? "moments" : "sum");
        if (reduction->kind == SNUG_REDUCE_grad)
            fprintf(printer->out, " and sum * %s", names[reduction->with]);
        fprintf(printer->out, " -> %s", arg_name(printer, reduction->arg));
    }
    fputc('\n', printer->out);
}

/* ---- kernels ------------------------------------------------------------------------------------------ */

static void print_args(const Printer *printer, const char *title, SnugAccess access)
{
    const char *separator = "";

    for (int32_t a = 0; a < printer->kernel->code.arg_count; a++) {
        const SnugArg *arg = &printer->kernel->code.args[a];
        if (arg->access != access)
            continue;
        if (separator[0] == '\0')
            fprintf(printer->out, "  %-9s ", title);
        fprintf(printer->out, "%s%s %s %dx%dx%dx%d", separator, arg_name(printer, a),
                type_name(arg->type), arg->shape.n, arg->shape.h, arg->shape.w, arg->shape.c);
        if (arg->pitch != arg->shape.c)
            fprintf(printer->out, " (pitch %d)", arg->pitch);
        if (a < 32 && (printer->kernel->in_place >> a & 1) != 0)
            fputs(" (in place)", printer->out);
        separator = ", ";
    }
    if (separator[0] != '\0')
        fputc('\n', printer->out);
}

/* "294.9 kFLOP" */
static const char *format_flops(Arena *arena, int64_t flops)
{
    static const char *const units[] = {"FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP"};
    double number = (double)flops;
    size_t unit = 0;

    while (number >= 1000 && unit + 1 < COUNT_OF(units)) {
        number /= 1000;
        unit++;
    }
    return arena_printf(arena, unit == 0 ? "%.0f %s" : "%.1f %s", number, units[unit]);
}

static void print_kernel(const Printer *printer)
{
    const Kernel *kernel = printer->kernel;
    const SnugKernel *code = &kernel->code;
    bool one_part = code->part_count == 1;

    fprintf(printer->out, "%s  [%s]%s\n", kernel->label, code->name,
            kernel->is_backward ? " backward" : "");
    print_args(printer, "reads", SNUG_READ);
    print_args(printer, "writes", SNUG_WRITE);
    print_args(printer, "adds to", SNUG_ACCUMULATE);
    for (int side = 0; side < 2; side++)
        if (code->in[side].count > 1)
            print_code(printer, side == 0 ? "prologue" : "and", &code->in[side], NULL);
    for (int32_t p = 0; p < code->part_count; p++) {
        const char *title = code->kind == SNUG_KERNEL_map ? "map" : "epilogue";
        if (!one_part)
            title = arena_printf(printer->arena, "%d ..", code->parts[p].channel_begin);
        if (code->kind == SNUG_KERNEL_map || code->parts[p].out.count > 1
            || code->reduction_count > 0)
            print_code(printer, title, &code->parts[p].out, one_part ? code : NULL);
    }
    if (kernel->time_us > 0)
        fprintf(printer->out, "  cost      %s, %s, %.1f us\n",
                format_flops(printer->arena, kernel->flops),
                format_bytes(printer->arena, kernel->bytes), kernel->time_us);
}

/* ---- totals -------------------------------------------------------------------------------------------- */

/* Tensors that a forward kernel stores: what can live on to the backward pass. */
static void print_totals(FILE *out, const KernelSet *set, Arena *arena)
{
    int64_t flops = 0, bytes = 0, stored_bytes = 0;
    uint32_t stored = 0;
    double time_us = 0;

    for (uint32_t k = 0; k < set->kernels.count; k++) {
        const Kernel *kernel = &set->kernels.items[k];
        flops += kernel->flops;
        bytes += kernel->bytes;
        time_us += kernel->time_us;
        if (kernel->is_backward || kernel->code.part_count == 0 || kernel->code.output_arg < 0)
            continue;
        const SnugArg *arg = &kernel->code.args[kernel->code.output_arg];
        Shape shape = {arg->shape.n, arg->shape.h, arg->shape.w, arg->shape.c};
        stored++;
        stored_bytes += tensor_bytes(shape, arg->type, arg->pitch);
    }
    fprintf(out, "%u kernels, %u ops absorbed; %u activations stored, %s\n", set->kernels.count,
            set->absorbed, stored, format_bytes(arena, stored_bytes));
    if (time_us > 0)
        fprintf(out, "%s, %s moved, %.1f us estimated\n", format_flops(arena, flops),
                format_bytes(arena, bytes), time_us);
}

void print_kernels(FILE *out, const KernelSet *kernels, const Model *model)
{
    Printer printer = {.out = out, .arena = arena_create(), .graph = kernels->graph};

    (void)model;
    for (uint32_t k = 0; k < kernels->kernels.count; k++) {
        printer.kernel = &kernels->kernels.items[k];
        print_kernel(&printer);
    }
    print_totals(out, kernels, printer.arena);
    arena_destroy(printer.arena);
}
