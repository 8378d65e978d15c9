/* Pointwise code on the CPU.
 *
 * A block is as many whole pixels as fit into about 512 floats; a register holds one block, and the
 * registers of a kernel's code stay in the first-level cache. Blocks are dense, so channel c of
 * pixel p lies at p * channels + c whatever the number of channels: vectors over the channels are
 * spread over a block once a launch, and every instruction is one loop over the block.
 *
 *     source                        moving                          fixed, once a launch
 *     r0 = load arg 0               s2 = affine_relu arg 0 s0 s1    s0 = channel arg 1 row 2
 *     r1 = channel arg 1 row 2                                      s1 = channel arg 1 row 3
 *     r2 = channel arg 1 row 3
 *     r3 = fma r0 r1 r2
 *     r4 = relu r3
 */
#include "host.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_FLOATS = 512 };

/* What the host makes of two instructions, the first a dense load of bf16: name, how many of a, b,
 * d it reads, its lanes. */
#define ABSORBED(HOST)                                                                             \
    HOST(affine, 2, affine_bf16(to, x, a, b, n)) /* fma of the load and two fixed values */        \
    HOST(affine_relu, 2, affine_relu_bf16(to, x, a, b, n))                                         \
    HOST(fma_load, 2, affine_bf16(to, x, a, b, n)) /* load * a + b */                              \
    HOST(add_load, 1, add_bf16(to, a, x, n))       /* a + load */                                  \
    HOST(mask_load, 1, mask_bf16(to, a, x, n))     /* load > 0 ? a : 0 */

typedef enum HostOp {
#define POINT(name, ...) HOST_##name = SNUG_POINT_##name,
#include "runtime/points.def"
#undef POINT
    HOST_load_repeat, /* load with factor > 1 */
#define HOST(name, slots, lanes) HOST_##name,
    ABSORBED(HOST)
#undef HOST
        HOST_OP_COUNT
} HostOp;

static const SnugPointFrom point_from[SNUG_POINT_OP_COUNT] = {
#define POINT(name, from, ...) [SNUG_POINT_##name] = SNUG_FROM_##from,
#include "runtime/points.def"
#undef POINT
};

/* How many of a, b, d an instruction reads. */
static const int8_t slots_read[HOST_OP_COUNT] = {
#define POINT(name, from, operands, ...) [HOST_##name] = operands,
#include "runtime/points.def"
#undef POINT
#define HOST(name, slots, lanes) [HOST_##name] = slots,
    ABSORBED(HOST)
#undef HOST
};

struct HostInstruction {
    HostOp op;
    int32_t out, a, b, d; /* slots */
    const SnugArg *arg;
    int32_t arg_index, factor, row, channel;
    bool alias; /* a dense fp32 load may give the arg's own bytes */
    float constants[4];
};

/* ---- compilation ----------------------------------------------------------------------------- */

typedef struct Compiler {
    const SnugPoint *code;
    int32_t count;
    const SnugArg *args;
    SnugShape domain;
    bool *fixed, *absorbed, *kept; /* of each source register, and of products made here */
    int32_t *uses, *last_use, *slot;
    int32_t *product;      /* fma: register of a b where both are fixed, else 0 */
    int32_t product_count; /* registers count, count + 1, ... */
    int32_t *free_slots, free_count;
} Compiler;

static int32_t operand(const SnugPoint *point, int32_t k)
{
    return k == 0 ? point->a : k == 1 ? point->b : point->d;
}

/* A load that reads exactly a block's elements of a bf16 tensor. Registers behind the code's are
 * those of split products. */
static bool is_dense_load(const Compiler *c, int32_t i)
{
    if (i >= c->count)
        return false;
    const SnugPoint *point = &c->code[i];
    return point->op == SNUG_POINT_load && point->factor <= 1 && point->channel == 0
           && c->args[point->arg].type == SNUG_BF16 && c->args[point->arg].pitch == c->domain.c;
}

