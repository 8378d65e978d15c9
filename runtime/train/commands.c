/* eval, predict, export: what is done with trained weights. */
#include <stdlib.h>
#include <string.h>

#include "run.h"
#include "runtime/data/image.h"
#include "runtime/system/os.h"

static DataRequest data_request(const Run *run)
{
    return (DataRequest){
        .annotation = options_annotation(&run->options),
        .point_count = run->program->landmarks,
        .symbols = run->symbols,
        .bits = (int32_t)OPTION_WHOLE(&run->options, bits),
        .skip_bad = OPTION_IS(&run->options, skip_bad) || run->options.command == RUN_CHECK_DATA,
        .may_be_empty = run->options.command == RUN_CHECK_DATA,
    };
}

bool open_split(const Run *run, const char *split, Dataset *dataset, Error *error)
{
    const char *root = OPTION_TEXT(&run->options, dataset_path);
    DataRequest request = data_request(run);

    if (root[0] == '\0') {
        error_set(error, ERROR_USAGE, "--dataset_path is missing");
        return error_hint(error,
                          "--dataset_path FOLDER: a data set laid out as Aariz or ISBI 2015");
    }
    return dataset_open(dataset, root, split, &request, error);
}

bool open_train_split(Run *run, Dataset *dataset, Error *error)
{
    if (!open_split(run, "train", dataset, error))
        return false;
    run->options.values[OPTION_bits].number = dataset->bits;
    if (run->symbols == NULL)
        run->symbols = dataset_symbols_json(dataset);
    return run->symbols != NULL || error_set(error, ERROR_MEMORY, "no memory to read the data set");
}

bool has_valid_points(const Dataset *dataset, Error *error)
{
    if (dataset_valid_points(dataset) > 0)
        return true;
    error_set(error, ERROR_FILES, "the split %s of %s has no valid point", dataset->split,
              dataset->root);
    if (dataset->warning_count > 0)
        error_why(error, "%s", dataset->warnings[0]);
    return error_hint(error, "check-data lists what is wrong with it");
}

/* Weights alone have no names of points. */
static void warn_of_order(const Run *run)
{
    if (run->symbols == NULL)
        fprintf(stderr, "warning: %s names no landmarks: they have the order of the data set\n",
                run->checkpoint);
}

/* What is written is what the name says, and never what is read. */
static bool check_output(const Run *run, const char *path, const char *ending, Error *error)
{
    const char *name = path, *dot;

    for (const char *at = path; *at; at++)
        if (*at == '/' || *at == '\\')
            name = at + 1;
    dot = strrchr(name, '.');
    if (dot != NULL && dot != name && strcmp(dot, ending) != 0) {
        error_set(error, ERROR_USAGE, "--output %s: what is written is no %s file", path, dot);
        return error_hint(error, "--output NAME%s", ending);
    }
    if (run->checkpoint != NULL && os_same_file(path, run->checkpoint)) {
        error_set(error, ERROR_USAGE, "--output %s is the file that is read", path);
        return error_hint(error, "name another one: it would be lost");
    }
    return true;
}

static const char *chosen_split(const Run *run, const char *otherwise)
{
    const char *split = OPTION_TEXT(&run->options, split);
    return split[0] ? split : otherwise;
}

static bool load_weights(Run *run, Error *error)
{
    if (run->is_weights)
        return start_weights(run, error)
               && import_weights(run->checkpoint, run->ops, run->device, run->program, IMPORT_all,
                                 error)
               && weights_changed(run, error);
    if (!checkpoint_load(run->checkpoint, run->ops, run->device, run->program, &run->state, error)
        || !weights_changed(run, error))
        return false;
    fprintf(stderr, "%s: update %lld, epoch %d\n", run->checkpoint, (long long)run->state.update,
            run->state.epoch);
    return true;
}

/* Loads the weights and predicts: what eval and predict share. An interruption is no error and
 * leaves nothing to be told: *is_done. */
static bool predict_all(Run *run, const Dataset *dataset, Predictions *predictions, bool *is_done,
                        Error *error)
{
    Loader *loader = NULL;
    bool ok = load_weights(run, error) && predictions_create(predictions, dataset, error)
              && predict_loader(run, dataset, false, &loader, error)
              && predict_dataset(run, loader, predictions, error);

    if (loader != NULL)
        loader_destroy(loader);
    *is_done = ok && os_interrupted() == 0;
    return ok;
}

