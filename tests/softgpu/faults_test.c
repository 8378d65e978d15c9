/* Every fault that the device detects, planted in a few lines of PTX; and the same lines without
 * the fault, which must pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "softgpu.h"

enum { THREADS = 64, BYTES = 4096 };

typedef struct Run {
    SoftGpuStatus status;
    SoftGpuFault fault;
    char report[1024];
    SoftGpuCounters counters;
    uint32_t out[BYTES / 4];
} Run;

#define HEAD                                                                                       \
    ".version 8.0\n.target sm_86\n.address_size 64\n"                                              \
    ".visible .entry k(.param .u64 in, .param .u64 out)\n{\n"                                      \
    ".reg .pred %p<8>;\n.reg .b16 %h<8>;\n.reg .b32 %r<16>;\n.reg .f32 %f<8>;\n.reg .b64 "         \
    "%d<16>;\n"                                                                                    \
    ".shared .align 16 .b8 tile[1024];\n"                                                          \
    "ld.param.u64 %d1, [in];\nld.param.u64 %d2, [out];\nmov.u32 %r1, %tid.x;\n"                    \
    "mov.u32 %r2, tile;\nshl.b32 %r3, %r1, 2;\nadd.s32 %r4, %r2, %r3;\ncvt.u64.u32 %d3, %r3;\n"    \
    "add.s64 %d4, %d1, %d3;\nadd.s64 %d5, %d2, %d3;\nxor.b32 %r5, %r3, 4;\nadd.s32 %r6, %r2, "     \
    "%r5;\n"                                                                                       \
    "shl.b32 %r7, %r1, 4;\nadd.s32 %r8, %r2, %r7;\ncvt.u64.u32 %d6, %r7;\nadd.s64 %d7, %d1, "      \
    "%d6;\n"

#define TAIL "ret;\n}\n"

/* One block of THREADS threads; in: 0, 1, 2, … as u32. */
static Run run_threads(const char *body, uint32_t threads, uint32_t blocks)
{
    static uint32_t in[BYTES / 4];
    char text[8192];
    Run run = {0};
    SoftGpu *gpu =
        softgpu_create(&(SoftGpuOptions){.memory_bytes = 1 << 20, .seed = 7, .check_blocks = true});

    snprintf(text, sizeof text, "%s%s%s", HEAD, body, TAIL);
    SoftGpuModule *module = softgpu_load(gpu, text, "planted.ptx");
    if (!module) {
        run.status = SOFTGPU_INVALID_PTX;
        run.fault = SOFTGPU_FAULT_ptx;
        snprintf(run.report, sizeof run.report, "%s", softgpu_report(gpu));
        softgpu_destroy(gpu);
        return run;
    }
    for (uint32_t i = 0; i < BYTES / 4; i++)
        in[i] = i;
    uint64_t in_at = softgpu_allocate(gpu, BYTES), out_at = softgpu_allocate(gpu, BYTES);
    assert_true(softgpu_upload(gpu, in_at, in, BYTES));
    void *args[] = {&in_at, &out_at};
    SoftGpuLaunch launch = {.grid = {blocks, 1, 1}, .block = {threads, 1, 1}};
    run.status = softgpu_launch(gpu, softgpu_kernel(module, "k"), &launch, args);
    run.fault = softgpu_fault(gpu);
    run.counters = softgpu_last_counters(gpu);
    snprintf(run.report, sizeof run.report, "%s", softgpu_report(gpu));
    assert_true(softgpu_download(gpu, run.out, out_at, BYTES));
    softgpu_destroy(gpu);
    return run;
}

static Run run(const char *body)
{
    return run_threads(body, THREADS, 1);
}

static void check(const char *body, SoftGpuFault fault, const char *says)
{
    Run result = run(body);

    if (result.fault != fault || !strstr(result.report, says))
        print_error("%s\nfault %d, expected %d; the report is:\n%s\nexpected in it: %s\n", body,
                    result.fault, fault, result.report, says);
    assert_int_equal(result.fault, fault);
    assert_non_null(strstr(result.report, says));
}

static void passes(const char *body)
{
    check(body, SOFTGPU_FAULT_none, "");
}

/* ---- races in shared memory ------------------------------------------------------------------ */

