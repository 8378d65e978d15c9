/* What lanes do together: matrices, shuffles, votes, atomics, barriers that count; and what they do
 * apart: branches, loops, calls, memory of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "half.h"
#include "softgpu.h"

enum { WORDS = 4096, LANE_COUNT = 32 };

static uint32_t in[WORDS], out[WORDS];

#define HEAD ".version 8.0\n.target sm_86\n.address_size 64\n"
#define ENTRY                                                                                      \
    ".visible .entry k(.param .u64 in, .param .u64 out)\n{\n"                                      \
    ".reg .pred %p<8>;\n.reg .b16 %h<8>;\n.reg .b32 %r<40>;\n.reg .f32 %f<16>;\n.reg .b64 "        \
    "%d<16>;\n"                                                                                    \
    ".shared .align 16 .b8 tile[4096];\n"                                                          \
    "ld.param.u64 %d1, [in];\nld.param.u64 %d2, [out];\nmov.u32 %r1, %tid.x;\n"                    \
    "mov.u32 %r2, tile;\nshl.b32 %r3, %r1, 2;\nadd.s32 %r4, %r2, %r3;\ncvt.u64.u32 %d3, %r3;\n"    \
    "add.s64 %d4, %d1, %d3;\nadd.s64 %d5, %d2, %d3;\n"

/* Runs `functions`, then `body` as the kernel; `in` is uploaded, `out` comes back. */
static void run_module(const char *functions, const char *body, uint32_t threads, uint32_t blocks)
{
    char text[16384];
    SoftGpu *gpu = softgpu_create(&(SoftGpuOptions){.memory_bytes = 1 << 20, .seed = 11});

    snprintf(text, sizeof text, "%s%s%s%sret;\n}\n", HEAD, functions, ENTRY, body);
    SoftGpuModule *module = softgpu_load(gpu, text, "warp.ptx");
    if (!module)
        fail_msg("%s", softgpu_report(gpu));
    uint64_t in_at = softgpu_allocate(gpu, sizeof in), out_at = softgpu_allocate(gpu, sizeof out);
    memset(out, 0, sizeof out);
    assert_true(softgpu_upload(gpu, in_at, in, sizeof in));
    assert_true(softgpu_upload(gpu, out_at, out, sizeof out));
    void *args[] = {&in_at, &out_at};
    SoftGpuLaunch launch = {.grid = {blocks, 1, 1}, .block = {threads, 1, 1}};
    if (softgpu_launch(gpu, softgpu_kernel(module, "k"), &launch, args) != SOFTGPU_OK)
        fail_msg("%s", softgpu_report(gpu));
    assert_true(softgpu_download(gpu, out, out_at, sizeof out));
    softgpu_destroy(gpu);
}

static void run(const char *body, uint32_t threads)
{
    run_module("", body, threads, 1);
}

static void fill_in(uint32_t step)
{
    for (uint32_t i = 0; i < WORDS; i++)
        in[i] = i * step;
}

