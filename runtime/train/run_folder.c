/* runs/NAME/: config.json, log.jsonl, metrics.csv, events, best.safetensors, last.safetensors,
 * overlays/, report.html, plan.html. */
#include <stdlib.h>
#include <string.h>

#include "run.h"
#include "runtime/system/json.h"
#include "runtime/system/os.h"

/* The two paths of a run of this name. Runs that share a --log_dir have a folder each in it: none
 * cuts the rows of another. */
static bool set_folders(Run *run, const char *parent, const char *name, Error *error)
{
    const char *log_dir = OPTION_TEXT(&run->options, log_dir);

    free(run->folder);
    free(run->log_folder);
    run->folder = os_join(parent, name);
    run->log_folder = os_join(log_dir[0] ? log_dir : parent, name);
    return (run->folder != NULL && run->log_folder != NULL)
           || error_set(error, ERROR_MEMORY, "no memory for a path");
}

bool run_folder_create(Run *run, Error *error)
{
    const char *given = OPTION_TEXT(&run->options, name);
    const char *base = given[0] ? given : run->program->model;
    const char *save_dir = OPTION_TEXT(&run->options, save_dir);
    char name[256];
    bool is_new = false;

    if (!os_make_folders(save_dir, error))
        return false;
    for (int k = 1; k < 100000; k++) {
        if (k == 1)
            snprintf(name, sizeof name, "%s", base);
        else
            snprintf(name, sizeof name, "%s_%d", base, k);
        if (!set_folders(run, save_dir, name, error))
            return false;
        if (strcmp(run->folder, run->log_folder) != 0 && os_exists(run->log_folder))
            continue;
        if (!os_make_new_folder(run->folder, &is_new, error) || is_new)
            return is_new && os_make_folders(run->log_folder, error);
    }
    return error_set(error, ERROR_FILES, "%s holds too many runs of this name", save_dir);
}

bool run_folder_of_checkpoint(Run *run, Error *error)
{
    char *folder = strdup(run->checkpoint);
    bool ok = folder != NULL || error_set(error, ERROR_MEMORY, "no memory for a path");

    if (ok) { /* a/b/last.safetensors: b in a */
        char *file = strrchr(folder, '/');
        if (file != NULL)
            *file = '\0';
        char *name = file != NULL ? strrchr(folder, '/') : NULL;
        if (name != NULL)
            *name = '\0';
        ok = set_folders(run,
                         name == NULL     ? "."
                         : name == folder ? "/"
                                          : folder,
                         name != NULL   ? name + 1
                         : file != NULL ? folder
                                        : ".",
                         error)
             && os_make_folders(run->log_folder, error);
    }
    free(folder);
    return ok;
}

/* ---- one writer ------------------------------------------------------------------------------ */

/* What os_write_atomically leaves where it is killed, of the files that are ours. */
static bool is_left_over(const char *name)
{
    static const char *const ends[] = {".safetensors.tmp", ".json.tmp", ".jsonl.tmp",
                                       ".csv.tmp",         ".html.tmp", ".png.tmp"};
    size_t length = strlen(name);

    for (size_t k = 0; k < sizeof ends / sizeof ends[0]; k++)
        if (length > strlen(ends[k]) && strcmp(name + length - strlen(ends[k]), ends[k]) == 0)
            return true;
    return false;
}

/* One that cannot be removed does no harm. */
static void remove_left_overs(const char *folder)
{
    char **names = NULL;
    int64_t count = 0;
    Error ignored = {0};

    if (!os_is_folder(folder) || !os_list_folder(folder, &names, &count, &ignored))
        return;
    for (int64_t k = 0; k < count; k++) {
        char *path = is_left_over(names[k]) ? os_join(folder, names[k]) : NULL;
        if (path != NULL && os_is_file(path))
            os_remove(path);
        free(path);
        free(names[k]);
    }
    free(names);
}

bool run_folder_lock(Run *run, Error *error)
{
    char *path = os_join(run->folder, "lock"), *overlays = os_join(run->folder, "overlays");
    bool ok = (path != NULL && overlays != NULL)
              || error_set(error, ERROR_MEMORY, "no memory for a path");

    ok = ok && os_lock(&run->lock, path, error);
    if (ok) {
        remove_left_overs(run->folder);
        remove_left_overs(run->log_folder);
        remove_left_overs(overlays);
    }
    free(path);
    free(overlays);
    return ok;
}

/* ---- finding a checkpoint -------------------------------------------------------------------- */

static char *newest_checkpoint(const char *save_dir, const char *file, Error *error)
{
    char **names = NULL, *best = NULL;
    int64_t count = 0, best_time = -1;

    if (!os_list_folder(save_dir, &names, &count, error))
        return NULL;
    for (int64_t k = 0; k < count; k++) {
        char *folder = os_join(save_dir, names[k]);
        char *path = folder != NULL ? os_join(folder, file) : NULL;
        int64_t time = path != NULL ? os_modified(path) : -1;
        if (time > best_time) {
            best_time = time;
            free(best);
            best = path;
            path = NULL;
        }
        free(path);
        free(folder);
        free(names[k]);
    }
    free(names);
    if (best == NULL) {
        error_set(error, ERROR_FILES, "no run below %s has a %s", save_dir, file);
        error_hint(error, "name the checkpoint, or train first");
    }
    return best;
}

