/* Checkpoints and imports against a device that is an array: layouts, round trips, and files that
 * do not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <unistd.h>

#include "files.h"
#include "runtime/train/checkpoint.h"

/* ---- a device of 4 KiB ----------------------------------------------------------------------- */

struct Device {
    uint8_t bytes[4096];
    bool fails; /* each transfer */
};

static bool upload(Device *device, int64_t offset, const void *data, int64_t bytes, Error *error)
{
    if (device->fails)
        return error_set(error, ERROR_DEVICE, "the device is gone");
    memcpy(device->bytes + offset, data, (size_t)bytes);
    return true;
}

static bool download(Device *device, int64_t offset, void *data, int64_t bytes, Error *error)
{
    if (device->fails)
        return error_set(error, ERROR_DEVICE, "the device is gone");
    memcpy(data, device->bytes + offset, (size_t)bytes);
    return true;
}

static const DeviceOps ops = {.name = "array", .upload = upload, .download = download};

/* A conv 3 -> 2, its batch norm, a transposed conv, a head with bias. Forms 512 bytes apart. */
#define AT(offset)                                                                                 \
    .weight = (offset), .m = 1024 + (offset), .v = 2048 + (offset), .ema = 512 + (offset)
#define STATE(offset) .weight = (offset), .m = -1, .v = -1, .ema = 512 + (offset)
static const SnugParam params[] = {
    {.name = "conv1.weight", .kind = SNUG_PARAM_conv_weight, .shape = {2, 3, 3, 3}, AT(0)},
    {.name = "bn1.weight", .kind = SNUG_PARAM_bn_gamma, .shape = {1, 1, 1, 2}, AT(220)},
    {.name = "bn1.bias", .kind = SNUG_PARAM_bn_beta, .shape = {1, 1, 1, 2}, AT(228)},
    {.name = "bn1.running_mean",
     .kind = SNUG_PARAM_running_mean,
     .shape = {1, 1, 1, 2},
     STATE(236)},
    {.name = "bn1.running_var", .kind = SNUG_PARAM_running_var, .shape = {1, 1, 1, 2}, STATE(244)},
    {.name = "up.weight", .kind = SNUG_PARAM_deconv_weight, .shape = {2, 2, 2, 3}, AT(252)},
    {.name = "final_layer.weight", .kind = SNUG_PARAM_conv_weight, .shape = {4, 1, 1, 3}, AT(348)},
    {.name = "final_layer.bias", .kind = SNUG_PARAM_bias, .shape = {1, 1, 1, 4}, AT(396)},
};
enum { PARAMS = sizeof params / sizeof params[0] };
static const SnugProgram program = {
    .model = "small", .model_hash = "0", .params = params, .param_count = PARAMS};
static const TrainState some_state = {.update = 12345678901,
                                      .applied = 12345678900,
                                      .epoch = 7,
                                      .batch = 3,
                                      .micro_steps = 99,
                                      .batch_size = 2,
                                      .train_items = 700,
                                      .loss_scale = {32768, 1999, 2},
                                      .best_mre = 1.0 / 3,
                                      .best_epoch = 5,
                                      .loss_sum = 0.1,
                                      .loss_count = 4,
                                      .seed = 42};

static char *folder, path[512];