static void a_neighbours_value_needs_a_barrier(void **state)
{
    (void)state;
    passes("st.shared.u32 [%r4], %r1;\nbar.sync 0;\nld.shared.u32 %r9, [%r6];\n"
           "st.global.u32 [%d5], %r9;\n");
    check("st.shared.u32 [%r4], %r1;\nld.shared.u32 %r9, [%r6];\nst.global.u32 [%d5], %r9;\n",
          SOFTGPU_FAULT_shared_race, "reads shared memory at offset");
    Run right = run("st.shared.u32 [%r4], %r1;\nbar.sync 0;\nld.shared.u32 %r9, [%r6];\n"
                    "st.global.u32 [%d5], %r9;\n");
    for (uint32_t i = 0; i < THREADS; i++)
        assert_int_equal(right.out[i], i ^ 1);
}

static void writing_what_a_neighbour_reads_needs_one_too(void **state)
{
    (void)state;
    check("st.shared.u32 [%r4], %r1;\nbar.sync 0;\nld.shared.u32 %r9, [%r6];\n"
          "st.shared.u32 [%r4], %r9;\n",
          SOFTGPU_FAULT_shared_race, "writes shared memory at offset");
    passes("st.shared.u32 [%r4], %r1;\nbar.sync 0;\nld.shared.u32 %r9, [%r6];\nbar.sync 0;\n"
           "st.shared.u32 [%r4], %r9;\n");
}

static void two_writers_race(void **state)
{
    (void)state;
    check("st.shared.u32 [%r2], %r1;\n", SOFTGPU_FAULT_shared_race, "wrote");
    passes("setp.eq.u32 %p1, %r1, 5;\n@%p1 st.shared.u32 [%r2], %r1;\n");
}

/* A write by one warp after all threads have read. */
static void many_readers_are_remembered(void **state)
{
    (void)state;
    check("setp.eq.u32 %p1, %r1, 40;\n@%p1 st.shared.u32 [%r2], %r1;\nbar.sync 0;\n"
          "ld.shared.u32 %r9, [%r2];\nsetp.eq.u32 %p2, %r1, 63;\n@%p2 st.shared.u32 [%r2], %r9;\n",
          SOFTGPU_FAULT_shared_race, "writes");
    /* within one warp: thread 0 reads, then thread 1 reads and writes */
    check("setp.lt.u32 %p1, %r1, 2;\nsetp.eq.u32 %p2, %r1, 1;\n@%p1 ld.shared.u32 %r9, [%r2];\n"
          "@%p2 st.shared.u32 [%r2], %r1;\n",
          SOFTGPU_FAULT_shared_race, "writes");
}

static void lanes_are_ordered_by_a_warp_barrier(void **state)
{
    (void)state;
    passes("st.shared.u32 [%r4], %r1;\nbar.warp.sync -1;\nld.shared.u32 %r9, [%r6];\n"
           "bar.warp.sync -1;\nst.shared.u32 [%r4], %r9;\n");
}

static void neighbours_of_two_bytes_do_not_race(void **state)
{
    (void)state;
    passes("cvt.u16.u32 %h1, %r1;\nshl.b32 %r9, %r1, 1;\nadd.s32 %r9, %r9, %r2;\n"
           "st.shared.u16 [%r9], %h1;\nbar.sync 0;\nld.shared.u32 %r10, [%r2];\n");
    passes("cvt.u16.u32 %h1, %r1;\nadd.s32 %r9, %r1, %r2;\nst.shared.u8 [%r9], %h1;\n");
}

/* ---- cp.async -------------------------------------------------------------------------------- */

#define COPY "cp.async.cg.shared.global [%r8], [%d7], 16;\ncp.async.commit_group;\n"
#define READ "bar.sync 0;\nld.shared.u32 %r9, [%r6];\nst.global.u32 [%d5], %r9;\n"

static void a_copy_must_be_waited_for(void **state)
{
    (void)state;
    passes(COPY "cp.async.wait_group 0;\n" READ);
    passes(COPY "cp.async.wait_all;\n" READ);
    check(COPY READ, SOFTGPU_FAULT_async_pending, "has not been waited for");
    check(COPY "cp.async.wait_group 1;\n" READ, SOFTGPU_FAULT_async_pending, "reads");
    check(COPY "cp.async.wait_group 0;\nld.shared.u32 %r9, [%r6];\n", SOFTGPU_FAULT_shared_race,
          "wrote");
    Run right = run(COPY "cp.async.wait_group 0;\n" READ);
    for (uint32_t i = 0; i < THREADS; i++)
        assert_int_equal(right.out[i], i ^ 1);
}