static uint32_t float_bits(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static float bits_float(uint32_t bits)
{
    float x;

    memcpy(&x, &bits, sizeof x);
    return x;
}

/* ---- mma: the tables of the PTX ISA, element by element -------------------------------------- */

typedef struct Shape {
    const char *name;
    int k, a_registers, b_registers;
    int bits; /* of an element of A and B */
    int type; /* 0 f16, 1 bf16, 2 tf32 */
    int wide; /* f32 accumulators */
} Shape;

static const Shape shapes[] = {
    {"m16n8k16.row.col.f32.f16.f16.f32", 16, 4, 2, 16, 0, 1},
    {"m16n8k16.row.col.f16.f16.f16.f16", 16, 4, 2, 16, 0, 0},
    {"m16n8k8.row.col.f32.f16.f16.f32", 8, 2, 1, 16, 0, 1},
    {"m16n8k8.row.col.f16.f16.f16.f16", 8, 2, 1, 16, 0, 0},
    {"m16n8k16.row.col.f32.bf16.bf16.f32", 16, 4, 2, 16, 1, 1},
    {"m16n8k8.row.col.f32.bf16.bf16.f32", 8, 2, 1, 16, 1, 1},
    {"m16n8k8.row.col.f32.tf32.tf32.f32", 8, 4, 2, 32, 2, 1},
    {"m16n8k4.row.col.f32.tf32.tf32.f32", 4, 2, 1, 32, 2, 1},
};

/* Row and column of element a_i of a lane. */
static void place_a(const Shape *shape, int lane, int i, int *row, int *column)
{
    int group = lane >> 2, thread = lane & 3;

    if (shape->bits == 32) {
        *row = i == 0 || i == 2 ? group : group + 8;
        *column = i < 2 ? thread : thread + 4;
    } else if (shape->k == 16) {
        *row = i < 2 || (i >= 4 && i < 6) ? group : group + 8;
        *column = thread * 2 + (i & 1) + (i >= 4 ? 8 : 0);
    } else {
        *row = i < 2 ? group : group + 8;
        *column = thread * 2 + (i & 1);
    }
}

static void place_b(const Shape *shape, int lane, int i, int *row, int *column)
{
    int group = lane >> 2, thread = lane & 3;

    *column = group;
    if (shape->bits == 32)
        *row = thread + (i ? 4 : 0);
    else
        *row = thread * 2 + (i & 1) + (i >= 2 ? 8 : 0);
}

static uint32_t encode(const Shape *shape, int value)
{
    if (shape->type == 0)
        return half_from_exact(value);
    return shape->type == 1 ? bf16_from_exact(value) : float_bits((float)value);
}

static int a_value(int row, int column)
{
    return (row * 7 + column * 3) % 11 - 5;
}

static int b_value(int row, int column)
{
    return (row * 5 + column * 13) % 9 - 4;
}

static int c_value(int row, int column)
{
    return row * 8 + column - 60;
}

/* Words of `in`: 16 a lane: A from 0, B from 4, C from 8. */
static void pack_fragments(const Shape *shape)
{
    int per_register = 32 / shape->bits, row, column;

    memset(in, 0, sizeof in);
    for (int lane = 0; lane < LANE_COUNT; lane++) {
        uint32_t *words = in + 16 * lane;
        for (int i = 0; i < shape->a_registers * per_register; i++) {
            place_a(shape, lane, i, &row, &column);
            words[i / per_register] |= encode(shape, a_value(row, column))
                                       << (i % per_register ? 16 : 0);
        }
        for (int i = 0; i < shape->b_registers * per_register; i++) {
            place_b(shape, lane, i, &row, &column);
            words[4 + i / per_register] |= encode(shape, b_value(row, column))
                                           << (i % per_register ? 16 : 0);
        }
        for (int i = 0; i < 4; i++) {
            int value = c_value(lane / 4 + (i < 2 ? 0 : 8), lane % 4 * 2 + (i & 1));
            if (shape->wide)
                words[8 + i] = float_bits((float)value);
            else
                words[8 + i / 2] |= (uint32_t)half_from_exact(value) << (i & 1 ? 16 : 0);
        }
    }
}

static void print_mma(char *body, size_t size, const Shape *shape)
{
    static const char *const lists[] = {"", "{%%r%d}", "{%%r%d,%%r%d}", "",
                                        "{%%r%d,%%r%d,%%r%d,%%r%d}"};
    char d[64], a[64], b[64], c[64];
    int accumulators = shape->wide ? 4 : 2;

    snprintf(d, sizeof d, lists[accumulators], 30, 31, 32, 33);
    snprintf(a, sizeof a, lists[shape->a_registers], 10, 11, 12, 13);
    snprintf(b, sizeof b, lists[shape->b_registers], 14, 15);
    snprintf(c, sizeof c, lists[accumulators], 18, 19, 20, 21);
    snprintf(body, size,
             "mul.wide.u32 %%d6, %%r1, 64;\nadd.s64 %%d7, %%d1, %%d6;\nadd.s64 %%d8, %%d2, %%d6;\n"
             "ld.global.v4.u32 {%%r10,%%r11,%%r12,%%r13}, [%%d7];\n"
             "ld.global.v2.u32 {%%r14,%%r15}, [%%d7+16];\n"
             "ld.global.v4.u32 {%%r18,%%r19,%%r20,%%r21}, [%%d7+32];\n"
             "mov.u32 %%r32, 0;\nmov.u32 %%r33, 0;\n"
             "mma.sync.aligned.%s %s, %s, %s, %s;\n"
             "st.global.v4.u32 [%%d8], {%%r30,%%r31,%%r32,%%r33};\n",
             shape->name, d, a, b, c);
}

static void mma_multiplies_as_the_tables_say(void **state)
{
    char body[2048];

    (void)state;
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        const Shape *shape = &shapes[s];
        pack_fragments(shape);
        print_mma(body, sizeof body, shape);
        run(body, LANE_COUNT);
        for (int lane = 0; lane < LANE_COUNT; lane++)
            for (int i = 0; i < 4; i++) {
                int row = lane / 4 + (i < 2 ? 0 : 8), column = lane % 4 * 2 + (i & 1);
                int expected = c_value(row, column);
                for (int k = 0; k < shape->k; k++)
                    expected += a_value(row, k) * b_value(k, column);
                uint32_t word = out[16 * lane + (shape->wide ? i : i / 2)];
                float got = shape->wide ? bits_float(word)
                                        : float_from_half((uint16_t)(word >> (i & 1 ? 16 : 0)));
                if (got != (float)expected)
                    fail_msg("%s: lane %d, element %d: %g, expected %d", shape->name, lane, i,
                             (double)got, expected);
            }
    }
}

