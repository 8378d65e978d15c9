/* Fusion: the graph's ops -> kernels over stored values.
 *
 * Batch norm needs statistics of a whole tensor before any element can be normalised, so it is cut
 * in two: the kernel that makes a tensor collects sums of it, and whoever reads the tensor
 * normalises as it reads. So a conv's raw result is the only thing that is stored.
 *
 *     z1 = conv(x, w1)                 conv     x, w1        -> z1, sums    epilogue: sums
 *     s1 = bn_stats(z1)                combine  sums         -> s1
 *     y1 = relu(bn_apply(z1, s1))
 *     z2 = conv(y1, w2)                conv     z1, s1, w2   -> z2, sums    prologue: relu(bn)
 *     ...
 *     dy1 = conv_dgrad(dz2, w2)        dgrad    g2, z2, c2, w2, z1, s1 -> g1, sums
 *     g1  = relu_grad(dy1, y1)                  prologue: dz2 = A g2 + B z2 + C
 *     c1  = bn_grad_stats(g1, z1, s1)           epilogue: core where bn(z1) > 0; sums of g1,
 *     dz1 = bn_grad_apply(g1, z1, c1)                     g1 x-hat1
 *                                      combine  sums -> c1 = A, B, C;  dgamma +=, dbeta +=
 *
 * Where memory is short (rebuilds), of two residual sums one, or of three two, are not kept for the
 * backward pass: their readers there compute them again, rounded as they were stored, so that every
 * bit is the same.
 *
 *     y1 = relu(bn(z2) + y0)           wgrad  y1, g -> dw   becomes   wgrad  z2, y0, g -> dw
 *
 * What is stored is decided by fuse_rules.c; fuse_kernels.c makes one kernel for each stored value,
 * with code from fuse_code.c before and after its core.
 */
#include "fuse.h"

#include "compiler/graph/graph.h"
#include "fusion.h"

/* Half in the graph is what the target calls half. */
static void set_half_type(Graph *graph, SnugType half)
{
    for (uint32_t v = 1; v < graph->values.count; v++)
        if (graph->values.items[v].type == SNUG_F16)
            graph->values.items[v].type = half;
}

static KernelSet *fuse_graph(Compilation *c, const Graph *graph, uint32_t rebuilds)
{
    Fusion fusion = {
        .arena = c->arena,
        .scratch = c->scratch,
        .graph = graph_clone(graph, c->arena),
        .target = &c->target,
        .set = arena_new(c->arena, KernelSet),
        .is_off = c->options.no_fusion,
        .rebuilds = c->options.no_fusion ? 0 : rebuilds,
    };

    fusion.set->graph = fusion.graph;
    set_half_type(fusion.graph, c->target.half);
    find_live_ops(&fusion);
    split_adds(&fusion);
    find_readers(&fusion);
    claim_epilogues(&fusion);
    place_values(&fusion);
    mark_rebuilt(&fusion);
    build_kernels(&fusion);
    return fusion.set;
}

KernelSet *fuse_training(Compilation *c, uint32_t rebuilds)
{
    return fuse_graph(c, c->model->train, rebuilds);
}

bool fuse(Compilation *c)
{
    if (c->model->loss.i != 0)
        c->kernels[SNUG_SEGMENT_micro_step] = fuse_training(c, 0);
    if (c->model->evaluate != NULL)
        c->kernels[SNUG_SEGMENT_evaluate] = fuse_graph(c, c->model->evaluate, 0);
    return true;
}
