/* Which values are stored: the rules of fusion, in the order in which they run.
 *
 *   split_adds        a wide add becomes a chain, one core at each link
 *   claim_epilogues   a core goes on with the pointwise ops that alone read its result
 *   place_values      a pointwise value is stored, or computed again in each of its readers
 *
 * The last decision weighs traffic. With b tensors read by the expression and k readers, storing
 * moves b + 1 + k tensors, computing again b k; and a forward value that the backward pass reads
 * would keep all b alive instead of one.
 *
 * Where fusion is off none of them applies: every op's result is stored, statistics are read back
 * from what was stored, and an add has two operands.
 */

#include <string.h>

#include "compiler/graph/graph.h"
#include "fusion.h"

/* ---- facts ----------------------------------------------------------------------------------- */

const Op *op_at(const Fusion *fusion, OpId op)
{
    return &fusion->graph->ops.items[op.i];
}

const Value *value_at(const Fusion *fusion, ValueId value)
{
    return &fusion->graph->values.items[value.i];
}

const Op *maker_of(const Fusion *fusion, ValueId value)
{
    return op_at(fusion, value_at(fusion, value)->maker);
}

static bool has_trait(OpKind kind, OpTrait trait)
{
    return (op_info[kind].traits & (uint32_t)trait) != 0;
}

bool has_epilogue(OpKind kind)
{
    return (has_trait(kind, HEAVY) || has_trait(kind, WINDOW)) && kind != OP_conv_wgrad
           && kind != OP_heatmap_loss_grad;
}

bool is_elementwise(OpKind kind)
{
    return has_trait(kind, POINTWISE) && !has_trait(kind, RESAMPLE) && kind != OP_slice;
}

bool is_frozen_grad(const Fusion *fusion, const Op *op)
{
    return op->kind == OP_bn_grad_apply && maker_of(fusion, op->inputs[2])->bn.frozen;
}

bool reads_memory(const Fusion *fusion, const Op *op, uint32_t k)
{
    if (value_at(fusion, op->inputs[k])->storage != STORAGE_arena)
        return true;
    if (small_kernel_reads(op->kind, k))
        return true;
    return ((op->kind == OP_bias || op->kind == OP_bn_apply) && k >= 1)
           || (op->kind == OP_bn_grad_apply && k >= 2);
}

/* ---- what is needed -------------------------------------------------------------------------- */

static bool has_lasting_effect(const Fusion *fusion, const Op *op)
{
    for (uint32_t k = 0; k < op->output_count; k++) {
        const Value *value = value_at(fusion, op->outputs[k]);
        if (value->is_output || value->storage == STORAGE_grad || value->storage == STORAGE_scalars)
            return true;
    }
    return false;
}

/* Ensures: is_live and order. Sources are not in the order: they are persistent. */
void find_live_ops(Fusion *fusion)
{
    uint32_t op_count = fusion->graph->ops.count;

    fusion->is_live = arena_array(fusion->scratch, bool, op_count);
    for (uint32_t o = op_count; o-- > 1;) {
        const Op *op = &fusion->graph->ops.items[o];
        if (has_lasting_effect(fusion, op))
            fusion->is_live[o] = true;
        if (!fusion->is_live[o])
            continue;
        for (uint32_t k = 0; k < op->input_count; k++)
            fusion->is_live[value_at(fusion, op->inputs[k])->maker.i] = true;
    }
    for (uint32_t o = 1; o < op_count; o++)
        if (fusion->is_live[o] && !has_trait(fusion->graph->ops.items[o].kind, SOURCE))
            ARRAY_APPEND(fusion->scratch, &fusion->order, (OpId){o});
}

