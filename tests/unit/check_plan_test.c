/* The checker: a good plan passes, and each way of damaging it is found under its own name.
 *
 * The plan that is damaged, eight units of 256 bytes high:
 *
 *     unit 7 |             w  w           steps  0 first    x, weight    -> a
 *          6 |             w  w                  1 second   a            -> b, partials p
 *          5 |    p  p                           2 tiny     p            -> s; statistics +=
 *          4 |       s  s                        3 third    b, s         -> c  in place of b; ws w
 *          3 |    b  b  c  c                     4 first    again        -> a'
 *          2 |    b  b  c  c                     5 last     c, a'        -> out; gradient +=
 *          1 | a  a        a' a'
 *          0 | a  a        a' a'  out in 4, 5
 *       step   0  1  2  3  4  5
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "compiler/check/check_plan.h"
#include "compiler/ir/ir.h"

enum { UNIT = SNUG_ALIGNMENT };
enum { X = 1, WEIGHT, A, B, P, S, C, OUT, STATISTICS, GRADIENT, VALUES };
enum { FIRST, SECOND, TINY_, THIRD, LAST, KERNELS };
enum {
    BUF_A,
    BUF_B,
    BUF_P,
    BUF_S,
    BUF_C,
    BUF_W,
    BUF_A2,
    BUF_OUT,
    BUF_X,
    BUF_WEIGHT,
    BUF_STATISTICS,
    BUF_GRADIENT,
    BUFFERS
};
enum { STEPS = 6 };

/* Everything in one place, so that a case can reach what it damages. */
typedef struct Bench {
    Value values[VALUES];
    Graph graph;
    SnugArg args[KERNELS][5];
    ValueId arg_values[KERNELS][5];
    SnugPoint epilogue[2];
    SnugPart part;
    Kernel kernels[KERNELS];
    KernelSet set;
    BufferId step_buffers[STEPS + 1][6]; /* room for one that is too many */
    Step steps[STEPS + 1];
    Buffer buffers[BUFFERS];
    Plan plan;
    int64_t weight[3], grad[3], ema[3];
    Layout layout;
} Bench;

static void set_value(Bench *bench, uint32_t v, const char *name, Storage storage, uint32_t param)
{
    bench->values[v] = (Value){.name = name, .storage = storage, .param = {param}};
}

/* Adds an arg of `units` times 256 bytes to a kernel. */
static void add_arg(Bench *bench, uint32_t kernel, uint32_t value, SnugAccess access, int32_t units)
{
    SnugKernel *code = &bench->kernels[kernel].code;
    int32_t a = code->arg_count++;

    bench->args[kernel][a] = (SnugArg){.access = access,
                                       .type = SNUG_F32,
                                       .shape = {1, 1, 1, units * UNIT / 4},
                                       .pitch = units * UNIT / 4};
    bench->arg_values[kernel][a] = (ValueId){value};
    if (access == SNUG_WRITE && code->output_arg < 0)
        code->output_arg = a;
}

static void add_kernel(Bench *bench, uint32_t k, const char *label)
{
    bench->kernels[k] = (Kernel){
        .code = {.name = label, .args = bench->args[k], .output_arg = -1, .weight_arg = -1},
        .args = bench->arg_values[k],
        .label = label,
    };
}

