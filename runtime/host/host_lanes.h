/* Vectorised loops of the host device, for the best instruction set that the CPU has. */
#ifndef SNUG_HOST_LANES_H
#define SNUG_HOST_LANES_H

#include <stdint.h>

/* Constants of adaptive wing; extra: what the weighted loss map adds near a point, 10 or 0. */
typedef struct HostWing {
    float omega, theta, epsilon, alpha, extra;
    float log_ratio; /* ln(theta / epsilon) */
} HostWing;

/* Constants of one update. */
typedef struct HostAdamw {
    float lr, beta1, beta2, eps;
    float step;                /* lr / (1 - beta1^t) */
    float inverse_correction2; /* 1 / (1 - beta2^t) */
    float grad_factor;         /* unscales and clips */
} HostAdamw;

/* A block of the epilogue of most data gradients; see grad_epilogue. All but core bf16 or vectors
 * spread over the block; add, mask, scale and shift may be NULL. */
typedef struct HostGradBlock {
    const float *core;
    const uint16_t *add, *mask, *z;
    const float *scale, *shift, *offset, *rstd;
    float *sum, *product;
} HostGradBlock;

/* What each does: host_lanes.inc. Arrays of n elements, the same array or disjoint ones. One for
 * each instruction of registers is among them. */
typedef struct HostLanes {
    void (*load_bf16)(float *to, const uint16_t *from, int64_t n);
    void (*load_u8)(float *to, const uint8_t *from, int64_t n);
    void (*store_bf16)(uint16_t *to, const float *from, int64_t n);
    void (*normal_bf16)(uint16_t *to, const uint16_t *x, const float *scale, const float *shift,
                        int64_t n);
    void (*gradient_bf16)(uint16_t *to, const uint16_t *g, const uint16_t *z, const float *a,
                          const float *b, const float *c, int64_t n);
#define LANE_0(name)
#define LANE_1(name) void (*name)(float *to, const float *a, int64_t n);
#define LANE_2(name) void (*name)(float *to, const float *a, const float *b, int64_t n);
#define LANE_3(name)                                                                               \
    void (*name)(float *to, const float *a, const float *b, const float *d, int64_t n);
#define POINT(name, from, operands, ...) LANE_##operands(name)
#include "runtime/points.def"
#undef POINT
#undef LANE_0
#undef LANE_1
#undef LANE_2
#undef LANE_3
    void (*affine_bf16)(float *to, const uint16_t *x, const float *scale, const float *shift,
                        int64_t n);
    void (*affine_relu_bf16)(float *to, const uint16_t *x, const float *scale, const float *shift,
                             int64_t n);
    void (*add_bf16)(float *to, const float *a, const uint16_t *x, int64_t n);
    void (*mask_bf16)(float *to, const float *a, const uint16_t *x, int64_t n);
    void (*sum)(float *sum, const float *v, int64_t n);
    void (*moments)(float *sum, float *squares, const float *v, const float *origin, int64_t n);
    void (*moments_bf16)(float *sum, float *squares, const uint16_t *v, const float *origin,
                         int64_t n);
    void (*grad)(float *sum, float *product, const float *v, const float *x, int64_t n);
    void (*grad_epilogue)(uint16_t *to, const HostGradBlock *block, int64_t n);
    double (*sum_of_squares)(const float *v, int64_t n);
    void (*max_tap)(float *best, int32_t *taps, const float *x, int32_t tap, int64_t n);
    void (*add_at_tap)(float *to, const float *v, const int32_t *taps, int32_t tap, int64_t n);
    void (*add_scaled)(float *to, const float *v, float factor, int64_t n);
    void (*add_scaled_bf16)(float *to, const uint16_t *v, float factor, int64_t n);
    void (*wing_row)(const HostWing *wing, float *sum, const float *heat, const float *gx,
                     const float *gy, const float *tx, const float *ty, int64_t n);
    void (*wing_grad_row)(const HostWing *wing, float *to, const float *heat, const float *gx,
                          const float *gy, const float *tx, const float *ty, const float *factor,
                          int64_t n);
    void (*square_row)(float *sum, const float *heat, const float *gx, const float *gy, int64_t n);
    void (*square_grad_row)(float *to, const float *heat, const float *gx, const float *gy,
                            const float *factor, int64_t n);
    void (*adamw)(const HostAdamw *k, float *w, float *m, float *v, float *g, float decay,
                  int64_t n);
    void (*average)(float *to, const float *w, float keep, int64_t n);
} HostLanes;

/* The best set for this CPU; constant. */
const HostLanes *host_lanes(void);

/* One set by name, for tests: "generic", "avx2", "avx512", "avx512_bf16"; NULL where the CPU has it
 * not. */
const HostLanes *host_lanes_named(const char *name);

#endif
