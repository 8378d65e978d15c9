/* ldmatrix and mma.sync: which lane holds which element is in the tables of the PTX ISA ("Matrix
 * Fragments for mma", "ldmatrix"). With g = lane / 4 and t = lane % 4:
 *
 *     accumulators   c0 c1: row g, columns 2t, 2t+1        c2 c3: row g + 8
 *     A 16x16 f16    a0 a1: row g, columns 2t, 2t+1        a2 a3: row g + 8
 *                    a4..a7: the same, columns + 8
 *     A 16x8 f16     a0 a1: row g, columns 2t, 2t+1        a2 a3: row g + 8
 *     A 16x8 tf32    a0: row g, column t   a1: row g + 8   a2, a3: the same, column t + 4
 *     B 16x8 f16     b0 b1: rows 2t, 2t+1, column g        b2 b3: rows + 8
 *     B 8x8 tf32     b0: row t, column g                   b1: row t + 4
 *
 * Products are exact, sums are f32 in the order of k; the hardware's order and truncation differ.
 */
#include "exec_ops.h"
#include "gpu.h"

/* ---- ldmatrix, movmatrix --------------------------------------------------------------------- */

static bool whole_warp(Warp *warp, const Op *op)
{
    if (warp->born != UINT32_MAX)
        return fault(warp, op, ALL_LANES, SOFTGPU_FAULT_divergent_warp,
                     "needs 32 threads in the warp; the block gives this one 0x%08x", warp->born);
    return gather_lanes(warp, op, UINT32_MAX);
}

/* Row r of matrix m is 16 bytes at the address in lane 8 m + r. */
void run_load_matrix(Warp *warp, const Op *op)
{
    U64 addresses = lane_addresses(warp, op, op->count);
    uint16_t rows[4][8][8];

    if (!whole_warp(warp, op))
        return;
    for (uint32_t lane = 0; lane < 8u * op->count; lane++) {
        const uint8_t *at = access_pointer(warp, op, lane, addresses[lane], 16, ACCESS_read);
        if (!at)
            return;
        memcpy(rows[lane / 8][lane % 8], at, 16);
    }
    for (int m = 0; m < op->count; m++) {
        U32 d;
        for (int lane = 0; lane < LANES; lane++) {
            int g = lane / 4, t = lane % 4;
            uint32_t low = op->flags & OP_TRANSPOSE ? rows[m][2 * t][g] : rows[m][g][2 * t];
            uint32_t high =
                op->flags & OP_TRANSPOSE ? rows[m][2 * t + 1][g] : rows[m][g][2 * t + 1];
            d[lane] = low | high << 16;
        }
        PUT_U32(m, d);
    }
}

void run_move_matrix(Warp *warp, const Op *op)
{
    uint16_t rows[8][8];

    if (!whole_warp(warp, op))
        return;
    U32 a = REG(U32, 1), d;
    for (int lane = 0; lane < LANES; lane++) {
        rows[lane / 4][lane % 4 * 2] = (uint16_t)a[lane];
        rows[lane / 4][lane % 4 * 2 + 1] = (uint16_t)(a[lane] >> 16);
    }
    for (int lane = 0; lane < LANES; lane++)
        d[lane] = rows[lane % 4 * 2][lane / 4] | (uint32_t)rows[lane % 4 * 2 + 1][lane / 4] << 16;
    PUT_U32(0, d);
}

/* ---- mma ------------------------------------------------------------------------------------- */

typedef struct Tile { /* the operands as matrices */
    float a[16][16]; /* [k][row]: a column of A is a vector */
    float b[16][8];  /* [k][column] */
    float c[8][16];  /* [column][row] */
} Tile;

typedef struct Shape {
    int k, a_registers, b_registers, elements; /* elements of a register: 1 or 2 */
} Shape;

static const Shape shapes[] = {
    [MMA_f16_k16] = {16, 4, 2, 2}, [MMA_f16_k8] = {8, 2, 1, 2}, [MMA_bf16_k16] = {16, 4, 2, 2},
    [MMA_bf16_k8] = {8, 2, 1, 2},  [MMA_tf32_k8] = {8, 4, 2, 1}, [MMA_tf32_k4] = {4, 2, 1, 1},
};

/* Low and high element of a register, in f32. */
static void widen_pair(const Op *op, U32 v, F32 *low, F32 *high)
{
    if (op->kind == MMA_bf16_k16 || op->kind == MMA_bf16_k8) {
        *low = (F32)(v << 16);
        *high = (F32)(v & 0xffff0000u);
    } else {
        *low = lanes_from_half(__builtin_convertvector(v & 0xffff, U16));
        *high = lanes_from_half(__builtin_convertvector(v >> 16, U16));
    }
}

