/* Checkpoints: the complete state of a training in one safetensors file.
 *
 *     model.NAME    weights and running statistics, names and layouts of PyTorch
 *     ema.NAME      their moving averages
 *     optim.m.NAME  optim.v.NAME   AdamW's moments
 *     metadata      "snug": version of this format; "state": where the training stands (JSON),
 *                   "program", "device", "threads": of the program; "folder": where it was written
 *
 * A file is replaced whole or not at all, and by finite numbers only. Weights in memory are {out,
 * k, k, in}, in files {out, in, k, k}.
 */
#ifndef SNUG_CHECKPOINT_H
#define SNUG_CHECKPOINT_H

#include "learn.h"
#include "runtime/device.h"
#include "safetensors.h"

/* Where updates began to be of the present size: batch, accumulation and number of pictures say how
 * many an epoch has. All 0: they have been so from the start. */
typedef struct Stretch {
    int64_t update;        /* updates done before it */
    int32_t epoch, images; /* epochs done, and pictures of the one in which it began */
} Stretch;

/* Where the training stands, between two updates. */
typedef struct TrainState {
    int64_t update;  /* updates done, skipped ones too */
    int64_t applied; /* updates that were finite: AdamW's t */
    int32_t epoch;   /* from 0 */
    int32_t batch;   /* batches of the epoch that are done */
    LossScale loss_scale;
    int64_t micro_steps; /* done: num_batches_tracked of each batch norm */
    int32_t batch_size;  /* what `batch` counts, and of how many pictures an epoch is made */
    int32_t train_items;
    Stretch stretch;
    double best_mre; /* of the validation split, mm; < 0: none yet */
    int32_t best_epoch;
    double loss_sum; /* over the updates of this epoch that were finite */
    int32_t loss_count;
    uint64_t seed;
} TrainState;

enum { CHECKPOINT_FORMAT = 2 }; /* 1: without folder, device and threads */

/* What can be said of a file before it is loaded. */
typedef struct CheckpointFacts {
    bool is_checkpoint; /* else weights alone; the rest is of checkpoints */
    int format;
    bool is_at_home; /* it lies in the folder in which it was written */
    int32_t threads; /* of the program that wrote it; 0: unknown */
} CheckpointFacts;

/* Refuses what is no safetensors file, and a checkpoint of an unknown format. */
bool checkpoint_read_facts(const char *path, CheckpointFacts *facts, Error *error);

/* ERROR_DIVERGED where a number is not finite: the file stays as it was.
 * options: those of the run; symbols: a JSON list of the points' names. */
bool checkpoint_save(const char *path, const DeviceOps *ops, Device *device,
                     const SnugProgram *program, const TrainState *state, const char *options,
                     const char *symbols, Error *error);

/* The texts that checkpoint_save was given; free() them. */
bool checkpoint_read_texts(const char *path, char **options, char **symbols, Error *error);

/* Puts everything back. The program's parameters must be those of the file; what it was compiled
 * from may differ in sizes only: batch and image. */
bool checkpoint_load(const char *path, const DeviceOps *ops, Device *device,
                     const SnugProgram *program, TrainState *state, Error *error);

/* Plain names, weights only: the EMA's where there is one and it is asked for. */
bool checkpoint_export(const char *path, const DeviceOps *ops, Device *device,
                       const SnugProgram *program, bool use_ema, Error *error);

/* The parameter's tensor as files have it: F32, F16 or BF16 of this shape in PyTorch's order. */
bool checkpoint_has_shape(const TensorEntry *entry, const SnugParam *param);
/* Uploads such a tensor to `offset`, as F32 in our order. */
bool checkpoint_load_tensor(const TensorFile *file, const TensorEntry *entry,
                            const SnugParam *param, int64_t offset, const DeviceOps *ops,
                            Device *device, Error *error);

/* ---- import.c ---- */
/* Which tensors of the network the file may lack. */
typedef enum ImportRule {
    IMPORT_backbone, /* the last ones, its head */
    IMPORT_some,     /* any */
    IMPORT_all       /* none */
} ImportRule;
/* Starts from somebody's weights: names of the official files, of timm and of our own checkpoints.
 * Prints what was loaded, what the file has in vain and what it lacks. */
bool import_weights(const char *path, const DeviceOps *ops, Device *device,
                    const SnugProgram *program, ImportRule rule, Error *error);

#endif