static void make_kernels(Bench *bench)
{
    set_value(bench, X, "x", STORAGE_input, 0);
    set_value(bench, WEIGHT, "weight", STORAGE_param, 1);
    set_value(bench, A, "a", STORAGE_arena, 0);
    set_value(bench, B, "b", STORAGE_arena, 0);
    set_value(bench, P, "p", STORAGE_arena, 0);
    set_value(bench, S, "s", STORAGE_arena, 0);
    set_value(bench, C, "c", STORAGE_arena, 0);
    set_value(bench, OUT, "out", STORAGE_arena, 0);
    set_value(bench, STATISTICS, "statistics", STORAGE_param, 2);
    set_value(bench, GRADIENT, "gradient", STORAGE_grad, 1);
    bench->values[OUT].is_output = true;
    bench->graph.values.items = bench->values;
    bench->graph.values.count = VALUES;

    add_kernel(bench, FIRST, "first");
    add_arg(bench, FIRST, X, SNUG_READ, 1);
    add_arg(bench, FIRST, WEIGHT, SNUG_READ, 1);
    add_arg(bench, FIRST, A, SNUG_WRITE, 2);
    bench->kernels[FIRST].may_repeat = true;
    add_kernel(bench, SECOND, "second");
    add_arg(bench, SECOND, A, SNUG_READ, 2);
    add_arg(bench, SECOND, B, SNUG_WRITE, 2);
    add_arg(bench, SECOND, P, SNUG_WRITE, 1);
    add_kernel(bench, TINY_, "tiny");
    add_arg(bench, TINY_, P, SNUG_READ, 1);
    add_arg(bench, TINY_, STATISTICS, SNUG_ACCUMULATE, 1);
    add_arg(bench, TINY_, S, SNUG_WRITE, 1);
    add_kernel(bench, THIRD, "third");
    add_arg(bench, THIRD, B, SNUG_READ, 2);
    add_arg(bench, THIRD, S, SNUG_READ, 1);
    add_arg(bench, THIRD, C, SNUG_WRITE, 2);
    bench->kernels[THIRD].in_place = 1;
    bench->kernels[THIRD].code.workspace_bytes = 2 * UNIT;
    add_kernel(bench, LAST, "last");
    add_arg(bench, LAST, C, SNUG_READ, 2);
    add_arg(bench, LAST, A, SNUG_READ, 2);
    add_arg(bench, LAST, GRADIENT, SNUG_ACCUMULATE, 1);
    add_arg(bench, LAST, OUT, SNUG_WRITE, 1);
    bench->set = (KernelSet){.graph = &bench->graph};
    bench->set.kernels.items = bench->kernels;
    bench->set.kernels.count = KERNELS;
}

static void set_buffer(Bench *bench, uint32_t b, const char *name, uint32_t value, uint32_t units,
                       uint32_t first, uint32_t last, uint32_t offset)
{
    bench->buffers[b] = (Buffer){.value = {value},
                                 .name = name,
                                 .storage = bench->values[value].storage,
                                 .bytes = (int64_t)units * UNIT,
                                 .life = {first, last},
                                 .in_place_of = {b},
                                 .offset = (int64_t)offset * UNIT};
}

static void set_step(Bench *bench, uint32_t s, uint32_t kernel, bool is_repeat,
                     const uint32_t *buffers, uint32_t count)
{
    for (uint32_t k = 0; k < count; k++)
        bench->step_buffers[s][k].i = buffers[k];
    bench->steps[s] = (Step){{kernel}, is_repeat, bench->step_buffers[s], count};
}

static void make_plan(Bench *bench)
{
    set_buffer(bench, BUF_A, "a", A, 2, 0, 2, 0);
    set_buffer(bench, BUF_B, "b", B, 2, 1, 4, 2);
    set_buffer(bench, BUF_P, "p", P, 1, 1, 3, 5);
    set_buffer(bench, BUF_S, "s", S, 1, 2, 4, 4);
    set_buffer(bench, BUF_C, "c", C, 2, 3, 6, 2);
    bench->buffers[BUF_C].in_place_of.i = BUF_B;
    set_buffer(bench, BUF_W, "w", 0, 2, 3, 4, 6);
    bench->buffers[BUF_W].storage = STORAGE_arena;
    set_buffer(bench, BUF_A2, "a", A, 2, 4, 6, 0);
    set_buffer(bench, BUF_OUT, "out", OUT, 1, 5, 6, 4);
    set_buffer(bench, BUF_X, "x", X, 1, 0, 0, 12);
    set_buffer(bench, BUF_WEIGHT, "weight", WEIGHT, 1, 0, 0, 0);
    set_buffer(bench, BUF_STATISTICS, "statistics", STATISTICS, 1, 0, 0, 4);
    set_buffer(bench, BUF_GRADIENT, "gradient", GRADIENT, 1, 0, 0, 8);
    set_step(bench, 0, FIRST, false, (uint32_t[]){BUF_X, BUF_WEIGHT, BUF_A}, 3);
    set_step(bench, 1, SECOND, false, (uint32_t[]){BUF_A, BUF_B, BUF_P}, 3);
    set_step(bench, 2, TINY_, false, (uint32_t[]){BUF_P, BUF_STATISTICS, BUF_S}, 3);
    set_step(bench, 3, THIRD, false, (uint32_t[]){BUF_B, BUF_S, BUF_C, BUF_W}, 4);
    set_step(bench, 4, FIRST, true, (uint32_t[]){BUF_X, BUF_WEIGHT, BUF_A2}, 3);
    set_step(bench, 5, LAST, false, (uint32_t[]){BUF_C, BUF_A2, BUF_GRADIENT, BUF_OUT}, 4);
    bench->plan.steps.items = bench->steps;
    bench->plan.steps.count = STEPS;
    bench->plan.buffers.items = bench->buffers;
    bench->plan.buffers.count = BUFFERS;
    bench->plan.arena_bytes = 8 * UNIT;
    bench->plan.certificate.live_bound = 5 * UNIT;
    bench->plan.certificate.peak_step = 1;
}

