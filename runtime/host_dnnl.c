/* Convolutions by oneDNN 2.6 (C API).
 *
 * Primitives are made for one thread and run side by side on different tiles: a strip of rows with
 * its workspace then stays in a core's second-level cache from prologue to epilogue. Padding above
 * and below lies in the tile as rows of zeros where a strip needs it, so that all strips of a kernel
 * have one shape and one primitive. Scratchpads are the caller's.
 *
 * dnnl_primitive_execute allocates a few hundred bytes for itself and frees them before it returns.
 */
#include "host_dnnl.h"

#include <dnnl.h>
#include <omp.h>
#include <stdlib.h>

typedef struct Lane {
    dnnl_stream_t stream;
    dnnl_memory_t x, y, scratch;
} Lane;

struct HostConv {
    HostConvShape shape;
    int32_t threads;
    dnnl_engine_t engine;
    dnnl_primitive_desc_t forward, desc; /* forward: the hint, for gradients */
    dnnl_memory_desc_t x, y, master, packed;
    size_t packed_bytes, scratch_bytes;
    dnnl_primitive_t primitive, reorder;
    dnnl_memory_t master_memory, packed_memory, *own_packed; /* own: wgrad, one a thread */
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
    return dnnl_convolution_forward_desc_init(&desc, dnnl_forward_training,
                                              dnnl_convolution_direct, x, w, NULL, y, strides,
                                              before, after) == dnnl_success &&
           dnnl_primitive_desc_create(out, &desc, attr, conv->engine, NULL) == dnnl_success;
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
    return status == dnnl_success && dnnl_primitive_desc_create(&conv->desc, &desc, attr,
                                                                conv->engine, conv->forward) ==
                                         dnnl_success;
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