/* Such a load for one reader only. */
static bool is_absorbable(const Compiler *c, int32_t i)
{
    return is_dense_load(c, i) && c->uses[i] == 1 && !c->kept[i];
}

static bool check_point(const Compiler *c, int32_t i, int32_t arg_count)
{
    const SnugPoint *point = &c->code[i];
    if (point->op < 0 || point->op >= SNUG_POINT_OP_COUNT)
        return false;
    for (int32_t k = 0; k < slots_read[point->op]; k++)
        if (operand(point, k) < 0 || operand(point, k) >= i)
            return false;
    if (point->op == SNUG_POINT_round && point->row != SNUG_BF16)
        return false; /* the host stores no other half */
    SnugPointFrom from = point_from[point->op];
    if (from != SNUG_FROM_tensor && from != SNUG_FROM_vector)
        return true;
    if (point->arg < 0 || point->arg >= arg_count)
        return false;
    const SnugArg *arg = &c->args[point->arg];
    if (point->channel < 0 || point->channel + c->domain.c > arg->shape.c)
        return false;
    if (from == SNUG_FROM_vector)
        return arg->type == SNUG_F32 && point->row >= 0 && point->row < arg->shape.w;
    int32_t factor = point->factor > 1 ? point->factor : 1;
    return arg->type != SNUG_F16 && arg->shape.n == c->domain.n
           && arg->shape.h * factor == c->domain.h && arg->shape.w * factor == c->domain.w;
}

/* Marks what depends on the channel alone, counts uses. */
static bool analyse(Compiler *c, int32_t arg_count, const int16_t *with, int32_t with_count)
{
    for (int32_t i = 0; i < c->count; i++) {
        const SnugPoint *point = &c->code[i];
        if (!check_point(c, i, arg_count))
            return false;
        int32_t operands = slots_read[point->op];
        SnugPointFrom from = point_from[point->op];
        c->fixed[i] = from != SNUG_FROM_core && from != SNUG_FROM_tensor;
        for (int32_t k = 0; k < operands; k++) {
            c->uses[operand(point, k)]++;
            c->fixed[i] = c->fixed[i] && c->fixed[operand(point, k)];
        }
    }
    for (int32_t k = 0; k < with_count; k++) {
        if (with[k] < 0 || with[k] >= c->count)
            return false;
        c->kept[with[k]] = true;
    }
    c->kept[c->count - 1] = true;
    return true;
}

static HostInstruction translate(const Compiler *c, int32_t i)
{
    const SnugPoint *point = &c->code[i];
    HostInstruction x = {
        .op = (HostOp)point->op,
        .a = point->a,
        .b = point->b,
        .d = point->d,
        .arg_index = point->arg,
        .factor = point->factor > 1 ? point->factor : 1,
        .row = point->row,
        .channel = point->channel,
        .alias = !c->kept[i] || i == c->count - 1,
    };
    memcpy(x.constants, point->constants, sizeof x.constants);
    if (point_from[point->op] == SNUG_FROM_tensor || point_from[point->op] == SNUG_FROM_vector)
        x.arg = &c->args[point->arg];
    if (x.op == HOST_load && x.factor > 1)
        x.op = HOST_load_repeat;
    if (x.op == HOST_load_bilinear && x.factor == 1)
        x.op = HOST_load;
    return x;
}

/* Takes a load into its only reader. The reader's operands are then source registers still. */
static void absorb_load(Compiler *c, HostInstruction *x, HostOp op, int32_t load, int32_t other)
{
    x->op = op;
    x->arg_index = c->code[load].arg;
    x->arg = &c->args[x->arg_index];
    x->a = other;
    c->absorbed[load] = true;
}

