/* --profile: where the time goes, launch by launch. */
#include <stdlib.h>
#include <string.h>

#include "run.h"

typedef struct Share {
    int32_t launch;
    double seconds;
} Share;

static int by_seconds(const void *left, const void *right)
{
    const Share *a = left, *b = right;

    if (a->seconds != b->seconds)
        return a->seconds > b->seconds ? -1 : 1;
    return a->launch - b->launch;
}

/* The longest launches, by label. */
static bool print_segment(const Run *run, SnugSegmentId id, const char *name)
{
    enum { MOST = 12 };
    const SnugSegment *segment = &run->program->segments[id];
    size_t count = (size_t)segment->launch_count;
    double *seconds = calloc(count + 1, sizeof *seconds), total = 0, shown = 0;
    Share *shares = calloc(count + 1, sizeof *shares);
    int64_t runs = 0;
    bool ok = seconds != NULL && shares != NULL;

    if (ok && run->ops->profile != NULL)
        run->ops->profile(run->device, id, seconds, &runs);
    for (int32_t k = 0; ok && k < segment->launch_count; k++) {
        shares[k] = (Share){k, seconds[k]};
        total += seconds[k];
    }
    if (ok && runs > 0) {
        qsort(shares, count, sizeof *shares, by_seconds);
        printf("%s: %lld runs, %.3f ms each, %d launches\n", name, (long long)runs,
               1e3 * total / (double)runs, segment->launch_count);
        for (int32_t k = 0; k < segment->launch_count && k < MOST; k++) {
            const SnugLaunch *launch = &segment->launches[shares[k].launch];
            shown += shares[k].seconds;
            printf("  %9.3f ms %5.1f %%  %-40s %s\n", 1e3 * shares[k].seconds / (double)runs,
                   100 * shares[k].seconds / total, launch->label,
                   run->program->kernels[launch->kernel].name);
        }
        if (segment->launch_count > MOST)
            printf("  %9.3f ms %5.1f %%  the other %d\n", 1e3 * (total - shown) / (double)runs,
                   100 * (total - shown) / total, segment->launch_count - MOST);
    }
    free(seconds);
    free(shares);
    return ok;
}

bool profile_print(const Run *run, Error *error)
{
    return (print_segment(run, SNUG_SEGMENT_micro_step, "micro-step")
            && print_segment(run, SNUG_SEGMENT_update, "update")
            && print_segment(run, SNUG_SEGMENT_evaluate, "evaluate"))
           || error_set(error, ERROR_MEMORY, "no memory for the profile");
}