void find_readers(Fusion *fusion)
{
    fusion->readers = arena_array(fusion->scratch, OpList, fusion->graph->values.count);
    for (uint32_t j = 0; j < fusion->order.count; j++) {
        OpId reader = fusion->order.items[j];
        const Op *op = op_at(fusion, reader);
        for (uint32_t k = 0; k < op->input_count; k++) {
            OpList *list = &fusion->readers[op->inputs[k].i];
            if (list->count == 0 || list->items[list->count - 1].i != reader.i)
                ARRAY_APPEND(fusion->scratch, list, reader);
        }
    }
}

/* ---- adds ------------------------------------------------------------------------------------ */

/* A core alone makes the value, through elementwise ops that nobody else reads:
 *
 *     conv_dgrad -> relu_grad -> [value] -> the add that asks                                    */
static bool ends_core_chain(const Fusion *fusion, ValueId value, int depth)
{
    const Op *maker = maker_of(fusion, value);

    if (value_at(fusion, value)->storage != STORAGE_arena || value_at(fusion, value)->is_output
        || fusion->readers[value.i].count != 1 || depth == MAX_CHAIN_OPS / 2)
        return false;
    if (has_epilogue(maker->kind))
        return true;
    if (!is_elementwise(maker->kind))
        return false;
    for (uint32_t k = 0; k < maker->input_count; k++)
        if (!reads_memory(fusion, maker, k) && ends_core_chain(fusion, maker->inputs[k], depth + 1))
            return true;
    return false;
}

/* sum = inputs[0] + ... + inputs[count - 1], as a new op with the add's shape and type. */
static ValueId append_partial_add(Fusion *fusion, OpId add, const ValueId *inputs, uint32_t count)
{
    Graph *graph = fusion->graph;
    const Op *op = op_at(fusion, add);
    const Value whole = *value_at(fusion, op->outputs[0]);
    bool is_backward = op->is_backward;
    OpId partial = graph_append(graph, OP_add, inputs, count,
                                arena_printf(fusion->arena, "%s.partial", op->name), op->source);
    ValueId sum = graph_output(graph, partial, 0);

    graph->ops.items[partial.i].is_backward = is_backward;
    graph->values.items[sum.i].shape = whole.shape;
    graph->values.items[sum.i].type = whole.type;
    return sum;
}

/* Rewrites one add; the new ops precede it in `order`.
 *
 *     add(d1, x, d2, d3)     d1, d2, d3: only this add reads them, and cores make them
 *
 *     s1 = add(x, d1)        d1's epilogue
 *     s2 = add(s1, d2)       d2's epilogue, in place of s1
 *     y  = add(s2, d3)       d3's epilogue, in place of s2                                       */
static void split_add(Fusion *fusion, OpId add, OpList *order)
{
    ValueId inputs[MAX_ADD_INPUTS];
    uint32_t input_count = op_at(fusion, add)->input_count;
    ValueId *sorted = arena_array(fusion->scratch, ValueId, input_count);
    uint32_t most_inputs = fusion->is_off ? 2 : MAX_ADD_INPUTS;
    uint32_t sorted_count = 0, core_count = 0, first_core, taken;

    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t k = 0; k < input_count; k++) {
            ValueId input = op_at(fusion, add)->inputs[k];
            bool is_core = !fusion->is_off && ends_core_chain(fusion, input, 0);
            if (is_core == (pass == 1)) {
                sorted[sorted_count++] = input;
                core_count += is_core;
            }
        }
    }
    if (core_count < 2 && input_count <= most_inputs)
        return;

    first_core = input_count - core_count;
    inputs[0] = sorted[0];
    taken = 1;
    for (uint32_t next = 1; next < input_count; next++) {
        inputs[taken++] = sorted[next];
        bool link_is_full = next >= first_core || taken == most_inputs;
        if (next + 1 == input_count || !link_is_full)
            continue;
        inputs[0] = append_partial_add(fusion, add, inputs, taken);
        ARRAY_APPEND(fusion->scratch, order, value_at(fusion, inputs[0])->maker);
        taken = 1;
    }
    Op *op = &fusion->graph->ops.items[add.i];
    op->inputs = arena_array(fusion->arena, ValueId, taken);
    memcpy(op->inputs, inputs, taken * sizeof *inputs);
    op->input_count = taken;
}

