/* The gradient of each op: what a small change of an input does to the loss, given what a small
 * change of the output does.
 *
 * dv stands for d loss / d v throughout. One function a kind of op, its derivation above it. A
 * function reads the op, appends backward ops, and sends their results to the op's inputs.
 *
 * Trap: tape_append makes the arrays of the graph grow, so ops are copied, never pointed to.
 */
#include "gradients.h"

#include "graph.h"

static bool wants(const Tape *tape, ValueId value)
{
    return tape->needs_grad[value.i];
}

static Op *last_op(Tape *tape, OpId id)
{
    return &tape->graph->ops.items[id.i];
}

static Shape shape_of(const Tape *tape, ValueId value)
{
    return tape->graph->values.items[value.i].shape;
}

/* Output k of the op is the gradient of the parameter that `param` reads: it is added to. */
static void bind_param_gradient(Tape *tape, OpId id, uint32_t k, ValueId param)
{
    Value *gradient = &tape->graph->values.items[graph_output(tape->graph, id, k).i];
    const Value *value = &tape->graph->values.items[param.i];

    if (value->storage != STORAGE_param)
        BUG("\"%s\" is no parameter, but is given a parameter's gradient", value->name);
    gradient->param = value->param;
}

/* ---- products -------------------------------------------------------------------------------- */

static void copy_window(Op *to, const Op *from)
{
    to->kernel = from->kernel;
    to->stride = from->stride;
    to->pad = from->pad;
    to->output_pad = from->output_pad;
}

/* y[n,p,o] = sum over window offsets r and channels i of x[n, p stride + r - pad, i] w[o,r,i].
 * Linear in x and in w:
 *   dx[n,q,i] = sum over (p, r) with p stride + r - pad = q, and over o, of dy[n,p,o] w[o,r,i]
 *   dw[o,r,i] = sum over n, p of dy[n,p,o] x[n, p stride + r - pad, i] */
static void conv_gradient(Tape *tape, const Op *op, ValueId dy)
{
    ValueId x = op->inputs[0], w = op->inputs[1];

    if (wants(tape, w)) {
        OpId id = tape_append(tape, OP_conv_wgrad, (ValueId[]){x, dy}, 2, w);
        copy_window(last_op(tape, id), op);
        bind_param_gradient(tape, id, 0, w);
    }
    if (wants(tape, x)) {
        OpId id = tape_append(tape, OP_conv_dgrad, (ValueId[]){dy, w}, 2, x);
        copy_window(last_op(tape, id), op);
        last_op(tape, id)->like = shape_of(tape, x);
        tape_send(tape, x, graph_output(tape->graph, id, 0));
    }
}

/* y = W^T x where W is the conv that takes y's shape to x's. So dx = W dy is that conv, and its
 * weight gradient is the conv's with the roles of input and output changed: dw += (dy, x). */
static void deconv_gradient(Tape *tape, const Op *op, ValueId dy)
{
    ValueId x = op->inputs[0], w = op->inputs[1];

    if (wants(tape, w)) {
        OpId id = tape_append(tape, OP_conv_wgrad, (ValueId[]){dy, x}, 2, w);
        copy_window(last_op(tape, id), op);
        bind_param_gradient(tape, id, 0, w);
    }
    if (wants(tape, x)) {
        OpId id = tape_append(tape, OP_conv, (ValueId[]){dy, w}, 2, x);
        copy_window(last_op(tape, id), op);
        tape_send(tape, x, graph_output(tape->graph, id, 0));
    }
}

/* y = x + b, the same b at every pixel: dx = dy, db = sum of dy over n, h, w. */
static void bias_gradient(Tape *tape, const Op *op, ValueId dy)
{
    ValueId b = op->inputs[1];

    if (wants(tape, b)) {
        OpId id = tape_append(tape, OP_channel_sum, &dy, 1, b);
        bind_param_gradient(tape, id, 0, b);
    }
    tape_send(tape, op->inputs[0], dy);
}

/* ---- batch norm ------------------------------------------------------------------------------ */

/* y = gamma xhat + beta, xhat = (x - mean) rstd, over m = n h w values a channel. With
 *   dbeta = sum dy        dgamma = sum dy xhat
 * and mean and rstd themselves functions of x (Ioffe and Szegedy 2015, section 3):
 *   dx = gamma rstd (dy - dbeta / m - xhat dgamma / m)
 *      = A dy + B x + C,   A = gamma rstd
 *                          B = -A rstd dgamma / m
 *                          C = -A dbeta / m - B mean
 * so that two sums over the tensor give three numbers a channel, and dx is pointwise. With running
 * statistics (frozen) mean and rstd are constants: A = gamma rstd, B = C = 0. */
static void bn_gradient(Tape *tape, const Op *op, ValueId dy)
{
    ValueId x = op->inputs[0], stats = op->inputs[1];
    Op maker = tape->graph->ops.items[tape->graph->values.items[stats.i].maker.i];
    bool is_frozen = maker.kind == OP_bn_frozen;

    if (!is_frozen && (maker.kind != OP_bn_stats || maker.inputs[0].i != x.i))
        BUG("\"%s\" normalises by the statistics of another tensor", op->name);
    ValueId gamma = maker.inputs[is_frozen ? 0 : 1], beta = maker.inputs[is_frozen ? 1 : 2];

    OpId id = tape_append(tape, OP_bn_grad_stats, (ValueId[]){dy, x, stats, gamma}, 4, stats);
    last_op(tape, id)->bn = maker.bn;
    last_op(tape, id)->bn.frozen = is_frozen;
    bind_param_gradient(tape, id, 1, gamma);
    bind_param_gradient(tape, id, 2, beta);
    if (wants(tape, x)) {
        ValueId coefficients = graph_output(tape->graph, id, 0);
        id = tape_append(tape, OP_bn_grad_apply, (ValueId[]){dy, x, coefficients}, 3, x);
        tape_send(tape, x, graph_output(tape->graph, id, 0));
    }
}

