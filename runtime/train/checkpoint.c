#include "checkpoint.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/system/json.h"
#include "runtime/system/os.h"
#include "safetensors.h"

enum { NAME_BYTES = 512 };

/* The forms in which a parameter occurs in a checkpoint. */
typedef enum Form { FORM_model, FORM_ema, FORM_m, FORM_v, FORM_COUNT } Form;

static const char *const form_prefix[FORM_COUNT] = {"model.", "ema.", "optim.m.", "optim.v."};

static int64_t form_offset(const SnugParam *param, Form form)
{
    switch (form) {
    case FORM_model: return param->weight;
    case FORM_ema: return param->ema;
    case FORM_m: return param->m;
    case FORM_v: return param->v;
    case FORM_COUNT: break;
    }
    return -1; /* absent */
}

static bool is_matrix(const SnugParam *param)
{
    return param->kind == SNUG_PARAM_conv_weight || param->kind == SNUG_PARAM_deconv_weight;
}

static int64_t param_elements(const SnugParam *param)
{
    return (int64_t)param->shape.n * param->shape.h * param->shape.w * param->shape.c;
}

/* {n, h, w, c} <-> {n, c, h, w} */
static void permute(const SnugShape *s, const float *from, float *to, bool to_file)
{
    int64_t area = (int64_t)s->h * s->w;

    for (int64_t n = 0; n < s->n; n++)
        for (int64_t a = 0; a < area; a++)
            for (int64_t c = 0; c < s->c; c++) {
                int64_t here = (n * area + a) * s->c + c, there = (n * s->c + c) * area + a;
                if (to_file)
                    to[there] = from[here];
                else
                    to[here] = from[there];
            }
}

/* ---- writing --------------------------------------------------------------------------------- */

typedef struct Saving {
    const DeviceOps *ops;
    Device *device;
    const SnugProgram *program;
    int64_t batches_tracked; /* num_batches_tracked of each batch norm */
    Error *error;
} Saving;

static bool all_finite(const float *values, int64_t count)
{
    for (int64_t k = 0; k < count; k++)
        if (!isfinite(values[k]))
            return false;
    return true;
}

/* One form of parameter index / FORM_COUNT. What is not finite is never written: a training that
 * has diverged keeps the checkpoint from before. */
static bool fill_param(const TensorSource *source, void *bytes)
{
    Saving *saving = source->context;
    const SnugParam *param = &saving->program->params[source->index / FORM_COUNT];
    int64_t count = param_elements(param);
    float *values = malloc((size_t)count * sizeof *values);

    if (values == NULL)
        return error_set(saving->error, ERROR_MEMORY, "no memory to write %s", source->name);
    bool ok = saving->ops->download(saving->device,
                                    form_offset(param, (Form)(source->index % FORM_COUNT)), values,
                                    count * 4, saving->error);
    if (ok && !all_finite(values, count))
        ok = error_set(saving->error, ERROR_DIVERGED, "%s is not finite", source->name);
    if (ok && is_matrix(param))
        permute(&param->shape, values, bytes, true);
    else if (ok)
        memcpy(bytes, values, (size_t)count * sizeof *values);
    free(values);
    return ok;
}

static bool fill_counter(const TensorSource *source, void *bytes)
{
    const Saving *saving = source->context;
    memcpy(bytes, &saving->batches_tracked, 8);
    return true;
}

static bool describe_param(TensorSource *source, const SnugParam *param, const char *prefix)
{
    char name[NAME_BYTES];
    const SnugShape *s = &param->shape;

    snprintf(name, sizeof name, "%s%s", prefix, param->name);
    source->name = strdup(name);
    source->type = TENSOR_F32;
    if (is_matrix(param)) {
        source->rank = 4;
        source->shape[0] = s->n;
        source->shape[1] = s->c;
        source->shape[2] = s->h;
        source->shape[3] = s->w;
    } else {
        source->rank = 1;
        source->shape[0] = s->c;
    }
    source->fill = fill_param;
    return source->name != NULL;
}