void split_adds(Fusion *fusion)
{
    OpList order = {0};

    find_readers(fusion);
    for (uint32_t j = 0; j < fusion->order.count; j++) {
        OpId op = fusion->order.items[j];
        if (op_at(fusion, op)->kind == OP_add)
            split_add(fusion, op, &order);
        ARRAY_APPEND(fusion->scratch, &order, op);
    }
    fusion->order = order;
}

/* ---- epilogues ------------------------------------------------------------------------------- */

static bool same_shape(Shape a, Shape b)
{
    return a.n == b.n && a.h == b.h && a.w == b.w && a.c == b.c;
}

/* The op that may continue a kernel after `value`, or 0. */
static OpId next_in_chain(const Fusion *fusion, ValueId value)
{
    const Value *v = value_at(fusion, value);
    OpId reader;

    if (v->is_output || v->storage != STORAGE_arena || fusion->readers[value.i].count != 1)
        return (OpId){0};
    reader = fusion->readers[value.i].items[0];
    const Op *op = op_at(fusion, reader);
    if (!is_elementwise(op->kind) || fusion->is_claimed[reader.i]
        || !same_shape(value_at(fusion, op->outputs[0])->shape, v->shape))
        return (OpId){0};
    for (uint32_t k = 0; k < op->input_count; k++)
        if (op->inputs[k].i == value.i && reads_memory(fusion, op, k))
            return (OpId){0};
    return reader;
}

/* A core's kernel goes on with what alone reads its result:
 *
 *     d = conv_dgrad(...)   ---+                     g = conv_dgrad(...)
 *     s = add(d, x)            | one reader each  =>     epilogue: core + x > 0 mask y
 *     g = relu_grad(s, y)   ---+                     (d and s are never stored)
 *
 * An op with two candidates goes to the later core, because the other's result is in memory by
 * then. No cycle can arise: whatever else the chain reads cannot depend on it, since every value of
 * the chain has one reader, the chain. */
void claim_epilogues(Fusion *fusion)
{
    uint32_t value_count = fusion->graph->values.count;

    fusion->is_claimed = arena_array(fusion->scratch, bool, fusion->graph->ops.count);
    fusion->core = arena_array(fusion->scratch, OpId, value_count);
    fusion->place = arena_array(fusion->scratch, Place, value_count);
    for (uint32_t j = fusion->order.count; j-- > 0;) {
        OpId core = fusion->order.items[j], next;
        if (!has_epilogue(op_at(fusion, core)->kind))
            continue;
        ValueId value = op_at(fusion, core)->outputs[0];
        uint32_t inputs = 0;
        for (int length = 0; length < MAX_CHAIN_OPS && !fusion->is_off; length++) {
            next = next_in_chain(fusion, value);
            inputs += op_at(fusion, next)->input_count;
            if (next.i == 0 || inputs > MAX_CHAIN_INPUTS)
                break;
            fusion->is_claimed[next.i] = true;
            fusion->place[value.i] = PLACE_epilogue;
            value = op_at(fusion, next)->outputs[0];
        }
        fusion->place[value.i] = PLACE_memory;
        fusion->core[value.i] = core;
    }
}

/* ---- stored or computed again ---------------------------------------------------------------- */

static void add_leaf(Summary *summary, ValueId leaf)
{
    for (uint32_t k = 0; k < summary->leaf_count && k < MAX_LEAVES; k++)
        if (summary->leaves[k].i == leaf.i)
            return;
    if (summary->leaf_count < MAX_LEAVES)
        summary->leaves[summary->leaf_count] = leaf;
    if (summary->leaf_count <= MAX_LEAVES)
        summary->leaf_count++;
}

