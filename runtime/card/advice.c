/* What to do where a card has less memory free than the plan needs: the smaller plans that were
 * made with it and fit. Every figure is the planner's; nothing is estimated here. */
#include "runtime/device.h"

#include <stdio.h>

enum { MOST_SAME = 3, MOST_ROWS = 4 }; /* same: trains what the program does */

static double mebibytes(int64_t bytes)
{
    return (double)bytes / (1 << 20);
}

/* Appends; what does not fit is left out. */
static void append_row(char *text, size_t size, size_t *used, const SnugAlternative *a)
{
    char again[48] = "", row[512];

    if (a->added > 0)
        snprintf(again, sizeof again, "  +%.1f %% computed again", 100 * (double)a->added);
    int length = snprintf(row, sizeof row, "\n  %8.1f  %5d  %12d  %4dx%-4d  %8.1f%s\n      %s",
                          mebibytes(a->total_bytes), a->batch_size, a->accumulate, a->image_height,
                          a->image_width, (double)a->picture_ms, again, a->command);

    if (length > 0 && (size_t)length < sizeof row && *used + (size_t)length < size) {
        snprintf(text + *used, size - *used, "%s", row);
        *used += (size_t)length;
    }
}

static bool offer_fit(const SnugProgram *program, int64_t free_bytes, Error *error)
{
    const SnugAlternative *smallest = NULL;
    char also[128] = "";

    for (int32_t k = 0; k < program->alternative_count; k++)
        if (smallest == NULL || program->alternatives[k].total_bytes < smallest->total_bytes)
            smallest = &program->alternatives[k];
    if (smallest != NULL)
        snprintf(also, sizeof also,
                 "\n  the smallest plan that was made with this one needs %.1f MiB",
                 mebibytes(smallest->total_bytes));
    return error_hint(error,
                      "close what uses the card (nvidia-smi lists it), or look for what "
                      "fits:\n    snug fit %s%s%s --vram %lldMiB --reserve 0%s",
                      program->model_path, program->overrides[0] ? " " : "", program->overrides,
                      (long long)(free_bytes >> 20), also);
}

bool device_advise(const SnugProgram *program, int64_t free_bytes, Error *error)
{
    char rows[sizeof error->hint] = "";
    size_t used = 0;
    int32_t count = 0, same = 0;

    for (int32_t k = 0; k < program->alternative_count && count < MOST_ROWS; k++) {
        const SnugAlternative *a = &program->alternatives[k];
        bool is_same =
            a->image_height == program->image_height && a->image_width == program->image_width;
        if (a->total_bytes > free_bytes || (is_same && same == MOST_SAME))
            continue;
        append_row(rows, sizeof rows - 320, &used, a);
        count++;
        same += is_same;
    }
    if (count == 0)
        return offer_fit(program, free_bytes, error);
    return error_hint(
        error,
        "close what uses the card (nvidia-smi lists it), or compile a plan that fits; "
        "train it with\n  --gradient_accumulation_steps as in the third column "
        "(ms/image: estimated)\n\n       MiB  batch  accumulation      image  ms/image%s",
        rows);
}
