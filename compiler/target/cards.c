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

/* cuBLAS by architecture. gain: its rate over that of our kernels, which cards.def has. Of Hopper
 * it reaches 80 % of the tensor cores (public tables), where mma.sync stops near 62 %; of the
 * others 90 % is assumed, against 80 % of ours; nothing of it is measured here yet. Workspace: what
 * NVIDIA recommends for the architecture. */
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

/* ---- names ----------------------------------------------------------------------------------- */

static bool is_letter_or_digit(char byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z')
           || (byte >= 'A' && byte <= 'Z');
}

/* The next letter or digit, small; 0 at the end. "NVIDIA" and "GeForce" are passed over where they
 * lead. */
static int next_letter(const char **at)
{
    while (**at != '\0' && !is_letter_or_digit(**at))
        (*at)++;
    if (**at == '\0')
        return 0;
    char byte = *(*at)++;
    return byte >= 'A' && byte <= 'Z' ? byte - 'A' + 'a' : byte;
}

static const char *after_maker(const char *name)
{
    static const char *const makers[] = {"nvidia", "geforce"};

    for (size_t k = 0; k < COUNT_OF(makers); k++) {
        const char *at = name, *letter = makers[k];
        while (*letter != '\0' && next_letter(&at) == *letter)
            letter++;
        if (*letter == '\0')
            name = at;
    }
    return name;
}

/* "rtx3070ti", "NVIDIA GeForce RTX 3070 Ti": as the driver and as people write them. */
static bool is_card_name(const char *given, const char *name)
{
    const char *a = after_maker(given);
    int letter;

    do {
        letter = next_letter(&a);
        if (letter != next_letter(&name))
            return false;
    } while (letter != 0);
    return true;
}

const Card *find_card(const char *name)
{
    for (size_t k = 0; k < COUNT_OF(card_table); k++)
        if (is_card_name(name, card_table[k].name))
            return &card_table[k];
    return NULL;
}
