/* The cards, one row each, and what cuBLAS makes of them. */
#include "cards.h"

#include <string.h>

static const Card card_table[] = {
#define CARD(name_, arch_, multiprocessors_, gib, tflops, tflops_percent, gbs, gbs_percent, bits,  \
             gbits, mhz)                                                                           \
    {.name = name_,                                                                                \
     .arch = arch_,                                                                                \
     .multiprocessors = multiprocessors_,                                                          \
     .vram_bytes = (int64_t)(gib) << 30,                                                           \
     .matrix_tflops = (tflops) * (tflops_percent) / 100.0,                                         \
     .bandwidth_gbs = (double)(gbs) * (gbs_percent) / 100.0,                                       \
     .launch_us = 3.0},
#include "cards.def"
#undef CARD
};

/* cuBLAS by architecture. gain: its rate over that of our kernels, which cards.def has. Of Hopper it
 * reaches 80 % of the tensor cores (public tables), where mma.sync stops near 62 %; of the others
 * 90 % is assumed, against 80 % of ours; nothing of it is measured here yet. Workspace: what NVIDIA
 * recommends for the architecture. */
static const struct {
    const char *arch;
    double gain;
    int64_t workspace_mib;
} library_table[] = {
    {"sm_90", 80.0 / 62.0, 32},
    {"sm_120", 90.0 / 80.0, 12},
    {"sm_80", 85.0 / 75.0, 4},
    {NULL, 90.0 / 80.0, 4},
};

LibraryFigures library_figures(const Card *card)
{
    size_t k = 0;

    while (library_table[k].arch != NULL && strcmp(library_table[k].arch, card->arch) != 0)
        k++;
    return (LibraryFigures){
        .tflops = card->matrix_tflops * library_table[k].gain,
        .workspace_bytes = library_table[k].workspace_mib << 20,
    };
}

const Card *cards(uint32_t *count)
{
    *count = COUNT_OF(card_table);
    return card_table;
}
