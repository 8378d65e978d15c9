/* --dump of the graph: one op a line, in order.
 *
 *     stem.conv1   conv   normalize stem.conv1.weight -> 2x64x64x64 f16  kernel 3 stride 2 pad 1
 *
 * Stable: names and numbers of the model only, so that two dumps can be compared line by line.
 */
#include "graph.h"

static const char *const param_kind_name[] = {
    [SNUG_PARAM_conv_weight] = "conv_weight",
    [SNUG_PARAM_deconv_weight] = "deconv_weight",
    [SNUG_PARAM_bias] = "bias",
    [SNUG_PARAM_bn_gamma] = "bn_gamma",
    [SNUG_PARAM_bn_beta] = "bn_beta",
    [SNUG_PARAM_running_mean] = "running_mean",
    [SNUG_PARAM_running_var] = "running_var",
};

static const char *const input_kind_name[] = {
    [INPUT_picture] = "picture",
    [INPUT_landmarks] = "landmarks",
    [INPUT_image_weights] = "image_weights",
    [INPUT_tensor] = "tensor",
};

static const char *const loss_kind_name[] = {
    [SNUG_LOSS_mse] = "mse",
    [SNUG_LOSS_adaptive_wing] = "adaptive_wing",
    [SNUG_LOSS_ohkm] = "ohkm",
};

static void print_loss(FILE *out, const SnugLoss *loss)
{
    fprintf(out, "  %s sigma %g stride %g", loss_kind_name[loss->kind], (double)loss->sigma,
            (double)loss->stride);
    if (loss->kind == SNUG_LOSS_adaptive_wing)
        fprintf(out, " omega %g theta %g epsilon %g alpha %g%s", (double)loss->omega,
                (double)loss->theta, (double)loss->epsilon, (double)loss->alpha,
                loss->weighted ? " weighted" : "");
    if (loss->kind == SNUG_LOSS_ohkm)
        fprintf(out, " top %d", loss->top);
}

static void print_attributes(FILE *out, const Graph *graph, const Op *op, const Model *model)
{
    const Value *y = &graph->values.items[op->outputs[0].i];

    if (op->kernel != 0)
        fprintf(out, "  kernel %d stride %d pad %d", op->kernel, op->stride, op->pad);
    if (op->output_pad != 0)
        fprintf(out, " output_pad %d", op->output_pad);
    if (op->factor != 0)
        fprintf(out, "  factor %d", op->factor);
    switch (op->kind) {
    case OP_param:
        fprintf(out, "  %s", param_kind_name[model->params.items[y->param.i].kind]);
        break;
    case OP_input: fprintf(out, "  %s", input_kind_name[y->input]); break;
    case OP_scale: fprintf(out, "  factor %g", (double)op->number); break;
    case OP_slice: fprintf(out, "  from channel %lld", (long long)op->channel); break;
    case OP_bn_stats:
    case OP_bn_frozen:
    case OP_bn_grad_stats:
        fprintf(out, "  eps %g momentum %g%s", (double)op->bn.eps, (double)op->bn.momentum,
                op->bn.frozen ? " frozen" : "");
        break;
    case OP_heatmap_loss:
    case OP_heatmap_loss_grad:
    case OP_loss_combine: print_loss(out, &op->loss); break;
    case OP_decode:
        fprintf(out, "  sigma %g stride %g", (double)op->loss.sigma, (double)op->loss.stride);
        break;
    default: break;
    }
}

static void print_op(FILE *out, const Graph *graph, const Op *op, const Model *model, int width)
{
    fprintf(out, "%-*s  %-17s", width, op->name, op_info[op->kind].name);
    for (uint32_t k = 0; k < op->input_count; k++)
        fprintf(out, " %s", graph->values.items[op->inputs[k].i].name);
    fprintf(out, " ->");
    for (uint32_t k = 0; k < op->output_count; k++) {
        const Value *y = &graph->values.items[op->outputs[k].i];
        fprintf(out, " %lldx%lldx%lldx%lld %s", (long long)y->shape.n, (long long)y->shape.h,
                (long long)y->shape.w, (long long)y->shape.c, type_name(y->type));
        if (y->storage == STORAGE_grad)
            fprintf(out, " += grad of %s", model->params.items[y->param.i].name);
        if (y->storage == STORAGE_scalars)
            fprintf(out, " += loss");
        if (k + 1 < op->output_count)
            fprintf(out, ",");
    }
    print_attributes(out, graph, op, model);
}

void print_graph(FILE *out, const Graph *graph, const Model *model, const Diagnostics *diags)
{
    int width = 1;

    for (uint32_t o = 1; o < graph->ops.count; o++) {
        int length = (int)snprintf(NULL, 0, "%s", graph->ops.items[o].name);
        width = length > width ? length : width;
    }
    for (uint32_t o = 1; o < graph->ops.count; o++) {
        const Op *op = &graph->ops.items[o];
        print_op(out, graph, op, model, width);
        if (diags != NULL && op->source.file != 0)
            fprintf(out, "  line %u", span_line_column(diags, op->source).line);
        fputc('\n', out);
    }
}