/* "bn1.running_var" -> "bn1.num_batches_tracked", a scalar. */
static bool describe_counter(TensorSource *source, const SnugParam *param, const char *prefix)
{
    char name[NAME_BYTES];
    const char *dot = strrchr(param->name, '.');

    snprintf(name, sizeof name, "%s%.*snum_batches_tracked", prefix,
             dot ? (int)(dot - param->name + 1) : 0, param->name);
    source->name = strdup(name);
    source->type = TENSOR_I64;
    source->rank = 0;
    source->fill = fill_counter;
    return source->name != NULL;
}

/* All tensors of the forms in the mask; a parameter without a form is left out. */
static bool list_sources(Saving *saving, unsigned forms, const char *const prefixes[FORM_COUNT],
                         TensorSource **sources, int32_t *count)
{
    int32_t params = saving->program->param_count;
    bool ok = true;

    *count = 0;
    *sources = calloc((size_t)params * (FORM_COUNT + 1) + 1, sizeof **sources);
    if (*sources == NULL)
        return false;
    for (int32_t p = 0; ok && p < params; p++) {
        const SnugParam *param = &saving->program->params[p];
        for (int form = 0; ok && form < FORM_COUNT; form++) {
            TensorSource *source = &(*sources)[*count];
            if (!(forms >> form & 1) || form_offset(param, (Form)form) < 0)
                continue;
            source->context = saving;
            source->index = (int64_t)p * FORM_COUNT + form;
            ok = describe_param(source, param, prefixes[form]);
            *count += ok;
            if (ok && param->kind == SNUG_PARAM_running_var) {
                source[1].context = saving;
                ok = describe_counter(&source[1], param, prefixes[form]);
                *count += ok;
            }
        }
    }
    return ok;
}

static void free_sources(TensorSource *sources, int32_t count)
{
    for (int32_t k = 0; k < count; k++)
        free((char *)sources[k].name);
    free(sources);
}

static bool save_forms(const char *path, Saving *saving, unsigned forms,
                       const char *const prefixes[FORM_COUNT], const MetadataEntry *metadata,
                       int32_t metadata_count)
{
    TensorSource *sources = NULL;
    int32_t count = 0;
    bool ok = list_sources(saving, forms, prefixes, &sources, &count);

    if (!ok) {
        error_set(saving->error, ERROR_FILES, "cannot write %s", path);
        error_why(saving->error, "out of memory");
    }
    ok = ok && tensor_file_write(path, sources, count, metadata, metadata_count, saving->error);
    free_sources(sources, count);
    return ok;
}

/* Real numbers are written as hexadecimal floats: to the bit. */
static char *state_text(const TrainState *state)
{
    char scale[64], best[64], loss[64], stretch[160] = "", text[1024];

    if (state->stretch.update > 0)
        snprintf(stretch, sizeof stretch,
                 "\"stretch_update\":%lld,\"stretch_epoch\":%d,\"stretch_images\":%d,",
                 (long long)state->stretch.update, state->stretch.epoch, state->stretch.images);
    snprintf(scale, sizeof scale, "%a", state->loss_scale.scale);
    snprintf(best, sizeof best, "%a", state->best_mre);
    snprintf(loss, sizeof loss, "%a", state->loss_sum);
    snprintf(text, sizeof text,
             "{\"update\":%lld,\"applied\":%lld,\"epoch\":%d,\"batch\":%d,\"micro_steps\":%lld,"
             "\"batch_size\":%d,\"train_items\":%d,%s\"loss_scale\":\"%s\","
             "\"good_updates\":%d,\"bad_updates\":%d,\"best_mre\":\"%s\",\"best_epoch\":%d,"
             "\"loss_sum\":\"%s\",\"loss_count\":%d,\"seed\":%lld}",
             (long long)state->update, (long long)state->applied, state->epoch, state->batch,
             (long long)state->micro_steps, state->batch_size, state->train_items, stretch, scale,
             state->loss_scale.good_updates, state->loss_scale.bad_updates, best, state->best_epoch,
             loss, state->loss_count, (long long)state->seed);
    return strdup(text);
}

