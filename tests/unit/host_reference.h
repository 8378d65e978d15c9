/* The program format executed as its comments say: one element at a time, in double, no vectors, no
 * strips. What the host device makes is compared with it.
 */
#ifndef SNUG_HOST_REFERENCE_H
#define SNUG_HOST_REFERENCE_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/host/host.h"
#include "runtime/machine.h"

enum { MAX_ARGS = 40, MAX_CODE = 96 };

/* A kernel under construction with its tensors: data is what the device works on, expected what the
 * reference does. */
typedef struct Bench {
    SnugArg args[MAX_ARGS];
    void *data[MAX_ARGS], *expected[MAX_ARGS];
    SnugPoint in_code[2][MAX_CODE], out_code[4][MAX_CODE];
    SnugPart parts[4];
    SnugKernel kernel;
    uint32_t random;
    /* a card's: the multiple to which half tensors and vectors are padded, and what one partial
     * covers; 0 on the host */
    int32_t pitch_multiple;
    SnugTile tile;
    bool is_single;   /* pointwise code in fp32: masks of what is in memory fall the same way */
    bool takes_sizes; /* sums are of the sizes of their terms: a sum's rounding is measured by it */
} Bench;

static inline int32_t bench_pitch(const Bench *b, int32_t channels)
{
    int32_t multiple = b->pitch_multiple > 0 ? b->pitch_multiple : 1;
    return (channels + multiple - 1) / multiple * multiple;
}

/* The half type of this machine: without instructions for bf16 oneDNN has no such convolution. */
static inline SnugType bench_half(void)
{
    return snug_host_has_bf16() ? SNUG_BF16 : SNUG_F32;
}

/* ---- numbers --------------------------------------------------------------------------------- */

static inline float bench_uniform(Bench *b) /* in (-1, 1) */
{
    b->random = b->random * 1664525u + 1013904223u;
    return (float)((int32_t)(b->random >> 8) - (1 << 23)) / (float)(1 << 23);
}

