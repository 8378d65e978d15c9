/* The rules of shapes.c: what each op makes of its inputs, and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/pipeline.h"

typedef struct Case {
    const char *name;
    OpKind kind;
    Shape inputs[5];   /* n 0: no more */
    Op attributes;
    SnugType type;     /* of the first input; 0: f32 */
    InputKind input;   /* of the first input, where is_source */
    bool is_source;
    InputKind second;  /* of the second input: landmarks */
    Shape expected;    /* n 0: refused */
    const char *error; /* in the report, where refused */
} Case;

static const Case cases[] = {
    /* conv: (x + 2 pad - kernel) / stride + 1, rounded down */
    {.name = "conv keeps the size", .kind = OP_conv,
     .inputs = {{2, 9, 7, 3}, {5, 3, 3, 3}}, .attributes = {.kernel = 3, .stride = 1, .pad = 1},
     .expected = {2, 9, 7, 5}},
    {.name = "conv halves, rounding up", .kind = OP_conv,
     .inputs = {{2, 9, 8, 3}, {5, 3, 3, 3}}, .attributes = {.kernel = 3, .stride = 2, .pad = 1},
     .expected = {2, 5, 4, 5}},
    {.name = "conv larger than its input", .kind = OP_conv,
     .inputs = {{1, 2, 8, 3}, {5, 7, 7, 3}}, .attributes = {.kernel = 7, .stride = 1, .pad = 2},
     .error = "E106]: conv has a window of 7x7"},
    {.name = "conv without stride", .kind = OP_conv,
     .inputs = {{1, 8, 8, 3}, {5, 1, 1, 3}}, .attributes = {.kernel = 1, .stride = 0},
     .error = "E105]: conv has kernel 1 and stride 0"},
    {.name = "conv of a picture", .kind = OP_conv, .is_source = true, .input = INPUT_picture,
     .type = SNUG_U8, .inputs = {{1, 8, 8, 3}, {5, 1, 1, 3}}, .attributes = {.kernel = 1, .stride = 1},
     .error = "E101]: conv reads the picture"},
    {.name = "conv of landmarks", .kind = OP_conv, .is_source = true, .input = INPUT_landmarks,
     .inputs = {{1, 8, 8, 3}, {5, 1, 1, 3}}, .attributes = {.kernel = 1, .stride = 1},
     .error = "E102]: conv reads the landmarks"},
    /* deconv: (x - 1) stride - 2 pad + kernel + output_pad */
    {.name = "deconv doubles", .kind = OP_deconv,
     .inputs = {{1, 5, 6, 3}, {3, 4, 4, 2}}, .attributes = {.kernel = 4, .stride = 2, .pad = 1},
     .expected = {1, 10, 12, 2}},
    {.name = "deconv of odd kernel doubles with output padding", .kind = OP_deconv,
     .inputs = {{1, 5, 6, 3}, {3, 3, 3, 2}},
     .attributes = {.kernel = 3, .stride = 2, .pad = 1, .output_pad = 1},
     .expected = {1, 10, 12, 2}},
    {.name = "deconv to nothing", .kind = OP_deconv,
     .inputs = {{1, 1, 1, 3}, {3, 2, 2, 2}}, .attributes = {.kernel = 2, .stride = 1, .pad = 1},
     .error = "E105]: deconv with kernel 2"},
    /* the rest of the forward pass */
    {.name = "normalize", .kind = OP_normalize, .is_source = true, .input = INPUT_picture,
     .type = SNUG_U8, .inputs = {{2, 4, 5, 3}}, .expected = {2, 4, 5, 3}},
    {.name = "normalize of a tensor", .kind = OP_normalize, .inputs = {{2, 4, 5, 3}},
     .error = "E103]: normalize reads"},
    {.name = "normalize of a grey picture", .kind = OP_normalize, .is_source = true,
     .input = INPUT_picture, .type = SNUG_U8, .inputs = {{2, 4, 5, 1}}, .error = "has 1 channel"},
    {.name = "bias", .kind = OP_bias, .inputs = {{2, 4, 5, 3}, {1, 1, 1, 3}},
     .expected = {2, 4, 5, 3}},
    {.name = "statistics", .kind = OP_bn_stats,
     .inputs = {{2, 4, 5, 3}, {1, 1, 1, 3}, {1, 1, 1, 3}, {1, 1, 1, 3}, {1, 1, 1, 3}},
     .expected = {1, 1, 4, 3}},
    {.name = "statistics of one value", .kind = OP_bn_stats,
     .inputs = {{1, 1, 1, 3}, {1, 1, 1, 3}, {1, 1, 1, 3}, {1, 1, 1, 3}, {1, 1, 1, 3}},
     .error = "E107]: bn has one value a channel"},
    {.name = "add", .kind = OP_add, .inputs = {{1, 4, 5, 3}, {1, 4, 5, 3}, {1, 4, 5, 3}},
     .expected = {1, 4, 5, 3}},
    {.name = "add of other channels", .kind = OP_add, .inputs = {{1, 4, 5, 3}, {1, 4, 5, 4}},
     .error = "E108]: a sum of tensors of different shapes: 1x4x5x3 and 1x4x5x4"},
    {.name = "add of other heights", .kind = OP_add, .inputs = {{1, 4, 5, 3}, {1, 3, 5, 3}},
     .error = "1x4x5x3 and 1x3x5x3"},
    {.name = "concat", .kind = OP_concat, .inputs = {{1, 4, 5, 3}, {1, 4, 5, 1}, {1, 4, 5, 2}},
     .expected = {1, 4, 5, 6}},
    {.name = "concat of other widths", .kind = OP_concat, .inputs = {{1, 4, 5, 3}, {1, 4, 6, 3}},
     .error = "E109]: a concat of tensors of different sizes: 1x4x5 and 1x4x6"},
    {.name = "max_pool", .kind = OP_max_pool, .inputs = {{1, 7, 8, 3}},
     .attributes = {.kernel = 3, .stride = 2, .pad = 1}, .expected = {1, 4, 4, 3}},
    {.name = "max_pool larger than its input", .kind = OP_max_pool, .inputs = {{1, 1, 8, 3}},
     .attributes = {.kernel = 2, .stride = 2},
     .error = "E106]: max_pool has a window of 2x2"},
    {.name = "upsample", .kind = OP_upsample, .inputs = {{1, 3, 5, 3}},
     .attributes = {.factor = 4}, .expected = {1, 12, 20, 3}},
    {.name = "upsample by nothing", .kind = OP_upsample, .inputs = {{1, 3, 5, 3}},
     .attributes = {.factor = 0}, .error = "E110]: upsample by a factor of 0"},
    {.name = "bilinear by far", .kind = OP_bilinear, .inputs = {{1, 3, 5, 3}},
     .attributes = {.factor = 65}, .error = "E110]: bilinear by a factor of 65"},
    {.name = "a tensor of 2^50 bytes", .kind = OP_upsample,
     .inputs = {{1, 1 << 20, 1 << 20, 64}}, .attributes = {.factor = 2},
     .error = "E100]: \"y\" would be a tensor of 1x2097152x2097152x64"},
    {.name = "a dimension of 2^31", .kind = OP_upsample, .inputs = {{1, 1 << 26, 1, 1}},
     .attributes = {.factor = 32}, .error = "E100]"},
    /* losses */
    {.name = "loss of maps", .kind = OP_heatmap_loss, .second = INPUT_landmarks,
     .inputs = {{2, 8, 9, 5}, {1, 2, 5, 3}}, .expected = {1, 1, 2, 5}},
    {.name = "too few maps", .kind = OP_heatmap_loss, .second = INPUT_landmarks,
     .inputs = {{2, 8, 9, 4}, {1, 2, 5, 3}},
     .error = "E112]: the heat maps have 4 channels but there are 5 landmarks"},
    {.name = "another batch", .kind = OP_heatmap_loss, .second = INPUT_landmarks,
     .inputs = {{2, 8, 9, 5}, {1, 3, 5, 3}},
     .error = "E111]: the batch size of the heat maps is 2 but that of the landmarks 3"},
    {.name = "ohkm of too many", .kind = OP_heatmap_loss, .second = INPUT_landmarks,
     .inputs = {{2, 8, 9, 5}, {1, 2, 5, 3}},
     .attributes = {.loss = {.kind = SNUG_LOSS_ohkm, .top = 6}},
     .error = "E114]: ohkm keeps the worst 6 of 5"},
    {.name = "no landmarks", .kind = OP_heatmap_loss, .second = INPUT_image_weights,
     .inputs = {{2, 8, 9, 5}, {1, 2, 5, 3}}, .error = "E113]"},
};

