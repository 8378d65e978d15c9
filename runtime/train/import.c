/* Somebody's weights by name: the official files, timm's, our own checkpoints.
 *
 * Names are those of PyTorch's state dicts, as ours are, behind what wrappers have put in front.
 * The parameters are in the order of the network, so that what the file has up to some parameter
 * and no further is the backbone, and the rest is the head, which starts at random.
 */
#include <stdlib.h>
#include <string.h>

#include "checkpoint.h"

typedef struct Import {
    const TensorFile *file;
    const SnugProgram *program;
    const TensorEntry **found; /* {param_count}: NULL where the file has none that fits */
    int32_t loaded;
} Import;

/* The name without what wrappers put in front. */
static const char *strip_prefixes(const char *name)
{
    static const char *const prefixes[] = {"ema.", "model.", "module.", "backbone."};

    for (size_t k = 0; k < sizeof prefixes / sizeof prefixes[0]; k++)
        if (strncmp(name, prefixes[k], strlen(prefixes[k])) == 0)
            return strip_prefixes(name + strlen(prefixes[k]));
    return name;
}

/* What is no weight of ours: timm's classification head (its final_layer.0 is not our final_layer),
 * moments, counters. */
static bool is_dropped(const char *name)
{
    static const char *const starts[] = {"incre_modules.", "downsamp_modules.", "classifier.",
                                         "final_layer.0.", "optim."};
    const char *dot = strrchr(name, '.');

    for (size_t k = 0; k < sizeof starts / sizeof starts[0]; k++)
        if (strncmp(name, starts[k], strlen(starts[k])) == 0)
            return true;
    return dot != NULL && strcmp(dot, ".num_batches_tracked") == 0;
}

/* The file's tensor of this name; the moving average where the file has both. */
static const TensorEntry *find_tensor(const TensorFile *file, const char *name)
{
    const TensorEntry *found = NULL;

    for (int32_t k = 0; k < file->entry_count; k++) {
        const char *theirs = file->entries[k].name, *plain = strip_prefixes(theirs);
        if (strcmp(plain, name) != 0 || is_dropped(plain))
            continue;
        if (found == NULL || strncmp(theirs, "ema.", 4) == 0)
            found = &file->entries[k];
    }
    return found;
}

static void print_shape(const TensorEntry *entry)
{
    fprintf(stderr, "%s {", tensor_type_name(entry->type));
    for (int32_t k = 0; k < entry->rank; k++)
        fprintf(stderr, "%s%lld", k ? ", " : "", (long long)entry->shape[k]);
    fprintf(stderr, "}");
}

/* Finds each parameter's tensor; says which are missing or do not fit. Returns the last parameter
 * that was found, -1: none. */
static int32_t match(Import *import)
{
    int32_t last = -1;

    for (int32_t p = 0; p < import->program->param_count; p++) {
        const SnugParam *param = &import->program->params[p];
        const TensorEntry *entry = find_tensor(import->file, param->name);
        if (entry != NULL && checkpoint_has_shape(entry, param)) {
            import->found[p] = entry;
            import->loaded++;
            last = p;
        } else if (entry != NULL) {
            fprintf(stderr, "  of another shape: %s, in the file ", param->name);
            print_shape(entry);
            fprintf(stderr, "\n");
        }
    }
    return last;
}

static bool is_param(const SnugProgram *program, const char *name)
{
    for (int32_t p = 0; p < program->param_count; p++)
        if (strcmp(program->params[p].name, name) == 0)
            return true;
    return false;
}

/* Tensors in the file that nothing asked for: the first few, and how many more. */
static void print_ignored(const Import *import)
{
    enum { MOST = 5 };
    int32_t count = 0;

    for (int32_t k = 0; k < import->file->entry_count; k++) {
        const char *name = import->file->entries[k].name;
        if (is_dropped(strip_prefixes(name)) || is_param(import->program, strip_prefixes(name)))
            continue;
        if (count++ < MOST)
            fprintf(stderr, "  in the file only: %s\n", name);
    }
    if (count > MOST)
        fprintf(stderr, "  in the file only: and %d more\n", count - MOST);
}

/* False where the backbone has a hole. */
static bool check_missing(const Import *import, int32_t last, ImportRule rule, Error *error)
{
    const SnugProgram *program = import->program;
    int32_t head = program->param_count - 1 - last;

    if (last < 0) {
        error_set(error, ERROR_FILES, "%s has no tensor of this network", import->file->path);
        return error_hint(error, "its first is %s, ours is %s",
                          import->file->entry_count ? import->file->entries[0].name : "missing",
                          program->params[0].name);
    }
    for (int32_t p = 0; p < (rule == IMPORT_all ? program->param_count : last); p++) {
        if (import->found[p] != NULL)
            continue;
        if (rule != IMPORT_some) {
            error_set(error, ERROR_FILES, "%s lacks %s", import->file->path,
                      program->params[p].name);
            return rule == IMPORT_all
                       ? error_hint(error, "a network with random weights gives random points")
                       : error_hint(error, "--allow_missing starts such tensors at random");
        }
        fprintf(stderr, "  starts at random: %s\n", program->params[p].name);
    }
    if (head > 0)
        fprintf(stderr, "  the head starts at random: %s%s%s\n", program->params[last + 1].name,
                head > 1 ? " to " : "", head > 1 ? program->params[last + head].name : "");
    return true;
}

static bool upload_found(const Import *import, const DeviceOps *ops, Device *device, Error *error)
{
    bool ok = true;

    for (int32_t p = 0; ok && p < import->program->param_count; p++) {
        const SnugParam *param = &import->program->params[p];
        const TensorEntry *entry = import->found[p];
        ok = entry == NULL
             || (checkpoint_load_tensor(import->file, entry, param, param->weight, ops, device,
                                        error)
                 && (param->ema < 0
                     || checkpoint_load_tensor(import->file, entry, param, param->ema, ops, device,
                                               error)));
    }
    return ok;
}

bool import_weights(const char *path, const DeviceOps *ops, Device *device,
                    const SnugProgram *program, ImportRule rule, Error *error)
{
    TensorFile file = {0};

    if (!tensor_file_open(&file, path, error))
        return false;
    Import import = {
        .file = &file,
        .program = program,
        .found = calloc((size_t)program->param_count + 1, sizeof *import.found),
    };
    bool ok = import.found != NULL;
    if (!ok)
        error_set(error, ERROR_MEMORY, "no memory to read %s", path);
    if (ok) {
        int32_t last = match(&import);
        fprintf(stderr, "%s: %d of %d tensors loaded\n", path, import.loaded, program->param_count);
        print_ignored(&import);
        ok = check_missing(&import, last, rule, error) && upload_found(&import, ops, device, error);
    }
    free((void *)import.found);
    tensor_file_close(&file);
    return ok;
}