static void a_copy_is_its_lanes_until_then(void **state)
{
    (void)state;
    check(COPY "st.shared.u32 [%r8], %r1;\n", SOFTGPU_FAULT_async_pending, "writes");
}

/* Two groups: waiting for all but one leaves the second. */
static void groups_are_waited_for_in_order(void **state)
{
    const char *two = "setp.lt.u32 %p1, %r1, 32;\n@!%p1 bra END;\n"
                      "cp.async.ca.shared.global [%r4], [%d4], 4;\ncp.async.commit_group;\n"
                      "cp.async.ca.shared.global [%r4+512], [%d4+128], 4;\ncp.async.commit_group;\n"
                      "cp.async.wait_group 1;\n";
    char body[2048];

    (void)state;
    snprintf(body, sizeof body,
             "%sld.shared.u32 %%r9, [%%r4];\nst.global.u32 [%%d5], %%r9;\nEND:\n", two);
    passes(body);
    snprintf(body, sizeof body, "%sld.shared.u32 %%r9, [%%r4+512];\nEND:\n", two);
    check(body, SOFTGPU_FAULT_async_pending, "reads");
}

static void bytes_beyond_the_source_size_are_zero(void **state)
{
    Run result = run("mov.u32 %r10, 4;\ncp.async.cg.shared.global [%r8], [%d7], 16, %r10;\n"
                     "cp.async.wait_all;\nbar.sync 0;\nld.shared.u32 %r9, [%r4];\n"
                     "st.global.u32 [%d5], %r9;\n");

    (void)state;
    assert_int_equal(result.fault, SOFTGPU_FAULT_none);
    for (uint32_t i = 0; i < THREADS; i++)
        assert_int_equal(result.out[i], i % 4 ? 0 : i);
    /* a source of no bytes is not read at all */
    passes("mov.u32 %r10, 0;\nmov.u64 %d8, 0;\ncp.async.cg.shared.global [%r8], [%d8], 16, %r10;\n"
           "cp.async.wait_all;\n");
}

/* ---- addresses ------------------------------------------------------------------------------- */

static void bounds_are_those_of_the_allocation(void **state)
{
    (void)state;
    passes("ld.global.u32 %r9, [%d1+4092];\n");
    check("ld.global.u32 %r9, [%d1+4096];\n", SOFTGPU_FAULT_out_of_bounds,
          "0 bytes behind the end");
    check("ld.global.u32 %r9, [%d1+-4];\n", SOFTGPU_FAULT_out_of_bounds, "4 bytes before");
    check("ld.global.v4.u32 {%r9, %r10, %r11, %r12}, [%d1+4088];\n", SOFTGPU_FAULT_out_of_bounds,
          "crosses the end");
    check("st.global.u32 [%d2+4096], %r1;\n", SOFTGPU_FAULT_out_of_bounds, "writes 4 bytes");
    check("ld.shared.u32 %r9, [%r2+1024];\n", SOFTGPU_FAULT_out_of_bounds, "the block has 1024");
    check("mov.u64 %d9, 64;\nld.global.u32 %r9, [%d9];\n", SOFTGPU_FAULT_out_of_bounds, "0x40");
    check("cp.async.cg.shared.global [%r8+512], [%d7], 16;\n", SOFTGPU_FAULT_out_of_bounds,
          "shared memory");
    check("cp.async.cg.shared.global [%r8], [%d7+3200], 16;\n", SOFTGPU_FAULT_out_of_bounds,
          "0 bytes behind the end");
}

static void an_access_is_aligned_to_its_size(void **state)
{
    (void)state;
    check("ld.global.u32 %r9, [%d1+2];\n", SOFTGPU_FAULT_misaligned, "no multiple of 4");
    check("ld.global.v4.u32 {%r9, %r10, %r11, %r12}, [%d1+8];\n", SOFTGPU_FAULT_misaligned,
          "no multiple of 16");
    check("ld.shared.v2.u32 {%r9, %r10}, [%r2+4];\n", SOFTGPU_FAULT_misaligned, "no multiple of 8");
    check("cp.async.cg.shared.global [%r8], [%d7+8], 16;\n", SOFTGPU_FAULT_misaligned,
          "no multiple of");
    passes("ld.global.v4.u32 {%r9, %r10, %r11, %r12}, [%d1+16];\n");
}