static void absorb(Compiler *c, HostInstruction *x)
{
    int32_t a = x->a, b = x->b;
    if (x->op == HOST_fma && is_absorbable(c, a) && c->fixed[b] && c->fixed[x->d])
        absorb_load(c, x, HOST_affine, a, b), x->b = x->d;
    else if (x->op == HOST_fma && is_absorbable(c, b) && c->fixed[a] && c->fixed[x->d])
        absorb_load(c, x, HOST_affine, b, a), x->b = x->d;
    else if (x->op == HOST_fma && a != b && a != x->d && is_absorbable(c, a))
        absorb_load(c, x, HOST_fma_load, a, b), x->b = x->d;
    else if (x->op == HOST_fma && a != b && b != x->d && is_absorbable(c, b))
        absorb_load(c, x, HOST_fma_load, b, a), x->b = x->d;
    else if (x->op == HOST_add && a != b && is_absorbable(c, b))
        absorb_load(c, x, HOST_add_load, b, a);
    else if (x->op == HOST_add && a != b && is_absorbable(c, a))
        absorb_load(c, x, HOST_add_load, a, b);
    else if (x->op == HOST_mask && a != b && is_absorbable(c, b))
        absorb_load(c, x, HOST_mask_load, b, a);
}

/* a b + d with a and b fixed is d plus a fixed value. */
static void split_product(Compiler *c, HostCode *code, HostInstruction *x)
{
    if (x->op != HOST_fma || !c->fixed[x->a] || !c->fixed[x->b])
        return;
    HostInstruction product = {.op = HOST_multiply,
                               .a = x->a,
                               .b = x->b,
                               .out = c->count + c->product_count++};
    c->fixed[product.out] = true;
    c->product[x->out] = product.out;
    code->fixed[code->fixed_count++] = product;
    *x = (HostInstruction){.op = HOST_add, .a = product.out, .b = x->d, .out = x->out};
}

static int32_t *slot_field(HostInstruction *x, int32_t k)
{
    return k == 0 ? &x->a : k == 1 ? &x->b : &x->d;
}

/* Moves loads into their readers and a relu into the affine before it. map[i]: index in `moving` of
 * the instruction that leaves source register i, -1 where it was absorbed. */
static void select_instructions(Compiler *c, HostCode *code)
{
    HostInstruction *chosen = calloc((size_t)c->count, sizeof *chosen);
    for (int32_t i = 0; chosen && i < c->count; i++) {
        chosen[i] = translate(c, i);
        chosen[i].out = i;
        if (c->fixed[i]) {
            code->fixed[code->fixed_count++] = chosen[i];
            continue;
        }
        split_product(c, code, &chosen[i]);
        absorb(c, &chosen[i]);
        int32_t a = chosen[i].a;
        if (chosen[i].op == HOST_relu && chosen[a].op == HOST_affine && c->uses[a] == 1
            && !c->kept[a] && !c->absorbed[a]) {
            chosen[i] = chosen[a];
            chosen[i].op = HOST_affine_relu;
            chosen[i].out = i;
            c->absorbed[a] = true;
        }
    }
    for (int32_t i = 0; chosen && i < c->count; i++)
        if (!c->fixed[i] && !c->absorbed[i])
            code->moving[code->moving_count++] = chosen[i];
    free(chosen);
}

/* Source registers -> slots. Fixed values keep theirs; a moving value's slot is free again after
 * its last reader, which may take it for its own result. */
static void assign_slots(Compiler *c, HostCode *code)
{
    for (int32_t i = 0; i < code->fixed_count; i++)
        c->slot[code->fixed[i].out] = code->slot_count++;
    for (int32_t i = 0; i < code->moving_count; i++)
        for (int32_t k = 0; k < slots_read[code->moving[i].op]; k++)
            c->last_use[*slot_field(&code->moving[i], k)] = i;
    for (int32_t i = 0; i < code->moving_count; i++) {
        HostInstruction *x = &code->moving[i];
        int32_t source = x->out;
        for (int32_t k = 0; k < slots_read[x->op]; k++) {
            int32_t *field = slot_field(x, k), from = *field;
            *field = c->slot[from];
            if (!c->fixed[from] && !c->kept[from] && c->last_use[from] == i) {
                c->free_slots[c->free_count++] = c->slot[from];
                c->last_use[from] = -1; /* given back once, even where it is read twice */
            }
        }
        x->out = c->free_count > 0 ? c->free_slots[--c->free_count] : code->slot_count++;
        c->slot[source] = x->out;
    }
    for (int32_t i = 0; i < code->fixed_count; i++) {
        HostInstruction *x = &code->fixed[i];
        for (int32_t k = 0; k < slots_read[x->op]; k++)
            *slot_field(x, k) = c->slot[*slot_field(x, k)];
        x->out = c->slot[x->out];
    }
}

