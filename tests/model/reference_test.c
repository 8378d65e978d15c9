/* One training step of the HRNet-W18 pose net against PyTorch in double precision.
 *
 *     reference_test             the host device in fp32: each tensor within 1e-3 of its norm
 *     reference_test --double    the interpreter: within 1e-5, where the file has fp32
 *
 * Loss, heat maps, every gradient, running statistics. The file and its format: see
 * tests/reference/make_hrnet_w18.py. Two kinds of tensors need a word:
 * - large ones are in the file as a sketch of 256 numbers, whose norm estimates the tensor's;
 * - the shift of a batch norm that other batch norms take away again has a gradient of 0, which is
 *   rounding and nothing else in any precision: it must stay below 1e-6 of all gradients together.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/pipeline/pipeline.h"
#include "hash.h"
#include "interpreter.h"
#include "runner.h"

static const char PATH[] = SOURCE_DIR "/tests/reference/hrnet_w18_128.bin";
static const char MODEL[] = SOURCE_DIR "/models/hrnet_w18.snug";
enum { SIZE = 128, BATCH = 2, LANDMARKS = 29, SKETCH = 256, NAME_MAX_BYTES = 256 };

/* ---- numbers, as in the script --------------------------------------------------------------- */

/* FNV-1a of "SALT:NAME". */
static uint64_t stream_of(uint32_t salt, const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u;
    char text[NAME_MAX_BYTES + 16];

    snprintf(text, sizeof text, "%u:%s", salt, name);
    for (const char *c = text; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
    return hash;
}

static bool ends_with(const char *name, const char *suffix)
{
    size_t length = strlen(name), suffix_length = strlen(suffix);

    return length >= suffix_length && strcmp(name + length - suffix_length, suffix) == 0;
}

static double param_value(const Param *param, uint64_t stream, int64_t i)
{
    double u = hash_uniform(stream, (uint64_t)i);
    bool ends_residual = ends_with(param->name, "bn3.bias")
                         || (strstr(param->name, "branches") && ends_with(param->name, "bn2.bias"));

    switch (param->kind) {
    case SNUG_PARAM_conv_weight:
    case SNUG_PARAM_deconv_weight:
        return (float)((2 * u - 1)
                       * sqrt(3.0 / (double)(param->shape.h * param->shape.w * param->shape.c)));
    case SNUG_PARAM_running_var: return 0.75 + 0.5 * u;
    case SNUG_PARAM_bn_gamma: return 0.25 + 0.25 * u;
    default: return (float)(ends_residual ? 0.5 * u - 0.25 : 0.5 + 0.5 * u);
    }
}

/* Fills parameters and inputs of the interpreter; the device gets them from there. */
static void fill(Interpreter *in, const Model *model, uint32_t salt)
{
    uint64_t image = stream_of(salt, "image"), points = stream_of(salt, "points");

    for (uint32_t p = 1; p < model->params.count; p++) {
        const Param *param = &model->params.items[p];
        uint64_t stream = stream_of(salt, param->name);
        for (int64_t i = 0; i < shape_count(param->shape); i++)
            interpreter_param(in, (ParamId){p})[i] = (float)param_value(param, stream, i);
    }
    for (int64_t i = 0; i < (int64_t)BATCH * SIZE * SIZE * 3; i++)
        interpreter_value(in, model->image)[i] = floor(hash_uniform(image, (uint64_t)i) * 256);
    for (int64_t i = 0; i < BATCH * LANDMARKS * 3; i++)
        interpreter_value(in, model->points)[i] =
            i % 3 == 2 ? i / 3 % 7 != 6
                       : (double)(float)(hash_uniform(points, (uint64_t)i) * (SIZE - 1));
    for (int64_t n = 0; n < BATCH; n++)
        interpreter_value(in, model->image_weights)[n] = 1.0 / BATCH;
}

/* ---- the file -------------------------------------------------------------------------------- */

typedef struct Record {
    char name[NAME_MAX_BYTES];
    uint64_t count;
    double norm;
    uint32_t stored;
    float *numbers;
} Record;

static void read_bytes(FILE *file, void *to, size_t bytes)
{
    if (fread(to, 1, bytes, file) != bytes) {
        fprintf(stderr, "%s ends too early\n", PATH);
        exit(1);
    }
}

static Record read_record(FILE *file, Arena *arena)
{
    Record record = {0};
    uint32_t length;

    read_bytes(file, &length, 4);
    if (length >= NAME_MAX_BYTES)
        BUG("a name of %u bytes", length);
    read_bytes(file, record.name, length);
    read_bytes(file, &record.count, 8);
    read_bytes(file, &record.norm, 8);
    read_bytes(file, &record.stored, 4);
    record.numbers = arena_array(arena, float, record.stored);
    read_bytes(file, record.numbers, record.stored * sizeof(float));
    return record;
}

typedef struct ReferenceFile {
    uint32_t salt, count;
    Record *records;
    double gradient_norm; /* of all gradients together */
} ReferenceFile;

static ReferenceFile read_file(Arena *arena)
{
    ReferenceFile reference = {0};
    FILE *file = fopen(PATH, "rb");
    char magic[8];

    if (file == NULL) {
        fprintf(stderr, "cannot open %s\n", PATH);
        exit(1);
    }
    read_bytes(file, magic, sizeof magic);
    read_bytes(file, &reference.salt, 4);
    read_bytes(file, &reference.count, 4);
    if (memcmp(magic, "SNUGREF1", sizeof magic) != 0)
        BUG("%s is no reference file", PATH);
    reference.records = arena_array(arena, Record, reference.count);
    for (uint32_t k = 0; k < reference.count; k++) {
        Record *record = &reference.records[k];
        *record = read_record(file, arena);
        if (strncmp(record->name, "grad ", 5) == 0)
            reference.gradient_norm += record->norm * record->norm;
    }
    fclose(file);
    reference.gradient_norm = sqrt(reference.gradient_norm);
    return reference;
}

/* ---- comparison ------------------------------------------------------------------------------ */

typedef struct Comparison {
    const Model *model;
    const ReferenceFile *file;
    double tolerance;
    Interpreter *in; /* what is compared */
    uint32_t failures;
    double worst;
} Comparison;

static uint32_t find_param(const Model *model, const char *name)
{
    for (uint32_t p = 1; p < model->params.count; p++)
        if (strcmp(model->params.items[p].name, name) == 0)
            return p;
    fprintf(stderr, "the model has no parameter %s\n", name);
    exit(1);
}

static const double *find_tensor(const Comparison *comparison, const char *name)
{
    if (strcmp(name, "loss") == 0)
        return &interpreter_scalars(comparison->in)[SNUG_SCALAR_loss];
    if (strcmp(name, "heat") == 0)
        return interpreter_value(comparison->in, comparison->model->heat);
    ParamId param = {find_param(comparison->model, strchr(name, ' ') + 1)};
    return strncmp(name, "grad ", 5) == 0 ? interpreter_gradient(comparison->in, param)
                                          : interpreter_param(comparison->in, param);
}

/* The norm of the difference; of a sketched tensor, its estimate. */
static double difference_norm(const Record *record, const double *is, uint32_t salt)
{
    double sketch[SKETCH] = {0}, sum = 0;

    if (record->stored == record->count) {
        for (uint64_t i = 0; i < record->count; i++)
            sum += pow(is[i] - (double)record->numbers[i], 2);
        return sqrt(sum);
    }
    uint64_t stream = stream_of(salt, record->name);
    for (uint64_t i = 0; i < record->count; i++) {
        uint64_t hash = hash_number(stream, ((uint64_t)1 << 32) + i);
        sketch[hash % SKETCH] += hash >> 8 & 1 ? -is[i] : is[i];
    }
    for (int b = 0; b < SKETCH; b++)
        sum += pow(sketch[b] - (double)record->numbers[b], 2);
    return sqrt(sum);
}

static void compare(Comparison *comparison, const Record *record)
{
    double difference =
        difference_norm(record, find_tensor(comparison, record->name), comparison->file->salt);
    bool is_zero = record->norm < 1e-12 * comparison->file->gradient_norm;
    double error = is_zero ? 1e3 * difference / comparison->file->gradient_norm /* 1e-6 of all */
                           : difference / record->norm;

    comparison->worst = fmax(comparison->worst, is_zero ? 0 : error);
    if (error < (is_zero ? 1e-3 : comparison->tolerance))
        return;
    comparison->failures++;
    fprintf(stderr, "%s is off by %.3g, its norm is %.6g%s\n", record->name, difference,
            record->norm, is_zero ? " (rounding)" : "");
}

/* ---- the step -------------------------------------------------------------------------------- */

/* The step on the host device; what it leaves goes into the interpreter's arrays. The heat maps are
 * still there after the step, because a loose plan gives no bytes away twice. */
static void run_on_device(Compilation *c, Interpreter *in)
{
    const Model *model = c->model;
    Runner runner = runner_create(c, 1);
    const SnugProgram *program = runner.program;
    double scalars[SNUG_SCALAR_COUNT] = {[SNUG_SCALAR_loss_scale] = 1};

    for (int32_t p = 0; p < program->param_count; p++) {
        ParamId id = {(uint32_t)p + 1};
        runner_put(&runner, program->params[p].weight, interpreter_param(in, id),
                   shape_count(model->params.items[id.i].shape));
    }
    runner_put_buffer(&runner, program->image_buffer, interpreter_value(in, model->image));
    runner_put_buffer(&runner, program->points_buffer, interpreter_value(in, model->points));
    runner_put_buffer(&runner, program->image_weights_buffer,
                      interpreter_value(in, model->image_weights));
    runner_put_buffer(&runner, program->scalars_buffer, scalars);
    runner_run(&runner, SNUG_SEGMENT_micro_step);
    runner_get_buffer(&runner, program->scalars_buffer, interpreter_scalars(in));
    for (int32_t p = 0; p < program->param_count; p++) {
        const SnugParam *param = &program->params[p];
        ParamId id = {(uint32_t)p + 1};
        int64_t count = shape_count(model->params.items[id.i].shape);
        if (param->grad >= 0)
            runner_get(&runner, param->grad, interpreter_gradient(in, id), count);
        runner_get(&runner, param->weight, interpreter_param(in, id), count);
    }
    for (uint32_t b = 0; b < c->plans[SNUG_SEGMENT_micro_step]->buffers.count; b++) {
        const Buffer *buffer = &c->plans[SNUG_SEGMENT_micro_step]->buffers.items[b];
        const Value *heat = &model->train->values.items[model->heat.i];
        if (buffer->value.i == model->heat.i)
            runner_get(&runner, c->layout.persistent_bytes + buffer->offset,
                       interpreter_value(in, model->heat), shape_count(heat->shape));
    }
    runner_destroy(&runner);
}

int main(int argc, char **argv)
{
    bool is_double = argc > 1 && strcmp(argv[1], "--double") == 0;
    CompileOptions options = {
        .model_path = MODEL,
        .batch_size = BATCH,
        .image_height = SIZE,
        .image_width = SIZE,
        .reserve_bytes = -1,
        .full_precision = true,
    };
    Compilation *c = compilation_create(&options);
    ReferenceFile file = read_file(c->arena);

    if (run_pipeline(c, "simplify", stdout) != EXIT_STATUS_ok) {
        diagnostics_print(c->diags, stderr, false);
        return 1;
    }
    Interpreter *in = interpreter_create(c->model->train, c->model);
    Comparison comparison = {.model = c->model,
                             .file = &file,
                             .in = in,
                             .tolerance = is_double ? 1e-5 : 1e-3};
    fill(in, c->model, file.salt);
    if (is_double)
        interpreter_run(in);
    else
        run_on_device(c, in);
    for (uint32_t k = 0; k < file.count; k++)
        compare(&comparison, &file.records[k]);
    if (file.count != c->model->params.count - 1 + 2) /* with loss and heat */
        BUG("the file has %u tensors, the model %u parameters", file.count,
            c->model->params.count - 1);
    printf("%u tensors, worst relative error %.2g\n", file.count, comparison.worst);
    interpreter_destroy(in);
    compilation_destroy(c);
    return comparison.failures == 0 ? 0 : 1;
}