static void make_bench(Bench *bench)
{
    memset(bench, 0, sizeof *bench);
    make_kernels(bench);
    make_plan(bench);
    bench->weight[1] = 0;
    bench->weight[2] = 4 * UNIT;
    bench->grad[1] = 8 * UNIT;
    bench->grad[2] = bench->ema[1] = bench->ema[2] = -1;
    bench->layout = (Layout){.param_weight = bench->weight,
                             .param_grad = bench->grad,
                             .param_ema = bench->ema,
                             .image = 12 * UNIT,
                             .points = -1,
                             .image_weights = -1,
                             .scalars = 13 * UNIT,
                             .staging = -1,
                             .persistent_bytes = 14 * UNIT,
                             .arena_bytes = 8 * UNIT};
}

/* ---- ways to be wrong ------------------------------------------------------------------------ */

static void nothing(Bench *bench)
{
    (void)bench;
}

static void leave_out_a_step(Bench *bench)
{
    bench->plan.steps.count--;
}

static void run_twice(Bench *bench)
{
    bench->steps[4].is_repeat = false;
}

static void repeat_what_may_not(Bench *bench)
{
    bench->kernels[FIRST].may_repeat = false;
}

/* tiny adds to `statistics`, which `first`, a later kernel now, has read before */
static void change_after_a_later_kernel(Bench *bench)
{
    bench->arg_values[SECOND][0].i = STATISTICS;
    bench->args[SECOND][0] = bench->args[TINY_][1];
    bench->args[SECOND][0].access = SNUG_READ;
    bench->step_buffers[1][0].i = BUF_STATISTICS;
    Kernel kernel = bench->kernels[SECOND];
    bench->kernels[SECOND] = bench->kernels[TINY_];
    bench->kernels[TINY_] = kernel;
    bench->steps[1].kernel.i = TINY_;
    bench->steps[2].kernel.i = SECOND;
    bench->buffers[BUF_A].life.last = 1;
}

/* ---- repeats that are wrong */

/* statistics would move a second time, whatever the kernel says of itself */
static void repeat_what_moves_statistics(Bench *bench)
{
    bench->kernels[TINY_].may_repeat = true;
    bench->buffers[BUF_A2].value.i = S;
    bench->buffers[BUF_P].life.last = 5;
    set_step(bench, 4, TINY_, true, (uint32_t[]){BUF_P, BUF_STATISTICS, BUF_A2}, 3);
}

/* the gradient would be added to a second time */
static void repeat_what_adds_to_gradients(Bench *bench)
{
    bench->kernels[LAST].may_repeat = true;
    bench->buffers[BUF_C].life.last = bench->buffers[BUF_A2].life.last = STEPS + 1;
    bench->plan.steps.count++;
    set_step(bench, STEPS, LAST, true, (uint32_t[]){BUF_C, BUF_A2, BUF_GRADIENT, BUF_OUT}, 4);
}

/* `third` again, whose operand b has ended: c has taken its bytes over */
static void repeat_from_what_has_ended(Bench *bench)
{
    bench->kernels[THIRD].may_repeat = true;
    bench->buffers[BUF_A2].value.i = C;
    set_step(bench, 4, THIRD, true, (uint32_t[]){BUF_B, BUF_S, BUF_A2, BUF_W}, 4);
}

