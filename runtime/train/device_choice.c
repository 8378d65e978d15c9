#include "device_choice.h"

#include <string.h>

#include "runtime/machine.h"

static const SnugProgram *program_for(const SnugProgram *const *programs, int32_t count,
                                      const char *device)
{
    int32_t k = 0;

    while (k < count && strcmp(programs[k]->device, device) != 0)
        k++;
    return k < count ? programs[k] : NULL;
}

static const char *usable_card(const SnugCudaParts *parts)
{
    return parts->problem[0] == '\0' && parts->card[0] != '\0' ? parts->card : NULL;
}

/* "the processor, 2 threads (no card: the NVIDIA driver was not found)" */
static void describe_host(const SnugProgram *program, const SnugCudaParts *parts, const char *asked,
                          bool has_both, char *why, size_t size)
{
    const char *card = usable_card(parts);
    int used = snprintf(why, size, "the processor, %d thread%s", program->host_threads,
                        program->host_threads == 1 ? "" : "s");

    if (used < 0 || (size_t)used >= size)
        return;
    if (asked[0] != '\0')
        used += snprintf(why + used, size - (size_t)used, " (--device host)");
    else if (!has_both)
        used += snprintf(why + used, size - (size_t)used, " (compiled for it alone)");
    else
        used += snprintf(why + used, size - (size_t)used, " (no card: %s)",
                         parts->problem[0] != '\0' ? parts->problem : "there is none");
    if (card != NULL && (size_t)used < size)
        snprintf(why + used, size - (size_t)used, "; the %s is idle%s", card,
                 has_both ? "" : ": compile with --device auto");
}

const char *choose_device(const RunOptions *options, const SnugProgram *const *programs,
                          int32_t count, char *why, size_t why_size)
{
    const char *asked = OPTION_TEXT(options, device);
    const SnugProgram *host = program_for(programs, count, "host");
    const SnugProgram *cuda = program_for(programs, count, "cuda");
    SnugCudaParts parts;

    if (strcmp(asked, "auto") == 0)
        asked = "";
    why[0] = '\0';
    if (asked[0] != '\0' && program_for(programs, count, asked) == NULL)
        return asked;
    snug_find_cuda(OPTION_TEXT(options, cuda_path), &parts);
    bool wants_card = asked[0] != '\0' ? strcmp(asked, "cuda") == 0
                      : host == NULL   ? true
                                       : cuda != NULL && usable_card(&parts) != NULL;
    if (!wants_card) {
        describe_host(host, &parts, asked, cuda != NULL, why, why_size);
        return "host";
    }
    snprintf(why, why_size, "%s%s", parts.card[0] != '\0' ? parts.card : "a card",
             asked[0] != '\0' ? " (--device cuda)"
             : host == NULL   ? " (compiled for a card alone)"
                              : " (the card here)");
    return "cuda";
}

int32_t programs_of(const SnugProgram *const *programs, int32_t count, const char *device,
                    const SnugProgram **chosen)
{
    int32_t found = 0;

    for (int32_t k = 0; k < count; k++)
        if (strcmp(programs[k]->device, device) == 0)
            chosen[found++] = programs[k];
    return found;
}