/* a and b, in either order, as a dense load and a fixed value. */
static bool load_and_fixed(const Compiler *c, int32_t a, int32_t b, int32_t *load, int32_t *fixed)
{
    bool is_first = is_dense_load(c, a) && c->fixed[b];
    *load = is_first ? a : b;
    *fixed = is_first ? b : a;
    return is_first || (is_dense_load(c, b) && c->fixed[a]);
}

/* x-hat: (load + offset) rstd; or with the offset as a product, (mean * -1 + load) rstd. */
static bool match_xhat(const Compiler *c, int32_t i, HostGradForm *form)
{
    const SnugPoint *product = &c->code[i];
    if (product->op != SNUG_POINT_multiply || c->fixed[i])
        return false;
    int32_t sum = c->fixed[product->a] ? product->b : product->a, load, offset;
    const SnugPoint *inner = &c->code[sum];
    if (!c->fixed[product->a] && !c->fixed[product->b])
        return false;
    if (inner->op == SNUG_POINT_fma && c->product[sum] > 0 && is_dense_load(c, inner->d)) {
        load = inner->d;
        offset = c->product[sum];
    } else if (inner->op != SNUG_POINT_add
               || !load_and_fixed(c, inner->a, inner->b, &load, &offset)) {
        return false;
    }
    form->rstd = c->slot[c->fixed[product->a] ? product->a : product->b];
    form->offset = c->slot[offset];
    form->z = c->code[load].arg;
    return true;
}

/* What a mask asks: a load, or load scale + shift. */
static bool match_mask(const Compiler *c, int32_t i, HostGradForm *form)
{
    const SnugPoint *point = &c->code[i];
    int32_t load = i, scale;
    if (point->op == SNUG_POINT_fma) {
        if (!c->fixed[point->d] || !load_and_fixed(c, point->a, point->b, &load, &scale))
            return false;
        form->scale = c->slot[scale];
        form->shift = c->slot[point->d];
    }
    form->mask = c->code[load].arg;
    return is_dense_load(c, load);
}

/* mask(core + load, load scale + shift) with the x-hat in register `with`, parts of it absent. */
static HostGradForm match_grad(const Compiler *c, int32_t with)
{
    HostGradForm form = {.add = -1, .mask = -1, .scale = -1, .shift = -1};
    int32_t value = c->count - 1;
    if (c->code[value].op == SNUG_POINT_mask) {
        if (!match_mask(c, c->code[value].b, &form))
            return form;
        value = c->code[value].a;
    }
    const SnugPoint *point = &c->code[value];
    if (point->op == SNUG_POINT_add) {
        bool core_first = c->code[point->a].op == SNUG_POINT_core;
        int32_t load = core_first ? point->b : point->a;
        if (!is_dense_load(c, load))
            return form;
        form.add = c->code[load].arg;
        point = &c->code[core_first ? point->a : point->b];
    }
    form.matches = point->op == SNUG_POINT_core && match_xhat(c, with, &form);
    return form;
}