/* the same, and the plan says that b lives on */
static void repeat_from_what_is_gone(Bench *bench)
{
    repeat_from_what_has_ended(bench);
    bench->buffers[BUF_B].life.last = 5;
}

/*  unit 3 | c  X     a' on c, which `last` still reads */
static void repeat_onto_what_lives(Bench *bench)
{
    bench->buffers[BUF_A2].offset = 2 * UNIT;
}

static void repeat_onto_its_own_first(Bench *bench)
{
    bench->step_buffers[4][2].i = BUF_A;
    bench->buffers[BUF_A].life.last = 6;
}

static void forget_the_repeat(Bench *bench)
{
    bench->steps[4] = bench->steps[5];
    bench->plan.steps.count--;
}

static void repeat_before_the_first_run(Bench *bench)
{
    bench->steps[0].is_repeat = true;
}

static void name_no_buffer(Bench *bench)
{
    bench->step_buffers[1][0].i = NO_BUFFER;
}

static void name_another_value(Bench *bench)
{
    bench->step_buffers[5][1].i = BUF_C;
}

static void forget_the_workspace(Bench *bench)
{
    bench->steps[3].buffer_count = 3;
}

static void shrink_a_buffer(Bench *bench)
{
    bench->buffers[BUF_C].bytes = UNIT;
}

static void shift_a_little(Bench *bench)
{
    bench->buffers[BUF_S].offset += 4;
}

static void leave_the_arena(Bench *bench)
{
    bench->buffers[BUF_W].offset = 7 * UNIT;
}

static void start_below_zero(Bench *bench)
{
    bench->buffers[BUF_A].offset = -UNIT;
}

static void leave_the_persistent_part(Bench *bench)
{
    bench->layout.persistent_bytes = 12 * UNIT;
}

static void read_other_weights(Bench *bench)
{
    bench->buffers[BUF_WEIGHT].offset = 4 * UNIT;
}

static void write_over_weights(Bench *bench)
{
    bench->args[FIRST][1].access = SNUG_WRITE;
}

static void add_in_the_arena(Bench *bench)
{
    bench->args[TINY_][2].access = SNUG_ACCUMULATE;
}

/* last reads a' before first has made it again */
static void read_too_early(Bench *bench)
{
    bench->step_buffers[1][0].i = BUF_A2;
    bench->buffers[BUF_A2].life = (Lifetime){0, 6};
}

/*  unit 3 | b  s  s     s on b's last unit: b is spoilt when third reads it */
static void write_over_what_is_read_later(Bench *bench)
{
    bench->buffers[BUF_S].offset = 3 * UNIT;
}

/* last reads the a of step 0, on which a' lies by now */
static void read_what_is_gone(Bench *bench)
{
    bench->step_buffers[5][1].i = BUF_A;
    bench->buffers[BUF_A].life.last = 6;
}

/* the workspace lies on c, made by the same step */
static void workspace_on_the_result(Bench *bench)
{
    bench->buffers[BUF_W].offset = 3 * UNIT;
}

/* the workspace lies on s, read by the same step */
static void workspace_on_an_operand(Bench *bench)
{
    bench->buffers[BUF_W].offset = 4 * UNIT;
}

/* two results of one step on each other */
static void results_on_each_other(Bench *bench)
{
    bench->buffers[BUF_P].offset = 3 * UNIT;
}

static void take_over_what_the_kernel_may_not(Bench *bench)
{
    bench->kernels[THIRD].in_place = 2;
}

static void take_over_in_part(Bench *bench)
{
    bench->buffers[BUF_C].offset = UNIT;
}

static void take_over_and_not_say_so(Bench *bench)
{
    bench->buffers[BUF_C].in_place_of.i = BUF_C;
}

static void outlive_the_taker(Bench *bench)
{
    bench->buffers[BUF_B].life.last = 6;
}

static void die_too_early(Bench *bench)
{
    bench->buffers[BUF_A].life.last = 1;
}

static void live_before_it_is_made(Bench *bench)
{
    bench->buffers[BUF_S].life.first = 1;
}