static void the_report_says_where(void **state)
{
    Run result = run("setp.eq.u32 %p1, %r1, 37;\n"
                     ".loc 1 12 3\n@%p1 ld.global.u32 %r9, [%d1+4096];\n");

    (void)state;
    assert_int_equal(result.status, SOFTGPU_ILLEGAL_ADDRESS);
    assert_non_null(strstr(result.report, "k, PTX line "));
    assert_non_null(strstr(result.report, "(@%p1 ld.global.u32 %r9, [%d1+4096];)"));
    assert_non_null(strstr(result.report, ":12"));
    assert_non_null(strstr(result.report, "thread (37,0,0)"));
}

/* ---- what was never written is NaN ----------------------------------------------------------- */

static void memory_starts_as_nan(void **state)
{
    Run result = run("ld.shared.f32 %f1, [%r4];\nld.global.f32 %f2, [%d5+1024];\n"
                     "st.global.f32 [%d5], %f1;\nst.global.f32 [%d5+2048], %f2;\n");
    float shared, global;

    (void)state;
    memcpy(&shared, &result.out[3], sizeof shared);
    memcpy(&global, &result.out[512 + 3], sizeof global);
    assert_true(isnan(shared));
    assert_true(isnan(global));
}

/* ---- barriers and warps ---------------------------------------------------------------------- */

static void all_threads_meet_at_a_barrier(void **state)
{
    (void)state;
    check("setp.lt.u32 %p1, %r1, 32;\n@%p1 bra END;\nbar.sync 0;\nEND:\n",
          SOFTGPU_FAULT_divergent_barrier, "never completes");
    check("setp.lt.u32 %p1, %r1, 16;\n@%p1 bra END;\nbar.sync 0;\nEND:\n",
          SOFTGPU_FAULT_divergent_barrier, "have exited");
    check("setp.lt.u32 %p1, %r1, 16;\n@%p1 bra OTHER;\nbar.sync 0;\nbra END;\nOTHER:\nbar.sync 0;\n"
          "END:\n",
          SOFTGPU_FAULT_divergent_barrier, "wait elsewhere");
    check("setp.lt.u32 %p1, %r1, 16;\n@%p1 bar.sync 0;\n", SOFTGPU_FAULT_divergent_barrier,
          "predicate is false");
    check("setp.lt.u32 %p1, %r1, 32;\n@%p1 bra OTHER;\nbar.sync 1;\nbra END;\nOTHER:\nbar.sync 2;\n"
          "END:\n",
          SOFTGPU_FAULT_divergent_barrier, "at another barrier");
    /* lanes part and meet again before it */
    passes("setp.lt.u32 %p1, %r1, 16;\n@%p1 bra NEXT;\nadd.s32 %r9, %r1, 1;\nNEXT:\nbar.sync 0;\n");
}

/* Half of the warps meet: what they wrote is theirs to read, and nobody else's. */
static void named_barriers_order_their_warps(void **state)
{
    const char *parted =
        "setp.lt.u32 %%p1, %%r1, 32;\n@!%%p1 bra OTHER;\nst.shared.u32 [%%r4], %%r1;\n"
        "bar.sync 1, 32;\nld.shared.u32 %%r9, [%%r6];\nbra END;\nOTHER:\n%sEND:\n";
    char body[1024];

    (void)state;
    snprintf(body, sizeof body, parted, "");
    passes(body);
    snprintf(body, sizeof body, parted, "ld.shared.u32 %r9, [%r2];\n");
    check(body, SOFTGPU_FAULT_shared_race, "shared memory");
}

static void a_warp_needs_all_its_lanes(void **state)
{
    (void)state;
    check(
        "setp.lt.u32 %p1, %r1, 16;\n@%p1 bra END;\nshfl.sync.bfly.b32 %r9, %r1, 1, 31, -1;\nEND:\n",
        SOFTGPU_FAULT_divergent_warp, "");
    check("setp.lt.u32 %p1, %r1, 16;\n@%p1 shfl.sync.bfly.b32 %r9, %r1, 1, 31, -1;\n",
          SOFTGPU_FAULT_divergent_warp, "");
    check("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r9}, [%r2+8];\n", SOFTGPU_FAULT_misaligned,
          "no multiple of 16");
    passes("shfl.sync.bfly.b32 %r9, %r1, 1, 31, -1;\n");
}

/* ---- what is not executed -------------------------------------------------------------------- */