typedef struct Fixture {
    Arena *arena;
    Graph *graph;
    Diagnostics *diags;
} Fixture;

static Fixture setup(void)
{
    Arena *arena = arena_create();

    return (Fixture){arena, graph_create(arena, interner_create(arena)),
                     diagnostics_create(arena)};
}

static ValueId add_source(Fixture *f, Shape shape, SnugType type, InputKind kind)
{
    OpId id = graph_append(f->graph, OP_input, NULL, 0, "x", (Span){0});
    Value *value = &f->graph->values.items[graph_output(f->graph, id, 0).i];

    value->shape = shape;
    value->type = type;
    value->input = kind;
    return graph_output(f->graph, id, 0);
}

static OpId add_op(Fixture *f, const Case *test)
{
    ValueId inputs[5];
    uint32_t count = 0;

    for (; count < 5 && test->inputs[count].n != 0; count++) {
        InputKind kind = count == 0 && test->is_source ? test->input
                         : count == 1 && test->kind == OP_heatmap_loss ? test->second
                                                                       : INPUT_tensor;
        SnugType type = count == 0 && test->type != SNUG_UNKNOWN ? test->type : SNUG_F32;
        inputs[count] = add_source(f, test->inputs[count], type, kind);
    }
    OpId id = graph_append(f->graph, test->kind, inputs, count, "y", (Span){0});
    Op *op = &f->graph->ops.items[id.i];
    op->kernel = test->attributes.kernel;
    op->stride = test->attributes.stride;
    op->pad = test->attributes.pad;
    op->output_pad = test->attributes.output_pad;
    op->factor = test->attributes.factor;
    op->loss = test->attributes.loss;
    return id;
}

