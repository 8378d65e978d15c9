/* The model files have the parameters of the networks that they are named after: counts against
 * published and independently computed figures (tests/reference/counts.py), names against the rule
 * of the official HRNet state files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/pipeline/pipeline.h"

typedef struct Count {
    int64_t parameters; /* trained numbers */
    uint32_t tensors;   /* trained */
    uint32_t states;    /* running statistics */
    uint32_t convs, deconvs;
} Count;

static Compilation *elaborate_file(const char *path, Override *overrides, uint32_t override_count)
{
    Compilation *c = compilation_create(&(CompileOptions){.model_path = path,
                                                          .overrides = overrides,
                                                          .override_count = override_count});

    ExitStatus status = run_pipeline(c, "shapes", stdout);
    diagnostics_print(c->diags, stderr, false);
    assert_int_equal(status, EXIT_STATUS_ok);
    return c;
}

static Count count_model(const Compilation *c)
{
    Count count = {0};

    for (uint32_t p = 1; p < c->model->params.count; p++) {
        const Param *param = &c->model->params.items[p];
        if (param->kind == SNUG_PARAM_running_mean || param->kind == SNUG_PARAM_running_var) {
            count.states++;
            continue;
        }
        count.tensors++;
        count.parameters += param->shape.n * param->shape.h * param->shape.w * param->shape.c;
    }
    for (uint32_t o = 1; o < c->model->train->ops.count; o++) {
        count.convs += c->model->train->ops.items[o].kind == OP_conv;
        count.deconvs += c->model->train->ops.items[o].kind == OP_deconv;
    }
    return count;
}

/* ---- counts ---------------------------------------------------------------------------------- */

typedef struct Case {
    const char *file;
    double landmarks, width; /* 0: as in the file */
    Count expect;
} Case;

static const Case cases[] = {
    /* pose_hrnet: 878 trained tensors, 292 batch norms */
    {"hrnet_w18", 29, 0, {9318443, 878, 584, 293, 0}},
    {"hrnet_w32", 29, 0, {28536509, 878, 584, 293, 0}},
    {"hrnet_w48", 29, 0, {63596333, 878, 584, 293, 0}},
    {"hrnet_w18", 17, 0, {9318215, 878, 584, 293, 0}},
    {"hrnet_w32", 17, 0, {28536113, 878, 584, 293, 0}},
    {"hrnet_w48", 17, 0, {63595745, 878, 584, 293, 0}},
    {"hrnetv2_w18", 29, 18, {9643829, 921, 612, 307, 0}},
    {"hrnetv2_w18", 29, 32, {29551325, 921, 612, 307, 0}},
    {"hrnetv2_w18", 29, 48, {65866589, 921, 612, 307, 0}},
    /* the guide says 6.35 M */
    {"guide_8gb", 29, 0, {6350261, 404, 268, 135, 0}},
    /* tests/reference/counts.py */
    {"unet", 29, 0, {31038493, 60, 36, 19, 4}},
    {"unet", 17, 0, {31037713, 60, 36, 19, 4}},
    {"resnet50_deconv", 29, 0, {34002781, 170, 112, 54, 3}},
    {"resnet50_deconv", 17, 0, {33999697, 170, 112, 54, 3}},
};

static void test_counts(void **state)
{
    (void)state;
    for (uint32_t k = 0; k < COUNT_OF(cases); k++) {
        const Case *is = &cases[k];
        Override overrides[] = {{.name = "landmarks", .value = is->landmarks},
                                {.name = "width", .value = is->width}};
        char path[512];
        snprintf(path, sizeof path, SOURCE_DIR "/models/%s.snug", is->file);
        Compilation *c = elaborate_file(path, overrides, is->width != 0 ? 2 : 1);
        Count count = count_model(c);
        print_message("%s, %g landmarks: %lld parameters in %u tensors, %u convs\n", is->file,
                      is->landmarks, (long long)count.parameters, count.tensors, count.convs);
        assert_int_equal(count.parameters, is->expect.parameters);
        assert_int_equal(count.tensors, is->expect.tensors);
        assert_int_equal(count.states, is->expect.states);
        assert_int_equal(count.convs, is->expect.convs);
        assert_int_equal(count.deconvs, is->expect.deconvs);
        compilation_destroy(c);
    }
}

/* ---- the official names of pose_hrnet -------------------------------------------------------- */

typedef struct NameCheck {
    const Model *model;
    uint32_t found;
} NameCheck;

static void expect_param(NameCheck *check, const char *fmt, ...)
{
    char name[256];
    va_list arguments;

    va_start(arguments, fmt);
    vsnprintf(name, sizeof name, fmt, arguments);
    va_end(arguments);
    for (uint32_t p = 1; p < check->model->params.count; p++) {
        if (strcmp(check->model->params.items[p].name, name) == 0) {
            check->found++;
            return;
        }
    }
    fail_msg("the model has no parameter %s", name);
}