static bool compiler_init(Compiler *c, int32_t count)
{
    size_t n = 2 * (size_t)count; /* a product for each at most */
    c->fixed = calloc(n, sizeof *c->fixed);
    c->absorbed = calloc(n, sizeof *c->absorbed);
    c->kept = calloc(n, sizeof *c->kept);
    c->uses = calloc(n, sizeof *c->uses);
    c->last_use = calloc(n, sizeof *c->last_use);
    c->slot = calloc(n, sizeof *c->slot);
    c->product = calloc(n, sizeof *c->product);
    c->free_slots = calloc(3 * n, sizeof *c->free_slots);
    return c->fixed && c->absorbed && c->kept && c->uses && c->last_use && c->slot && c->product
           && c->free_slots;
}

static void compiler_free(Compiler *c)
{
    free(c->fixed);
    free(c->absorbed);
    free(c->kept);
    free(c->uses);
    free(c->last_use);
    free(c->slot);
    free(c->product);
    free(c->free_slots);
}

bool host_code_create(HostCode *code, const SnugPointwise *source, const SnugArg *args,
                      int32_t arg_count, SnugShape domain, const int16_t *with, int32_t with_count)
{
    *code = (HostCode){.lanes = host_lanes(), .domain = domain, .copy_arg = -1};
    if (source->count <= 0 || domain.c <= 0)
        return false;
    Compiler c = {.code = source->code, .count = source->count, .args = args, .domain = domain};
    code->fixed = calloc(2 * (size_t)source->count, sizeof *code->fixed);
    code->moving = calloc((size_t)source->count, sizeof *code->moving);
    bool ok = compiler_init(&c, source->count) && code->fixed && code->moving
              && analyse(&c, arg_count, with, with_count);
    if (ok) {
        select_instructions(&c, code);
        assign_slots(&c, code);
        code->result = c.slot[source->count - 1];
        for (int32_t k = 0; k < with_count; k++)
            code->with[k] = c.slot[with[k]];
        if (with_count == 1)
            code->grad = match_grad(&c, with[0]);
        const SnugPoint *only = source->count == 1 ? &source->code[0] : NULL;
        if (only && only->op == SNUG_POINT_load && only->factor <= 1 && only->channel == 0
            && args[only->arg].pitch == domain.c)
            code->copy_arg = only->arg;
        code->is_core = only && only->op == SNUG_POINT_core;
        for (int32_t i = 0; i < code->moving_count; i++)
            code->by_rows = code->by_rows || code->moving[i].op == HOST_load_repeat
                            || code->moving[i].op == HOST_load_bilinear;
        code->block_pixels = domain.c >= BLOCK_FLOATS ? 1 : BLOCK_FLOATS / domain.c;
        code->block_floats = ((int64_t)code->block_pixels * domain.c + 15) / 16 * 16;
    }
    compiler_free(&c);
    return ok;
}

void host_code_destroy(HostCode *code)
{
    free(code->fixed);
    free(code->moving);
    *code = (HostCode){0};
}

/* ---- execution ------------------------------------------------------------------------------- */

static int64_t header_bytes(const HostCode *code)
{
    int64_t bytes = code->slot_count * (int64_t)sizeof(float *);
    return (bytes + HOST_ALIGNMENT - 1) / HOST_ALIGNMENT * HOST_ALIGNMENT;
}

int64_t host_code_bytes(const HostCode *code)
{
    return header_bytes(code) + code->slot_count * code->block_floats * (int64_t)sizeof(float);
}

static float *own_storage(const HostCode *code, const HostRegisters *registers, int32_t slot)
{
    return registers->storage + slot * code->block_floats;
}

/* n elements of a tensor from element `offset` on, as floats. */
static void load_run(const HostCode *code, float *to, const SnugArg *arg, const void *data,
                     int64_t offset, int64_t n)
{
    switch (arg->type) {
    case SNUG_BF16: code->lanes->load_bf16(to, (const uint16_t *)data + offset, n); break;
    case SNUG_U8: code->lanes->load_u8(to, (const uint8_t *)data + offset, n); break;
    case SNUG_F32: memcpy(to, (const float *)data + offset, (size_t)n * sizeof *to); break;
    case SNUG_F16:
    case SNUG_UNKNOWN: break; /* refused by host_kernel_create */
    }
}