static const char *report_of(Fixture *f)
{
    char *text = NULL;
    size_t length = 0;
    FILE *file = open_memstream(&text, &length);

    diagnostics_print(f->diags, file, false);
    fclose(file);
    const char *copy = arena_strdup(f->arena, text);
    free(text);
    return copy;
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT_OF(cases); k++) {
        const Case *test = &cases[k];
        Fixture f = setup();
        OpId id = add_op(&f, test);
        bool ok = infer_op(f.graph, id, f.diags, false);
        Shape is = f.graph->values.items[graph_output(f.graph, id, 0).i].shape, to = test->expected;
        if (ok != (to.n != 0) || memcmp(&is, &to, sizeof is) != 0)
            fail_msg("%s: %lldx%lldx%lldx%lld\n%s", test->name, (long long)is.n, (long long)is.h,
                     (long long)is.w, (long long)is.c, report_of(&f));
        if (test->error != NULL && strstr(report_of(&f), test->error) == NULL)
            fail_msg("%s: not in the report: %s\n%s", test->name, test->error, report_of(&f));
        arena_destroy(f.arena);
    }
}

/* One mistake gives one message: what reads an unknown shape is silent and unknown. */
static void test_unknown_is_silent(void **state)
{
    Fixture f = setup();
    ValueId x = add_source(&f, (Shape){1, 4, 4, 2}, SNUG_F32, INPUT_tensor);
    ValueId other = add_source(&f, (Shape){1, 4, 5, 2}, SNUG_F32, INPUT_tensor);
    OpId sum = graph_append(f.graph, OP_add, (ValueId[]){x, other}, 2, "sum", (Span){0});
    ValueId y = graph_output(f.graph, sum, 0);
    OpId relu = graph_append(f.graph, OP_relu, &y, 1, "relu", (Span){0});

    (void)state;
    assert_false(infer_op(f.graph, sum, f.diags, false));
    assert_true(infer_op(f.graph, relu, f.diags, false));
    assert_int_equal(diagnostics_error_count(f.diags), 1);
    assert_int_equal(f.graph->values.items[graph_output(f.graph, relu, 0).i].shape.n, 0);
    arena_destroy(f.arena);
}

