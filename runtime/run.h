/* What the commands of a trainer share: an opened program with its data. */
#ifndef SNUG_RUN_H
#define SNUG_RUN_H

#include "checkpoint.h"
#include "loader.h"
#include "metrics.h"
#include "options.h"

typedef struct Run {
    RunOptions options;
    const SnugProgram *program;
    const DeviceOps *ops;
    Device *device;
    char *folder; /* of the run, train only; malloc'ed */
    TrainState state;
} Run;

/* ---- trainer.c ---- */
bool train(Run *run, int *status, Error *error);

/* ---- predict.c ---- */
/* The evaluate segment over a data set, in its order; predictions are in original pixels. */
bool predict_dataset(Run *run, const Dataset *dataset, Predictions *predictions, Error *error);
/* Draws truth (green) and prediction (red) into the original picture, a PNG. */
bool draw_overlay(const Predictions *predictions, int32_t item, const char *path, Error *error);
/* Draws the first `count` items into folder/ID.png. */
bool draw_overlays(const Predictions *predictions, int32_t count, const char *folder, Error *error);

/* ---- commands.c ---- */
bool command_eval(Run *run, Error *error);
bool command_predict(Run *run, Error *error);
bool command_check_data(Run *run, Error *error);
bool command_export(Run *run, Error *error);
bool open_split(const Run *run, const char *split, Dataset *dataset, Error *error);

/* ---- run_folder.c ---- */
/* Makes run->folder: save_dir/name, with _2, _3, ... where that exists already. */
bool run_folder_create(Run *run, Error *error);
/* What --resume or --checkpoint names: a file, a run folder (its `file`), or auto: the newest run
 * folder below save_dir. malloc'ed; NULL after an error. */
char *run_folder_find(const Run *run, const char *given, const char *file, Error *error);
bool run_folder_write_config(const Run *run, const Dataset *train, const Dataset *valid,
                             Error *error);

#endif
