/* The persistent part of the one allocation: what outlives a segment.
 *
 *     | weights | running statistics | half copies | gradients | m, v | ema | inputs, ... | arena
 *
 * Half copies are what a card's matrix products read, with the input channels padded. Each tensor
 * starts at a multiple of SNUG_ALIGNMENT. Running statistics have a value and its average; a model
 * without a loss has weights and running statistics only.
 */
#include "planner.h"

static int64_t take(int64_t *used, int64_t bytes)
{
    int64_t at = *used;

    if (!checked_add(*used, align_up(bytes, SNUG_ALIGNMENT), used))
        BUG("the persistent part has more than 2^63 bytes");
    return at;
}

static bool is_state(const Param *param)
{
    return param->kind == SNUG_PARAM_running_mean || param->kind == SNUG_PARAM_running_var;
}

typedef enum Which { TRAINED, STATE, ALL } Which;

/* Offsets of one tensor a parameter, -1 where it has none; returns the bytes of them all. */
static int64_t place_params(const Compilation *c, int64_t **table, Which which, bool exists,
                            int64_t *used)
{
    uint32_t count = c->model->params.count;
    int64_t begin = *used;

    if (*table == NULL) {
        *table = arena_array(c->arena, int64_t, count);
        for (uint32_t p = 0; p < count; p++)
            (*table)[p] = -1;
    }
    for (uint32_t p = 1; p < count && exists; p++) {
        const Param *param = &c->model->params.items[p];
        if (which == ALL || (which == STATE) == is_state(param))
            (*table)[p] = take(used, tensor_bytes(param->shape, SNUG_F32, param->shape.c));
    }
    return *used - begin;
}

static int64_t place_halves(Compilation *c, int64_t *used)
{
    const Target *target = &c->target;
    bool exists = target->device == DEVICE_cuda && target->half == SNUG_F16;
    uint32_t count = c->model->params.count;
    int64_t begin = *used, *table = arena_array(c->arena, int64_t, count);

    for (uint32_t p = 0; p < count; p++) {
        const Param *param = &c->model->params.items[p];
        bool is_copied =
            p > 0 && exists
            && (param->kind == SNUG_PARAM_conv_weight || param->kind == SNUG_PARAM_deconv_weight);
        table[p] = -1;
        if (is_copied)
            table[p] = take(used, tensor_bytes(param->shape, SNUG_F16,
                                               align_up(param->shape.c, target->pitch_multiple)));
    }
    c->layout.param_half = table;
    return *used - begin;
}

static int64_t place_input(const Compilation *c, ValueId id, int64_t *used)
{
    const Value *value = &c->model->train->values.items[id.i];

    return id.i == 0 ? -1 : take(used, tensor_bytes(value->shape, value->type, value->shape.c));
}

void plan_persistent(Compilation *c)
{
    Layout *layout = &c->layout;
    bool trains = c->kernels[SNUG_SEGMENT_micro_step] != NULL;
    bool averages = trains && c->model->defaults.use_ema != 0;
    int64_t used = 0;

    *layout = (Layout){0};
    layout->weights = place_params(c, &layout->param_weight, TRAINED, true, &used);
    layout->state = place_params(c, &layout->param_weight, STATE, true, &used);
    layout->halves = place_halves(c, &used);
    layout->grads = place_params(c, &layout->param_grad, TRAINED, trains, &used);
    layout->moments = place_params(c, &layout->param_m, TRAINED, trains, &used);
    layout->moments += place_params(c, &layout->param_v, TRAINED, trains, &used);
    layout->ema = place_params(c, &layout->param_ema, ALL, averages, &used);
    int64_t begin = used;
    layout->image = place_input(c, c->model->image, &used);
    layout->points = place_input(c, c->model->points, &used);
    layout->image_weights = place_input(c, c->model->image_weights, &used);
    int64_t batch_bytes = used - begin;
    layout->scalars = take(&used, SNUG_SCALAR_COUNT * 4);
    bool is_staged = c->target.device == DEVICE_cuda && batch_bytes > 0;
    layout->staging = is_staged ? take(&used, batch_bytes) : -1;
    layout->inputs = used - begin;
    layout->persistent_bytes = used;
}

int64_t persistent_offset(const Layout *layout, const Value *value, SnugSegmentId segment)
{
    switch (value->storage) {
    case STORAGE_param:
        if (segment == SNUG_SEGMENT_evaluate && layout->param_ema[value->param.i] >= 0)
            return layout->param_ema[value->param.i];
        return layout->param_weight[value->param.i];
    case STORAGE_half: return layout->param_half[value->param.i];
    case STORAGE_grad: return layout->param_grad[value->param.i];
    case STORAGE_scalars: return layout->scalars;
    case STORAGE_input:
        switch (value->input) {
        case INPUT_landmarks: return layout->points;
        case INPUT_image_weights: return layout->image_weights;
        case INPUT_picture:
        case INPUT_tensor: return layout->image;
        }
        break;
    case STORAGE_arena: break;
    }
    BUG("%s is no persistent value", value->name);
}