static void load(const HostCode *code, const HostInstruction *x, HostRegisters *registers,
                 const void *data, int64_t pixel, int64_t pixels)
{
    int64_t channels = code->domain.c, pitch = x->arg->pitch;
    int64_t offset = pixel * pitch + x->channel;
    float *to = own_storage(code, registers, x->out);
    registers->at[x->out] = to;
    if (pitch == channels && x->arg->type == SNUG_F32 && x->alias) {
        union {
            const float *in;
            float *out;
        } alias = {.in = (const float *)data + offset};
        registers->at[x->out] = alias.out; /* only read */
    } else if (pitch == channels) {
        load_run(code, to, x->arg, data, offset, pixels * channels);
    } else {
        for (int64_t p = 0; p < pixels; p++)
            load_run(code, to + p * channels, x->arg, data, offset + p * pitch, channels);
    }
}

/* Pixels w, w + 1, ... of a row of the domain, each from (h / factor, w / factor). */
static void load_repeat(const HostCode *code, const HostInstruction *x, float *to, const void *data,
                        int64_t n, int64_t h, int64_t w, int64_t pixels)
{
    int64_t channels = code->domain.c;
    for (int64_t p = 0; p < pixels; p++) {
        float *pixel = to + p * channels;
        if (p > 0 && (w + p) % x->factor != 0)
            memcpy(pixel, pixel - channels, (size_t)channels * sizeof *to);
        else
            load_run(code, pixel, x->arg, data,
                     host_pixel(x->arg, n, h / x->factor, (w + p) / x->factor) + x->channel,
                     channels);
    }
}

static void load_bilinear(const HostCode *code, const HostInstruction *x, float *to,
                          const void *data, int64_t n, int64_t h, int64_t w, int64_t pixels)
{
    int64_t channels = code->domain.c;
    HostTap row = host_bilinear_tap(h, x->factor, x->arg->shape.h);
    for (int64_t p = 0; p < pixels; p++) {
        HostTap column = host_bilinear_tap(w + p, x->factor, x->arg->shape.w);
        float *pixel = to + p * channels;
        memset(pixel, 0, (size_t)channels * sizeof *to);
        for (int32_t tap = 0; tap < 4; tap++) {
            float weight = (tap & 2 ? row.weight : 1.0f - row.weight)
                           * (tap & 1 ? column.weight : 1.0f - column.weight);
            int64_t at = host_pixel(x->arg, n, tap & 2 ? row.second : row.first,
                                    tap & 1 ? column.second : column.first)
                         + x->channel;
            if (weight == 0.0f)
                continue;
            if (x->arg->type == SNUG_BF16)
                code->lanes->add_scaled_bf16(pixel, (const uint16_t *)data + at, weight, channels);
            else if (x->arg->type == SNUG_U8)
                for (int64_t c = 0; c < channels; c++)
                    pixel[c] += weight * (float)((const uint8_t *)data)[at + c];
            else
                code->lanes->add_scaled(pixel, (const float *)data + at, weight, channels);
        }
    }
}

HostTap host_bilinear_tap(int64_t at, int32_t factor, int64_t size)
{
    float position = ((float)at + 0.5f) / (float)factor - 0.5f;
    position = position < 0.0f ? 0.0f : position;
    int64_t first = host_min((int64_t)position, size - 1);
    return (HostTap){first, host_min(first + 1, size - 1), position - (float)first};
}

/* Vectors over the channels, once for each pixel of a block. */
static void spread(const HostCode *code, float *to)
{
    for (int64_t p = 1; p < code->block_pixels; p++)
        memcpy(to + p * code->domain.c, to, (size_t)code->domain.c * sizeof *to);
}