static int set_up(void **state)
{
    (void)state;
    folder = make_folder();
    snprintf(path, sizeof path, "%s/file.safetensors", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remove_folder(folder);
    return 0;
}

/* Float k of the device is k + 0.5, so that each place has a value of its own. */
static void number(Device *device)
{
    for (int k = 0; k < 1024; k++) {
        float value = (float)k + 0.5f;
        memcpy(device->bytes + 4 * k, &value, 4);
    }
}

static float value_at(const Device *device, int64_t offset)
{
    float value;
    memcpy(&value, device->bytes + offset, 4);
    return value;
}

static int64_t elements(const SnugParam *param)
{
    return (int64_t)param->shape.n * param->shape.h * param->shape.w * param->shape.c;
}

static void save(Device *device)
{
    Error error = {0};
    if (!checkpoint_save(path, &ops, device, &program, &some_state, "{}", "[\"S\"]", &error))
        fail_msg("%s: %s", error.what, error.why);
}

/* ---- checkpoints ----------------------------------------------------------------------------- */

static void everything_comes_back(void **state)
{
    Device first = {0}, second = {0};
    TrainState back;
    Error error = {0};
    char *options, *symbols;

    (void)state;
    number(&first);
    save(&first);
    assert_true(checkpoint_load(path, &ops, &second, &program, &back, &error));
    for (int p = 0; p < PARAMS; p++) {
        const int64_t offsets[] = {params[p].weight, params[p].ema, params[p].m, params[p].v};
        for (int form = 0; form < 4; form++)
            for (int64_t k = 0; offsets[form] >= 0 && k < elements(&params[p]); k++)
                assert_float_equal(value_at(&second, offsets[form] + 4 * k),
                                   value_at(&first, offsets[form] + 4 * k), 0);
    }
    assert_int_equal(back.update, some_state.update);
    assert_int_equal(back.applied, some_state.applied);
    assert_int_equal(back.micro_steps, 99);
    assert_int_equal(back.batch, 3);
    assert_int_equal(back.train_items, 700);
    assert_int_equal(back.loss_scale.good_updates, 1999);
    assert_int_equal(back.seed, 42);
    assert_true(back.best_mre == some_state.best_mre && back.loss_sum == some_state.loss_sum
                && back.loss_scale.scale == 32768);
    assert_true(checkpoint_read_texts(path, &options, &symbols, &error));
    assert_string_equal(options, "{}");
    assert_string_equal(symbols, "[\"S\"]");
    free(options);
    free(symbols);
}

static void read_floats(const TensorFile *file, const char *name, float *values, int64_t shape1)
{
    const TensorEntry *entry = tensor_file_find(file, name);
    Error error = {0};

    assert_non_null(entry);
    assert_int_equal(entry->rank > 1 ? entry->shape[1] : entry->shape[0], shape1);
    assert_true(tensor_file_read(file, entry, values, &error));
}

/* {out, k, k, in} in memory is {out, in, k, k} in the file; vectors and counters as PyTorch has. */
static void layouts_of_pytorch(void **state)
{
    Device device = {0};
    TensorFile file;
    Error error = {0};
    float values[64];
    int64_t counter;

    (void)state;
    number(&device);
    save(&device);
    assert_true(tensor_file_open(&file, path, &error));
    read_floats(&file, "model.conv1.weight", values, 3);
    for (int o = 0; o < 2; o++)
        for (int i = 0; i < 3; i++)
            for (int y = 0; y < 3; y++)
                for (int x = 0; x < 3; x++)
                    assert_float_equal(values[((o * 3 + i) * 3 + y) * 3 + x],
                                       (float)(((o * 3 + y) * 3 + x) * 3 + i) + 0.5f, 0);
    read_floats(&file, "ema.up.weight", values, 3);
    assert_float_equal(values[1], value_at(&device, 512 + 252 + 4 * 3), 0); /* x = 1 of channel 0 */
    read_floats(&file, "model.bn1.running_var", values, 2);
    const TensorEntry *entry = tensor_file_find(&file, "model.bn1.num_batches_tracked");
    assert_int_equal(entry->type, TENSOR_I64);
    assert_int_equal(entry->rank, 0);
    assert_true(tensor_file_read(&file, entry, &counter, &error));
    assert_int_equal(counter, 99);
    assert_null(tensor_file_find(&file, "optim.m.bn1.running_mean"));
    assert_string_equal(tensor_file_metadata(&file, "format"), "pt");
    tensor_file_close(&file);
}

static void exports_have_plain_names(void **state)
{
    Device device = {0};
    TensorFile file;
    Error error = {0};
    float values[64];

    (void)state;
    number(&device);
    for (int use_ema = 0; use_ema < 2; use_ema++) {
        assert_true(checkpoint_export(path, &ops, &device, &program, use_ema, &error));
        assert_true(tensor_file_open(&file, path, &error));
        assert_int_equal(file.entry_count, PARAMS + 1);
        read_floats(&file, "final_layer.bias", values, 4);
        assert_float_equal(values[0], value_at(&device, (use_ema ? 512 : 0) + 396), 0);
        tensor_file_close(&file);
    }
}

static void a_device_that_fails(void **state)
{
    Device device = {0};
    TrainState back;
    Error error = {0};

    (void)state;
    save(&device);
    device.fails = true;
    assert_false(checkpoint_load(path, &ops, &device, &program, &back, &error));
    assert_int_equal(error.status, ERROR_DEVICE);
    error = (Error){0};
    assert_false(checkpoint_save(path, &ops, &device, &program, &some_state, "{}", "[]", &error));
    assert_int_equal(error.status, ERROR_DEVICE);
    error = (Error){0};
    device.fails = false;
    assert_true(checkpoint_load(path, &ops, &device, &program, &back, &error));
}

/* ---- files that do not belong here ----------------------------------------------------------- */

typedef struct Given {
    const char *name;
    TensorType type;
    int32_t rank;
    int64_t shape[4];
    float value; /* of each element */
} Given;

/* value as F32, F16 (of small whole numbers and halves) or BF16. */
static bool fill(const TensorSource *source, void *bytes)
{
    const Given *given = source->context;
    int64_t count = tensor_elements(source->rank, source->shape);
    uint32_t bits;
    memcpy(&bits, &given->value, 4);
    uint16_t half = (uint16_t)((bits >> 16 & 0x8000) | (((bits >> 23 & 255) - 112) << 10)
                               | (bits >> 13 & 1023));
    uint16_t brain = (uint16_t)(bits >> 16);

    for (int64_t k = 0; k < count; k++) {
        const void *data = source->type == TENSOR_F16    ? (const void *)&half
                           : source->type == TENSOR_BF16 ? (const void *)&brain
                                                         : (const void *)&given->value;
        size_t size = source->type == TENSOR_F32 ? 4 : 2;
        memcpy((uint8_t *)bytes + (size_t)k * size, data, size);
    }
    return true;
}

static void write_tensors(const Given *given, int count, const MetadataEntry *metadata,
                          int metadata_count)
{
    TensorSource sources[32];
    Error error = {0};

    for (int k = 0; k < count; k++) {
        sources[k] = (TensorSource){.name = given[k].name,
                                    .type = given[k].type,
                                    .rank = given[k].rank,
                                    .fill = fill,
                                    .context = (void *)&given[k]};
        memcpy(sources[k].shape, given[k].shape, sizeof given[k].shape);
    }
    assert_true(tensor_file_write(path, sources, count, metadata, metadata_count, &error));
}

static void states_that_no_training_is_in(void **state)
{
    static const char *const texts[] = {
        "",
        "[]",
        "{",
        "{}",
        "{\"update\": -1}",
        "{\"update\":1,\"applied\":2,\"batch_size\":1,\"loss_scale\":\"0x1p+16\"}",
        "{\"update\":1,\"applied\":1,\"batch_size\":0,\"loss_scale\":\"0x1p+16\"}",
        "{\"update\":1,\"applied\":1,\"batch_size\":1,\"loss_scale\":\"nan\"}",
        "{\"update\":1,\"applied\":1,\"batch_size\":1,\"loss_scale\":\"-1\"}",
        "{\"update\":1,\"applied\":1,\"batch_size\":1,\"loss_scale\":\"1\",\"best_mre\":\"inf\"}",
        "{\"update\":1,\"applied\":1,\"batch_size\":1,\"loss_scale\":\"1\",\"loss_count\":-4}",
    };

    (void)state;
    for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++) {
        MetadataEntry metadata[] = {{"state", (char *)texts[k]}};
        Device device = {0};
        TrainState back;
        Error error = {0};
        write_tensors(NULL, 0, metadata, 1);
        if (checkpoint_load(path, &ops, &device, &program, &back, &error))
            fail_msg("%s was accepted", texts[k]);
        assert_int_equal(error.status, ERROR_FILES);
    }
}