static void an_unknown_instruction_names_its_line(void **state)
{
    (void)state;
    check("\n\nfoo.bar.u32 %r9, %r1;\n", SOFTGPU_FAULT_ptx, "planted.ptx:");
    check("foo.bar.u32 %r9, %r1;\n", SOFTGPU_FAULT_ptx, "'foo.bar.u32' is not executed");
    check("add.rz.s32 %r9, %r1, 1;\n", SOFTGPU_FAULT_ptx, "'add.rz.s32' is not executed");
    check("ld.global.v4.u64 {%d8, %d9, %d10, %d11}, [%d1];\n", SOFTGPU_FAULT_ptx,
          "is not executed");
    check("add.s32 %d9, %r1, 1;\n", SOFTGPU_FAULT_ptx, "%d9 has 64 bits, the instruction takes 32");
    check("add.s32 %r9, %r1, %r99;\n", SOFTGPU_FAULT_ptx, "'%r99' is no register");
    check("bra NOWHERE;\n", SOFTGPU_FAULT_ptx, "no label 'NOWHERE'");
    check("call.uni nothing, ();\n", SOFTGPU_FAULT_ptx, "'nothing'");
    check("add.s32 %r9, %r1 1;\n", SOFTGPU_FAULT_ptx, "expected ','");
    check("trap;\n", SOFTGPU_FAULT_trap, "trap");
}

/* ---- limits of a launch ---------------------------------------------------------------------- */

static void a_launch_has_the_cards_limits(void **state)
{
    SoftGpu *gpu = softgpu_create(&(SoftGpuOptions){.memory_bytes = 1 << 20});
    SoftGpuModule *module = softgpu_load(
        gpu,
        ".version 8.0\n.target sm_86\n.address_size 64\n.extern .shared .align 16 .b8 all[];\n"
        ".visible .entry k()\n.maxntid 256, 1, 1\n{\n.reg .b32 %r<3>;\nmov.u32 %r1, all;\n"
        "mov.u32 %r2, 1;\nst.shared.u32 [%r1], %r2;\nret;\n}\n",
        "limits.ptx");
    SoftGpuKernel *kernel = softgpu_kernel(module, "k");
    SoftGpuLaunch one = {{1, 1, 1}, {1, 1, 1}, 16};

    (void)state;
    assert_int_equal(softgpu_launch(gpu, kernel, &one, NULL), SOFTGPU_OK);
    SoftGpuLaunch wide = {{1, 1, 1}, {257, 1, 1}, 16};
    assert_int_equal(softgpu_launch(gpu, kernel, &wide, NULL), SOFTGPU_INVALID_VALUE);
    assert_non_null(strstr(softgpu_report(gpu), "257 threads; the kernel is compiled for 256"));
    SoftGpuLaunch grid = {{1, 65536, 1}, {1, 1, 1}, 16};
    assert_int_equal(softgpu_launch(gpu, kernel, &grid, NULL), SOFTGPU_INVALID_VALUE);
    SoftGpuLaunch shared = {{1, 1, 1}, {1, 1, 1}, 48 * 1024 + 4};
    assert_int_equal(softgpu_launch(gpu, kernel, &shared, NULL), SOFTGPU_INVALID_VALUE);
    assert_non_null(strstr(softgpu_report(gpu), "opting in"));
    assert_true(softgpu_allow_shared(kernel, 64 * 1024));
    assert_int_equal(softgpu_launch(gpu, kernel, &shared, NULL), SOFTGPU_OK);
    assert_false(softgpu_allow_shared(kernel, 100 * 1024));
    assert_int_equal(softgpu_status(gpu), SOFTGPU_OK);
    softgpu_destroy(gpu);
}

static void memory_is_as_large_as_the_card_to_the_byte(void **state)
{
    SoftGpu *gpu = softgpu_create(&(SoftGpuOptions){.memory_bytes = 10000});
    char byte = 0;

    (void)state;
    assert_int_equal(softgpu_allocate(gpu, 10001), 0);
    uint64_t first = softgpu_allocate(gpu, 6000);
    assert_int_not_equal(first, 0);
    assert_int_equal(first % 256, 0);
    assert_int_equal(softgpu_free_bytes(gpu), 4000);
    assert_int_equal(softgpu_allocate(gpu, 4001), 0);
    uint64_t second = softgpu_allocate(gpu, 4000);
    assert_int_not_equal(second, 0);
    assert_true(softgpu_upload(gpu, first + 5999, &byte, 1));
    assert_false(softgpu_upload(gpu, first + 6000, &byte, 1));
    assert_false(softgpu_free(gpu, first + 256));
    assert_true(softgpu_free(gpu, first));
    assert_false(softgpu_download(gpu, &byte, first, 1));
    assert_int_equal(softgpu_free_bytes(gpu), 6000);
    softgpu_destroy(gpu);
}

