/* The kernel into which gemm_test.c plants its faults: C = scale * (A B), A {m, k}, B {k, n} fp16,
 * C {m, n} f32, as the real kernels do it: cp.async into a ring of stages, ldmatrix, mma.sync,
 * results through shared memory. 64 x 64 of C a block of 128 threads; k is a multiple of 32, n of
 * 64.
 *
 * Each FAULT_ is one mistake; without any of them the kernel is right. */
typedef unsigned int u32;
typedef unsigned short u16;

#define STAGES 3
#define A_PITCH 40 /* halves of a row of A's tile: 32, and 8 so that ldmatrix has no conflicts */
#define B_PITCH 72
#define A_HALVES (64 * A_PITCH)
#define STAGE_HALVES (A_HALVES + 32 * B_PITCH)
#define OUT_PITCH 68

#ifdef FAULT_weak_wait
#define WAIT_GROUPS "2"
#else
#define WAIT_GROUPS "1"
#endif

#ifdef FAULT_slot_off_by_one
#define SLOT(k) (((k) + 1) % STAGES)
#else
#define SLOT(k) ((k) % STAGES)
#endif

extern __shared__ __align__(16) u16 ring[];

static __device__ u32 shared_address(const void *at)
{
    return (u32)__cvta_generic_to_shared(at);
}

static __device__ void copy16(const u16 *to, const u16 *from, bool inside)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)),
                 "l"(from), "r"(inside ? 16 : 0)
                 : "memory");
}

/* Tiles of step k into their slot; rows beyond m are zero. */
static __device__ void load_stage(const u16 *a, const u16 *b, int m, int n, int depth, int k,
                                  int slot)
{
    u16 *tile = ring + slot * STAGE_HALVES;

    for (int i = threadIdx.x; i < 256; i += 128) {
        int row = blockIdx.y * 64 + i / 4;
#ifdef FAULT_row_outside
        bool inside = row <= m;
#else
        bool inside = row < m;
#endif
        const u16 *from = a + (inside ? (long long)row * depth + k * 32 + i % 4 * 8 : 0);
        copy16(tile + i / 4 * A_PITCH + i % 4 * 8, from, inside);
    }
    for (int i = threadIdx.x; i < 256; i += 128) {
        const u16 *from = b + (long long)(k * 32 + i / 8) * n + blockIdx.x * 64 + i % 8 * 8;
#ifdef FAULT_misaligned
        from += 4;
#endif
        copy16(tile + A_HALVES + i / 8 * B_PITCH + i % 8 * 8, from, true);
    }
}

static __device__ void multiply_stage(int slot, float sums[2][4][4])
{
    const u16 *tile = ring + slot * STAGE_HALVES;
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;

    for (int k = 0; k < 32; k += 16) {
        u32 x[2][4], y[4][2];
        for (int i = 0; i < 2; i++) {
            int row = warp / 2 * 32 + i * 16 + lane % 16;
            const u16 *from = tile + row * A_PITCH + k + lane / 16 * 8;
            asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                         : "=r"(x[i][0]), "=r"(x[i][1]), "=r"(x[i][2]), "=r"(x[i][3])
                         : "r"(shared_address(from))
                         : "memory");
        }
        for (int j = 0; j < 4; j++) {
            const u16 *from = tile + A_HALVES + (k + lane % 16) * B_PITCH + warp % 2 * 32 + j * 8;
            asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
                         : "=r"(y[j][0]), "=r"(y[j][1])
                         : "r"(shared_address(from))
                         : "memory");
        }
        for (int i = 0; i < 2; i++)
            for (int j = 0; j < 4; j++)
                asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, "
                             "{%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                             : "+f"(sums[i][j][0]), "+f"(sums[i][j][1]), "+f"(sums[i][j][2]),
                               "+f"(sums[i][j][3])
                             : "r"(x[i][0]), "r"(x[i][1]), "r"(x[i][2]), "r"(x[i][3]), "r"(y[j][0]),
                               "r"(y[j][1]));
    }
}

static __device__ void store_tile(float *c, int m, int n, float scale, float sums[2][4][4])
{
    float *out = (float *)ring;
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;

#ifndef FAULT_no_reuse_barrier
    __syncthreads(); /* everybody has read the last stage, whose place this is */
#endif
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 4; j++)
            for (int e = 0; e < 4; e++) {
                int row = warp / 2 * 32 + i * 16 + lane / 4 + e / 2 * 8;
                int column = warp % 2 * 32 + j * 8 + lane % 4 * 2 + e % 2;
                out[row * OUT_PITCH + column] = sums[i][j][e];
            }
#ifndef FAULT_no_store_barrier
    __syncthreads();
#endif
    for (int i = threadIdx.x; i < 64 * 64; i += 128) {
        int row = blockIdx.y * 64 + i / 64;
        if (row < m)
            c[(long long)row * n + blockIdx.x * 64 + i % 64] =
                scale * out[i / 64 * OUT_PITCH + i % 64];
    }
}

extern "C" __global__ void __launch_bounds__(128)
    gemm(const u16 *a, const u16 *b, const float *scales, float *c, int m, int n, int k)
{
    __shared__ float shared_scales[64];
    float sums[2][4][4] = {};
    int steps = k / 32;

    if (threadIdx.x < 64)
        shared_scales[threadIdx.x] = scales[blockIdx.x * 64 + threadIdx.x];
#ifndef FAULT_no_scale_barrier
    __syncthreads();
#endif
    float scale = shared_scales[threadIdx.x % 64]; /* of the column that this thread stores */

    for (int s = 0; s < STAGES - 1; s++) {
        if (s < steps)
            load_stage(a, b, m, n, k, s, s % STAGES);
        asm volatile("cp.async.commit_group;" ::: "memory");
    }
    for (int s = 0; s < steps; s++) {
        asm volatile("cp.async.wait_group " WAIT_GROUPS ";" ::: "memory");
#ifndef FAULT_no_loop_barrier
        __syncthreads();
#endif
        if (s + STAGES - 1 < steps)
            load_stage(a, b, m, n, k, s + STAGES - 1, SLOT(s + STAGES - 1));
        asm volatile("cp.async.commit_group;" ::: "memory");
        multiply_stage(s % STAGES, sums);
    }
    store_tile(c, m, n, scale, sums);
}