/* Register i of A holds rows g (i even) or g + 8 (i odd), in the first or second half of the k. */
static void unpack_a(const Warp *warp, const Op *op, const Shape *shape, int first, Tile *tile)
{
    for (int i = 0; i < shape->a_registers; i++) {
        U32 v = REG(U32, first + i);
        int row = 8 * (i % 2), k = i / 2 * (shape->elements == 2 ? 8 : 4);
        if (shape->elements == 1) {
            F32 x = (F32)(v & 0xffffe000u); /* tf32: the low 13 bits are ignored */
            for (int lane = 0; lane < LANES; lane++)
                tile->a[k + lane % 4][row + lane / 4] = x[lane];
            continue;
        }
        F32 low, high;
        widen_pair(op, v, &low, &high);
        for (int lane = 0; lane < LANES; lane++) {
            tile->a[k + lane % 4 * 2][row + lane / 4] = low[lane];
            tile->a[k + lane % 4 * 2 + 1][row + lane / 4] = high[lane];
        }
    }
}

static void unpack_b(const Warp *warp, const Op *op, const Shape *shape, int first, Tile *tile)
{
    for (int i = 0; i < shape->b_registers; i++) {
        U32 v = REG(U32, first + i);
        int k = i * (shape->elements == 2 ? 8 : 4);
        if (shape->elements == 1) {
            F32 x = (F32)(v & 0xffffe000u);
            for (int lane = 0; lane < LANES; lane++)
                tile->b[k + lane % 4][lane / 4] = x[lane];
            continue;
        }
        F32 low, high;
        widen_pair(op, v, &low, &high);
        for (int lane = 0; lane < LANES; lane++) {
            tile->b[k + lane % 4 * 2][lane / 4] = low[lane];
            tile->b[k + lane % 4 * 2 + 1][lane / 4] = high[lane];
        }
    }
}

/* Accumulators: four f32 registers, or two of f16 pairs. */
static void unpack_c(const Warp *warp, const Op *op, int first, Tile *tile)
{
    for (int i = 0; i < (op->width == 4 ? 4 : 2); i++) {
        if (op->width == 4) {
            F32 x = REG(F32, first + i);
            for (int lane = 0; lane < LANES; lane++)
                tile->c[lane % 4 * 2 + i % 2][lane / 4 + 8 * (i / 2)] = x[lane];
            continue;
        }
        U32 v = REG(U32, first + i);
        F32 low = lanes_from_half(__builtin_convertvector(v & 0xffff, U16));
        F32 high = lanes_from_half(__builtin_convertvector(v >> 16, U16));
        for (int lane = 0; lane < LANES; lane++) {
            tile->c[lane % 4 * 2][lane / 4 + 8 * i] = low[lane];
            tile->c[lane % 4 * 2 + 1][lane / 4 + 8 * i] = high[lane];
        }
    }
}

static void pack_d(Warp *warp, const Op *op, const Tile *tile)
{
    for (int i = 0; i < (op->width == 4 ? 4 : 2); i++) {
        F32 x, y;
        for (int lane = 0; lane < LANES; lane++) {
            int column = lane % 4 * 2 + (op->width == 4 ? i % 2 : 0);
            int row = lane / 4 + 8 * (op->width == 4 ? i / 2 : i);
            x[lane] = tile->c[column][row];
            y[lane] = op->width == 4 ? 0 : tile->c[column + 1][row];
        }
        if (op->width == 4) {
            PUT_U32(i, x);
            continue;
        }
        U16 low = lanes_to_half(x), high = lanes_to_half(y);
        PUT_U32(i, __builtin_convertvector(low, U32) | __builtin_convertvector(high, U32) << 16);
    }
}

static void multiply(Tile *tile, int depth)
{
    Column c[8];

    memcpy(c, tile->c, sizeof c);
    for (int k = 0; k < depth; k++) {
        Column a;
        memcpy(&a, tile->a[k], sizeof a);
        for (int n = 0; n < 8; n++)
            c[n] = column_fma(a, tile->b[k][n], c[n]);
    }
    memcpy(tile->c, c, sizeof c);
}

void run_mma(Warp *warp, const Op *op)
{
    const Shape *shape = &shapes[op->kind];
    int results = op->width == 4 ? 4 : 2;
    Tile tile;

    if (!whole_warp(warp, op))
        return;
    unpack_a(warp, op, shape, results, &tile);
    unpack_b(warp, op, shape, results + shape->a_registers, &tile);
    unpack_c(warp, op, results + shape->a_registers + shape->b_registers, &tile);
    multiply(&tile, shape->k);
    pack_d(warp, op, &tile);
    warp->counters.macs += 16 * 8 * shape->k;
}