static void live_after_the_end(Bench *bench)
{
    bench->buffers[BUF_OUT].life.last = 9;
}

/* b is asked for at the end, and c lies on it */
static void lose_an_output(Bench *bench)
{
    bench->values[B].is_output = true;
}

static void state_another_load(Bench *bench)
{
    bench->plan.certificate.live_bound += UNIT;
}

static void state_another_peak(Bench *bench)
{
    bench->plan.certificate.peak_step = 3;
}

static void promise_less(Bench *bench)
{
    bench->layout.arena_bytes = 7 * UNIT;
}

static const struct {
    const char *name;
    void (*damage)(Bench *bench);
    PlanFault expect;
    uint32_t step;
} cases[] = {
    {"nothing", nothing, PLAN_good, 0},
    {"a kernel never runs", leave_out_a_step, PLAN_missing_step, 4},
    {"a kernel runs twice", run_twice, PLAN_double_step, 4},
    {"a repeat that may not be", repeat_what_may_not, PLAN_double_step, 4},
    {"statistics move twice", repeat_what_moves_statistics, PLAN_double_step, 4},
    {"a gradient is added to twice", repeat_what_adds_to_gradients, PLAN_double_step, 6},
    {"a repeat reads what has ended", repeat_from_what_has_ended, PLAN_lifetime, 4},
    {"a repeat reads what is gone", repeat_from_what_is_gone, PLAN_overwritten, 4},
    {"a repeat writes over what lives", repeat_onto_what_lives, PLAN_overwritten, 5},
    {"a repeat makes what there is", repeat_onto_its_own_first, PLAN_no_buffer, 4},
    {"a repeat is missing", forget_the_repeat, PLAN_unmade, 4},
    {"a repeat comes first", repeat_before_the_first_run, PLAN_double_step, 0},
    {"change after a later kernel", change_after_a_later_kernel, PLAN_order, 2},
    {"an arg without a buffer", name_no_buffer, PLAN_no_buffer, 1},
    {"an arg with another value's buffer", name_another_value, PLAN_no_buffer, 5},
    {"no workspace", forget_the_workspace, PLAN_no_buffer, 3},
    {"a buffer too small", shrink_a_buffer, PLAN_small_buffer, 3},
    {"a buffer not aligned", shift_a_little, PLAN_alignment, 2},
    {"above the arena", leave_the_arena, PLAN_bounds, 3},
    {"below the arena", start_below_zero, PLAN_bounds, 0},
    {"outside of the persistent part", leave_the_persistent_part, PLAN_bounds, 0},
    {"another place than the layout's", read_other_weights, PLAN_persistent, 0},
    {"weights written over", write_over_weights, PLAN_persistent, 0},
    {"sums in the arena", add_in_the_arena, PLAN_persistent, 2},
    {"read before made", read_too_early, PLAN_unmade, 1},
    {"overwritten before read", write_over_what_is_read_later, PLAN_overwritten, 3},
    {"an instance that is gone", read_what_is_gone, PLAN_overwritten, 5},
    {"workspace on a result", workspace_on_the_result, PLAN_collision, 3},
    {"workspace on an operand", workspace_on_an_operand, PLAN_collision, 3},
    {"two results on each other", results_on_each_other, PLAN_collision, 1},
    {"in place of a forbidden arg", take_over_what_the_kernel_may_not, PLAN_in_place, 3},
    {"in place of a part", take_over_in_part, PLAN_in_place, 3},
    {"in place unsaid", take_over_and_not_say_so, PLAN_in_place, 3},
    {"in place of what lives on", outlive_the_taker, PLAN_in_place, 5},
    {"used after its life", die_too_early, PLAN_lifetime, 1},
    {"alive before it is made", live_before_it_is_made, PLAN_lifetime, 2},
    {"alive after the end", live_after_the_end, PLAN_lifetime, 5},
    {"an output is lost", lose_an_output, PLAN_output, 5},
    {"another load", state_another_load, PLAN_certificate, 5},
    {"another peak", state_another_peak, PLAN_certificate, 5},
    {"a larger arena than planned", promise_less, PLAN_certificate, 5},
};