static Summary load_summary(ValueId value)
{
    return (Summary){.leaves = {value}, .leaf_count = 1, .code = 1, .affine = true};
}

static Summary merge(Summary a, const Summary *b)
{
    for (uint32_t k = 0; k < b->leaf_count && k < MAX_LEAVES; k++)
        add_leaf(&a, b->leaves[k]);
    if (b->leaf_count > MAX_LEAVES)
        a.leaf_count = MAX_LEAVES + 1;
    a.code += b->code;
    a.resampled |= b->resampled;
    a.bilinear |= b->bilinear;
    a.affine &= b->affine;
    return a;
}

/* Of the value of a pointwise op, from those of its inputs. */
static Summary pointwise_summary(const Fusion *fusion, const Op *op)
{
    Summary summary = {.affine = has_trait(op->kind, AFFINE), .code = 3};

    for (uint32_t k = 0; k < op->input_count; k++) {
        ValueId input = op->inputs[k];
        if (k == 1 && is_frozen_grad(fusion, op))
            continue;
        if (reads_memory(fusion, op, k) && k > 0) {
            summary.code += 2; /* rows of a vector */
            continue;
        }
        if (fusion->place[input.i] == PLACE_inline) {
            summary = merge(summary, &fusion->summary[input.i]);
        } else {
            Summary leaf = load_summary(input);
            summary = merge(summary, &leaf);
        }
    }
    if (has_trait(op->kind, RESAMPLE))
        summary.resampled = true;
    if (op->kind == OP_bilinear)
        summary.bilinear = true;
    return summary;
}

/* One reader alone is reason enough to store a value with this summary.
 *
 *     conv(upsample(x))              a core's prologue reads each element where it is: store
 *     bilinear(relu(bn(z)))          interpolation does not commute with max: store relu's result
 *     upsample(bilinear(x))          no single load does both: store the inner one
 *     bn_stats(add(x, y))            a reduction sits in the kernel that stores its input        */
static bool needs_store(const Fusion *fusion, ValueId value, const Op *reader,
                        const Summary *summary)
{
    for (uint32_t k = 0; k < reader->input_count; k++)
        if (reader->inputs[k].i == value.i && reads_memory(fusion, reader, k))
            return true;
    if (has_trait(reader->kind, HEAVY) || has_trait(reader->kind, WINDOW))
        return summary->resampled;
    if (has_trait(reader->kind, REDUCES))
        return summary->leaf_count > 1;
    if (reader->kind == OP_bilinear)
        return !summary->affine || summary->resampled || summary->leaf_count > 1;
    if (reader->kind == OP_upsample)
        return summary->bilinear;
    return false;
}

/* A pointwise value that is no epilogue:
 *
 *     relu(bn(z))                    b = 1   computed again by every reader, never stored
 *     dz = A g + B z + C             b = 2   computed again by dgrad and wgrad
 *     relu(add(bn(z), x))            b = 2   stored: four readers, two of them in backward */
static bool should_inline(const Fusion *fusion, ValueId value, const Summary *summary)
{
    const OpList *readers = &fusion->readers[value.i];
    bool backward_reads = false;

    if (fusion->is_off || value_at(fusion, value)->is_output || summary->code > MAX_INLINE_CODE)
        return false;
    for (uint32_t k = 0; k < readers->count; k++) {
        const Op *reader = op_at(fusion, readers->items[k]);
        if (needs_store(fusion, value, reader, summary))
            return false;
        backward_reads |= reader->is_backward;
    }
    if (summary->leaf_count <= 1)
        return true;
    if (readers->count == 1) {
        OpKind reader = op_at(fusion, readers->items[0])->kind;
        if (has_trait(reader, POINTWISE) || has_trait(reader, CONCAT))
            return true;
    }
    if (backward_reads && !maker_of(fusion, value)->is_backward)
        return false;
    return summary->leaf_count <= MAX_LEAVES
           && (readers->count - 1) * (summary->leaf_count - 1) <= 2;
}

