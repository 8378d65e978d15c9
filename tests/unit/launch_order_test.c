/* Edges between launches against what the bytes say; drawings of who uses which bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/card/launch_order.h"

enum { MOST = 40, READ = 0, WRITE = 1, UNIT = 256 };

/* Launches with two args: the first reads, the second writes. */
typedef struct Case {
    SnugArg args[2];
    SnugKernel kernels[2];
    SnugBuffer buffers[MOST];
    SnugLaunch launches[MOST];
    int32_t uses[MOST][3];
    SnugProgram program;
} Case;

static void set_up(Case *c, int32_t launches)
{
    memset(c, 0, sizeof *c);
    c->args[READ] = (SnugArg){.access = SNUG_READ};
    c->args[WRITE] = (SnugArg){.access = SNUG_WRITE};
    c->kernels[0] = (SnugKernel){.kind = SNUG_KERNEL_map, .args = c->args, .arg_count = 2};
    c->kernels[1] = (SnugKernel){.kind = SNUG_KERNEL_adamw};
    for (int32_t b = 0; b < MOST; b++)
        c->buffers[b] = (SnugBuffer){.offset = b * UNIT, .bytes = UNIT};
    for (int32_t l = 0; l < launches; l++)
        c->launches[l] = (SnugLaunch){.buffers = c->uses[l]};
    c->program = (SnugProgram){.kernels = c->kernels,
                               .kernel_count = 2,
                               .buffers = c->buffers,
                               .buffer_count = MOST,
                               .persistent_bytes = 4 * UNIT,
                               .segments[SNUG_SEGMENT_micro_step] = {c->launches, launches}};
}

static void uses(Case *c, int32_t launch, int32_t reads, int32_t writes)
{
    c->uses[launch][0] = reads;
    c->uses[launch][1] = writes;
}

/* "1<0 2<0": launch 1 waits for 0, 2 for 0. */
static void expect(const Case *c, const char *edges)
{
    LaunchOrder order;
    char text[1024] = "";
    size_t length = 0;

    assert_true(launch_order_find(&order, &c->program, SNUG_SEGMENT_micro_step));
    for (int32_t l = 0; l < c->program.segments[SNUG_SEGMENT_micro_step].launch_count; l++)
        for (int32_t e = order.begin[l]; e < order.begin[l + 1]; e++)
            length += (size_t)snprintf(text + length, sizeof text - length, "%s%d<%d",
                                       length > 0 ? " " : "", l, order.after[e]);
    assert_string_equal(text, edges);
    launch_order_free(&order);
}

/*  10 -> 0 -> 11 -> 1 -> 12,  11 -> 2 -> 13,  12 and 13: no common writer */
static void branches_do_not_wait_for_each_other(void **state)
{
    Case c;

    (void)state;
    set_up(&c, 3);
    uses(&c, 0, 10, 11);
    uses(&c, 1, 11, 12);
    uses(&c, 2, 11, 13);
    expect(&c, "1<0 2<0");
}

/* A chain of three needs two edges, not three. */
static void edges_that_others_imply_are_left_out(void **state)
{
    Case c;

    (void)state;
    set_up(&c, 3);
    uses(&c, 0, 10, 11);
    uses(&c, 1, 11, 12);
    uses(&c, 2, 12, 11);
    expect(&c, "1<0 2<1");
}

/* Bytes that are used again: the writer waits for those who read them before. Buffer 14 lies over
 * the second half of 12 and the first of 13. */
static void reused_bytes_wait_for_their_readers(void **state)
{
    Case c;

    (void)state;
    set_up(&c, 4);
    c.buffers[14].offset = 12 * UNIT + UNIT / 2;
    uses(&c, 0, 12, 20);
    uses(&c, 1, 13, 21);
    uses(&c, 2, 30, 14);
    uses(&c, 3, 31, 22);
    expect(&c, "2<1 2<0");
}

static void workspace_is_written(void **state)
{
    Case c;

    (void)state;
    set_up(&c, 2);
    c.kernels[0].workspace_bytes = UNIT;
    uses(&c, 0, 10, 11);
    uses(&c, 1, 12, 13);
    c.uses[0][2] = c.uses[1][2] = 20;
    expect(&c, "1<0");
}

/* The update goes over all that persists (bytes below 4 units), without args that say so. */
static void update_waits_for_all_that_persists(void **state)
{
    Case c;

    (void)state;
    set_up(&c, 4);
    uses(&c, 0, 2, 11);
    uses(&c, 1, 10, 12);
    c.launches[2].kernel = 1;
    uses(&c, 3, 3, 13);
    expect(&c, "2<0 3<2");
}

static bool reaches(const LaunchOrder *order, int32_t from, int32_t to)
{
    for (int32_t e = order->begin[from]; e < order->begin[from + 1]; e++)
        if (order->after[e] == to || (order->after[e] > to && reaches(order, order->after[e], to)))
            return true;
    return false;
}

/* Every conflict is ordered; an edge that is taken away leaves its two launches unordered. */
static void random_programs(void **state)
{
    uint64_t random = 7;

    (void)state;
    for (int trial = 0; trial < 200; trial++) {
        Case c;
        LaunchOrder order;
        enum { LAUNCHES = 14 };
        set_up(&c, LAUNCHES);
        for (int32_t l = 0; l < LAUNCHES; l++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            uses(&c, l, 8 + (int32_t)(random >> 33) % 9, 8 + (int32_t)(random >> 45) % 9);
        }
        assert_true(launch_order_find(&order, &c.program, SNUG_SEGMENT_micro_step));
        for (int32_t b = 0; b < LAUNCHES; b++)
            for (int32_t a = 0; a < b; a++) {
                const int32_t *x = c.uses[a], *y = c.uses[b];
                bool conflict = x[1] == y[0] || x[1] == y[1] || x[0] == y[1];
                if (conflict)
                    assert_true(reaches(&order, b, a));
            }
        for (int32_t l = 0; l < LAUNCHES; l++)
            for (int32_t e = order.begin[l]; e < order.begin[l + 1]; e++) {
                int32_t edge = order.after[e];
                order.after[e] = -1;
                assert_false(reaches(&order, l, edge));
                order.after[e] = edge;
            }
        launch_order_free(&order);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(branches_do_not_wait_for_each_other),
        cmocka_unit_test(edges_that_others_imply_are_left_out),
        cmocka_unit_test(reused_bytes_wait_for_their_readers),
        cmocka_unit_test(workspace_is_written),
        cmocka_unit_test(update_waits_for_all_that_persists),
        cmocka_unit_test(random_programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