/* ---- ldmatrix, movmatrix --------------------------------------------------------------------- */

/* Matrix m, row r, column c is 64 m + 8 r + c, as 16 bits; rows are 16 bytes in the tile. */
static void ldmatrix_takes_rows_from_lanes(void **state)
{
    static const char *const lists[] = {"", "{%r10}", "{%r10,%r11}", "", "{%r10,%r11,%r12,%r13}"};
    char body[1024];

    (void)state;
    for (uint32_t i = 0; i < WORDS; i++)
        in[i] = 2 * i | (2 * i + 1) << 16;
    for (int count = 1; count <= 4; count *= 2)
        for (int transposed = 0; transposed < 2; transposed++) {
            snprintf(body, sizeof body,
                     "shl.b32 %%r5, %%r1, 4;\nadd.s32 %%r6, %%r2, %%r5;\ncvt.u64.u32 %%d6, %%r5;\n"
                     "add.s64 %%d7, %%d1, %%d6;\nadd.s64 %%d8, %%d2, %%d6;\n"
                     "ld.global.v4.u32 {%%r10,%%r11,%%r12,%%r13}, [%%d7];\n"
                     "st.shared.v4.u32 [%%r6], {%%r10,%%r11,%%r12,%%r13};\nbar.sync 0;\n"
                     "ldmatrix.sync.aligned.m8n8.x%d%s.shared.b16 %s, [%%r6];\n"
                     "st.global.v4.u32 [%%d8], {%%r10,%%r11,%%r12,%%r13};\n",
                     count, transposed ? ".trans" : "", lists[count]);
            run(body, LANE_COUNT);
            for (uint32_t lane = 0; lane < LANE_COUNT; lane++)
                for (uint32_t m = 0; m < (uint32_t)count; m++) {
                    uint32_t row = lane / 4, column = lane % 4 * 2;
                    uint32_t low = transposed ? 8 * column + row : 8 * row + column;
                    uint32_t high = transposed ? 8 * (column + 1) + row : 8 * row + column + 1;
                    assert_int_equal(out[4 * lane + m], (64 * m + low) | (64 * m + high) << 16);
                }
        }
}

static void movmatrix_transposes(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < WORDS; i++)
        in[i] = 2 * i | (2 * i + 1) << 16;
    run("ld.global.u32 %r10, [%d4];\nmovmatrix.sync.aligned.m8n8.trans.b16 %r11, %r10;\n"
        "st.global.u32 [%d5], %r11;\n",
        LANE_COUNT);
    for (uint32_t lane = 0; lane < LANE_COUNT; lane++) {
        uint32_t row = lane / 4, column = lane % 4 * 2;
        assert_int_equal(out[lane], (8 * column + row) | (8 * (column + 1) + row) << 16);
    }
}

/* ---- shuffles, votes ------------------------------------------------------------------------- */

