/* Convolutions with the prologues and epilogues that fusion gives them, as kernels to run. */
#ifndef SNUG_CONV_BENCH_H
#define SNUG_CONV_BENCH_H

#include "host_reference.h"

typedef struct Case {
    int32_t n, h, w, ci, co, kernel, stride, pad;
} Case;

static inline SnugWindow window_of(const Case *c)
{
    return (SnugWindow){
        .kernel = c->kernel,
        .stride = c->stride,
        .pad = c->pad,
        .x = {c->n, c->h, c->w, c->ci},
        .y = {c->n, (c->h + 2 * c->pad - c->kernel) / c->stride + 1,
              (c->w + 2 * c->pad - c->kernel) / c->stride + 1, c->co},
    };
}

/* f32: the weights, or their gradient; f16: a card's copy. */
static inline int32_t weight_arg(Bench *b, const Case *c, SnugType type)
{
    return bench_tensor(b, type, (SnugShape){c->co, c->kernel, c->kernel, c->ci}, 0.0f);
}

/* relu(x scale + shift) of a new tensor */
static inline void normal_prologue(Bench *b, int32_t which, SnugType type, SnugShape shape)
{
    SnugPointwise *in = &b->kernel.in[which];
    SnugPoint *code = b->in_code[which];
    int16_t x = bench_tensor(b, type, shape, 0.0f);
    int16_t stats = (int16_t)bench_vector(b, 4, shape.c, 0.3f);
    point(in, code, (SnugPoint){.op = SNUG_POINT_load, .arg = x, .factor = 1});
    point(in, code, (SnugPoint){.op = SNUG_POINT_channel, .arg = stats, .row = 2});
    point(in, code, (SnugPoint){.op = SNUG_POINT_channel, .arg = stats, .row = 3});
    point(in, code, (SnugPoint){.op = SNUG_POINT_fma, .a = 0, .b = 1, .d = 2});
    point(in, code, (SnugPoint){.op = SNUG_POINT_relu, .a = 3});
}

/* A g + B z + C of two new tensors */
static inline void gradient_prologue(Bench *b, int32_t which, SnugType type, SnugShape shape)
{
    SnugPointwise *in = &b->kernel.in[which];
    SnugPoint *code = b->in_code[which];
    int16_t g = bench_tensor(b, type, shape, 0.0f);
    int16_t z = bench_tensor(b, type, shape, 0.5f);
    int16_t abc = (int16_t)bench_vector(b, 3, shape.c, 0.2f);
    for (int16_t row = 0; row < 3; row++)
        point(in, code, (SnugPoint){.op = SNUG_POINT_channel, .arg = abc, .row = row});
    point(in, code, (SnugPoint){.op = SNUG_POINT_load, .arg = z});
    point(in, code, (SnugPoint){.op = SNUG_POINT_fma, .a = 3, .b = 1, .d = 2});
    point(in, code, (SnugPoint){.op = SNUG_POINT_load, .arg = g});
    point(in, code, (SnugPoint){.op = SNUG_POINT_fma, .a = 5, .b = 0, .d = 4});
}

static inline void plain_prologue(Bench *b, int32_t which, SnugType type, SnugShape shape)
{
    int16_t x = bench_tensor(b, type, shape, 0.0f);
    point(&b->kernel.in[which], b->in_code[which], (SnugPoint){.op = SNUG_POINT_load, .arg = x});
}

static inline void identity_epilogue(Bench *b, SnugType type, SnugShape domain)
{
    b->kernel.output_arg = bench_tensor(b, type, domain, 0.0f);
    b->parts[0] = (SnugPart){.channel_count = domain.c};
    point(&b->parts[0].out, b->out_code[0], (SnugPoint){.op = SNUG_POINT_core});
    b->kernel.part_count = 1;
}

