/* Building and rewriting graphs: names, clones, compaction, and what simplify merges and drops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/graph/graph.h"

typedef struct Fixture {
    Arena *arena;
    Compilation c;
    Model model;
    Graph *graph;
} Fixture;

static void setup(Fixture *f)
{
    memset(f, 0, sizeof *f);
    f->arena = arena_create();
    f->graph = graph_create(f->arena, interner_create(f->arena));
    f->c = (Compilation){.arena = f->arena,
                         .scratch = arena_create(),
                         .model = &f->model,
                         .diags = diagnostics_create(f->arena)};
    (void)ARRAY_PUSH(f->arena, &f->model.params);
}

static void teardown(Fixture *f)
{
    arena_destroy(f->c.scratch);
    arena_destroy(f->arena);
}

static ValueId input(Fixture *f)
{
    OpId id = graph_append(f->graph, OP_input, NULL, 0, "x", (Span){0});
    Value *value = &f->graph->values.items[graph_output(f->graph, id, 0).i];

    value->input = INPUT_tensor;
    value->shape = (Shape){1, 4, 4, 2};
    value->type = SNUG_F32;
    return graph_output(f->graph, id, 0);
}

static ValueId apply(Fixture *f, OpKind kind, ValueId a, ValueId b, const char *name)
{
    OpId id = graph_append(f->graph, kind, (ValueId[]){a, b}, b.i ? 2 : 1, name, (Span){0});

    f->graph->ops.items[id.i].number = 2;
    assert_true(infer_op(f->graph, id, f->c.diags, false));
    return graph_output(f->graph, id, 0);
}

static const char *name_of(const Graph *graph, ValueId value)
{
    return graph->values.items[value.i].name;
}

static void test_names_are_unique(void **state)
{
    Fixture f;
    ValueId none = {0};

    (void)state;
    setup(&f);
    ValueId x = input(&f);
    assert_string_equal(name_of(f.graph, apply(&f, OP_relu, x, none, "y")), "y");
    assert_string_equal(name_of(f.graph, apply(&f, OP_relu, x, none, "y")), "y_2");
    assert_string_equal(name_of(f.graph, apply(&f, OP_relu, x, none, "y_3")), "y_3");
    assert_string_equal(name_of(f.graph, apply(&f, OP_relu, x, none, "y")), "y_4");
    graph_rename(f.graph, x, "y");
    assert_string_equal(name_of(f.graph, x), "y_5");
    Graph *clone = graph_clone(f.graph, f.arena);
    graph_append(clone, OP_relu, &x, 1, "y", (Span){0});
    graph_append(f.graph, OP_relu, &x, 1, "y", (Span){0});
    assert_string_equal(clone->ops.items[clone->ops.count - 1].name, "y_6");
    assert_string_equal(f.graph->ops.items[f.graph->ops.count - 1].name, "y_6");
    teardown(&f);
}

static void test_clone_is_apart(void **state)
{
    Fixture f;

    (void)state;
    setup(&f);
    ValueId x = input(&f), a = apply(&f, OP_relu, x, (ValueId){0}, "a");
    ValueId b = apply(&f, OP_sigmoid, a, (ValueId){0}, "b");
    Graph *clone = graph_clone(f.graph, f.arena);
    graph_replace_uses(clone, a, x);
    assert_int_equal(clone->ops.items[clone->values.items[b.i].maker.i].inputs[0].i, x.i);
    assert_int_equal(f.graph->ops.items[f.graph->values.items[b.i].maker.i].inputs[0].i, a.i);
    teardown(&f);
}

/* a = relu(x), b = relu(x), c = sigmoid(x): y = a + b reads a twice, c is gone. */
static void test_simplify_merges_and_drops(void **state)
{
    Fixture f;
    ValueId none = {0};

    (void)state;
    setup(&f);
    ValueId x = input(&f), a = apply(&f, OP_relu, x, none, "a");
    ValueId b = apply(&f, OP_relu, x, none, "b");
    apply(&f, OP_sigmoid, x, none, "c");
    ValueId y = apply(&f, OP_add, a, b, "y");
    f.model.evaluate = f.graph;
    f.model.evaluate_heat = y;
    f.graph->values.items[y.i].is_output = true;
    assert_true(simplify(&f.c));
    verify_graph(f.graph, &f.model, "simplify");
    assert_int_equal(f.graph->ops.count - 1, 3); /* x, a, y */
    const Op *sum = &f.graph->ops.items[f.graph->ops.count - 1];
    assert_string_equal(name_of(f.graph, f.model.evaluate_heat), "y");
    assert_string_equal(name_of(f.graph, sum->inputs[0]), "a");
    assert_string_equal(name_of(f.graph, sum->inputs[1]), "a");
    teardown(&f);
}

