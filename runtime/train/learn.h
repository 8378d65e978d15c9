/* The scalars of learning: rate, loss scale, EMA decay. Plain functions of small states. */
#ifndef SNUG_LEARN_H
#define SNUG_LEARN_H

#include <stdbool.h>
#include <stdint.h>

/* Linear warm-up over the first warmup_updates, then a cosine from lr to min_lr that ends with the
 * last update. update counts from 0. */
double learning_rate(int64_t update, int64_t warmup_updates, int64_t total_updates, double lr,
                     double min_lr);

/* The same curve by the share of the training that is done: an update begins at `epoch` (and part
 * of one) and is `part` of an epoch. For a training that goes on with another number of updates an
 * epoch, where a counter of updates would be of two units. */
double learning_rate_at(double epoch, double part, double warmup_epochs, double epochs, double lr,
                        double min_lr);

/* Dynamic loss scale: doubles after 2000 good updates, halves after one that was not finite. */
typedef struct LossScale {
    double scale;
    int32_t good_updates; /* since the last change */
    int32_t bad_updates;  /* in a row */
} LossScale;

enum { LOSS_SCALE_GROWTH_UPDATES = 2000, LOSS_SCALE_MAX_BAD_UPDATES = 25 };

LossScale loss_scale_start(bool mixed_precision); /* 2^16, or 1 in full precision */
/* False after LOSS_SCALE_MAX_BAD_UPDATES bad updates in a row: the training has diverged. */
bool loss_scale_update(LossScale *scale, bool is_finite);

/* The decay of EMA at an update, counted from 0: min(decay, (1 + t) / (10 + t)), so that the first
 * weights are forgotten soon. */
double ema_decay_at(int64_t update, double decay);

#endif