/* c = clamp | segment mask << 8, as __shfl_*_sync of this width makes it. */
static void shuffles_stay_in_their_segment(void **state)
{
    static const char *const modes[] = {"up", "down", "bfly", "idx"};
    char body[512];

    (void)state;
    fill_in(10);
    for (int mode = 0; mode < 4; mode++)
        for (int width = 8; width <= 32; width *= 2)
            for (int by = 0; by < 12; by += 3) {
                int c = (32 - width) << 8 | (mode == 0 ? 0 : 31);
                snprintf(body, sizeof body,
                         "ld.global.u32 %%r10, [%%d4];\n"
                         "shfl.sync.%s.b32 %%r11|%%p1, %%r10, %d, %d, -1;\n"
                         "selp.u32 %%r12, 1, 0, %%p1;\nshl.b32 %%r11, %%r11, 1;\n"
                         "or.b32 %%r11, %%r11, %%r12;\nst.global.u32 [%%d5], %%r11;\n",
                         modes[mode], by, c);
                run(body, LANE_COUNT);
                for (int lane = 0; lane < LANE_COUNT; lane++) {
                    int first = lane / width * width;
                    int from = mode == 0   ? lane - by
                               : mode == 1 ? lane + by
                               : mode == 2 ? (lane ^ by)
                                           : first + by % width;
                    int inside = mode == 0 ? from >= first : from < first + width;
                    uint32_t value = (uint32_t)(inside ? from : lane) * 10;
                    assert_int_equal(out[lane], value << 1 | (uint32_t)inside);
                }
            }
}

static void votes_count_their_members(void **state)
{
    (void)state;
    fill_in(1);
    run("setp.gt.u32 %p1, %r1, 20;\nvote.sync.ballot.b32 %r10, %p1, -1;\n"
        "st.global.u32 [%d5], %r10;\nvote.sync.any.pred %p2, %p1, -1;\n"
        "vote.sync.all.pred %p3, %p1, -1;\nvote.sync.uni.pred %p4, !%p1, -1;\n"
        "selp.u32 %r11, 1, 0, %p2;\nselp.u32 %r12, 2, 0, %p3;\nselp.u32 %r13, 4, 0, %p4;\n"
        "or.b32 %r11, %r11, %r12;\nor.b32 %r11, %r11, %r13;\nst.global.u32 [%d5+128], %r11;\n"
        "and.b32 %r14, %r1, 3;\nmatch.any.sync.b32 %r15, %r14, -1;\nst.global.u32 [%d5+256], "
        "%r15;\n"
        "match.all.sync.b32 %r16|%p5, %r14, -1;\nst.global.u32 [%d5+384], %r16;\n"
        "redux.sync.add.s32 %r17, %r1, -1;\nst.global.u32 [%d5+512], %r17;\n"
        "redux.sync.max.u32 %r18, %r1, -1;\nredux.sync.xor.b32 %r19, %r1, -1;\n"
        "st.global.u32 [%d5+640], %r18;\nst.global.u32 [%d5+768], %r19;\n"
        "sub.s32 %r20, 5, %r1;\nredux.sync.min.s32 %r21, %r20, -1;\nst.global.u32 [%d5+896], "
        "%r21;\n"
        "setp.lt.u32 %p6, %r1, 7;\n@%p6 activemask.b32 %r22;\n@%p6 st.global.u32 [%d5+1024], "
        "%r22;\n",
        LANE_COUNT);
    for (uint32_t lane = 0; lane < LANE_COUNT; lane++) {
        assert_int_equal(out[lane], 0xffe00000);
        assert_int_equal(out[32 + lane], 1);
        assert_int_equal(out[64 + lane], 0x11111111u << lane % 4);
        assert_int_equal(out[96 + lane], 0);
        assert_int_equal(out[128 + lane], 496);
        assert_int_equal(out[160 + lane], 31);
        assert_int_equal(out[192 + lane], 0);
        assert_int_equal((int32_t)out[224 + lane], -26);
        assert_int_equal(out[256 + lane], lane < 7 ? 0x7f : 0);
    }
}

/* Votes of the lanes that a branch has left, and after they have met again. */
static void a_warp_meets_again_behind_a_branch(void **state)
{
    (void)state;
    run("setp.lt.u32 %p1, %r1, 10;\nmov.u32 %r10, 0;\n@!%p1 bra AGAIN;\n"
        "shfl.sync.idx.b32 %r10, %r1, 3, 31, 1023;\nAGAIN:\n"
        "shfl.sync.bfly.b32 %r11, %r1, 1, 31, -1;\nst.global.u32 [%d5], %r10;\n"
        "st.global.u32 [%d5+128], %r11;\n",
        LANE_COUNT);
    for (uint32_t lane = 0; lane < LANE_COUNT; lane++) {
        assert_int_equal(out[lane], lane < 10 ? 3 : 0);
        assert_int_equal(out[32 + lane], lane ^ 1);
    }
}