/* Ops that differ in an attribute are not merged; a sum of one gives way. */
static void test_simplify_looks_at_attributes(void **state)
{
    Fixture f;
    ValueId none = {0};

    (void)state;
    setup(&f);
    ValueId x = input(&f), a = apply(&f, OP_scale, x, none, "a");
    ValueId b = apply(&f, OP_scale, x, none, "b");
    f.graph->ops.items[f.graph->values.items[b.i].maker.i].number = 3;
    ValueId one = apply(&f, OP_add, b, none, "one");
    ValueId y = apply(&f, OP_add, a, one, "y");
    f.model.evaluate = f.graph;
    f.model.evaluate_heat = y;
    f.graph->values.items[y.i].is_output = true;
    assert_true(simplify(&f.c));
    assert_int_equal(f.graph->ops.count - 1, 4); /* x, a, b, y */
    const Op *sum = &f.graph->ops.items[f.graph->ops.count - 1];
    assert_string_equal(name_of(f.graph, sum->inputs[0]), "a");
    assert_string_equal(name_of(f.graph, sum->inputs[1]), "b");
    teardown(&f);
}

typedef struct Attribute {
    const char *name;
    OpKind kind;
    void (*set)(Op *op);
} Attribute;

static void set_kernel(Op *op)
{
    op->kernel = 3;
}
static void set_stride(Op *op)
{
    op->stride = 2;
}
static void set_pad(Op *op)
{
    op->pad = 1;
}
static void set_factor(Op *op)
{
    op->factor = 4;
}
static void set_channel(Op *op)
{
    op->channel = 1;
}
static void set_like(Op *op)
{
    op->like.c = 1;
}
static void set_number(Op *op)
{
    op->number = 5;
}

static const Attribute attributes[] = {
    {"kernel", OP_max_pool, set_kernel}, {"stride", OP_max_pool, set_stride},
    {"pad", OP_max_pool, set_pad},       {"factor", OP_upsample, set_factor},
    {"channel", OP_slice, set_channel},  {"like", OP_slice, set_like},
    {"number", OP_scale, set_number},
};

/* Two ops that differ in one attribute alone are two; without the difference they are one. */
static void test_every_attribute_counts(void **state)
{
    (void)state;
    for (size_t k = 0; k < 2 * COUNT_OF(attributes); k++) {
        const Attribute *attribute = &attributes[k / 2];
        bool is_same = k % 2 == 0;
        Fixture f;
        setup(&f);
        ValueId x = input(&f), ends[2];
        for (int side = 0; side < 2; side++) {
            OpId id = graph_append(f.graph, attribute->kind, &x, 1, "y", (Span){0});
            Op *op = &f.graph->ops.items[id.i];
            op->kernel = op->stride = 1;
            op->factor = 2;
            op->like.c = 2;
            op->number = 2;
            if (side == 1 && !is_same)
                attribute->set(op);
            ends[side] = graph_output(f.graph, id, 0);
            f.graph->values.items[ends[side].i].type = SNUG_F32;
        }
        OpId sum = graph_append(f.graph, OP_add, ends, 2, "sum", (Span){0});
        f.model.evaluate = f.graph;
        f.model.evaluate_heat = graph_output(f.graph, sum, 0);
        f.graph->values.items[f.model.evaluate_heat.i].is_output = true;
        assert_true(simplify(&f.c));
        const Op *end = &f.graph->ops.items[f.graph->ops.count - 1];
        if ((end->inputs[0].i == end->inputs[1].i) != is_same)
            fail_msg("%s is %s", attribute->name, is_same ? "not merged" : "not looked at");
        teardown(&f);
    }
}

static void test_bytes(void **state)
{
    (void)state;
    assert_int_equal(tensor_bytes((Shape){2, 3, 4, 5}, SNUG_F32, 5), 480);
    assert_int_equal(tensor_bytes((Shape){2, 3, 4, 5}, SNUG_F16, 8), 384);
    assert_int_equal(tensor_bytes((Shape){2, 3, 4, 3}, SNUG_U8, 3), 72);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_unique),
        cmocka_unit_test(test_clone_is_apart),
        cmocka_unit_test(test_simplify_merges_and_drops),
        cmocka_unit_test(test_simplify_looks_at_attributes),
        cmocka_unit_test(test_every_attribute_counts),
        cmocka_unit_test(test_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