/* The folder that a file lies in, from the root, as names are written; malloc'ed, NULL: unknown. */
static char *folder_of(const char *path)
{
    char *copy = strdup(path), *folder;
    char *slash = copy == NULL ? NULL : strrchr(copy, '/');

    if (slash != NULL)
        slash[slash == copy] = '\0';
    folder = copy == NULL ? NULL : os_absolute(slash != NULL ? copy : ".");
    char *name = folder == NULL ? NULL : name_copy(folder);
    free(folder);
    free(copy);
    return name;
}

bool checkpoint_save(const char *path, const DeviceOps *ops, Device *device,
                     const SnugProgram *program, const TrainState *state, const char *options,
                     const char *symbols, Error *error)
{
    Saving saving = {ops, device, program, state->micro_steps, error};
    char threads[16], format[16];

    if (!isfinite(state->loss_sum) || !isfinite(state->best_mre))
        return error_set(error, ERROR_DIVERGED, "the %s is not finite",
                         isfinite(state->best_mre) ? "loss" : "best MRE");
    char *text = state_text(state), *folder = folder_of(path);
    snprintf(threads, sizeof threads, "%d", program->host_threads);
    snprintf(format, sizeof format, "%d", CHECKPOINT_FORMAT);
    const MetadataEntry metadata[] = {
        {"format", "pt"},
        {"snug", format},
        {"folder", folder != NULL ? folder : ""},
        {"device", program->device != NULL ? (char *)program->device : ""},
        {"threads", threads},
        {"model", (char *)program->model},
        {"program", (char *)program->model_hash},
        {"options", (char *)options},
        {"symbols", (char *)symbols},
        {"state", text != NULL ? text : ""},
    };
    bool ok = save_forms(path, &saving, (1u << FORM_COUNT) - 1, form_prefix, metadata,
                         (int32_t)(sizeof metadata / sizeof metadata[0]));
    free(text);
    free(folder);
    return ok;
}

bool checkpoint_export(const char *path, const DeviceOps *ops, Device *device,
                       const SnugProgram *program, bool use_ema, Error *error)
{
    static const char *const plain[FORM_COUNT] = {"", "", "", ""};
    const MetadataEntry metadata[] = {{"format", "pt"}};
    Saving saving = {ops, device, program, 0, error};
    bool has_ema = program->param_count > 0 && program->params[0].ema >= 0;

    return save_forms(path, &saving, 1u << (use_ema && has_ema ? FORM_ema : FORM_model), plain,
                      metadata, 1);
}

/* ---- reading --------------------------------------------------------------------------------- */

bool checkpoint_has_shape(const TensorEntry *entry, const SnugParam *param)
{
    const SnugShape *s = &param->shape;

    if (entry->type != TENSOR_F32 && entry->type != TENSOR_F16 && entry->type != TENSOR_BF16)
        return false;
    if (!is_matrix(param))
        return entry->rank == 1 && entry->shape[0] == s->c;
    return entry->rank == 4 && entry->shape[0] == s->n && entry->shape[1] == s->c
           && entry->shape[2] == s->h && entry->shape[3] == s->w;
}

static float from_half(uint16_t bits)
{
    int32_t exponent = bits >> 10 & 31, fraction = bits & 1023;
    float size = exponent == 31  ? (fraction ? NAN : INFINITY)
                 : exponent == 0 ? ldexpf((float)fraction, -24)
                                 : ldexpf((float)(fraction + 1024), exponent - 25);
    return bits >> 15 ? -size : size;
}