static void run_channel(const HostCode *code, const HostInstruction *x, float *to, const void *data)
{
    const float *row = (const float *)data + (int64_t)x->row * x->arg->pitch + x->channel;
    memcpy(to, row, (size_t)code->domain.c * sizeof *to);
    spread(code, to);
}

static void run_constant(const HostCode *code, const HostInstruction *x, float *to)
{
    for (int32_t c = 0; c < code->domain.c; c++)
        to[c] = x->constants[c < 3 ? c : 3];
    spread(code, to);
}

/* One instruction of registers; x: where the dense bf16 load inside it begins, if there is one. */
static void run_lanes(const HostCode *code, const HostInstruction *instruction,
                      HostRegisters *registers, const uint16_t *x, int64_t n)
{
    const HostLanes *lanes = code->lanes;
    const float *a = registers->at[instruction->a], *b = NULL, *d = NULL;
    if (slots_read[instruction->op] > 1)
        b = registers->at[instruction->b];
    if (slots_read[instruction->op] > 2)
        d = registers->at[instruction->d];
    float *to = own_storage(code, registers, instruction->out);
    registers->at[instruction->out] = to;
    switch (instruction->op) {
#define RUN(name, call)                                                                            \
    case HOST_##name:                                                                              \
        lanes->call;                                                                               \
        break;
#define RUN_0(name)                                                                                \
    case HOST_##name:                                                                              \
        break; /* no instruction of registers */
#define RUN_1(name)                      RUN(name, name(to, a, n))
#define RUN_2(name)                      RUN(name, name(to, a, b, n))
#define RUN_3(name)                      RUN(name, name(to, a, b, d, n))
#define POINT(name, from, operands, ...) RUN_##operands(name)
#include "runtime/points.def"
#undef POINT
#define HOST(name, slots, call) RUN(name, call)
        ABSORBED(HOST)
#undef HOST
        RUN_0(load_repeat)
        RUN_0(OP_COUNT)
    }
}

HostRegisters host_code_begin(const HostCode *code, void *memory, void *const *args)
{
    HostRegisters registers = {
        .at = memory,
        .storage = (float *)(void *)((char *)memory + header_bytes(code)),
    };
    for (int32_t i = 0; i < code->fixed_count; i++) {
        const HostInstruction *x = &code->fixed[i];
        float *to = own_storage(code, &registers, x->out);
        registers.at[x->out] = to;
        if (x->op == HOST_channel)
            run_channel(code, x, to, args[x->arg_index]);
        else if (x->op == HOST_constant)
            run_constant(code, x, to);
        else
            run_lanes(code, x, &registers, NULL, (int64_t)code->block_pixels * code->domain.c);
    }
    return registers;
}

const float *host_code_run(const HostCode *code, HostRegisters *registers, void *const *args,
                           const float *core, int64_t n, int64_t h, int64_t w, int64_t pixels)
{
    int64_t pixel = (n * code->domain.h + h) * code->domain.w + w;
    int64_t floats = pixels * code->domain.c;
    for (int32_t i = 0; i < code->moving_count; i++) {
        const HostInstruction *x = &code->moving[i];
        const void *data = x->arg ? args[x->arg_index] : NULL;
        float *to = own_storage(code, registers, x->out);
        switch (x->op) {
        case HOST_core: {
            union {
                const float *in;
                float *out;
            } alias = {.in = core};
            registers->at[x->out] = alias.out; /* only read */
            break;
        }
        case HOST_load: load(code, x, registers, data, pixel, pixels); break;
        case HOST_load_repeat:
            registers->at[x->out] = to;
            load_repeat(code, x, to, data, n, h, w, pixels);
            break;
        case HOST_load_bilinear:
            registers->at[x->out] = to;
            load_bilinear(code, x, to, data, n, h, w, pixels);
            break;
        case HOST_channel:
        case HOST_constant: break; /* always fixed: see host_code_begin */
#define LANES_0(name)
#define LANES_1(name)                    case HOST_##name:
#define LANES_2(name)                    case HOST_##name:
#define LANES_3(name)                    case HOST_##name:
#define POINT(name, from, operands, ...) LANES_##operands(name)
#include "runtime/points.def"
#undef POINT
            run_lanes(code, x, registers, NULL, floats);
            break;
#define HOST(name, slots, lanes) case HOST_##name:
            ABSORBED(HOST)
#undef HOST
            run_lanes(code, x, registers, (const uint16_t *)data + pixel * code->domain.c, floats);
            break;
        case HOST_OP_COUNT: break;
        }
    }
    return registers->at[code->result];
}