static void finds_each_fault(void **state)
{
    static Bench bench;
    bool seen[PLAN_certificate + 1] = {false};
    (void)state;

    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        Arena *arena = arena_create();
        make_bench(&bench);
        cases[k].damage(&bench);
        PlanCheck check =
            check_plan(&bench.plan, &bench.set, &bench.layout, SNUG_SEGMENT_micro_step, arena);
        if (check.fault != cases[k].expect || check.step != cases[k].step)
            fail_msg("%s: fault %d at step %u: %s", cases[k].name, (int)check.fault, check.step,
                     check.text != NULL ? check.text : "none");
        seen[check.fault] = true;
        arena_destroy(arena);
    }
    for (int fault = 0; fault <= PLAN_certificate; fault++)
        assert_true(seen[fault]);
}

/* ---- repeats --------------------------------------------------------------------------------- */

/* A kernel that collects: args x-hat and partials are left out of its repeat, and of nothing else.
 */
static void repeat_needs_what_it_reads(void **state)
{
    static Bench bench;
    Arena *arena = arena_create();
    (void)state;

    make_bench(&bench);
    SnugKernel *code = &bench.kernels[FIRST].code;
    bench.epilogue[0] = (SnugPoint){.op = SNUG_POINT_load, .arg = 0, .factor = 1};
    bench.epilogue[1] = (SnugPoint){.op = SNUG_POINT_core};
    bench.part = (SnugPart){.channel_count = 1, .out = {bench.epilogue, 2}};
    code->parts = &bench.part;
    code->part_count = 1;
    code->weight_arg = 1;
    code->reduction_count = 1;
    bench.step_buffers[4][0].i = NO_BUFFER; /* x: loaded for the sums alone */
    PlanCheck check =
        check_plan(&bench.plan, &bench.set, &bench.layout, SNUG_SEGMENT_micro_step, arena);
    assert_int_equal(check.fault, PLAN_good);
    bench.epilogue[1] = (SnugPoint){.op = SNUG_POINT_relu, .a = 0};
    check = check_plan(&bench.plan, &bench.set, &bench.layout, SNUG_SEGMENT_micro_step, arena);
    assert_int_equal(check.fault, PLAN_no_buffer);
    assert_int_equal(check.step, 4);
    arena_destroy(arena);
}

/* ---- the persistent part --------------------------------------------------------------------- */

static void finds_faults_of_the_layout(void **state)
{
    static Bench bench;
    Param params[3] = {{0},
                       {.name = "weight", .shape = {1, 1, 1, 64}},
                       {.name = "statistics", .shape = {1, 1, 1, 64}}};
    Model model = {.image = {X}};
    Arena *arena = arena_create();
    (void)state;

    make_bench(&bench);
    bench.values[X].shape = (Shape){1, 1, 1, 64};
    bench.values[X].type = SNUG_F32;
    model.params.items = params;
    model.params.count = 3;
    model.train = &bench.graph;
    Layout *layout = &bench.layout;
    layout->param_m = layout->param_v = bench.ema;
    layout->total_bytes = 22 * UNIT;
    assert_int_equal(check_layout(layout, &model, arena).fault, PLAN_good);
    layout->staging = 2 * UNIT; /* as long as the image, 256 bytes: free there */
    assert_int_equal(check_layout(layout, &model, arena).fault, PLAN_good);
    layout->staging = 12 * UNIT;
    assert_int_equal(check_layout(layout, &model, arena).fault, PLAN_collision);
    layout->staging = -1;
    layout->total_bytes = 21 * UNIT;
    assert_int_equal(check_layout(layout, &model, arena).fault, PLAN_certificate);
    bench.weight[2] = 0;
    assert_int_equal(check_layout(layout, &model, arena).fault, PLAN_collision);
    bench.weight[2] = 14 * UNIT;
    assert_int_equal(check_layout(layout, &model, arena).fault, PLAN_bounds);
    bench.weight[2] = 1;
    assert_int_equal(check_layout(layout, &model, arena).fault, PLAN_alignment);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_each_fault),
        cmocka_unit_test(repeat_needs_what_it_reads),
        cmocka_unit_test(finds_faults_of_the_layout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
