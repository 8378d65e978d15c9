/* Convolutions by oneDNN 2.6 (C API).
 *
 * Primitives are made for one thread and run side by side on different tiles: a strip of rows with
 * its workspace then stays in a core's second-level cache from prologue to epilogue. Padding above
 * and below lies in the tile as rows of zeros where a strip needs it, so that all strips of a
 * kernel have one shape and one primitive. Scratchpads are the caller's.
 *
 * dnnl_primitive_execute allocates a few hundred bytes for itself and frees them before it returns.
 */
#include "host_dnnl.h"

#include <dnnl.h>
#include <omp.h>
#include <stdlib.h>

/* What thread t has. Its part of the weights is a range of output or input channels; reorder is
 * NULL where there are more threads than blocks of channels. */
typedef struct Lane {
    dnnl_stream_t stream;
    dnnl_memory_t x, y, scratch, weights;
    dnnl_primitive_t reorder;
    dnnl_memory_t master_part, packed_part;
} Lane;

struct HostConv {
    HostConvShape shape;
    int32_t threads;
    dnnl_engine_t engine;
    dnnl_primitive_desc_t forward, desc; /* forward: the hint, for gradients */
    dnnl_memory_desc_t x, y, master, packed;
    size_t packed_bytes, scratch_bytes;
    dnnl_primitive_t primitive;
    Lane *lanes;
};

static dnnl_data_type_t data_type(SnugType type)
{
    return type == SNUG_BF16 ? dnnl_bf16 : dnnl_f32;
}

static bool image_desc(dnnl_memory_desc_t *desc, int32_t rows, int32_t width, int32_t channels,
                       SnugType type)
{
    dnnl_dims_t dims = {1, channels, rows, width};
    return dnnl_memory_desc_init_by_tag(desc, 4, dims, data_type(type), dnnl_nhwc) == dnnl_success;
}

static bool forward_desc(HostConv *conv, const dnnl_memory_desc_t *x, const dnnl_memory_desc_t *w,
                         const dnnl_memory_desc_t *y, const_dnnl_primitive_attr_t attr,
                         dnnl_primitive_desc_t *out)
{
    const HostConvShape *s = &conv->shape;
    dnnl_dims_t strides = {s->stride, s->stride};
    dnnl_dims_t before = {s->pad_top, s->pad_left}, after = {s->pad_bottom, s->pad_right};
    dnnl_convolution_desc_t desc;
    return dnnl_convolution_forward_desc_init(&desc, dnnl_forward_training, dnnl_convolution_direct,
                                              x, w, NULL, y, strides, before, after)
               == dnnl_success
           && dnnl_primitive_desc_create(out, &desc, attr, conv->engine, NULL) == dnnl_success;
}

static bool gradient_desc(HostConv *conv, const dnnl_memory_desc_t *x, const dnnl_memory_desc_t *w,
                          const dnnl_memory_desc_t *y, const_dnnl_primitive_attr_t attr)
{
    const HostConvShape *s = &conv->shape;
    dnnl_dims_t strides = {s->stride, s->stride};
    dnnl_dims_t before = {s->pad_top, s->pad_left}, after = {s->pad_bottom, s->pad_right};
    dnnl_convolution_desc_t desc;
    dnnl_status_t status =
        s->kind == HOST_DGRAD
            ? dnnl_convolution_backward_data_desc_init(&desc, dnnl_convolution_direct, x, w, y,
                                                       strides, before, after)
            : dnnl_convolution_backward_weights_desc_init(&desc, dnnl_convolution_direct, x, w,
                                                          NULL, y, strides, before, after);
    return status == dnnl_success
           && dnnl_primitive_desc_create(&conv->desc, &desc, attr, conv->engine, conv->forward)
                  == dnnl_success;
}

