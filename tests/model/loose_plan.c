#include "loose_plan.h"

#include "compiler/fuse/fuse_repeat.h"
#include "compiler/ir/compilation.h"
#include "hash.h"

enum { NO_SLOT = -1, TAKEN_OVER = -2 };

typedef struct Loose {
    Compilation *c;
    const KernelSet *set;
    Plan *plan;
    int64_t *buffer; /* by value: where it is now */
    uint32_t *last;  /* by value: the last kernel that uses it */
    uint64_t random;
} Loose;

static bool one_in(Loose *loose, uint64_t n)
{
    loose->random = hash_mix(loose->random);
    return loose->random % n == 0;
}

static int64_t arg_bytes(const SnugArg *arg)
{
    Shape shape = {arg->shape.n, arg->shape.h, arg->shape.w, arg->shape.c};
    return align_up(tensor_bytes(shape, arg->type, arg->pitch), SNUG_ALIGNMENT);
}

static const Value *value_of(const Loose *loose, ValueId value)
{
    return &loose->set->graph->values.items[value.i];
}

/* Every arg that the repeat reads is still there. */
static bool can_repeat(const Loose *loose, const Kernel *kernel)
{
    if (!kernel->may_repeat || kernel->code.output_arg < 0)
        return false;
    for (int32_t a = 0; a < kernel->code.arg_count; a++)
        if (kernel->code.args[a].access == SNUG_READ && repeat_needs(&kernel->code, a)
            && value_of(loose, kernel->args[a])->storage == STORAGE_arena
            && loose->buffer[kernel->args[a].i] < 0)
            return false;
    return true;
}

/* takes: the buffer that dies in this step and leaves its bytes, or -1. */
static uint32_t push_buffer(Loose *loose, ValueId value, const char *name, int64_t bytes,
                            int64_t takes)
{
    uint32_t id = loose->plan->buffers.count, step = loose->plan->steps.count;
    Buffer buffer = {.value = value,
                     .name = name,
                     .bytes = bytes,
                     .life = {step, step + 1},
                     .in_place_of = {takes < 0 ? id : (uint32_t)takes}};

    if (takes < 0) {
        buffer.offset = loose->plan->arena_bytes;
        loose->plan->arena_bytes += bytes;
    } else {
        buffer.offset = loose->plan->buffers.items[takes].offset;
    }
    ARRAY_APPEND(loose->c->arena, &loose->plan->buffers, buffer);
    return id;
}

/* What the result of kernel k takes over: an arg that dies here, or nothing (-1). */
static int64_t choose_taken(Loose *loose, uint32_t k)
{
    const Kernel *kernel = &loose->set->kernels.items[k];

    for (int32_t a = 0; a < kernel->code.arg_count && a < 32; a++) {
        uint32_t value = kernel->args[a].i;
        if ((kernel->in_place >> a & 1) == 0 || loose->last[value] != k
            || value_of(loose, kernel->args[a])->is_output || one_in(loose, 4))
            continue;
        int64_t taken = loose->buffer[value];
        loose->buffer[value] = TAKEN_OVER;
        return taken;
    }
    return -1;
}

static void push_step(Loose *loose, uint32_t k, bool is_repeat)
{
    const Kernel *kernel = &loose->set->kernels.items[k];
    int32_t count = kernel->code.arg_count;
    Step step = {.kernel = {k}, .is_repeat = is_repeat, .buffer_count = (uint32_t)count};

    step.buffers = arena_array(loose->c->arena, BufferId, (size_t)count + 1);
    for (int32_t a = 0; a < count; a++)
        if (kernel->code.args[a].access != SNUG_WRITE && loose->buffer[kernel->args[a].i] >= 0) {
            step.buffers[a].i = (uint32_t)loose->buffer[kernel->args[a].i];
            loose->plan->buffers.items[step.buffers[a].i].life.last = loose->plan->steps.count + 1;
        }
    for (int32_t a = 0; a < count; a++) {
        ValueId value = kernel->args[a];
        int64_t taken = -1;
        if (kernel->code.args[a].access != SNUG_WRITE
            || (is_repeat && !repeat_needs(&kernel->code, a)))
            continue;
        if (a == kernel->code.output_arg && !is_repeat)
            taken = choose_taken(loose, k);
        step.buffers[a].i = push_buffer(loose, value, value_of(loose, value)->name,
                                        arg_bytes(&kernel->code.args[a]), taken);
        loose->buffer[value.i] = step.buffers[a].i;
    }
    if (kernel->code.workspace_bytes > 0) {
        const char *name = arena_printf(loose->c->arena, "%s.workspace", kernel->label);
        step.buffers[count].i =
            push_buffer(loose, (ValueId){0}, name, kernel->code.workspace_bytes, -1);
        step.buffer_count++;
    }
    ARRAY_APPEND(loose->c->arena, &loose->plan->steps, step);
}

