/* What the commands of a trainer share: an opened program with its data. */
#ifndef SNUG_RUN_H
#define SNUG_RUN_H

#include "checkpoint.h"
#include "metrics.h"
#include "run_options.h"
#include "runtime/data/image.h"
#include "runtime/data/loader.h"
#include "runtime/system/os.h"

typedef struct Run {
    RunOptions options;
    const SnugProgram *program;
    const DeviceOps *ops;
    Device *device;
    char *checkpoint; /* that the command starts from; NULL: none. malloc'ed */
    char *symbols;    /* of the checkpoint: a JSON list of the points' names. malloc'ed */
    char *folder;     /* of the run, train only. malloc'ed */
    OsLock *lock;     /* on `folder`: one writer a run */
    bool is_weights;  /* the checkpoint is a file of weights alone */
    char *log_folder; /* of metrics.csv and the events: `folder`, or one of its name in --log_dir */
    TrainState state;
} Run;

/* ---- trainer.c ---- */
/* *status: 0, or 130 or 143 where it was interrupted and has saved its state. */
bool train(Run *run, int *status, Error *error);
/* After parameters were set from outside, in whatever way: the device makes what follows from them.
 */
bool weights_changed(Run *run, Error *error);
/* The parameters' first values: a function of the seed and of each one's own name. */
bool start_weights(Run *run, Error *error);

/* ---- predict.c ---- */
/* A loader of the whole data set in its order, without augmentation; cache: it will be read again.
 */
bool predict_loader(const Run *run, const Dataset *dataset, bool cache, Loader **loader,
                    Error *error);
/* The evaluate segment over the loader's data set; predictions are in original pixels. An
 * interruption ends it early: ask os_interrupted(). */
bool predict_dataset(Run *run, Loader *loader, Predictions *predictions, Error *error);

/* ---- overlay.c ---- */
/* Truth (green) and prediction (red) in the original picture, made smaller where its longer side
 * has more than most_pixels (0: as it is). image_free. */
bool overlay_draw(const Predictions *predictions, int32_t item, int32_t most_pixels, Image *image,
                  Error *error);
/* False where one of them would replace a picture of the data set. */
bool overlays_check(const Dataset *dataset, const char *folder, Error *error);
/* The first `count` items, folder/ID.png. */
bool overlays_write(const Predictions *predictions, int32_t count, int32_t most_pixels,
                    const char *folder, Error *error);

/* ---- results.c ---- */
/* folder/predictions.csv and folder/predictions.json. */
bool results_write(const Predictions *predictions, const char *folder, Error *error);

/* ---- report.c ---- */
/* report.html of the run; predictions: of the last validation, NULL: there was none. */
bool report_write(const Run *run, const Predictions *predictions, Error *error);

/* ---- profile.c ---- */
bool profile_print(const Run *run, Error *error);

/* ---- commands.c ---- */
bool command_eval(Run *run, Error *error);
bool command_predict(Run *run, Error *error);
bool command_export(Run *run, Error *error);
bool open_split(const Run *run, const char *split, Dataset *dataset, Error *error);
/* The names of points that no checkpoint has said, and the bits of its pictures, are the run's. */
bool open_train_split(Run *run, Dataset *dataset, Error *error);
bool has_valid_points(const Dataset *dataset, Error *error); /* false: an error that says so */

/* ---- check_data.c ---- */
/* *status: 1 where it has found something. */
bool command_check_data(Run *run, int *status, Error *error);

/* ---- run_folder.c ---- */
/* Makes run->folder: save_dir/name, with _2, _3, ... where that, or a log folder of this name,
 * exists already; and run->log_folder. */
bool run_folder_create(Run *run, Error *error);
/* run->folder and run->log_folder of the run that run->checkpoint lies in. */
bool run_folder_of_checkpoint(Run *run, Error *error);
/* What --resume or --checkpoint names: a file, a run folder (its `file`), a folder of run folders
 * or auto (the newest of them). malloc'ed; NULL after an error. */
char *run_folder_find(const Run *run, const char *given, const char *file, Error *error);
/* Takes the run's folder for this process, and removes what a killed one has left half written. */
bool run_folder_lock(Run *run, Error *error);
/* plan.html of the program, as `snug compile` writes it. */
bool run_folder_write_plan(const Run *run, Error *error);
bool run_folder_write_config(const Run *run, const Dataset *train, const Dataset *valid,
                             Error *error);

#endif