/* Primitive descriptors, and from them the layout of weights and the scratchpad. */
static bool describe(HostConv *conv, const_dnnl_primitive_attr_t attr)
{
    const HostConvShape *s = &conv->shape;
    dnnl_dims_t dims = {s->y_channels, s->x_channels, s->kernel, s->kernel};
    dnnl_memory_desc_t w, x_hint, y_hint;
    SnugType weights = s->kind == HOST_WGRAD ? SNUG_F32 : s->type;
    SnugType x = s->kind == HOST_DGRAD ? s->result : s->type;
    SnugType y = s->kind == HOST_FORWARD ? s->result : s->type;

    bool ok = image_desc(&conv->x, s->x_rows, s->x_width, s->x_channels, x)
              && image_desc(&conv->y, s->y_rows, s->y_width, s->y_channels, y)
              && image_desc(&x_hint, s->x_rows, s->x_width, s->x_channels, s->type)
              && image_desc(&y_hint, s->y_rows, s->y_width, s->y_channels, s->type)
              && dnnl_memory_desc_init_by_tag(&conv->master, 4, dims, dnnl_f32, dnnl_ohwi)
                     == dnnl_success;
    if (ok && s->kind == HOST_FORWARD) {
        ok = dnnl_memory_desc_init_by_tag(&w, 4, dims, data_type(weights), dnnl_format_tag_any)
                 == dnnl_success
             && forward_desc(conv, &conv->x, &w, &conv->y, attr, &conv->desc);
    } else if (ok) {
        ok = dnnl_memory_desc_init_by_tag(&w, 4, dims, data_type(s->type), dnnl_format_tag_any)
                 == dnnl_success
             && forward_desc(conv, &x_hint, &w, &y_hint, attr, &conv->forward)
             && dnnl_memory_desc_init_by_tag(&w, 4, dims, data_type(weights), dnnl_format_tag_any)
                    == dnnl_success
             && gradient_desc(conv, &conv->x, &w, &conv->y, attr);
    }
    if (!ok)
        return false;
    const dnnl_memory_desc_t *packed = dnnl_primitive_desc_query_md(
        conv->desc, s->kind == HOST_WGRAD ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
    const dnnl_memory_desc_t *scratch =
        dnnl_primitive_desc_query_md(conv->desc, dnnl_query_scratchpad_md, 0);
    if (packed == NULL)
        return false;
    conv->packed = *packed;
    conv->packed_bytes = dnnl_memory_desc_get_size(packed);
    conv->scratch_bytes = scratch ? dnnl_memory_desc_get_size(scratch) : 0;
    return true;
}

static bool create_memory(HostConv *conv, const dnnl_memory_desc_t *desc, dnnl_memory_t *memory)
{
    return dnnl_memory_create(memory, desc, conv->engine, DNNL_MEMORY_NONE) == dnnl_success;
}

/* Channels of a block of the packed layout along dimension d. */
static int64_t block_of(const dnnl_memory_desc_t *desc, int d)
{
    const dnnl_blocking_desc_t *blocking = &desc->format_desc.blocking;
    int64_t block = 1;
    for (int i = 0; i < blocking->inner_nblks; i++)
        if (blocking->inner_idxs[i] == d)
            block *= blocking->inner_blks[i];
    return block;
}

/* Thread t's part: whole blocks along the dimension that has more of them. False: nothing. */
static bool part_of(const HostConv *conv, int32_t t, dnnl_dims_t dims, dnnl_dims_t offsets)
{
    int64_t blocks[2], count[2];
    for (int d = 0; d < 2; d++) {
        blocks[d] = block_of(&conv->packed, d);
        count[d] = (conv->packed.dims[d] + blocks[d] - 1) / blocks[d];
    }
    int d = count[0] >= count[1] ? 0 : 1;
    int64_t begin = count[d] * t / conv->threads, end = count[d] * (t + 1) / conv->threads;
    for (int i = 0; i < 4; i++) {
        dims[i] = conv->packed.dims[i];
        offsets[i] = 0;
    }
    offsets[d] = begin * blocks[d];
    int64_t last = end * blocks[d] < dims[d] ? end * blocks[d] : dims[d];
    dims[d] = last - offsets[d];
    return begin < end;
}

/* The reorder between fp32 {out, k, k, in} and the library's layout for a part; wgrad's adds. */
static bool create_reorder(HostConv *conv, int32_t t)
{
    Lane *lane = &conv->lanes[t];
    bool from_packed = conv->shape.kind == HOST_WGRAD;
    dnnl_dims_t dims, offsets;
    dnnl_memory_desc_t master, packed;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_post_ops_t post = NULL;
    dnnl_primitive_desc_t desc = NULL;
    if (!part_of(conv, t, dims, offsets))
        return true;
    bool ok =
        dnnl_primitive_attr_create(&attr) == dnnl_success
        && dnnl_memory_desc_init_submemory(&master, &conv->master, dims, offsets) == dnnl_success
        && dnnl_memory_desc_init_submemory(&packed, &conv->packed, dims, offsets) == dnnl_success;
    if (ok && from_packed)
        ok = dnnl_post_ops_create(&post) == dnnl_success
             && dnnl_post_ops_append_sum(post, 1.0f) == dnnl_success
             && dnnl_primitive_attr_set_post_ops(attr, post) == dnnl_success;
    ok = ok
         && dnnl_reorder_primitive_desc_create(&desc, from_packed ? &packed : &master, conv->engine,
                                               from_packed ? &master : &packed, conv->engine, attr)
                == dnnl_success
         && dnnl_primitive_create(&lane->reorder, desc) == dnnl_success
         && create_memory(conv, &master, &lane->master_part)
         && create_memory(conv, &packed, &lane->packed_part);
    dnnl_primitive_desc_destroy(desc);
    dnnl_post_ops_destroy(post);
    dnnl_primitive_attr_destroy(attr);
    return ok;
}

static bool create_lanes(HostConv *conv)
{
    const dnnl_memory_desc_t *scratch =
        dnnl_primitive_desc_query_md(conv->desc, dnnl_query_scratchpad_md, 0);
    conv->lanes = calloc((size_t)conv->threads, sizeof *conv->lanes);
    bool ok = conv->lanes != NULL;
    for (int32_t t = 0; ok && t < conv->threads; t++) {
        Lane *lane = &conv->lanes[t];
        ok = dnnl_stream_create(&lane->stream, conv->engine, dnnl_stream_default_flags)
                 == dnnl_success
             && create_memory(conv, &conv->x, &lane->x) && create_memory(conv, &conv->y, &lane->y)
             && create_memory(conv, &conv->packed, &lane->weights) && create_reorder(conv, t);
        if (ok && conv->scratch_bytes > 0)
            ok = create_memory(conv, scratch, &lane->scratch);
    }
    return ok;
}

HostConv *host_conv_create(const HostConvShape *shape, int32_t threads, bool dry)
{
    HostConv *conv = calloc(1, sizeof *conv);
    if (conv == NULL)
        return NULL;
    conv->shape = *shape;
    conv->threads = threads;
    int outer = omp_get_max_threads();
    omp_set_num_threads(1); /* the library sizes its work for as many threads as there are now */
    dnnl_primitive_attr_t attr = NULL;
    bool ok =
        dnnl_engine_create(&conv->engine, dnnl_cpu, 0) == dnnl_success
        && dnnl_primitive_attr_create(&attr) == dnnl_success
        && dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user) == dnnl_success
        && describe(conv, attr);
    if (ok && !dry)
        ok = dnnl_primitive_create(&conv->primitive, conv->desc) == dnnl_success
             && create_lanes(conv);
    dnnl_primitive_attr_destroy(attr);
    omp_set_num_threads(outer);
    if (!ok) {
        host_conv_destroy(conv);
        return NULL;
    }
    return conv;
}