static bool print_table(const Run *run, const Predictions *predictions, Error *error)
{
    const Dataset *dataset = predictions->dataset;

    printf("%s, split %s, truth: %s; %d warnings, %d pictures left out\n", run->program->model,
           dataset->split, OPTION_TEXT(&run->options, annotation_type), dataset->warning_count,
           dataset->item_count - predictions_count(predictions));
    return print_metrics(stdout, predictions, run->state.seed)
           || error_set(error, ERROR_MEMORY, "no memory for the metrics");
}

bool command_eval(Run *run, Error *error)
{
    const char *output = OPTION_TEXT(&run->options, output);
    Dataset dataset = {0};
    Predictions predictions = {0};
    bool is_done = false;
    bool ok = (output[0] == '\0' || check_output(run, output, ".json", error))
              && open_split(run, chosen_split(run, "valid"), &dataset, error);

    if (ok) {
        warn_of_order(run);
        dataset_print_warnings(&dataset);
    }
    ok = ok && has_valid_points(&dataset, error)
         && predict_all(run, &dataset, &predictions, &is_done, error);

    if (is_done)
        ok = print_table(run, &predictions, error)
             && (output[0] == '\0'
                 || write_metrics_json(output, &predictions, run->state.seed,
                                       OPTION_TEXT(&run->options, annotation_type), error));
    predictions_free(&predictions);
    dataset_close(&dataset);
    return ok;
}

/* ---- predict --------------------------------------------------------------------------------- */

static bool open_for_predict(const Run *run, Dataset *dataset, Error *error)
{
    const char *images = OPTION_TEXT(&run->options, images);
    DataRequest request = data_request(run);

    if (images[0] != '\0' && run->symbols == NULL)
        fprintf(stderr, "%s names no points: they are P00, P01, ...\n", run->checkpoint);
    if (images[0] != '\0')
        return dataset_open_pictures(dataset, images, &request, error);
    warn_of_order(run);
    return open_split(run, chosen_split(run, "test"), dataset, error);
}

static void say_results(const Predictions *predictions, const char *folder)
{
    const Dataset *dataset = predictions->dataset;
    int32_t count = predictions_count(predictions);
    char name[512];

    name_write(name, sizeof name, folder);
    printf("predictions.csv, predictions.json and %d overlays are in %s; %d warnings, %d pictures "
           "left out\n",
           count, name, dataset->warning_count, dataset->item_count - count);
    for (int32_t i = 0; i < dataset->item_count; i++)
        if (!predictions->is_done[i]) {
            name_write(name, sizeof name, dataset->items[i].image_path);
            printf("left out: %s\n", name);
        }
}

bool command_predict(Run *run, Error *error)
{
    const OptionValue *save_dir = &run->options.values[OPTION_save_dir];
    const char *folder = save_dir->is_given ? save_dir->text : "predictions";
    bool has_truth = OPTION_TEXT(&run->options, images)[0] == '\0', is_done = false;
    Dataset dataset = {0};
    Predictions predictions = {0};
    bool ok = open_for_predict(run, &dataset, error);

    if (ok)
        dataset_print_warnings(&dataset);
    ok = ok && overlays_check(&dataset, folder, error)
         && predict_all(run, &dataset, &predictions, &is_done, error);

    if (is_done)
        ok = results_write(&predictions, folder, error)
             && overlays_write(&predictions, dataset.item_count, 0, folder, error)
             && (!has_truth || print_table(run, &predictions, error));
    if (is_done && ok)
        say_results(&predictions, folder);
    predictions_free(&predictions);
    dataset_close(&dataset);
    return ok;
}

/* ---- export ---------------------------------------------------------------------------------- */

bool command_export(Run *run, Error *error)
{
    const char *output = OPTION_TEXT(&run->options, output);

    if (output[0] == '\0') {
        error_set(error, ERROR_USAGE, "--output is missing");
        return error_hint(error, "export --checkpoint runs/NAME --output weights.safetensors");
    }
    return check_output(run, output, ".safetensors", error) && load_weights(run, error)
           && checkpoint_export(output, run->ops, run->device, run->program,
                                OPTION_IS(&run->options, use_ema), error);
}