static void another_network(void **state)
{
    SnugParam others[PARAMS];
    SnugProgram other = program;
    Device device = {0};
    TrainState back;
    Error error = {0};

    (void)state;
    save(&device);
    memcpy(others, params, sizeof params);
    other.params = others;
    others[0].shape.n = 1;
    assert_false(checkpoint_load(path, &ops, &device, &other, &back, &error));
    assert_string_equal(error.why, "model.conv1.weight is of another shape");
    others[0].shape.n = 2;
    others[3].name = "bn2.running_mean";
    error = (Error){0};
    assert_false(checkpoint_load(path, &ops, &device, &other, &back, &error));
    assert_string_equal(error.why, "model.bn2.running_mean is missing");
    assert_string_equal(error.hint, "it was made by model small");
}

/* Of one unit of the device in turn: nothing that is not finite is written, or read. */
static void only_finite_numbers(void **state)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    static const int64_t offsets[] = {0, 236, 244, 396, 512 + 0, 512 + 244, 1024 + 220, 2048 + 396};
    static const char *const names[] = {"model.conv1.weight",    "model.bn1.running_mean",
                                        "model.bn1.running_var", "model.final_layer.bias",
                                        "ema.conv1.weight",      "ema.bn1.running_var",
                                        "optim.m.bn1.weight",    "optim.v.final_layer.bias"};
    Device good = {0}, device, back = {0};
    TrainState there;
    char expected[128];

    (void)state;
    number(&good);
    save(&good);
    for (size_t k = 0; k < sizeof offsets / sizeof offsets[0]; k++) {
        Error error = {0};
        device = good;
        memcpy(device.bytes + offsets[k], &bad[k % 3], 4);
        assert_false(
            checkpoint_save(path, &ops, &device, &program, &some_state, "{}", "[]", &error));
        assert_int_equal(error.status, ERROR_DIVERGED);
        snprintf(expected, sizeof expected, "%s is not finite", names[k]);
        assert_string_equal(error.what, expected);
        error = (Error){0};
        assert_true(checkpoint_load(path, &ops, &back, &program, &there, &error));
    }
    for (int k = 0; k < 2; k++) {
        TrainState lost = some_state;
        Error error = {0};
        *(k == 0 ? &lost.loss_sum : &lost.best_mre) = INFINITY;
        assert_false(checkpoint_save(path, &ops, &good, &program, &lost, "{}", "[]", &error));
        assert_int_equal(error.status, ERROR_DIVERGED);
    }
    const Given given = {"conv1.weight", TENSOR_F32, 4, {2, 3, 3, 3}, NAN};
    Error error = {0};
    write_tensors(&given, 1, NULL, 0);
    assert_false(import_weights(path, &ops, &device, &program, IMPORT_some, &error));
    assert_int_equal(error.status, ERROR_FILES);
    assert_string_equal(error.why, "the first tensor with one is conv1.weight");
}