    bool ok = image_desc(&conv->x, s->x_rows, s->x_width, s->x_channels, x) &&
              image_desc(&conv->y, s->y_rows, s->y_width, s->y_channels, y) &&
              image_desc(&x_hint, s->x_rows, s->x_width, s->x_channels, s->type) &&
              image_desc(&y_hint, s->y_rows, s->y_width, s->y_channels, s->type) &&
              dnnl_memory_desc_init_by_tag(&conv->master, 4, dims, dnnl_f32, dnnl_ohwi) ==
                  dnnl_success;
    if (ok && s->kind == HOST_FORWARD) {
        ok = dnnl_memory_desc_init_by_tag(&w, 4, dims, data_type(weights), dnnl_format_tag_any) ==
                 dnnl_success &&
             forward_desc(conv, &conv->x, &w, &conv->y, attr, &conv->desc);
    } else if (ok) {
        ok = dnnl_memory_desc_init_by_tag(&w, 4, dims, data_type(s->type), dnnl_format_tag_any) ==
                 dnnl_success &&
             forward_desc(conv, &x_hint, &w, &y_hint, attr, &conv->forward) &&
             dnnl_memory_desc_init_by_tag(&w, 4, dims, data_type(weights), dnnl_format_tag_any) ==
                 dnnl_success &&
             gradient_desc(conv, &conv->x, &w, &conv->y, attr);
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

/* The reorder between fp32 {out, k, k, in} and the library's layout; wgrad's adds. */
static bool create_reorder(HostConv *conv)
{
    bool from_packed = conv->shape.kind == HOST_WGRAD;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_post_ops_t post = NULL;
    dnnl_primitive_desc_t desc = NULL;
    bool ok = dnnl_primitive_attr_create(&attr) == dnnl_success;
    if (ok && from_packed)
        ok = dnnl_post_ops_create(&post) == dnnl_success &&
             dnnl_post_ops_append_sum(post, 1.0f) == dnnl_success &&
             dnnl_primitive_attr_set_post_ops(attr, post) == dnnl_success;
    ok = ok && dnnl_reorder_primitive_desc_create(
                   &desc, from_packed ? &conv->packed : &conv->master, conv->engine,
                   from_packed ? &conv->master : &conv->packed, conv->engine,
                   attr) == dnnl_success &&
         dnnl_primitive_create(&conv->reorder, desc) == dnnl_success;
    dnnl_primitive_desc_destroy(desc);
    dnnl_post_ops_destroy(post);
    dnnl_primitive_attr_destroy(attr);
    return ok;
}

static bool create_memory(HostConv *conv, const dnnl_memory_desc_t *desc, dnnl_memory_t *memory)
{
    return dnnl_memory_create(memory, desc, conv->engine, DNNL_MEMORY_NONE) == dnnl_success;
}

static bool create_lanes(HostConv *conv, const dnnl_memory_desc_t *scratch)
{
    conv->lanes = calloc((size_t)conv->threads, sizeof *conv->lanes);
    conv->own_packed = calloc((size_t)conv->threads, sizeof(dnnl_memory_t));
    if (conv->lanes == NULL || conv->own_packed == NULL)
        return false;
    bool ok = true;
    for (int32_t t = 0; ok && t < conv->threads; t++) {
        Lane *lane = &conv->lanes[t];
        ok = dnnl_stream_create(&lane->stream, conv->engine, dnnl_stream_default_flags) ==
                 dnnl_success &&
             create_memory(conv, &conv->x, &lane->x) && create_memory(conv, &conv->y, &lane->y);
        if (ok && conv->shape.kind == HOST_WGRAD)
            ok = create_memory(conv, &conv->packed, &conv->own_packed[t]);
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
    bool ok = dnnl_engine_create(&conv->engine, dnnl_cpu, 0) == dnnl_success &&
              dnnl_primitive_attr_create(&attr) == dnnl_success &&
              dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user) ==
                  dnnl_success &&
              describe(conv, attr);
    if (ok && !dry)
        ok = dnnl_primitive_create(&conv->primitive, conv->desc) == dnnl_success;
    omp_set_num_threads(threads); /* packing is all threads' work */
    if (ok && !dry)
        ok = create_reorder(conv) && create_memory(conv, &conv->master, &conv->master_memory) &&
             create_memory(conv, &conv->packed, &conv->packed_memory) &&
             create_lanes(conv, dnnl_primitive_desc_query_md(conv->desc, dnnl_query_scratchpad_md,
                                                             0));
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
    for (int32_t t = 0; conv->lanes && conv->own_packed && t < conv->threads; t++) {
        dnnl_memory_destroy(conv->lanes[t].x);
        dnnl_memory_destroy(conv->lanes[t].y);
        dnnl_memory_destroy(conv->lanes[t].scratch);
        dnnl_memory_destroy(conv->own_packed[t]);
        dnnl_stream_destroy(conv->lanes[t].stream);
    }
    free(conv->lanes);
    free(conv->own_packed);
    dnnl_memory_destroy(conv->master_memory);
    dnnl_memory_destroy(conv->packed_memory);
    dnnl_primitive_destroy(conv->reorder);
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

static bool set(dnnl_memory_t memory, const void *data)
{
    union { const void *in; void *out; } plain = {.in = data};
    return dnnl_memory_set_data_handle(memory, plain.out) == dnnl_success;
}

bool host_conv_pack(HostConv *conv, const float *master, void *packed)
{
    dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, conv->master_memory},
                              {DNNL_ARG_TO, conv->packed_memory}};
    return set(conv->master_memory, master) && set(conv->packed_memory, packed) &&
           dnnl_primitive_execute(conv->reorder, conv->lanes[0].stream, 2, args) == dnnl_success;
}

bool host_conv_unpack(HostConv *conv, void *packed, float *gradient)
{
    dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, conv->packed_memory},
                              {DNNL_ARG_TO, conv->master_memory}};
    return set(conv->master_memory, gradient) && set(conv->packed_memory, packed) &&
           dnnl_primitive_execute(conv->reorder, conv->lanes[0].stream, 2, args) == dnnl_success;
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
    bool is_wgrad = conv->shape.kind == HOST_WGRAD;
    dnnl_memory_t weights = is_wgrad ? conv->own_packed[t] : conv->packed_memory;
    dnnl_exec_arg_t args[] = {
        {name[0], lane->x}, {name[1], lane->y}, {name[2], weights},
        {DNNL_ARG_SCRATCHPAD, lane->scratch},
    };
    bool ok = set(lane->x, x) && set(lane->y, y) && (!is_wgrad || set(weights, packed)) &&
              (lane->scratch == NULL || set(lane->scratch, scratch));
    return ok && dnnl_primitive_execute(conv->primitive, lane->stream, lane->scratch ? 4 : 3,
                                        args) == dnnl_success;
}
