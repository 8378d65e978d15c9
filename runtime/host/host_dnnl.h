/* One convolution of a fixed shape by oneDNN, run by each thread for itself. */
#ifndef SNUG_HOST_DNNL_H
#define SNUG_HOST_DNNL_H

#include <stdbool.h>

#include "runtime/program.h"

typedef enum HostConvKind { HOST_FORWARD, HOST_DGRAD, HOST_WGRAD } HostConvKind;

/* Tiles of one image: x {x_rows, x_width, x_channels}, y likewise, both dense. `result` is the type
 * of y for forward, of x for dgrad; wgrad's is fp32 in the library's own layout. */
typedef struct HostConvShape {
    HostConvKind kind;
    SnugType type, result;
    int32_t x_rows, x_width, x_channels, y_rows, y_width, y_channels;
    int32_t kernel, stride;
    int32_t pad_top, pad_bottom, pad_left, pad_right;
} HostConvShape;

typedef struct HostConv HostConv;

/* dry: enough for the two sizes below only. NULL where the library has no such convolution. */
HostConv *host_conv_create(const HostConvShape *shape, int32_t threads, bool dry);
void host_conv_destroy(HostConv *conv);
int64_t host_conv_weight_bytes(const HostConv *conv);  /* of packed weights or packed gradient */
int64_t host_conv_scratch_bytes(const HostConv *conv); /* a thread */

/* Thread t's part of fp32 {out, k, k, in} -> the library's layout and type. All threads must have
 * returned before the result is whole. */
bool host_conv_pack(HostConv *conv, int32_t t, const float *master, void *packed);
/* Thread t's part of the other way for wgrad: gradient += packed. */
bool host_conv_unpack(HostConv *conv, int32_t t, void *packed, float *gradient);
/* Thread t. x, y: tiles; one of them, or packed for wgrad, is the result. */
bool host_conv_run(HostConv *conv, int32_t t, const void *x, const void *y, void *packed,
                   void *scratch);

#endif