/* Version 1 is read; what is newer, or says nothing, is refused by name. */
static void versions_of_the_format(void **state)
{
    static const struct {
        const char *version;
        bool is_read;
    } cases[] = {{"1", true}, {"2", true},  {"3", false},  {"0", false},
                 {"", false}, {"x", false}, {NULL, false}, {"2x", false}};
    char *text = "{\"update\":1,\"applied\":1,\"batch_size\":1,\"loss_scale\":\"0x1p+0\","
                 "\"best_mre\":\"-0x1p+0\",\"loss_sum\":\"0x0p+0\"}";
    SnugProgram none = program;
    Device device = {0};

    (void)state;
    none.param_count = 0;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        MetadataEntry metadata[] = {{"state", text},
                                    {"options", "{}"},
                                    {"snug", (char *)cases[k].version}};
        CheckpointFacts facts;
        TrainState back;
        Error error = {0};
        write_tensors(NULL, 0, metadata, cases[k].version != NULL ? 3 : 2);
        assert_int_equal(checkpoint_read_facts(path, &facts, &error), cases[k].is_read);
        assert_true(facts.is_checkpoint && !facts.is_at_home);
        if (!cases[k].is_read)
            assert_non_null(strstr(error.what, "of a format that cannot be read"));
        error = (Error){0};
        assert_int_equal(checkpoint_load(path, &ops, &device, &none, &back, &error),
                         cases[k].is_read);
    }
}

/* A checkpoint is at home where it was written, by whatever path it is named. */
static void home_of_a_checkpoint(void **state)
{
    Device device = {0};
    CheckpointFacts facts;
    Error error = {0};
    char other[600], elsewhere[560];

    (void)state;
    save(&device);
    assert_true(checkpoint_read_facts(path, &facts, &error));
    assert_true(facts.is_checkpoint && facts.is_at_home && facts.format == CHECKPOINT_FORMAT);
    snprintf(other, sizeof other, "%s/../%s/./file.safetensors", folder, folder);
    assert_true(checkpoint_read_facts(other, &facts, &error) && facts.is_at_home);
    snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", folder);
    assert_true(os_make_folders(elsewhere, &error));
    snprintf(other, sizeof other, "%s/file.safetensors", elsewhere);
    assert_int_equal(rename(path, other), 0);
    assert_true(checkpoint_read_facts(other, &facts, &error) && !facts.is_at_home);
    assert_true(checkpoint_export(other, &ops, &device, &program, false, &error));
    assert_true(checkpoint_read_facts(other, &facts, &error) && !facts.is_checkpoint);
    remove(other);
    rmdir(elsewhere);
}

/* ---- imports --------------------------------------------------------------------------------- */

/* What a trainer of classes would have: behind a wrapper's prefix, 16 bits, with a head of its own
 * that has our head's name. */
static const Given backbone[] = {
    {"module.backbone.conv1.weight", TENSOR_F32, 4, {2, 3, 3, 3}, 1.5f},
    {"module.backbone.bn1.weight", TENSOR_F16, 1, {2}, 2.5f},
    {"module.backbone.bn1.bias", TENSOR_BF16, 1, {2}, -3.5f},
    {"module.backbone.bn1.running_mean", TENSOR_F32, 1, {2}, 4.5f},
    {"module.backbone.bn1.running_var", TENSOR_F32, 1, {2}, 5.5f},
    {"module.backbone.bn1.num_batches_tracked", TENSOR_F32, 1, {1}, 0},
    {"module.backbone.up.weight", TENSOR_F32, 4, {2, 3, 2, 2}, 6.5f},
    {"module.final_layer.0.weight", TENSOR_F32, 1, {9}, 0},
    {"module.classifier.weight", TENSOR_F32, 2, {10, 9}, 0},
    {"module.extra", TENSOR_F32, 1, {3}, 0},
};
enum { BACKBONE = sizeof backbone / sizeof backbone[0] };