static inline float bf16_to_float(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint16_t float_to_bf16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

/* IEEE half precision by its definition: 11 significant bits down to 2^-14, then steps of 2^-24. */
static inline double half_to_double(uint16_t half)
{
    int exponent = half >> 10 & 31, fraction = half & 1023;
    double value = exponent == 31  ? (fraction != 0 ? NAN : INFINITY)
                   : exponent == 0 ? ldexp(fraction, -24)
                                   : ldexp(1024 + fraction, exponent - 25);
    return half & 0x8000 ? -value : value;
}

static inline uint16_t double_to_half(double value)
{
    uint16_t sign = signbit(value) ? 0x8000 : 0;
    double size = fabs(value);
    int exponent;

    if (isnan(value))
        return 0x7e00;
    if (size >= 65520.0)
        return sign | 0x7c00;
    frexp(size, &exponent);
    exponent = exponent < -13 ? -13 : exponent;
    double steps = nearbyint(ldexp(size, 11 - exponent)); /* ties to even */
    return (uint16_t)(sign + (steps < 1024 ? steps : steps - 1024 + 1024 * (exponent + 14)));
}

static inline int64_t arg_elements(const SnugArg *arg)
{
    return (int64_t)arg->shape.n * arg->shape.h * arg->shape.w * arg->pitch;
}

static inline double read_element(const SnugArg *arg, const void *data, int64_t at)
{
    switch (arg->type) {
    case SNUG_BF16: return (double)bf16_to_float(((const uint16_t *)data)[at]);
    case SNUG_F16: return half_to_double(((const uint16_t *)data)[at]);
    case SNUG_U8: return ((const uint8_t *)data)[at];
    default: return (double)((const float *)data)[at];
    }
}

static inline double read_tensor(const SnugArg *arg, const void *data, int64_t n, int64_t h,
                                 int64_t w, int64_t c)
{
    return read_element(arg, data, ((n * arg->shape.h + h) * arg->shape.w + w) * arg->pitch + c);
}

static inline void write_element(const SnugArg *arg, void *data, int64_t at, double value)
{
    if (arg->type == SNUG_BF16)
        ((uint16_t *)data)[at] = float_to_bf16((float)value);
    else if (arg->type == SNUG_F16)
        ((uint16_t *)data)[at] = double_to_half(value);
    else
        ((float *)data)[at] = (float)value;
}

static inline double rounded(SnugType type, double value)
{
    return type == SNUG_BF16  ? (double)bf16_to_float(float_to_bf16((float)value))
           : type == SNUG_F16 ? half_to_double(double_to_half(value))
                              : value;
}

/* ---- building -------------------------------------------------------------------------------- */

/* An arg with random contents around `centre`; padding channels zero. Returns its index. */
static inline int32_t bench_arg(Bench *b, SnugType type, SnugShape shape, int32_t pitch,
                                float centre)
{
    int32_t a = b->kernel.arg_count++;
    b->args[a] = (SnugArg){.type = type, .shape = shape, .pitch = pitch};
    int64_t count = arg_elements(&b->args[a]);
    size_t bytes = (size_t)(count * host_type_bytes(type));
    b->data[a] = aligned_alloc(64, (bytes + 127) / 64 * 64);
    b->expected[a] = malloc(bytes);
    for (int64_t i = 0; i < count; i++) {
        if (type == SNUG_U8)
            ((uint8_t *)b->data[a])[i] = (uint8_t)(fabsf(bench_uniform(b)) * 255.0f);
        else
            write_element(&b->args[a], b->data[a], i,
                          i % pitch < shape.c ? (double)(centre + bench_uniform(b)) : 0.0);
    }
    memcpy(b->expected[a], b->data[a], bytes);
    return a;
}

static inline int32_t bench_vector(Bench *b, int32_t rows, int32_t channels, float centre)
{
    return bench_arg(b, SNUG_F32, (SnugShape){1, 1, rows, channels}, bench_pitch(b, channels),
                     centre);
}

static inline int16_t point(SnugPointwise *to, SnugPoint *code, SnugPoint instruction)
{
    code[to->count] = instruction;
    to->code = code;
    return (int16_t)to->count++;
}

/* As fusion lays it out: half tensors padded. */
static inline int16_t bench_tensor(Bench *b, SnugType type, SnugShape shape, float centre)
{
    bool is_half = type == SNUG_F16 || type == SNUG_BF16;
    return (int16_t)bench_arg(b, type, shape, is_half ? bench_pitch(b, shape.c) : shape.c, centre);
}

/* rows: picture rows that a partial covers, on the host. */
static inline void bench_reduction(Bench *b, SnugReductionKind kind, int16_t with, int32_t rows,
                                   SnugShape domain)
{
    SnugReduction *r = &b->kernel.reductions[b->kernel.reduction_count++];
    int32_t columns = domain.w;
    *r = (SnugReduction){.kind = kind, .with = with, .tile = b->tile};
    if (b->tile.rows > 0) {
        rows = b->tile.rows;
        columns = b->tile.columns;
    } else {
        r->rows_per_partial = rows;
    }
    int32_t parts = (domain.h + rows - 1) / rows * ((domain.w + columns - 1) / columns) * domain.n;
    SnugShape shape = {1, parts, kind == SNUG_REDUCE_sum ? 1 : 2, domain.c};
    r->arg = (int16_t)bench_arg(b, SNUG_F32, shape, bench_pitch(b, domain.c), 0.0f);
}

static inline void bench_free(Bench *b)
{
    for (int32_t a = 0; a < b->kernel.arg_count; a++) {
        free(b->data[a]);
        free(b->expected[a]);
    }
}

/* ---- reference: pointwise -------------------------------------------------------------------- */

static inline double bilinear_at(const SnugArg *arg, const void *data, int64_t n, int64_t h,
                                 int64_t w, int64_t c, int32_t factor)
{
    double y = fmax(((double)h + 0.5) / factor - 0.5, 0.0);
    double x = fmax(((double)w + 0.5) / factor - 0.5, 0.0);
    int64_t y0 = (int64_t)y, x0 = (int64_t)x;
    int64_t y1 = y0 + 1 < arg->shape.h ? y0 + 1 : y0, x1 = x0 + 1 < arg->shape.w ? x0 + 1 : x0;
    double fy = y - (double)y0, fx = x - (double)x0;
    return (1 - fy)
               * ((1 - fx) * read_tensor(arg, data, n, y0, x0, c)
                  + fx * read_tensor(arg, data, n, y0, x1, c))
           + fy
                 * ((1 - fx) * read_tensor(arg, data, n, y1, x0, c)
                    + fx * read_tensor(arg, data, n, y1, x1, c));
}

static inline double reference_point(const Bench *b, const SnugPointwise *code, int64_t n,
                                     int64_t h, int64_t w, int64_t c, double core, double *r)
{
    for (int32_t i = 0; i < code->count; i++) {
        const SnugPoint *p = &code->code[i];
        const SnugArg *arg = &b->args[p->arg];
        const void *data = b->expected[p->arg];
        int32_t factor = p->factor > 1 ? p->factor : 1;
        switch (p->op) {
        case SNUG_POINT_core: r[i] = core; break;
        case SNUG_POINT_load:
            r[i] = read_tensor(arg, data, n, h / factor, w / factor, c + p->channel);
            break;
        case SNUG_POINT_load_bilinear:
            r[i] = bilinear_at(arg, data, n, h, w, c + p->channel, factor);
            break;
        case SNUG_POINT_channel: r[i] = read_tensor(arg, data, 0, 0, p->row, c + p->channel); break;
        case SNUG_POINT_constant: r[i] = (double)p->constants[c < 3 ? c : 3]; break;
        case SNUG_POINT_add: r[i] = r[p->a] + r[p->b]; break;
        case SNUG_POINT_multiply: r[i] = r[p->a] * r[p->b]; break;
        case SNUG_POINT_fma:
            r[i] = b->is_single ? (double)fmaf((float)r[p->a], (float)r[p->b], (float)r[p->d])
                                : r[p->a] * r[p->b] + r[p->d];
            break;
        case SNUG_POINT_relu: r[i] = r[p->a] < 0.0 ? 0.0 : r[p->a]; break;
        case SNUG_POINT_mask: r[i] = r[p->b] > 0.0 ? r[p->a] : 0.0; break;
        case SNUG_POINT_sigmoid: r[i] = 1.0 / (1.0 + exp(-r[p->a])); break;
        case SNUG_POINT_sigmoid_grad: r[i] = r[p->a] * r[p->b] * (1.0 - r[p->b]); break;
        case SNUG_POINT_round: r[i] = rounded((SnugType)p->row, r[p->a]); break;
        case SNUG_POINT_OP_COUNT: fail();
        }
    }
    return r[code->count - 1];
}

/* ---- reference: cores ------------------------------------------------------------------------ */

/* A prologue over its whole domain; rounded to `type`. */
static inline double *reference_prologue(const Bench *b, int32_t which, SnugShape domain,
                                         SnugType type)
{
    int64_t count = (int64_t)domain.n * domain.h * domain.w * domain.c, i = 0;
    double *values = malloc((size_t)count * sizeof *values), r[MAX_CODE];
    for (int64_t n = 0; n < domain.n; n++)
        for (int64_t h = 0; h < domain.h; h++)
            for (int64_t w = 0; w < domain.w; w++)
                for (int64_t c = 0; c < domain.c; c++)
                    values[i++] =
                        rounded(type, reference_point(b, &b->kernel.in[which], n, h, w, c, 0.0, r));
    for (i = 0; b->takes_sizes && b->kernel.kind == SNUG_KERNEL_conv_wgrad && i < count; i++)
        values[i] = fabs(values[i]);
    return values;
}

static inline int64_t dense(SnugShape s, int64_t n, int64_t h, int64_t w, int64_t c)
{
    return ((n * s.h + h) * s.w + w) * s.c + c;
}

/* Calls visit for each (y pixel, x pixel, tap) of a window; the four sums of convolution. */
static inline void reference_conv(const Bench *b, double *core, SnugType type)
{
    const SnugKernel *kernel = &b->kernel;
    SnugShape x = kernel->window.x, y = kernel->window.y;
    int32_t size = kernel->window.kernel;
    bool is_wgrad = kernel->kind == SNUG_KERNEL_conv_wgrad;
    bool is_dgrad = kernel->kind == SNUG_KERNEL_conv_dgrad;
    double *in0 = reference_prologue(b, 0, is_dgrad ? y : x, type);
    double *in1 = is_wgrad ? reference_prologue(b, 1, y, type) : NULL;
    for (int64_t n = 0; n < y.n; n++)
        for (int64_t h = 0; h < y.h; h++)
            for (int64_t w = 0; w < y.w; w++)
                for (int32_t i = 0; i < size; i++)
                    for (int32_t j = 0; j < size; j++) {
                        int64_t row = h * kernel->window.stride - kernel->window.pad + i;
                        int64_t column = w * kernel->window.stride - kernel->window.pad + j;
                        if (row < 0 || row >= x.h || column < 0 || column >= x.w)
                            continue;
                        for (int64_t o = 0; o < y.c; o++)
                            for (int64_t c = 0; c < x.c; c++) {
                                int64_t at = ((o * size + i) * size + j) * x.c + c;
                                if (is_wgrad) {
                                    core[at] += in0[dense(x, n, row, column, c)]
                                                * in1[dense(y, n, h, w, o)];
                                    continue;
                                }
                                double weight = rounded(
                                    type, read_tensor(&b->args[kernel->weight_arg],
                                                      b->expected[kernel->weight_arg], o, i, j, c));
                                if (is_dgrad)
                                    core[dense(x, n, row, column, c)] +=
                                        weight * in0[dense(y, n, h, w, o)];
                                else
                                    core[dense(y, n, h, w, o)] +=
                                        weight * in0[dense(x, n, row, column, c)];
                            }
                    }
    free(in0);
    free(in1);
}

static inline void reference_pool(const Bench *b, double *core)
{
    const SnugWindow *win = &b->kernel.window;
    SnugShape x = win->x, y = win->y;
    bool is_grad = b->kernel.kind == SNUG_KERNEL_max_pool_grad;
    double *in_x = reference_prologue(b, is_grad ? 1 : 0, x, SNUG_F32);
    double *dy = is_grad ? reference_prologue(b, 0, y, SNUG_F32) : NULL;
    for (int64_t n = 0; n < y.n; n++)
        for (int64_t h = 0; h < y.h; h++)
            for (int64_t w = 0; w < y.w; w++)
                for (int64_t c = 0; c < y.c; c++) {
                    int64_t best = -1;
                    for (int32_t i = 0; i < win->kernel; i++)
                        for (int32_t j = 0; j < win->kernel; j++) {
                            int64_t row = h * win->stride - win->pad + i;
                            int64_t column = w * win->stride - win->pad + j;
                            if (row < 0 || row >= x.h || column < 0 || column >= x.w)
                                continue;
                            int64_t at = dense(x, n, row, column, c);
                            if (best < 0 || in_x[at] > in_x[best])
                                best = at;
                        }
                    if (is_grad)
                        core[best] += dy[dense(y, n, h, w, c)];
                    else
                        core[dense(y, n, h, w, c)] = in_x[best];
                }
    free(in_x);
    free(dy);
}

static inline void reference_resample_grad(const Bench *b, double *core)
{
    const SnugWindow *win = &b->kernel.window;
    SnugShape x = win->x, y = win->y;
    int32_t factor = win->kernel;
    double *dy = reference_prologue(b, 0, y, SNUG_F32);
    for (int64_t n = 0; n < y.n; n++)
        for (int64_t h = 0; h < y.h; h++)
            for (int64_t w = 0; w < y.w; w++)
                for (int64_t c = 0; c < y.c; c++) {
                    double v = dy[dense(y, n, h, w, c)];
                    if (b->kernel.kind == SNUG_KERNEL_upsample_grad) {
                        core[dense(x, n, h / factor, w / factor, c)] += v;
                        continue;
                    }
                    double fy = fmax(((double)h + 0.5) / factor - 0.5, 0.0);
                    double fx = fmax(((double)w + 0.5) / factor - 0.5, 0.0);
                    int64_t y0 = (int64_t)fy, x0 = (int64_t)fx;
                    int64_t y1 = y0 + 1 < x.h ? y0 + 1 : y0, x1 = x0 + 1 < x.w ? x0 + 1 : x0;
                    fy -= (double)y0;
                    fx -= (double)x0;
                    core[dense(x, n, y0, x0, c)] += (1 - fy) * (1 - fx) * v;
                    core[dense(x, n, y0, x1, c)] += (1 - fy) * fx * v;
                    core[dense(x, n, y1, x0, c)] += fy * (1 - fx) * v;
                    core[dense(x, n, y1, x1, c)] += fy * fx * v;
                }
    free(dy);
}

/* ---- reference: kernels ---------------------------------------------------------------------- */

static inline SnugShape reference_domain(const SnugKernel *kernel)
{
    switch (kernel->kind) {
    case SNUG_KERNEL_map:
    case SNUG_KERNEL_conv:
    case SNUG_KERNEL_max_pool: return kernel->window.y;
    default: return kernel->window.x;
    }
}

/* Rows [top, bottom) and columns [left, right) of image n: what one partial covers. */
typedef struct Part {
    int64_t n, top, bottom, left, right;
} Part;

static inline Part part_of(const SnugReduction *r, SnugShape d, int64_t p)
{
    int64_t rows = r->rows_per_partial, columns = d.w;
    if (r->tile.rows > 0) {
        rows = r->tile.rows;
        columns = r->tile.columns;
    }
    int64_t down = (d.h + rows - 1) / rows, across = (d.w + columns - 1) / columns;
    Part part = {p / (down * across), p / across % down * rows, 0, p % across * columns, 0};
    part.bottom = part.top + rows < d.h ? part.top + rows : d.h;
    part.right = part.left + columns < d.w ? part.left + columns : d.w;
    return part;
}

/* One reduction of values v with x-hats. */
static inline void reference_reduce(Bench *b, const SnugReduction *r, SnugShape d, const double *v,
                                    const double *with)
{
    SnugArg *arg = &b->args[r->arg];
    float *out = b->expected[r->arg];
    for (int64_t p = 0; p < arg->shape.h; p++)
        for (int64_t c = 0; c < d.c; c++) {
            Part part = part_of(r, d, p);
            double count = (double)((part.bottom - part.top) * (part.right - part.left));
            double sum = 0, product = 0, m2 = 0;
            for (int pass = 0; pass < 2; pass++)
                for (int64_t h = part.top; h < part.bottom; h++)
                    for (int64_t w = part.left; w < part.right; w++) {
                        int64_t at = dense(d, part.n, h, w, c);
                        double term = b->takes_sizes ? fabs(v[at]) : v[at];
                        double times = b->takes_sizes ? fabs(with[at]) : with[at];
                        sum += pass == 0 ? term : 0.0;
                        product += pass == 0 ? term * times : 0.0;
                        m2 += pass == 1 ? pow(v[at] - sum / count, 2.0) : 0.0;
                    }
            float *row = out + p * arg->shape.w * arg->pitch + c;
            row[0] = (float)(r->kind == SNUG_REDUCE_moments ? sum / count : sum);
            if (r->kind != SNUG_REDUCE_sum)
                row[arg->pitch] = (float)(r->kind == SNUG_REDUCE_moments ? m2 : product);
        }
}

static inline void reference_epilogue(Bench *b, const double *core)
{
    SnugKernel *kernel = &b->kernel;
    SnugShape d = reference_domain(kernel);
    int64_t count = (int64_t)d.n * d.h * d.w * d.c;
    double *values = calloc((size_t)count, sizeof(double)), r[MAX_CODE];
    double *with[SNUG_MAX_REDUCTIONS];
    for (int32_t k = 0; k < kernel->reduction_count; k++)
        with[k] = calloc((size_t)count, sizeof(double));
    SnugType type = kernel->output_arg >= 0 ? b->args[kernel->output_arg].type : SNUG_F32;
    for (int32_t p = 0; p < kernel->part_count; p++)
        for (int64_t n = 0; n < d.n; n++)
            for (int64_t h = 0; h < d.h; h++)
                for (int64_t w = 0; w < d.w; w++)
                    for (int64_t c = 0; c < kernel->parts[p].channel_count; c++) {
                        int64_t at = dense(d, n, h, w, kernel->parts[p].channel_begin + c);
                        values[at] = rounded(type, reference_point(b, &kernel->parts[p].out, n, h,
                                                                   w, c, core ? core[at] : 0.0, r));
                        for (int32_t k = 0; k < kernel->reduction_count; k++)
                            with[k][at] = r[kernel->reductions[k].with];
                    }
    for (int32_t k = 0; k < kernel->reduction_count; k++) {
        reference_reduce(b, &kernel->reductions[k], d, values, with[k]);
        free(with[k]);
    }
    if (kernel->output_arg >= 0) {
        SnugArg *out = &b->args[kernel->output_arg];
        memset(b->expected[kernel->output_arg], 0,
               (size_t)(arg_elements(out) * host_type_bytes(out->type)));
        for (int64_t i = 0; i < count; i++)
            write_element(out, b->expected[kernel->output_arg], i / d.c * out->pitch + i % d.c,
                          values[i]);
    }
    free(values);
}

static inline void reference_run(Bench *b)
{
    SnugKernel *kernel = &b->kernel;
    SnugShape d = reference_domain(kernel);
    SnugType type = SNUG_F32;
    for (int32_t a = 0; a < kernel->arg_count; a++)
        if (b->args[a].type == SNUG_BF16 || b->args[a].type == SNUG_F16)
            type = b->args[a].type;
    if (kernel->kind == SNUG_KERNEL_conv_wgrad)
        d = b->args[kernel->output_arg].shape;
    int64_t count = (int64_t)d.n * d.h * d.w * d.c;
    double *core = calloc((size_t)count, sizeof *core);
    switch (kernel->kind) {
    case SNUG_KERNEL_map: break;
    case SNUG_KERNEL_max_pool:
    case SNUG_KERNEL_max_pool_grad: reference_pool(b, core); break;
    case SNUG_KERNEL_upsample_grad:
    case SNUG_KERNEL_bilinear_grad: reference_resample_grad(b, core); break;
    case SNUG_KERNEL_conv:
    case SNUG_KERNEL_conv_dgrad:
    case SNUG_KERNEL_conv_wgrad: reference_conv(b, core, type); break;
    default: fail(); /* small kernels have references of their own */
    }
    if (kernel->kind == SNUG_KERNEL_conv_wgrad)
        for (int64_t i = 0; i < count; i++)
            ((float *)b->expected[kernel->output_arg])[i] += (float)core[i];
    else
        reference_epilogue(b, core);
    free(core);
}

/* ---- the device's side ----------------------------------------------------------------------- */

/* Runs the kernel on b->data with `threads` threads, workspace filled with NaN. */
static inline void bench_run(Bench *b, int32_t threads)
{
    b->kernel.args = b->args;
    b->kernel.parts = b->parts;
    if (b->kernel.name == NULL)
        b->kernel.name = "tested";
    int64_t bytes = snug_host_workspace(&b->kernel, threads);
    assert_true(bytes >= 0);
    HostKernel *k = host_kernel_create(&b->kernel, threads, false);
    assert_non_null(k);
    assert_int_equal(host_kernel_workspace(k), bytes);
    char *workspace = aligned_alloc(64, (size_t)(bytes + 127) / 64 * 64);
    memset(workspace, 0xff, (size_t)bytes);
    HostTeam *team = host_team_create(threads);
    HostLaunch launch = {.args = b->data, .workspace = workspace, .team = team};
    assert_true(host_kernel_run(k, &launch));
    host_team_destroy(team);
    host_kernel_destroy(k);
    free(workspace);
}

/* Largest difference of an arg from what is expected, relative to the arg's root mean square. */
static inline double bench_error(const Bench *b, int32_t a)
{
    double largest = 0.0, square = 0.0;
    int64_t count = arg_elements(&b->args[a]);
    for (int64_t i = 0; i < count; i++) {
        double want = read_element(&b->args[a], b->expected[a], i);
        double have = read_element(&b->args[a], b->data[a], i);
        if (isnan(have) != isnan(want))
            return INFINITY;
        if (isnan(want))
            continue;
        largest = fmax(largest, fabs(have - want));
        square += want * want;
    }
    return largest / fmax(sqrt(square / (double)count), 1e-30);
}

/* Every arg is as expected within `tolerance`; partials and the like too. */
static inline void bench_check(const Bench *b, double tolerance, const char *what)
{
    for (int32_t a = 0; a < b->kernel.arg_count; a++) {
        double error = bench_error(b, a);
        if (!(error <= tolerance))
            print_error("%s: arg %d differs by %g, allowed %g\n", what, a, error, tolerance);
        assert_true(error <= tolerance);
    }
}

#endif