/* ---- atomics --------------------------------------------------------------------------------- */

/* 8 blocks of 64 threads on the same words. */
static void atomics_lose_nothing(void **state)
{
    (void)state;
    run_module("",
               "mov.u32 %r10, %ctaid.x;\nmad.lo.s32 %r11, %r10, 64, %r1;\n"
               "atom.global.add.u32 %r12, [%d2], 3;\nred.global.max.s32 [%d2+4], %r11;\n"
               "red.global.or.b32 [%d2+8], %r11;\ncvt.u64.u32 %d6, %r11;\n"
               "red.global.add.u64 [%d2+16], %d6;\nsub.s32 %r13, 100, %r11;\n"
               "red.global.min.s32 [%d2+24], %r13;\natom.global.inc.u32 %r14, [%d2+28], 9;\n"
               "red.global.xor.b32 [%d2+32], %r11;\ncvt.rn.f32.u32 %f1, 2;\n"
               "red.global.add.f32 [%d2+36], %f1;\n",
               64, 8);
    assert_int_equal(out[0], 3 * 512);
    assert_int_equal(out[1], 511);
    assert_int_equal(out[2], 511);
    assert_int_equal(out[4], 511 * 512 / 2);
    assert_int_equal((int32_t)out[6], 100 - 511);
    assert_int_equal(out[7], 512 % 10);
    assert_int_equal(out[8], 0);
    assert_true(bits_float(out[9]) == 1024);
}

/* A lock by compare and swap would need turns of warps; here each thread adds 1 by it. */
static void compare_and_swap_loops_end(void **state)
{
    (void)state;
    run_module("",
               "setp.eq.u32 %p1, %r1, 0;\nmov.u32 %r9, 0;\n@%p1 st.shared.u32 [%r2], %r9;\n"
               "bar.sync 0;\natom.shared.add.u32 %r15, [%r2], 0;\nLOOP:\nadd.s32 %r11, %r15, 1;\n"
               "mov.u32 %r12, %r15;\natom.shared.cas.b32 %r15, [%r2], %r12, %r11;\n"
               "setp.ne.s32 %p2, %r15, %r12;\n@%p2 bra LOOP;\nbar.sync 0;\n"
               "ld.shared.u32 %r13, [%r2];\nst.global.u32 [%d5], %r13;\n",
               96, 1);
    for (uint32_t i = 0; i < 96; i++)
        assert_int_equal(out[i], 96);
}

static void barriers_can_count(void **state)
{
    (void)state;
    run("setp.lt.u32 %p1, %r1, 50;\nbar.red.popc.u32 %r10, 0, %p1;\nst.global.u32 [%d5], %r10;\n"
        "bar.red.and.pred %p2, 0, %p1;\nbar.red.or.pred %p3, 0, !%p1;\n"
        "selp.u32 %r11, 1, 0, %p2;\nselp.u32 %r12, 2, 0, %p3;\nor.b32 %r11, %r11, %r12;\n"
        "st.global.u32 [%d5+512], %r11;\n",
        96);
    for (uint32_t i = 0; i < 96; i++) {
        assert_int_equal(out[i], 50);
        assert_int_equal(out[128 + i], 2);
    }
}

/* One half of the block arrives, the other waits for it. */
static void an_arrival_is_enough_for_a_barrier(void **state)
{
    (void)state;
    run("setp.lt.u32 %p1, %r1, 32;\n@!%p1 bra CONSUME;\nst.shared.u32 [%r4], %r1;\n"
        "bar.arrive 3, 64;\nbra END;\nCONSUME:\nbar.sync 3, 64;\nld.shared.u32 %r10, [%r4+-128];\n"
        "st.global.u32 [%d5], %r10;\nEND:\n",
        64);
    for (uint32_t i = 32; i < 64; i++)
        assert_int_equal(out[i], i - 32);
}

/* ---- control flow ---------------------------------------------------------------------------- */

/* Each lane runs its loop as often as its number says; nested, with an exit of some lanes on the
 * way. */