char *run_folder_find(const Run *run, const char *given, const char *file, Error *error)
{
    char *path;

    /* Only train makes its run folders in --save_dir; for the others that is where results go. */
    if (strcmp(given, "auto") == 0 || given[0] == '\0')
        return newest_checkpoint(
            run->options.command == RUN_TRAIN ? OPTION_TEXT(&run->options, save_dir) : "runs", file,
            error);
    path = os_is_folder(given) ? os_join(given, file) : strdup(given);
    if (path != NULL && !os_exists(path)) {
        /* a folder of runs instead of a run */
        char *newest = os_is_folder(given) ? newest_checkpoint(given, file, error) : NULL;
        if (newest == NULL)
            error_set(error, ERROR_FILES, "there is no checkpoint %s", path);
        free(path);
        return newest;
    }
    return path;
}

/* ---- plan.html ------------------------------------------------------------------------------- */

static bool write_pieces(FILE *file, void *context)
{
    for (const char *const *piece = context; *piece != NULL; piece++)
        if (fputs(*piece, file) < 0)
            return false;
    return true;
}

bool run_folder_write_plan(const Run *run, Error *error)
{
    if (run->program->plan_page == NULL)
        return true;
    char *path = os_join(run->folder, "plan.html");
    bool ok = path != NULL
                  ? os_write_atomically(path, write_pieces, (void *)run->program->plan_page, error)
                  : error_set(error, ERROR_MEMORY, "no memory for a path");

    free(path);
    return ok;
}

/* ---- config.json ----------------------------------------------------------------------------- */

static bool write_text(FILE *file, void *context)
{
    const char *text = context;
    return fputs(text, file) >= 0 && fputc('\n', file) != EOF;
}

/* FNV-1a over names, points and pixel sizes: another data set has another number. */
static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size)
{
    for (size_t k = 0; k < size; k++)
        hash = (hash ^ ((const uint8_t *)bytes)[k]) * 1099511628211u;
    return hash;
}

static json_t *data_json(const Dataset *dataset)
{
    uint64_t hash = 14695981039346656037u;
    char text[32];

    for (int32_t i = 0; i < dataset->item_count; i++) {
        const Item *item = &dataset->items[i];
        hash = hash_bytes(hash, item->id, strlen(item->id) + 1);
        hash = hash_bytes(hash, &item->mm_per_pixel, sizeof item->mm_per_pixel);
        hash = hash_bytes(hash, item->points, (size_t)dataset->point_count * sizeof *item->points);
    }
    snprintf(text, sizeof text, "%016llx", (unsigned long long)hash);
    json_t *warnings = json_array();
    for (int32_t k = 0; k < dataset->warning_count; k++)
        json_array_append_new(warnings, json_string(dataset->warnings[k]));
    return json_pack("{s:i, s:s, s:i, s:i, s:o}", "pictures", dataset->item_count,
                     "annotations_hash", text, "mm_assumed_pictures",
                     dataset_assumed_sizes(dataset), "warning_count", dataset->warning_count,
                     "warnings", warnings);
}

bool run_folder_write_config(const Run *run, const Dataset *train, const Dataset *valid,
                             Error *error)
{
    const SnugProgram *p = run->program;
    char *options = options_json(&run->options), *path = os_join(run->folder, "config.json");
    json_t *program = json_pack(
        "{s:s, s:o, s:s, s:s, s:i, s:i, s:i, s:s, s:i, s:I, s:I}", "model", p->model, "file",
        json_name(p->model_path), "hash", p->model_hash, "overrides", p->overrides, "batch_size",
        p->batch_size, "image_height", p->image_height, "image_width", p->image_width, "device",
        p->device, "threads", p->host_threads, "planned_bytes", (json_int_t)p->total_bytes,
        "arena_bytes", (json_int_t)(p->total_bytes - p->persistent_bytes));
    json_t *object =
        json_pack("{s:s, s:i, s:o, s:{s:o, s:i, s:o, s:o}, s:I, s:o}", "snug", SNUG_VERSION,
                  "program_format", p->version, "program", program, "data", "root",
                  json_name(train->root), "points", train->point_count, "train", data_json(train),
                  "valid", data_json(valid), "seed", (json_int_t)run->state.seed, "options",
                  options ? json_loads(options, 0, NULL) : json_null());
    char *text = object != NULL ? json_dumps(object, JSON_INDENT(2)) : NULL;
    bool ok = path != NULL && text != NULL
                  ? os_write_atomically(path, write_text, text, error)
                  : error_set(error, ERROR_MEMORY, "no memory for config.json");

    json_decref(object);
    free(options);
    free(text);
    free(path);
    return ok;
}