/* Ensures: place, for every value of a live op; summary, for the inline ones. */
void place_values(Fusion *fusion)
{
    fusion->summary = arena_array(fusion->scratch, Summary, fusion->graph->values.count);
    for (uint32_t j = 0; j < fusion->order.count; j++) {
        OpId id = fusion->order.items[j];
        const Op *op = op_at(fusion, id);
        if (has_epilogue(op->kind) || fusion->is_claimed[id.i]) {
            continue;
        } else if (!has_trait(op->kind, POINTWISE)) {
            for (uint32_t k = 0; k < op->output_count; k++)
                fusion->place[op->outputs[k].i] = PLACE_memory;
            continue;
        }
        ValueId value = op->outputs[0];
        fusion->summary[value.i] = pointwise_summary(fusion, op);
        fusion->place[value.i] =
            should_inline(fusion, value, &fusion->summary[value.i]) ? PLACE_inline : PLACE_memory;
    }
}

/* ---- rebuilt in backward --------------------------------------------------------------------- */

static bool is_read_backward(const Fusion *fusion, ValueId value)
{
    for (uint32_t k = 0; k < fusion->readers[value.i].count; k++)
        if (op_at(fusion, fusion->readers[value.i].items[k])->is_backward)
            return true;
    return false;
}

/* A map of few stored tensors, at most as many as the fusion rebuilds from, here two or three:
 *
 *     y0 = relu(up(..) + bn(..) + ..)     many leaves: kept
 *     y1 = relu(bn(z2) + y0)              rebuilt from z2, y0
 *     y2 = relu(bn(z4) + y1)              2: kept; 3: rebuilt from z4, z2, y0
 *     y3 = relu(bn(z6) + y2)              2: rebuilt from z6, y2; 3: kept, and so on */
static bool may_rebuild(const Fusion *fusion, ValueId value, const Op *op)
{
    if (fusion->place[value.i] != PLACE_memory || fusion->core[value.i].i != 0 || op->is_backward
        || !is_elementwise(op->kind) || value_at(fusion, value)->is_output
        || !is_read_backward(fusion, value))
        return false;
    const Summary *summary = &fusion->summary[value.i];
    return summary->leaf_count <= fusion->rebuilds && !summary->resampled
           && summary->code <= MAX_INLINE_CODE;
}

/* Of a value's op, with the leaves of rebuilt leaves in their place. */
static Summary rebuilt_summary(const Fusion *fusion, const Op *op)
{
    Summary direct = pointwise_summary(fusion, op), whole = direct;

    whole.leaf_count = 0;
    for (uint32_t k = 0; k < direct.leaf_count && k < MAX_LEAVES; k++) {
        ValueId leaf = direct.leaves[k];
        if (fusion->is_rebuilt[leaf.i])
            whole = merge(whole, &fusion->summary[leaf.i]);
        else
            add_leaf(&whole, leaf);
    }
    if (direct.leaf_count > MAX_LEAVES)
        whole.leaf_count = MAX_LEAVES + 1;
    return whole;
}

/* Ensures: is_rebuilt; nothing where the fusion does not rebuild. Requires: places. */
void mark_rebuilt(Fusion *fusion)
{
    fusion->is_rebuilt = arena_array(fusion->scratch, bool, fusion->graph->values.count);
    for (uint32_t j = 0; fusion->rebuilds > 0 && j < fusion->order.count; j++) {
        const Op *op = op_at(fusion, fusion->order.items[j]);
        if (!has_trait(op->kind, POINTWISE) || fusion->place[op->outputs[0].i] != PLACE_memory)
            continue;
        fusion->summary[op->outputs[0].i] = rebuilt_summary(fusion, op);
        if (may_rebuild(fusion, op->outputs[0], op))
            fusion->is_rebuilt[op->outputs[0].i] = true;
    }
}