static void lanes_loop_as_often_as_they_need(void **state)
{
    (void)state;
    run("mov.u32 %r10, 0;\nmov.u32 %r11, 0;\nsetp.eq.u32 %p4, %r1, 5;\n@%p4 exit;\nOUTER:\n"
        "setp.ge.u32 %p1, %r11, %r1;\n@%p1 bra DONE;\nmov.u32 %r12, 0;\nINNER:\nadd.s32 %r10, "
        "%r10, 1;\n"
        "add.s32 %r12, %r12, 1;\nsetp.le.u32 %p2, %r12, %r11;\n@%p2 bra INNER;\nadd.s32 %r11, "
        "%r11, 1;\n"
        "bra OUTER;\nDONE:\nst.global.u32 [%d5], %r10;\n",
        64);
    for (uint32_t i = 0; i < 64; i++)
        assert_int_equal(out[i], i == 5 ? 0 : i * (i + 1) / 2);
}

static void a_switch_goes_to_its_case(void **state)
{
    (void)state;
    run("and.b32 %r10, %r1, 3;\nts: .branchtargets A, B, C, D;\nbrx.idx %r10, ts;\n"
        "A:\nmov.u32 %r11, 100;\nbra END;\nB:\nmov.u32 %r11, 200;\nbra END;\nC:\nmov.u32 %r11, "
        "300;\n"
        "bra END;\nD:\nmov.u32 %r11, 400;\nEND:\nst.global.u32 [%d5], %r11;\n",
        32);
    for (uint32_t i = 0; i < 32; i++)
        assert_int_equal(out[i], 100 * (i % 4 + 1));
}

/* Two calls of a function with a loop and an early return; parameters and results a lane. */
static void functions_run_in_place(void **state)
{
    (void)state;
    run_module(
        ".func (.param .b32 result) power(.param .b32 base, .param .b32 exponent)\n{\n"
        ".reg .pred %p<3>;\n.reg .b32 %r<6>;\nld.param.b32 %r1, [base];\n"
        "ld.param.b32 %r2, [exponent];\nmov.u32 %r3, 1;\nsetp.eq.s32 %p1, %r2, 0;\n@%p1 bra OUT;\n"
        "AGAIN:\nmul.lo.s32 %r3, %r3, %r1;\nadd.s32 %r2, %r2, -1;\nsetp.ne.s32 %p2, %r2, 0;\n"
        "@%p2 bra AGAIN;\nOUT:\nst.param.b32 [result], %r3;\nret;\n}\n",
        "and.b32 %r10, %r1, 3;\nadd.s32 %r11, %r10, 1;\nand.b32 %r12, %r1, 7;\n"
        "{\n.param .b32 a;\n.param .b32 b;\n.param .b32 c;\nst.param.b32 [a], %r11;\n"
        "st.param.b32 [b], %r12;\ncall.uni (c), power, (a, b);\nld.param.b32 %r13, [c];\n}\n"
        "{\n.param .b32 a;\n.param .b32 b;\n.param .b32 c;\nst.param.b32 [a], 2;\n"
        "st.param.b32 [b], %r12;\ncall.uni (c), power, (a, b);\nld.param.b32 %r14, [c];\n}\n"
        "add.s32 %r13, %r13, %r14;\nst.global.u32 [%d5], %r13;\n",
        32, 1);
    for (uint32_t i = 0; i < 32; i++) {
        uint32_t expected = 1;
        for (uint32_t k = 0; k < i % 8; k++)
            expected *= i % 4 + 1;
        assert_int_equal(out[i], expected + (1u << i % 8));
    }
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void elements_are_widened_and_cut(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < WORDS; i++)
        in[i] = 0x80f1ff82u + i;
    run("ld.global.s8 %r10, [%d4];\nld.global.u8 %r11, [%d4];\nld.global.s16 %r12, [%d4+2];\n"
        "ld.global.nc.u16 %h1, [%d4];\ncvt.u32.u16 %r13, %h1;\nld.global.u8 %h2, [%d4+3];\n"
        "cvt.u32.u16 %r14, %h2;\nst.global.u32 [%d5], %r10;\nst.global.u32 [%d5+128], %r11;\n"
        "st.global.u32 [%d5+256], %r12;\nst.global.u32 [%d5+384], %r13;\nst.global.u32 [%d5+512], "
        "%r14;\n"
        "st.global.u8 [%d5+640], %r12;\nst.global.u16 [%d5+642], %r12;\n",
        32);
    for (uint32_t i = 0; i < 32; i++) {
        uint32_t word = in[i];
        assert_int_equal((int32_t)out[i], (int8_t)word);
        assert_int_equal(out[32 + i], word & 255);
        assert_int_equal((int32_t)out[64 + i], (int16_t)(word >> 16));
        assert_int_equal(out[96 + i], word & 0xffff);
        assert_int_equal(out[128 + i], word >> 24);
        assert_int_equal(out[160 + i], (word >> 16 & 255) | (word >> 16) << 16);
    }
}