/* mask(core + what is there, y): in place; sums of v and v * (y 0.5 + 0.25) */
static inline void gradient_epilogue(Bench *b, SnugType type, SnugShape domain, int32_t rows)
{
    SnugPointwise *out = &b->parts[0].out;
    SnugPoint *code = b->out_code[0];
    int16_t there = bench_tensor(b, type, domain, 0.0f);
    int16_t y = bench_tensor(b, type, domain, 0.0f);
    b->parts[0] = (SnugPart){.channel_count = domain.c};
    point(out, code, (SnugPoint){.op = SNUG_POINT_load, .arg = y});
    point(out, code, (SnugPoint){.op = SNUG_POINT_constant, .constants = {0.5f, 0.5f, 0.5f, 0.5f}});
    point(out, code, (SnugPoint){.op = SNUG_POINT_constant, .constants = {.25f, .25f, .25f, .25f}});
    int16_t hat = point(out, code, (SnugPoint){.op = SNUG_POINT_fma, .a = 0, .b = 1, .d = 2});
    point(out, code, (SnugPoint){.op = SNUG_POINT_core});
    point(out, code, (SnugPoint){.op = SNUG_POINT_load, .arg = there});
    point(out, code, (SnugPoint){.op = SNUG_POINT_add, .a = 4, .b = 5});
    point(out, code, (SnugPoint){.op = SNUG_POINT_mask, .a = 6, .b = 0});
    b->kernel.output_arg = there;
    b->kernel.part_count = 1;
    bench_reduction(b, SNUG_REDUCE_grad, hat, rows, domain);
    bench_reduction(b, SNUG_REDUCE_sum, 0, rows, domain);
}

/* The form that fuse gives the gradient of relu(bn(z)): mask(core [+ a tensor], z scale + shift or
 * a stored relu), x-hat (z - mean) rstd. */
static inline void norm_epilogue(Bench *b, SnugType type, SnugShape domain, int32_t rows, bool adds,
                                 bool stored)
{
    SnugPointwise *out = &b->parts[0].out;
    SnugPoint *code = b->out_code[0];
    int16_t z = bench_tensor(b, type, domain, 0.1f);
    int16_t stats = (int16_t)bench_vector(b, 4, domain.c, 0.2f);
    int16_t more = bench_tensor(b, type, domain, 0.0f);
    int16_t relu = bench_tensor(b, type, domain, 0.0f);
    b->parts[0] = (SnugPart){.channel_count = domain.c};
    point(out, code, (SnugPoint){.op = SNUG_POINT_load, .arg = z});
    for (int16_t row = 0; row < 4; row++)
        point(out, code, (SnugPoint){.op = SNUG_POINT_channel, .arg = stats, .row = row});
    int16_t minus =
        point(out, code,
              (SnugPoint){.op = SNUG_POINT_constant, .constants = {-1.0f, -1.0f, -1.0f, -1.0f}});
    SnugPoint centred = {.op = SNUG_POINT_fma, .a = 1, .b = minus, .d = 0};
    if (adds)
        centred = (SnugPoint){.op = SNUG_POINT_add, .a = 1, .b = 0};
    int16_t sum = point(out, code, centred);
    int16_t hat = point(out, code, (SnugPoint){.op = SNUG_POINT_multiply, .a = sum, .b = 2});
    int16_t value = point(out, code, (SnugPoint){.op = SNUG_POINT_core});
    if (adds) {
        int16_t load = point(out, code, (SnugPoint){.op = SNUG_POINT_load, .arg = more});
        value = point(out, code, (SnugPoint){.op = SNUG_POINT_add, .a = load, .b = value});
    }
    SnugPoint asked = {.op = SNUG_POINT_fma, .a = 0, .b = 3, .d = 4};
    if (stored)
        asked = (SnugPoint){.op = SNUG_POINT_load, .arg = relu};
    int16_t y = point(out, code, asked);
    point(out, code, (SnugPoint){.op = SNUG_POINT_mask, .a = value, .b = y});
    b->kernel.output_arg = bench_tensor(b, type, domain, 0.0f);
    b->kernel.part_count = 1;
    bench_reduction(b, SNUG_REDUCE_grad, hat, rows, domain);
}

#endif
