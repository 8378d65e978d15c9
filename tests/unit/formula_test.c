/* Rows of runtime/points.def: texts name the operands that the instruction reads, each of them and
 * no other, and print as the dumps have them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "compiler/fuse/formula.h"

static bool names(const char *template, char operand)
{
    const char plain[] = {'$', operand, '\0'}, factor[] = {'$', '(', operand, ')', '\0'};

    return strstr(template, plain) != NULL || strstr(template, factor) != NULL;
}

static void test_operands_are_named(void **state)
{
    (void)state;
    for (int op = 0; op < SNUG_POINT_OP_COUNT; op++) {
        const PointInfo *info = &point_info[op];
        assert_true((info->from == SNUG_FROM_registers) == (info->operands > 0));
        assert_in_range(info->operands, 0, 3);
        for (int k = 0; k < 3; k++) {
            assert_true(names(info->formula, "abd"[k]) == (k < info->operands));
            assert_true(names(info->cuda, "abd"[k]) == (k < info->operands));
        }
    }
}

/* Every instruction of registers over loads; then sums as factors. */
static void test_formulas(void **state)
{
    (void)state;
    static const char *const arg_names[] = {"x", "y", "z"};
    static const struct {
        SnugPointOp op;
        const char *expected;
    } cases[] = {
        {SNUG_POINT_add, "x + y + x + y"},
        {SNUG_POINT_multiply, "(x + y) * (x + y)"},
        {SNUG_POINT_fma, "(x + y) * (x + y) + x + y"},
        {SNUG_POINT_relu, "relu(x + y)"},
        {SNUG_POINT_mask, "mask(x + y, x + y)"},
    };
    const SnugArg args[3] = {{.shape = {1, 1, 1, 1}, .pitch = 1}};
    const SnugKernel kernel = {.args = args, .arg_count = 3};
    Arena *arena = arena_create();

    for (size_t k = 0; k < COUNT_OF(cases); k++) {
        SnugPoint code[6] = {
            {.op = SNUG_POINT_load, .arg = 0, .factor = 1},
            {.op = SNUG_POINT_load, .arg = 1, .factor = 1},
            {.op = SNUG_POINT_add, .a = 0, .b = 1},
            {.op = SNUG_POINT_add, .a = 0, .b = 1},
            {.op = SNUG_POINT_add, .a = 0, .b = 1},
            {.op = cases[k].op, .a = 2, .b = 3, .d = 4},
        };
        SnugPointwise pointwise = {.code = code, .count = 6};
        assert_string_equal(formula_text(arena, &kernel, arg_names, &pointwise, false),
                            cases[k].expected);
    }
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operands_are_named),
        cmocka_unit_test(test_formulas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