/* 16-bit elements at the start of `values` become floats, from the last to the first. */
static void widen(float *values, int64_t count, TensorType type)
{
    for (int64_t k = count - 1; k >= 0; k--) {
        uint16_t bits;
        memcpy(&bits, (uint8_t *)values + 2 * k, 2);
        uint32_t wide = (uint32_t)bits << 16;
        float value = from_half(bits);
        if (type == TENSOR_BF16)
            memcpy(&value, &wide, 4);
        values[k] = value;
    }
}

bool checkpoint_load_tensor(const TensorFile *file, const TensorEntry *entry,
                            const SnugParam *param, int64_t offset, const DeviceOps *ops,
                            Device *device, Error *error)
{
    int64_t count = param_elements(param);
    float *values = malloc((size_t)count * sizeof *values);
    float *ordered = malloc((size_t)count * sizeof *ordered);
    bool ok = values != NULL && ordered != NULL;

    if (!ok)
        error_set(error, ERROR_MEMORY, "no memory to read %s", entry->name);
    ok = ok && tensor_file_read(file, entry, values, error);
    if (ok && entry->type != TENSOR_F32)
        widen(values, count, entry->type);
    if (ok && !all_finite(values, count)) {
        ok = error_set(error, ERROR_FILES, "%s holds numbers that are not finite", file->path);
        error_why(error, "the first tensor with one is %s", entry->name);
        error_hint(error, "its training had diverged: use a file from before");
    }
    if (ok && is_matrix(param))
        permute(&param->shape, values, ordered, false);
    ok = ok && ops->upload(device, offset, is_matrix(param) ? ordered : values, count * 4, error);
    free(values);
    free(ordered);
    return ok;
}

/* The version of the format of a checkpoint, as far as it can be read here. */
static bool read_format(const TensorFile *file, int *format, Error *error)
{
    const char *text = tensor_file_metadata(file, "snug");
    char *end = NULL;
    long number = text != NULL ? strtol(text, &end, 10) : 0;

    if (number >= 1 && number <= CHECKPOINT_FORMAT && *end == '\0') {
        *format = (int)number;
        return true;
    }
    error_set(error, ERROR_FILES, "%s is a checkpoint of a format that cannot be read", file->path);
    error_why(error, "it says format %s, this trainer reads 1 to %d", text != NULL ? text : "none",
              CHECKPOINT_FORMAT);
    return error_hint(error, "compile the trainer with the snug that wrote it, or a newer one");
}

bool checkpoint_read_facts(const char *path, CheckpointFacts *facts, Error *error)
{
    TensorFile file = {0};

    *facts = (CheckpointFacts){0};
    if (!tensor_file_open(&file, path, error))
        return false;
    facts->is_checkpoint = tensor_file_metadata(&file, "state") != NULL
                           && tensor_file_metadata(&file, "options") != NULL;
    bool ok = !facts->is_checkpoint || read_format(&file, &facts->format, error);
    const char *folder = tensor_file_metadata(&file, "folder");
    const char *threads = tensor_file_metadata(&file, "threads");
    char *here = folder_of(path);
    facts->is_at_home = folder != NULL && here != NULL && strcmp(folder, here) == 0;
    facts->threads = threads != NULL ? (int32_t)strtol(threads, NULL, 10) : 0;
    free(here);
    tensor_file_close(&file);
    return ok;
}

bool checkpoint_read_texts(const char *path, char **options, char **symbols, Error *error)
{
    TensorFile file = {0};

    *options = *symbols = NULL;
    if (!tensor_file_open(&file, path, error))
        return false;
    const char *first = tensor_file_metadata(&file, "options");
    const char *second = tensor_file_metadata(&file, "symbols");
    if (first == NULL || second == NULL) {
        error_set(error, ERROR_FILES, "%s is no checkpoint of a training", path);
        error_hint(error, "weights alone are loaded by --init %s", path);
    } else {
        *options = strdup(first);
        *symbols = strdup(second);
        if (*options == NULL || *symbols == NULL)
            error_set(error, ERROR_MEMORY, "no memory to read %s", path);
    }
    tensor_file_close(&file);
    return error->status == 0;
}

