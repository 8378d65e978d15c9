/* --dump=kernels: one block a kernel, its code as formulas.
 *
 *     conv2  [conv3x3_s1_8_8_16x16]
 *       reads     conv1 bf16 1x16x16x8, bn1 f32 1x1x4x8, conv2.weight f32 8x3x3x8
 *       writes    conv2 bf16 1x16x16x8, bn2.partials f32 1x1x2x8
 *       prologue  relu(conv1 * bn1.scale + bn1.shift)
 *       epilogue  core; moments -> bn2.partials
 *       cost      294.9 kFLOP, 12.0 KiB, 3.1 us: launch
 *
 * Then the sums by class, the class that takes most time first. The last three columns say how much
 * of a class's time is that of kernels bound by that.
 */
#include <stdlib.h>
#include <string.h>

#include "compiler/target/gemm.h"
#include "formula.h"
#include "fuse.h"

typedef struct Printer {
    FILE *out;
    Arena *arena;
    const Graph *graph;
    const Kernel *kernel;
} Printer;

static const char *arg_name(const Printer *printer, int32_t arg)
{
    return printer->graph->values.items[printer->kernel->args[arg].i].name;
}

static void print_code(const Printer *printer, const char *title, const SnugPointwise *code,
                       bool reduces)
{
    const SnugKernel *kernel = &printer->kernel->code;
    const char **names = arena_array(printer->arena, const char *, (size_t)kernel->arg_count);

    for (int32_t a = 0; a < kernel->arg_count; a++)
        names[a] = arg_name(printer, a);
    fprintf(printer->out, "  %-9s %s\n", title,
            formula_text(printer->arena, kernel, names, code, reduces));
}

/* ---- kernels --------------------------------------------------------------------------------- */

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
            print_code(printer, side == 0 ? "prologue" : "and", &code->in[side], false);
    for (int32_t p = 0; p < code->part_count; p++) {
        const char *title = code->kind == SNUG_KERNEL_map ? "map" : "epilogue";
        if (!one_part)
            title = arena_printf(printer->arena, "%d ..", code->parts[p].channel_begin);
        if (code->kind == SNUG_KERNEL_map || code->parts[p].out.count > 1
            || code->reduction_count > 0)
            print_code(printer, title, &code->parts[p].out, one_part);
    }
    if (code->is_gemm != 0)
        fprintf(printer->out, "  library   %s\n", gemm_text(printer->arena, code));
    if (kernel->tile != NULL)
        fprintf(printer->out, "  tile      %s\n", kernel->tile);
    if (kernel->time_us > 0)
        fprintf(printer->out, "  cost      %s, %s, %.1f us: %s\n",
                format_flops(printer->arena, kernel->flops),
                format_bytes(printer->arena, kernel->bytes), kernel->time_us, kernel->bound);
}

/* ---- classes --------------------------------------------------------------------------------- */

typedef enum Bound { BOUND_compute, BOUND_memory, BOUND_launch, BOUND_COUNT } Bound;

typedef struct Class {
    const char *name;
    uint32_t kernels;
    int64_t flops, bytes;
    double time_us, bound_us[BOUND_COUNT];
} Class;

typedef ARRAY(Class) ClassList;

/* "conv3x3_s2_64_64_256x256" -> "conv3x3", "bn_combine_64_4096x2" -> "bn_combine" */
static size_t class_length(const char *name)
{
    for (size_t k = 0; name[k] != '\0'; k++) {
        const char *next = name + k + 1 + (name[k + 1] == 's');
        if (name[k] == '_' && next[0] >= '0' && next[0] <= '9')
            return k;
    }
    return strlen(name);
}

static Class *find_class(ClassList *classes, Arena *arena, const char *name)
{
    size_t length = class_length(name);

    for (uint32_t k = 0; k < classes->count; k++)
        if (strlen(classes->items[k].name) == length
            && memcmp(classes->items[k].name, name, length) == 0)
            return &classes->items[k];
    Class class = {.name = arena_printf(arena, "%.*s", (int)length, name)};
    ARRAY_APPEND(arena, classes, class);
    return &classes->items[classes->count - 1];
}