/* ---- pointwise ------------------------------------------------------------------------------- */

/* y = max(x, 0): dx = dy where x > 0, which is where y > 0. */
static void relu_gradient(Tape *tape, const Op *op, ValueId dy)
{
    OpId id = tape_append(tape, OP_relu_grad, (ValueId[]){dy, op->outputs[0]}, 2, op->inputs[0]);

    tape_send(tape, op->inputs[0], graph_output(tape->graph, id, 0));
}

/* y = 1 / (1 + exp(-x)): dy/dx = exp(-x) / (1 + exp(-x))^2 = y (1 - y). */
static void sigmoid_gradient(Tape *tape, const Op *op, ValueId dy)
{
    OpId id = tape_append(tape, OP_sigmoid_grad, (ValueId[]){dy, op->outputs[0]}, 2, op->inputs[0]);

    tape_send(tape, op->inputs[0], graph_output(tape->graph, id, 0));
}

/* y = a x: dx = a dy. */
static void scale_gradient(Tape *tape, const Op *op, ValueId dy)
{
    OpId id = tape_append(tape, OP_scale, &dy, 1, op->inputs[0]);

    last_op(tape, id)->number = op->number;
    tape_send(tape, op->inputs[0], graph_output(tape->graph, id, 0));
}

/* y = x1 + x2 + ...: every summand gets dy itself; x + x gets it twice. */
static void add_gradient(Tape *tape, const Op *op, ValueId dy)
{
    for (uint32_t k = 0; k < op->input_count; k++)
        tape_send(tape, op->inputs[k], dy);
}

/* ---- windows --------------------------------------------------------------------------------- */

/* y = max over a window: only the maximum (the first, row by row, among equals) moves y, so dy goes
 * there; overlapping windows add. */
static void max_pool_gradient(Tape *tape, const Op *op, ValueId dy)
{
    ValueId x = op->inputs[0];
    OpId id = tape_append(tape, OP_max_pool_grad, (ValueId[]){dy, x}, 2, x);

    copy_window(last_op(tape, id), op);
    tape_send(tape, x, graph_output(tape->graph, id, 0));
}

/* y[h, w] = x[h / f, w / f]: x[h, w] is copied to a block of f x f, whose dy it collects. Bilinear
 * is linear too, with other weights: dx is their transpose applied to dy. */
static void resample_gradient(Tape *tape, const Op *op, ValueId dy)
{
    ValueId x = op->inputs[0];
    OpKind kind = op->kind == OP_upsample ? OP_upsample_grad : OP_bilinear_grad;
    OpId id = tape_append(tape, kind, &dy, 1, x);

    last_op(tape, id)->factor = op->factor;
    last_op(tape, id)->like = shape_of(tape, x);
    tape_send(tape, x, graph_output(tape->graph, id, 0));
}

/* y = x1, x2, ... along the channels: each gets its own channels of dy. */
static void concat_gradient(Tape *tape, const Op *op, ValueId dy)
{
    int64_t channel = 0;

    for (uint32_t k = 0; k < op->input_count; k++) {
        ValueId x = op->inputs[k];
        if (wants(tape, x)) {
            OpId id = tape_append(tape, OP_slice, &dy, 1, x);
            last_op(tape, id)->channel = channel;
            last_op(tape, id)->like = shape_of(tape, x);
            tape_send(tape, x, graph_output(tape->graph, id, 0));
        }
        channel += shape_of(tape, x).c;
    }
}

/* ---- loss ------------------------------------------------------------------------------------ */

/* loss = combine(l[n, k]), l[n, k] = mean over h, w of loss(heat, target). loss_combine leaves
 * dl = d loss / d l[n, k] (its second output, here dy), and the mean gives
 *   dheat[n,h,w,k] = dl[n, k] loss'(heat, target) / (h w). */
static void heatmap_loss_gradient(Tape *tape, const Op *op, ValueId dy)
{
    ValueId heat = op->inputs[0], points = op->inputs[1];
    OpId id = tape_append(tape, OP_heatmap_loss_grad, (ValueId[]){heat, points, dy}, 3, heat);

    last_op(tape, id)->loss = op->loss;
    tape_send(tape, heat, graph_output(tape->graph, id, 0));
}

void append_gradients(Tape *tape, OpId id, ValueId dy)
{
    Op op = tape->graph->ops.items[id.i]; /* `inputs` does not move */

    switch (op.kind) {
    case OP_conv: conv_gradient(tape, &op, dy); break;
    case OP_deconv: deconv_gradient(tape, &op, dy); break;
    case OP_bias: bias_gradient(tape, &op, dy); break;
    case OP_bn_apply: bn_gradient(tape, &op, dy); break;
    case OP_relu: relu_gradient(tape, &op, dy); break;
    case OP_sigmoid: sigmoid_gradient(tape, &op, dy); break;
    case OP_scale: scale_gradient(tape, &op, dy); break;
    case OP_add: add_gradient(tape, &op, dy); break;
    case OP_max_pool: max_pool_gradient(tape, &op, dy); break;
    case OP_upsample:
    case OP_bilinear: resample_gradient(tape, &op, dy); break;
    case OP_concat: concat_gradient(tape, &op, dy); break;
    case OP_heatmap_loss: heatmap_loss_gradient(tape, &op, dy); break;
    default: BUG("no gradient of %s \"%s\"", op_info[op.kind].name, op.name);
    }
}
