/* The packer's judge: shares nothing with it but the words of pack.h. */
#ifndef SNUG_PACK_CHECK_H
#define SNUG_PACK_CHECK_H

#include "compiler/pack/pack.h"

/* NULL where the result is what it says: each offset aligned and not negative, no two items over
 * each other at any time, height the highest top, no lower than the bound. Otherwise what is
 * wrong. */
const char *pack_check(const PackItem *items, uint32_t count, const PackResult *result,
                       Arena *arena);

#endif