static Plan *make_plan(Compilation *c, const KernelSet *set, uint64_t seed)
{
    uint32_t value_count = set->graph->values.count;
    Loose loose = {.c = c, .set = set, .random = seed};

    loose.plan = arena_new(c->arena, Plan);
    loose.buffer = arena_array(c->arena, int64_t, value_count);
    loose.last = arena_array(c->arena, uint32_t, value_count);
    for (uint32_t v = 0; v < value_count; v++)
        loose.buffer[v] = NO_SLOT;
    for (uint32_t k = 0; k < set->kernels.count; k++)
        for (int32_t a = 0; a < set->kernels.items[k].code.arg_count; a++)
            loose.last[set->kernels.items[k].args[a].i] = k;
    for (uint32_t k = 0; k < set->kernels.count; k++) {
        if (k > 0 && one_in(&loose, 3)) {
            uint32_t again = (uint32_t)(hash_mix(loose.random) % k);
            if (can_repeat(&loose, &set->kernels.items[again]))
                push_step(&loose, again, true);
        }
        push_step(&loose, k, false);
    }
    return loose.plan;
}

static int64_t take(int64_t *used, int64_t bytes)
{
    int64_t at = *used;
    *used += align_up(bytes, SNUG_ALIGNMENT);
    return at;
}

/* The half copies, on a card; returns their bytes. */
static int64_t place_halves(Compilation *c, int64_t *used)
{
    uint32_t count = c->model->params.count;
    int64_t begin = *used;

    c->layout.param_half = arena_array(c->arena, int64_t, count);
    for (uint32_t p = 1; p < count; p++) {
        Shape shape = c->model->params.items[p].shape;
        bool is_copied = c->target.device == DEVICE_cuda
                         && c->model->params.items[p].kind <= SNUG_PARAM_deconv_weight;
        int64_t bytes = tensor_bytes(shape, SNUG_F16, align_up(shape.c, 8));
        c->layout.param_half[p] = is_copied ? take(used, bytes) : -1;
    }
    return *used - begin;
}

static int64_t place_params(Compilation *c, int64_t **table, int64_t *used)
{
    uint32_t count = c->model->params.count;
    int64_t begin = *used;

    *table = arena_array(c->arena, int64_t, count);
    for (uint32_t p = 1; p < count; p++) {
        Shape shape = c->model->params.items[p].shape;
        (*table)[p] = take(used, tensor_bytes(shape, SNUG_F32, shape.c));
    }
    return *used - begin;
}

static void make_layout(Compilation *c)
{
    Layout *layout = &c->layout;
    ValueId inputs[] = {c->model->image, c->model->points, c->model->image_weights};
    int64_t *offsets[] = {&layout->image, &layout->points, &layout->image_weights};
    int64_t used = 0;

    layout->weights = place_params(c, &layout->param_weight, &used);
    layout->halves = place_halves(c, &used);
    layout->grads = place_params(c, &layout->param_grad, &used);
    layout->moments = place_params(c, &layout->param_m, &used);
    layout->moments += place_params(c, &layout->param_v, &used);
    layout->ema = place_params(c, &layout->param_ema, &used);
    int64_t begin = used;
    for (size_t k = 0; k < COUNT_OF(inputs); k++) {
        const Value *value = &c->model->train->values.items[inputs[k].i];
        *offsets[k] = take(&used, tensor_bytes(value->shape, value->type, value->shape.c));
    }
    layout->scalars = take(&used, SNUG_SCALAR_COUNT * 4);
    layout->inputs = used - begin;
    layout->persistent_bytes = used;
}

void make_loose_plans(Compilation *c, uint64_t seed)
{
    make_layout(c);
    c->layout.arena_bytes = 1 << 20; /* the update's workspace lies there too */
    for (int s = 0; s < SNUG_SEGMENT_COUNT; s++) {
        if (c->kernels[s] == NULL)
            continue;
        c->plans[s] = make_plan(c, c->kernels[s], seed + (uint64_t)s);
        c->layout.arena_bytes = max_i64(c->layout.arena_bytes, c->plans[s]->arena_bytes);
    }
    c->layout.total_bytes = c->layout.persistent_bytes + c->layout.arena_bytes;
}
