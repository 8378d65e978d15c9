#include "learn.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

static double cosine(double progress, double lr, double min_lr)
{
    if (progress > 1.0)
        progress = 1.0;
    return min_lr + 0.5 * (lr - min_lr) * (1.0 + cos(pi * progress));
}

double learning_rate_at(double epoch, double part, double warmup_epochs, double epochs, double lr,
                        double min_lr)
{
    if (epoch < warmup_epochs)
        return lr * fmin(1.0, (epoch + part) / warmup_epochs);
    double rest = epochs - warmup_epochs;
    return cosine(rest > 0 ? (epoch - warmup_epochs) / rest : 1.0, lr, min_lr);
}

double learning_rate(int64_t update, int64_t warmup_updates, int64_t total_updates, double lr,
                     double min_lr)
{
    if (update < warmup_updates)
        return lr * (double)(update + 1) / (double)warmup_updates;
    int64_t rest = total_updates - warmup_updates - 1;
    return cosine(rest > 0 ? (double)(update - warmup_updates) / (double)rest : 1.0, lr, min_lr);
}

LossScale loss_scale_start(bool mixed_precision)
{
    return (LossScale){.scale = mixed_precision ? 65536.0 : 1.0};
}

bool loss_scale_update(LossScale *scale, bool is_finite)
{
    static const double floor_scale = 0x1p-14, ceiling = 0x1p24;

    if (!is_finite) {
        scale->good_updates = 0;
        if (scale->scale > floor_scale)
            scale->scale *= 0.5;
        return ++scale->bad_updates < LOSS_SCALE_MAX_BAD_UPDATES;
    }
    scale->bad_updates = 0;
    if (++scale->good_updates == LOSS_SCALE_GROWTH_UPDATES) {
        scale->good_updates = 0;
        if (scale->scale < ceiling)
            scale->scale *= 2.0;
    }
    return true;
}

double ema_decay_at(int64_t update, double decay)
{
    double early = (1.0 + (double)update) / (10.0 + (double)update);
    return early < decay ? early : decay;
}