/* ---- tiles ----------------------------------------------------------------------------------- */

/* The whole prologue as one loop over a block, where it is one of the two common ones. */
static bool fill_block(const HostCode *code, const HostRegisters *registers, void *const *args,
                       int64_t first, int64_t floats, uint16_t *to)
{
    const HostInstruction *x = &code->moving[0], *y = x + 1;
    if (code->moving_count == 1 && x->op == HOST_affine_relu) {
        code->lanes->normal_bf16(to, (const uint16_t *)args[x->arg_index] + first,
                                 registers->at[x->a], registers->at[x->b], floats);
        return true;
    }
    if (code->moving_count == 2 && x->op == HOST_affine && y->op == HOST_fma_load && y->b == x->out
        && y->a != x->out) {
        code->lanes->gradient_bf16(to, (const uint16_t *)args[y->arg_index] + first,
                                   (const uint16_t *)args[x->arg_index] + first,
                                   registers->at[y->a], registers->at[x->a], registers->at[x->b],
                                   floats);
        return true;
    }
    return false;
}

/* Pixels [0, pixels) from (n, h, 0) on into a dense tile. */
static void fill_run(const HostCode *code, HostRegisters *registers, void *const *args, int64_t n,
                     int64_t h, int64_t pixels, char *tile, SnugType type)
{
    int64_t channels = code->domain.c;
    int64_t first = (n * code->domain.h + h) * code->domain.w * channels;
    for (int64_t p = 0; p < pixels; p += code->block_pixels) {
        int64_t count = host_min(code->block_pixels, pixels - p);
        if (type == SNUG_BF16
            && fill_block(code, registers, args, first + p * channels, count * channels,
                          (uint16_t *)(void *)tile + p * channels))
            continue;
        const float *values = host_code_run(code, registers, args, NULL, n, h, p, count);
        if (type == SNUG_BF16)
            code->lanes->store_bf16((uint16_t *)(void *)tile + p * channels, values,
                                    count * channels);
        else
            memcpy((float *)(void *)tile + p * channels, values,
                   (size_t)(count * channels) * sizeof *values);
    }
}

void host_code_fill(const HostCode *code, HostRegisters *registers, const SnugArg *arguments,
                    void *const *args, int64_t n, int64_t begin, int64_t end, void *tile,
                    SnugType type)
{
    int64_t width = code->domain.w;
    int64_t row_bytes = width * code->domain.c * host_type_bytes(type);
    int64_t first = host_min(host_max(begin, 0), end);
    int64_t last = host_max(host_min(end, code->domain.h), first);
    char *inside = (char *)tile + (first - begin) * row_bytes;

    memset(tile, 0, (size_t)((first - begin) * row_bytes));
    memset((char *)tile + (last - begin) * row_bytes, 0, (size_t)((end - last) * row_bytes));
    if (code->copy_arg >= 0 && arguments[code->copy_arg].type == type) {
        const char *from = args[code->copy_arg];
        memcpy(inside, from + (n * code->domain.h + first) * row_bytes,
               (size_t)((last - first) * row_bytes));
    } else if (code->by_rows) {
        for (int64_t h = first; h < last; h++)
            fill_run(code, registers, args, n, h, width, inside + (h - first) * row_bytes, type);
    } else {
        fill_run(code, registers, args, n, first, (last - first) * width, inside, type);
    }
}