/* 33 rows by stride 2 give 17, twice as many are 34: the note names the op that lost a row. */
static void test_uneven_size_is_named(void **state)
{
    Fixture f = setup();
    ValueId x = add_source(&f, (Shape){1, 33, 33, 2}, SNUG_F32, INPUT_tensor);
    OpId pool = graph_append(f.graph, OP_max_pool, &x, 1, "halve", (Span){0});
    f.graph->ops.items[pool.i].kernel = 3;
    f.graph->ops.items[pool.i].stride = 2;
    f.graph->ops.items[pool.i].pad = 1;
    ValueId half = graph_output(f.graph, pool, 0);
    OpId up = graph_append(f.graph, OP_upsample, &half, 1, "up", (Span){0});
    f.graph->ops.items[up.i].factor = 2;
    ValueId y = graph_output(f.graph, up, 0);
    OpId sum = graph_append(f.graph, OP_add, (ValueId[]){x, y}, 2, "sum", (Span){0});

    (void)state;
    assert_true(infer_op(f.graph, pool, f.diags, false));
    assert_true(infer_op(f.graph, up, f.diags, false));
    assert_false(infer_op(f.graph, sum, f.diags, false));
    assert_non_null(strstr(report_of(&f), "\"halve\" makes 17x17 of 33x33"));
    arena_destroy(f.arena);
}

/* Mixed precision: activations half, statistics and what a loss reads f32. */
static void test_types(void **state)
{
    Fixture f = setup();
    ValueId image = add_source(&f, (Shape){2, 4, 4, 3}, SNUG_U8, INPUT_picture);
    ValueId points = add_source(&f, (Shape){1, 2, 3, 3}, SNUG_F32, INPUT_landmarks);
    OpId normalize = graph_append(f.graph, OP_normalize, &image, 1, "normalize", (Span){0});
    ValueId x = graph_output(f.graph, normalize, 0);
    OpId relu = graph_append(f.graph, OP_relu, &x, 1, "relu", (Span){0});
    ValueId heat = graph_output(f.graph, relu, 0);
    OpId loss = graph_append(f.graph, OP_heatmap_loss, (ValueId[]){heat, points}, 2, "loss", (Span){0});

    (void)state;
    assert_true(infer_op(f.graph, normalize, f.diags, true));
    assert_true(infer_op(f.graph, relu, f.diags, true));
    assert_int_equal(f.graph->values.items[heat.i].type, SNUG_F16);
    assert_true(infer_op(f.graph, loss, f.diags, true));
    assert_int_equal(f.graph->values.items[x.i].type, SNUG_F16);
    assert_int_equal(f.graph->values.items[heat.i].type, SNUG_F32);
    assert_int_equal(f.graph->values.items[graph_output(f.graph, loss, 0).i].type, SNUG_F32);
    arena_destroy(f.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_unknown_is_silent),
        cmocka_unit_test(test_uneven_size_is_named),
        cmocka_unit_test(test_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