static void expect_conv_bn(NameCheck *check, const char *conv, const char *bn)
{
    expect_param(check, "%s.weight", conv);
    expect_param(check, "%s.weight", bn);
    expect_param(check, "%s.bias", bn);
    expect_param(check, "%s.running_mean", bn);
    expect_param(check, "%s.running_var", bn);
}

/* path.conv1, path.bn1, path.conv2, ... */
static void expect_numbered(NameCheck *check, const char *path, int count)
{
    char conv[200], bn[200];

    for (int k = 1; k <= count; k++) {
        snprintf(conv, sizeof conv, "%sconv%d", path, k);
        snprintf(bn, sizeof bn, "%sbn%d", path, k);
        expect_conv_bn(check, conv, bn);
    }
}

/* path.0, path.1: a Sequential of conv and batch norm */
static void expect_pair(NameCheck *check, const char *path)
{
    char conv[200], bn[200];

    snprintf(conv, sizeof conv, "%s.0", path);
    snprintf(bn, sizeof bn, "%s.1", path);
    expect_conv_bn(check, conv, bn);
}

static void expect_module(NameCheck *check, int stage, int module, int branches, int rows)
{
    char path[160];

    for (int b = 0; b < branches; b++) {
        for (int k = 0; k < 4; k++) {
            snprintf(path, sizeof path, "stage%d.%d.branches.%d.%d.", stage, module, b, k);
            expect_numbered(check, path, 2);
        }
    }
    for (int i = 0; i < rows; i++) {
        for (int j = 0; j < branches; j++) {
            snprintf(path, sizeof path, "stage%d.%d.fuse_layers.%d.%d", stage, module, i, j);
            if (j > i)
                expect_pair(check, path);
            for (int k = 0; k < i - j; k++) {
                snprintf(path, sizeof path, "stage%d.%d.fuse_layers.%d.%d.%d", stage, module, i, j,
                         k);
                expect_pair(check, path);
            }
        }
    }
}

static void test_official_names(void **state)
{
    Compilation *c = elaborate_file(SOURCE_DIR "/models/hrnet_w32.snug", NULL, 0);
    NameCheck check = {.model = c->model};
    char path[64];
    (void)state;

    expect_numbered(&check, "", 2);
    for (int k = 0; k < 4; k++) {
        snprintf(path, sizeof path, "layer1.%d.", k);
        expect_numbered(&check, path, 3);
    }
    expect_pair(&check, "layer1.0.downsample");
    expect_pair(&check, "transition1.0");
    expect_pair(&check, "transition1.1.0");
    expect_pair(&check, "transition2.2.0");
    expect_pair(&check, "transition3.3.0");
    expect_module(&check, 2, 0, 2, 2);
    for (int m = 0; m < 4; m++)
        expect_module(&check, 3, m, 3, 3);
    for (int m = 0; m < 3; m++)
        expect_module(&check, 4, m, 4, m == 2 ? 1 : 4);
    expect_param(&check, "final_layer.weight");
    expect_param(&check, "final_layer.bias");
    /* the state file has 1754 tensors: these and one num_batches_tracked a batch norm */
    assert_int_equal(check.found, 1754 - 292);
    assert_int_equal(check.found, c->model->params.count - 1);
    compilation_destroy(c);
}

/* ---- sizes from the command line ------------------------------------------------------------- */

static void test_sizes(void **state)
{
    Compilation *c =
        compilation_create(&(CompileOptions){.model_path = SOURCE_DIR "/models/hrnet_w18.snug",
                                             .batch_size = 3,
                                             .image_height = 256,
                                             .image_width = 320});
    (void)state;

    assert_int_equal(run_pipeline(c, "shapes", stdout), EXIT_STATUS_ok);
    const Model *model = c->model;
    Shape heat = model->train->values.items[model->heat.i].shape;
    assert_int_equal(model->batch_size, 3);
    assert_int_equal(model->image_height, 256);
    assert_int_equal(model->image_width, 320);
    assert_int_equal(model->landmarks, 29);
    assert_int_equal(heat.n, 3);
    assert_int_equal(heat.h, 64);
    assert_int_equal(heat.w, 80);
    assert_int_equal(heat.c, 29);
    assert_int_equal(model->train->values.items[model->heat.i].type, SNUG_F32);
    assert_int_equal(model->train->values.items[model->image.i].type, SNUG_U8);
    assert_true(model->loss_attributes.stride == 4);
    assert_true(model->loss_attributes.sigma == 2);
    assert_true(model->defaults.lr == 3e-4f);
    assert_int_equal(model->defaults.epochs, 200);
    assert_int_equal(model->defaults.warmup_epochs, 10);
    assert_int_equal(model->defaults.accumulate, 8);
    assert_int_equal(model->defaults.use_ema, 1);
    assert_string_equal(model->name, "hrnet_w18");
    compilation_destroy(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_official_names),
        cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