/* Blocks 0 and 1 of 64 threads; %d5 is the thread's word, %r10 the block. */
static void blocks_do_not_share_what_they_write(void **state)
{
    static const char *const own = "mov.u32 %r10, %ctaid.x;\nmul.wide.u32 %d8, %r10, 256;\n"
                                   "add.s64 %d9, %d5, %d8;\nadd.s64 %d10, %d4, %d8;\n";
    static const struct {
        const char *body, *says;
    } cases[] = {
        {"st.global.u32 [%d9], %r1;\n", NULL},
        {"ld.global.u32 %r9, [%d4];\nst.global.u32 [%d9], %r9;\n", NULL},
        {"ld.global.u32 %r9, [%d9];\nst.global.u32 [%d9], %r9;\n", NULL},
        {"st.global.u32 [%d5], %r1;\n", "writes what another block writes"},
        {"ld.global.u32 %r9, [%d5];\nst.global.u32 [%d9], %r9;\n", "another block"},
        {"add.s64 %d9, %d9, %d8;\nsetp.eq.u32 %p1, %r10, 1;\n@%p1 add.s64 %d9, %d9, -258;\n"
         "cvt.u16.u32 %h1, %r1;\nst.global.u16 [%d9], %h1;\n",
         NULL}, /* halves of the same words */
        {"add.s64 %d9, %d9, %d8;\nsetp.eq.u32 %p1, %r10, 1;\n@%p1 add.s64 %d9, %d9, -260;\n"
         "cvt.u16.u32 %h1, %r1;\nst.global.u16 [%d9], %h1;\n",
         "writes what another block writes"},
    };
    char body[1024];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(body, sizeof body, "%s%s", own, cases[i].body);
        Run result = run_threads(body, THREADS, 2);
        if (!cases[i].says) {
            assert_string_equal(result.report, "");
            continue;
        }
        assert_int_equal(result.fault, SOFTGPU_FAULT_block_race);
        assert_non_null(strstr(result.report, cases[i].says));
    }
}

static void bytes_are_counted(void **state)
{
    Run result = run_threads("ld.global.u32 %r9, [%d4];\nld.global.u32 %r9, [%d1];\n"
                             "st.global.u32 [%d5], %r9;\n",
                             32, 1);

    (void)state;
    assert_int_equal(result.counters.global_read_bytes, 32 * 4 * 2);
    assert_int_equal(result.counters.touched_read_bytes, 32 * 4);
    assert_int_equal(result.counters.global_written_bytes, 32 * 4);
    assert_int_equal(result.counters.touched_written_bytes, 32 * 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_neighbours_value_needs_a_barrier),
        cmocka_unit_test(writing_what_a_neighbour_reads_needs_one_too),
        cmocka_unit_test(two_writers_race),
        cmocka_unit_test(many_readers_are_remembered),
        cmocka_unit_test(lanes_are_ordered_by_a_warp_barrier),
        cmocka_unit_test(neighbours_of_two_bytes_do_not_race),
        cmocka_unit_test(a_copy_must_be_waited_for),
        cmocka_unit_test(a_copy_is_its_lanes_until_then),
        cmocka_unit_test(groups_are_waited_for_in_order),
        cmocka_unit_test(bytes_beyond_the_source_size_are_zero),
        cmocka_unit_test(bounds_are_those_of_the_allocation),
        cmocka_unit_test(an_access_is_aligned_to_its_size),
        cmocka_unit_test(the_report_says_where),
        cmocka_unit_test(memory_starts_as_nan),
        cmocka_unit_test(all_threads_meet_at_a_barrier),
        cmocka_unit_test(named_barriers_order_their_warps),
        cmocka_unit_test(a_warp_needs_all_its_lanes),
        cmocka_unit_test(an_unknown_instruction_names_its_line),
        cmocka_unit_test(a_launch_has_the_cards_limits),
        cmocka_unit_test(memory_is_as_large_as_the_card_to_the_byte),
        cmocka_unit_test(blocks_do_not_share_what_they_write),
        cmocka_unit_test(bytes_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