static int64_t get_whole(const json_t *object, const char *key)
{
    return (int64_t)json_integer_value(json_object_get(object, key));
}

static double get_real(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? strtod(text, NULL) : 0;
}

static bool read_state(const TensorFile *file, TrainState *state, Error *error)
{
    const char *text = tensor_file_metadata(file, "state");
    Error reason = {0};
    json_t *object = text != NULL ? json_read_text((const uint8_t *)text, (int64_t)strlen(text),
                                                   file->path, &reason)
                                  : NULL;

    if (!json_is_object(object)) {
        json_decref(object);
        error_set(error, ERROR_FILES, "%s holds no state of a training", file->path);
        return error_hint(error, "weights alone are loaded by --init %s", file->path);
    }
    *state = (TrainState){
        .update = get_whole(object, "update"),
        .applied = get_whole(object, "applied"),
        .epoch = (int32_t)get_whole(object, "epoch"),
        .batch = (int32_t)get_whole(object, "batch"),
        .micro_steps = get_whole(object, "micro_steps"),
        .batch_size = (int32_t)get_whole(object, "batch_size"),
        .train_items = (int32_t)get_whole(object, "train_items"),
        .stretch = {get_whole(object, "stretch_update"),
                    (int32_t)get_whole(object, "stretch_epoch"),
                    (int32_t)get_whole(object, "stretch_images")},
        .loss_scale = {get_real(object, "loss_scale"), (int32_t)get_whole(object, "good_updates"),
                       (int32_t)get_whole(object, "bad_updates")},
        .best_mre = get_real(object, "best_mre"),
        .best_epoch = (int32_t)get_whole(object, "best_epoch"),
        .loss_sum = get_real(object, "loss_sum"),
        .loss_count = (int32_t)get_whole(object, "loss_count"),
        .seed = (uint64_t)get_whole(object, "seed"),
    };
    json_decref(object);
    if (state->update >= 0 && state->applied >= 0 && state->applied <= state->update
        && state->epoch >= 0 && state->batch >= 0 && state->micro_steps >= 0
        && state->batch_size > 0 && state->train_items >= 0 && state->stretch.update >= 0
        && state->stretch.update <= state->update && state->stretch.epoch >= 0
        && state->stretch.epoch <= state->epoch && state->stretch.images >= 0
        && state->loss_count >= 0 && state->loss_scale.scale > 0
        && state->loss_scale.scale <= 0x1p30 && isfinite(state->best_mre)
        && isfinite(state->loss_sum))
        return true;
    return error_set(error, ERROR_FILES, "%s holds a state that no training can be in", file->path);
}

bool checkpoint_load(const char *path, const DeviceOps *ops, Device *device,
                     const SnugProgram *program, TrainState *state, Error *error)
{
    TensorFile file = {0};
    char name[NAME_BYTES];
    int format;
    bool ok = tensor_file_open(&file, path, error) && read_state(&file, state, error)
              && read_format(&file, &format, error);

    for (int32_t p = 0; ok && p < program->param_count; p++) {
        const SnugParam *param = &program->params[p];
        for (int form = 0; ok && form < FORM_COUNT; form++) {
            int64_t offset = form_offset(param, (Form)form);
            if (offset < 0)
                continue;
            snprintf(name, sizeof name, "%s%s", form_prefix[form], param->name);
            const TensorEntry *entry = tensor_file_find(&file, name);
            if (entry == NULL || !checkpoint_has_shape(entry, param)) {
                ok = error_set(error, ERROR_FILES, "%s does not belong to this program", path);
                error_why(error, "%s is %s", name, entry ? "of another shape" : "missing");
                const char *model = tensor_file_metadata(&file, "model");
                error_hint(error, "it was made by model %s", model != NULL ? model : "unknown");
            }
            ok = ok && checkpoint_load_tensor(&file, entry, param, offset, ops, device, error);
        }
    }
    tensor_file_close(&file);
    return ok;
}