static Bound bound_of(const Kernel *kernel)
{
    return strcmp(kernel->bound, "compute") == 0  ? BOUND_compute
           : strcmp(kernel->bound, "memory") == 0 ? BOUND_memory
                                                  : BOUND_launch;
}

static int compare_classes(const void *a, const void *b)
{
    const Class *x = a, *y = b;

    if (x->time_us != y->time_us)
        return x->time_us < y->time_us ? 1 : -1;
    return strcmp(x->name, y->name);
}

static void print_class(FILE *out, Arena *arena, const Class *class, double all_us)
{
    fprintf(out, "%-18s %6u %14s %12s %10.1f us %7.1f %9.0f %7.0f %7.0f\n", class->name,
            class->kernels, format_flops(arena, class->flops), format_bytes(arena, class->bytes),
            class->time_us, 100 * class->time_us / all_us,
            100 * class->bound_us[BOUND_compute] / class->time_us,
            100 * class->bound_us[BOUND_memory] / class->time_us,
            100 * class->bound_us[BOUND_launch] / class->time_us);
}

/* Requires estimates. */
static void print_classes(FILE *out, const KernelSet *set, const Model *model, Arena *arena)
{
    ClassList classes = {0};
    Class all = {.name = "all"};

    for (uint32_t k = 0; k < set->kernels.count; k++) {
        const Kernel *kernel = &set->kernels.items[k];
        Class *sums[] = {find_class(&classes, arena, kernel->code.name), &all};
        for (size_t s = 0; s < COUNT_OF(sums); s++) {
            sums[s]->kernels++;
            sums[s]->flops += kernel->flops;
            sums[s]->bytes += kernel->bytes;
            sums[s]->time_us += kernel->time_us;
            sums[s]->bound_us[bound_of(kernel)] += kernel->time_us;
        }
    }
    qsort(classes.items, classes.count, sizeof *classes.items, compare_classes);
    fprintf(out, "%-18s %6s %14s %12s %10s us %7s %9s %7s %7s\n", "class", "number", "arithmetic",
            "moved", "estimated", "%", "% compute", "memory", "launch");
    for (uint32_t k = 0; k < classes.count; k++)
        print_class(out, arena, &classes.items[k], all.time_us);
    print_class(out, arena, &all, all.time_us);
    fprintf(out, "a picture: %s, %s moved, %.1f us estimated, in a batch of %lld\n",
            format_flops(arena, all.flops / model->batch_size),
            format_bytes(arena, all.bytes / model->batch_size),
            all.time_us / (double)model->batch_size, (long long)model->batch_size);
}

/* ---- totals ---------------------------------------------------------------------------------- */

/* Tensors that a forward kernel stores: what can live on to the backward pass. */
static void print_totals(FILE *out, const KernelSet *set, Arena *arena)
{
    int64_t stored_bytes = 0;
    uint32_t stored = 0;

    for (uint32_t k = 0; k < set->kernels.count; k++) {
        const Kernel *kernel = &set->kernels.items[k];
        if (kernel->is_backward || kernel->code.part_count == 0 || kernel->code.output_arg < 0)
            continue;
        const SnugArg *arg = &kernel->code.args[kernel->code.output_arg];
        Shape shape = {arg->shape.n, arg->shape.h, arg->shape.w, arg->shape.c};
        stored++;
        stored_bytes += tensor_bytes(shape, arg->type, arg->pitch);
    }
    fprintf(out, "%u kernels, %u ops absorbed; %u activations stored, %s\n", set->kernels.count,
            set->absorbed, stored, format_bytes(arena, stored_bytes));
}

void print_kernels(FILE *out, const KernelSet *kernels, const Model *model)
{
    Printer printer = {.out = out, .arena = arena_create(), .graph = kernels->graph};

    for (uint32_t k = 0; k < kernels->kernels.count; k++) {
        printer.kernel = &kernels->kernels.items[k];
        print_kernel(&printer);
    }
    print_totals(out, kernels, printer.arena);
    if (kernels->kernels.count > 0 && kernels->kernels.items[0].time_us > 0)
        print_classes(out, kernels, model, printer.arena);
    arena_destroy(printer.arena);
}