void host_conv_destroy(HostConv *conv)
{
    if (conv == NULL)
        return;
    for (int32_t t = 0; conv->lanes && t < conv->threads; t++) {
        Lane *lane = &conv->lanes[t];
        dnnl_memory_destroy(lane->x);
        dnnl_memory_destroy(lane->y);
        dnnl_memory_destroy(lane->scratch);
        dnnl_memory_destroy(lane->weights);
        dnnl_memory_destroy(lane->master_part);
        dnnl_memory_destroy(lane->packed_part);
        dnnl_primitive_destroy(lane->reorder);
        dnnl_stream_destroy(lane->stream);
    }
    free(conv->lanes);
    dnnl_primitive_destroy(conv->primitive);
    dnnl_primitive_desc_destroy(conv->desc);
    dnnl_primitive_desc_destroy(conv->forward);
    dnnl_engine_destroy(conv->engine);
    free(conv);
}

int64_t host_conv_weight_bytes(const HostConv *conv)
{
    return (int64_t)conv->packed_bytes;
}

int64_t host_conv_scratch_bytes(const HostConv *conv)
{
    return (int64_t)conv->scratch_bytes;
}

/* Setting a handle also zeroes the padding of a blocked layout: once is enough. */
static bool set(dnnl_memory_t memory, const void *data)
{
    union {
        const void *in;
        void *out;
    } plain = {.in = data};
    void *now = NULL;
    return dnnl_memory_get_data_handle(memory, &now) == dnnl_success
           && (now == plain.out || dnnl_memory_set_data_handle(memory, plain.out) == dnnl_success);
}

static bool reorder(HostConv *conv, int32_t t, const void *master, const void *packed)
{
    Lane *lane = &conv->lanes[t];
    bool from_packed = conv->shape.kind == HOST_WGRAD;
    if (lane->reorder == NULL)
        return true;
    dnnl_exec_arg_t args[] = {
        {from_packed ? DNNL_ARG_TO : DNNL_ARG_FROM, lane->master_part},
        {from_packed ? DNNL_ARG_FROM : DNNL_ARG_TO, lane->packed_part},
    };
    return set(lane->master_part, master) && set(lane->packed_part, packed)
           && dnnl_primitive_execute(lane->reorder, lane->stream, 2, args) == dnnl_success;
}

bool host_conv_pack(HostConv *conv, int32_t t, const float *master, void *packed)
{
    return reorder(conv, t, master, packed);
}

bool host_conv_unpack(HostConv *conv, int32_t t, void *packed, float *gradient)
{
    return reorder(conv, t, gradient, packed);
}

bool host_conv_run(HostConv *conv, int32_t t, const void *x, const void *y, void *packed,
                   void *scratch)
{
    static const int names[3][3] = {
        [HOST_FORWARD] = {DNNL_ARG_SRC, DNNL_ARG_DST, DNNL_ARG_WEIGHTS},
        [HOST_DGRAD] = {DNNL_ARG_DIFF_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_WEIGHTS},
        [HOST_WGRAD] = {DNNL_ARG_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_WEIGHTS},
    };
    Lane *lane = &conv->lanes[t];
    const int *name = names[conv->shape.kind];
    dnnl_exec_arg_t args[] = {
        {name[0], lane->x},
        {name[1], lane->y},
        {name[2], lane->weights},
        {DNNL_ARG_SCRATCHPAD, lane->scratch},
    };
    bool ok = set(lane->x, x) && set(lane->y, y) && set(lane->weights, packed)
              && (lane->scratch == NULL || set(lane->scratch, scratch));
    return ok
           && dnnl_primitive_execute(conv->primitive, lane->stream, lane->scratch ? 4 : 3, args)
                  == dnnl_success;
}