static void wrapped_backbone(void **state)
{
    Device device = {0};
    Error error = {0};

    (void)state;
    write_tensors(backbone, BACKBONE, NULL, 0);
    if (!import_weights(path, &ops, &device, &program, false, &error))
        fail_msg("%s", error.what);
    for (int ema = 0; ema <= 512; ema += 512) {
        assert_float_equal(value_at(&device, ema), 1.5f, 0);
        assert_float_equal(value_at(&device, ema + 220), 2.5f, 0);
        assert_float_equal(value_at(&device, ema + 228 + 4), -3.5f, 0);
        assert_float_equal(value_at(&device, ema + 236), 4.5f, 0);
        assert_float_equal(value_at(&device, ema + 244), 5.5f, 0);
        assert_float_equal(value_at(&device, ema + 252 + 92), 6.5f, 0);
        assert_float_equal(value_at(&device, ema + 348), 0, 0); /* the head as it was */
    }
}

static void holes_and_strangers(void **state)
{
    Device device = {0};
    Error error = {0};
    Given some[BACKBONE];

    (void)state;
    memcpy(some, backbone, sizeof backbone);
    some[1].name = "module.backbone.bn7.weight";
    write_tensors(some, BACKBONE, NULL, 0);
    assert_false(import_weights(path, &ops, &device, &program, false, &error));
    assert_int_equal(error.status, ERROR_FILES);
    assert_non_null(strstr(error.what, "lacks bn1.weight"));
    assert_float_equal(value_at(&device, 0), 0, 0); /* nothing was loaded by halves */
    error = (Error){0};
    assert_true(import_weights(path, &ops, &device, &program, true, &error));
    assert_float_equal(value_at(&device, 220), 0, 0);

    some[1].name = "module.backbone.bn1.weight";
    some[1].shape[0] = 3; /* another shape is as good as missing */
    write_tensors(some, BACKBONE, NULL, 0);
    assert_false(import_weights(path, &ops, &device, &program, false, &error));

    error = (Error){0};
    write_tensors(&some[BACKBONE - 1], 1, NULL, 0);
    assert_false(import_weights(path, &ops, &device, &program, true, &error));
    assert_non_null(strstr(error.what, "has no tensor of this network"));
    assert_string_equal(error.hint, "its first is module.extra, ours is conv1.weight");
}

/* Of our own checkpoints the moving averages are taken. */
static void own_checkpoint(void **state)
{
    Device first = {0}, second = {0};
    Error error = {0};

    (void)state;
    number(&first);
    save(&first);
    assert_true(import_weights(path, &ops, &second, &program, false, &error));
    for (int p = 0; p < PARAMS; p++)
        for (int64_t k = 0; k < elements(&params[p]); k++)
            assert_float_equal(value_at(&second, params[p].weight + 4 * k),
                               value_at(&first, params[p].ema + 4 * k), 0);
}

static void sixteen_bits(void **state)
{
    static const float values[] = {1, -2, 0.5f, 1.75f, 0.099976f, 65504, -1024};
    SnugProgram one = {.model = "one", .params = &params[7], .param_count = 1};

    (void)state;
    for (size_t k = 0; k < sizeof values / sizeof values[0]; k++) {
        Given given = {"final_layer.bias", TENSOR_F16, 1, {4}, values[k]};
        Device device = {0};
        Error error = {0};
        write_tensors(&given, 1, NULL, 0);
        assert_true(import_weights(path, &ops, &device, &one, false, &error));
        assert_float_equal(value_at(&device, 396 + 12), values[k], fabsf(values[k]) * 1e-3f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_comes_back),
        cmocka_unit_test(layouts_of_pytorch),
        cmocka_unit_test(exports_have_plain_names),
        cmocka_unit_test(a_device_that_fails),
        cmocka_unit_test(states_that_no_training_is_in),
        cmocka_unit_test(another_network),
        cmocka_unit_test(only_finite_numbers),
        cmocka_unit_test(versions_of_the_format),
        cmocka_unit_test(home_of_a_checkpoint),
        cmocka_unit_test(wrapped_backbone),
        cmocka_unit_test(holes_and_strangers),
        cmocka_unit_test(own_checkpoint),
        cmocka_unit_test(sixteen_bits),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
