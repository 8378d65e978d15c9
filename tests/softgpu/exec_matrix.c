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

/* Row r of matrix m is 16 bytes at the address in lane 8 m + r. Lane 4 g + t gets word t of row g,
 * or of column g of the transposed matrix. */
void run_load_matrix(Warp *warp, const Op *op)
{
    U64 addresses = lane_addresses(warp, op, op->count);
    uint32_t words[4][LANES];

    if (!whole_warp(warp, op))
        return;
    for (uint32_t lane = 0; lane < 8u * op->count; lane++) {
        const uint8_t *at = access_pointer(warp, op, lane, addresses[lane], 16, ACCESS_read);
        if (!at)
            return;
        memcpy(&words[lane / 8][lane % 8 * 4], at, 16);
    }
    for (int m = 0; m < op->count; m++) {
        U32 d;
        uint16_t rows[8][8];
        memcpy(&d, words[m], sizeof d);
        if (op->flags & OP_TRANSPOSE) {
            memcpy(rows, words[m], sizeof rows);
            for (int lane = 0; lane < LANES; lane++) {
                int g = lane / 4, t = lane % 4;
                d[lane] = rows[2 * t][g] | (uint32_t)rows[2 * t + 1][g] << 16;
            }
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

/* ---- mma -------------------------------------------------------------------------------------
 *
 * The work is done where the numbers lie. A lane of the quad of row g has A[g][k] for one k of four
 * (or of eight, two a register): spreading it over the quad gives a factor for all four of its
 * lanes. B[k][n] is in the quad of column n: one lane of each second quad makes a quad of B, the
 * same for all rows.
 */

typedef struct Shape {
    int depth, a_registers, b_registers;
    int per_register; /* elements: 1 or 2 */
} Shape;

static const Shape shapes[] = {
    [MMA_f16_k16] = {16, 4, 2, 2}, [MMA_f16_k8] = {8, 2, 1, 2},  [MMA_bf16_k16] = {16, 4, 2, 2},
    [MMA_bf16_k8] = {8, 2, 1, 2},  [MMA_tf32_k8] = {8, 4, 2, 1}, [MMA_tf32_k4] = {4, 2, 1, 1},
};

/* Low and high element of a register in f32; of tf32 there is one, without its low 13 bits. */
static void widen(const Op *op, U32 v, F32 parts[2])
{
    if (op->kind == MMA_tf32_k8 || op->kind == MMA_tf32_k4) {
        parts[0] = (F32)(v & 0xffffe000u);
    } else if (op->kind == MMA_bf16_k16 || op->kind == MMA_bf16_k8) {
        parts[0] = (F32)(v << 16);
        parts[1] = (F32)(v & 0xffff0000u);
    } else {
        parts[0] = lanes_from_half(__builtin_convertvector(v & 0xffff, U16));
        parts[1] = lanes_from_half(__builtin_convertvector(v >> 16, U16));
    }
}

/* c[0], c[1]: row g, columns 2t, 2t + 1; c[2], c[3]: row g + 8. */
static void load_sums(const Warp *warp, const Op *op, int first, F32 c[4])
{
    for (int i = 0; i < 4 && op->width == 4; i++)
        c[i] = REG(F32, first + i);
    for (int i = 0; i < 2 && op->width == 2; i++) {
        U32 v = REG(U32, first + i);
        c[2 * i] = lanes_from_half(__builtin_convertvector(v & 0xffff, U16));
        c[2 * i + 1] = lanes_from_half(__builtin_convertvector(v >> 16, U16));
    }
}

static void store_sums(Warp *warp, const Op *op, const F32 c[4])
{
    for (int i = 0; i < 4 && op->width == 4; i++)
        PUT_U32(i, c[i]);
    for (int i = 0; i < 2 && op->width == 2; i++) {
        U16 low = lanes_to_half(c[2 * i]), high = lanes_to_half(c[2 * i + 1]);
        PUT_U32(i, __builtin_convertvector(low, U32) | __builtin_convertvector(high, U32) << 16);
    }
}

void run_mma(Warp *warp, const Op *op)
{
    const Shape *shape = &shapes[op->kind];
    int results = op->width == 4 ? 4 : 2, b_first = results + shape->a_registers;
    F32 a[4][2], b[2][2], c[4];

    if (!whole_warp(warp, op))
        return;
    for (int i = 0; i < shape->a_registers; i++)
        widen(op, REG(U32, results + i), a[i]);
    for (int i = 0; i < shape->b_registers; i++)
        widen(op, REG(U32, b_first + i), b[i]);
    load_sums(warp, op, b_first + shape->b_registers, c);
    for (int k = 0; k < shape->depth; k++) {
        int part = k % shape->per_register, t = k / shape->per_register % 4;
        int group = k / (4 * shape->per_register); /* of registers */
        F32 upper = lanes_spread_quad(a[2 * group][part], t);
        F32 lower = lanes_spread_quad(a[2 * group + 1][part], t);
        F32 even = lanes_gather_quad(b[group][part], t),
            odd = lanes_gather_quad(b[group][part], 4 + t);
        c[0] = lanes_fma(upper, even, c[0]);
        c[1] = lanes_fma(upper, odd, c[1]);
        c[2] = lanes_fma(lower, even, c[2]);
        c[3] = lanes_fma(lower, odd, c[3]);
    }
    store_sums(warp, op, c);
    warp->counters.macs += 16 * 8 * shape->depth;
}