/* Local memory belongs to the thread, generic addresses find their space. */
static void each_space_is_its_own(void **state)
{
    (void)state;
    fill_in(1);
    run_module(
        ".const .align 4 .u32 table[4] = {10, 20, 30, 40};\n.global .align 4 .u32 total = 7;\n",
        ".local .align 4 .b8 mine[64];\nmov.u64 %d6, mine;\nand.b32 %r10, %r1, 15;\n"
        "mul.wide.u32 %d7, %r10, 4;\nadd.s64 %d8, %d6, %d7;\nst.local.u32 [%d8], %r1;\n"
        "cvta.local.u64 %d9, %d8;\nld.u32 %r11, [%d9];\nst.global.u32 [%d5], %r11;\n"
        "st.shared.u32 [%r4], %r1;\ncvt.u64.u32 %d10, %r4;\ncvta.shared.u64 %d11, %d10;\n"
        "ld.u32 %r12, [%d11];\nst.global.u32 [%d5+128], %r12;\nand.b32 %r13, %r1, 3;\n"
        "mul.wide.u32 %d12, %r13, 4;\nmov.u64 %d13, table;\nadd.s64 %d13, %d13, %d12;\n"
        "ld.const.u32 %r14, [%d13];\nld.global.u32 %r15, [total];\nadd.s32 %r14, %r14, %r15;\n"
        "st.global.u32 [%d5+256], %r14;\nisspacep.shared %p1, %d11;\nisspacep.local %p2, %d11;\n"
        "selp.u32 %r16, 1, 0, %p1;\nselp.u32 %r17, 2, 0, %p2;\nor.b32 %r16, %r16, %r17;\n"
        "st.global.u32 [%d5+384], %r16;\n",
        32, 1);
    for (uint32_t i = 0; i < 32; i++) {
        assert_int_equal(out[i], i);
        assert_int_equal(out[32 + i], i);
        assert_int_equal(out[64 + i], 10 * (i % 4 + 1) + 7);
        assert_int_equal(out[96 + i], 1);
    }
}

static void registers_pack_and_unpack(void **state)
{
    (void)state;
    fill_in(0x01020304);
    run("ld.global.u32 %r10, [%d4];\nmov.b32 {%h1, %h2}, %r10;\nmov.b32 %r11, {%h2, %h1};\n"
        "mov.b64 %d6, {%r10, %r11};\nmov.b64 {%r12, %r13}, %d6;\nadd.s32 %r12, %r12, %r13;\n"
        "st.global.u32 [%d5], %r12;\n{\n.reg .b32 %r10;\nmov.u32 %r10, 3;\n}\n"
        "st.global.u32 [%d5+128], %r10;\n",
        32);
    for (uint32_t i = 0; i < 32; i++) {
        assert_int_equal(out[i], in[i] + (in[i] >> 16 | in[i] << 16));
        assert_int_equal(out[32 + i], in[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mma_multiplies_as_the_tables_say),
        cmocka_unit_test(ldmatrix_takes_rows_from_lanes),
        cmocka_unit_test(movmatrix_transposes),
        cmocka_unit_test(shuffles_stay_in_their_segment),
        cmocka_unit_test(votes_count_their_members),
        cmocka_unit_test(a_warp_meets_again_behind_a_branch),
        cmocka_unit_test(atomics_lose_nothing),
        cmocka_unit_test(compare_and_swap_loops_end),
        cmocka_unit_test(barriers_can_count),
        cmocka_unit_test(an_arrival_is_enough_for_a_barrier),
        cmocka_unit_test(lanes_loop_as_often_as_they_need),
        cmocka_unit_test(a_switch_goes_to_its_case),
        cmocka_unit_test(functions_run_in_place),
        cmocka_unit_test(elements_are_widened_and_cut),
        cmocka_unit_test(each_space_is_its_own),
        cmocka_unit_test(registers_pack_and_unpack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
