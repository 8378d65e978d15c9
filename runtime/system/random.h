/* Counter-based random numbers: a function of (key, counter), no state to save or to share.
 * Philox 4x32-10 (Salmon et al., SC 2011). */
#ifndef SNUG_RANDOM_H
#define SNUG_RANDOM_H

#include <stdint.h>

typedef struct RandomKey {
    uint32_t key[2];
} RandomKey;

/* A key for one purpose: seed of the run, a constant for the purpose, and up to two numbers (epoch,
 * sample index, ...). Different arguments give independent streams. */
RandomKey random_key(uint64_t seed, uint32_t purpose, uint64_t a, uint64_t b);

/* The generator itself: 128 bits for a 128-bit counter, a function of both. */
void random_philox(RandomKey key, const uint32_t counter[4], uint32_t bits[4]);

uint32_t random_bits(RandomKey key, uint64_t counter);
float random_uniform(RandomKey key, uint64_t counter); /* [0, 1), 24 bits */
float random_normal(RandomKey key, uint64_t counter);  /* mean 0, standard deviation 1 */
/* The permutation of 0 .. count - 1 that belongs to key. */
void random_permutation(RandomKey key, int32_t *order, int32_t count);

enum { RANDOM_INIT = 1, RANDOM_SHUFFLE, RANDOM_AUGMENT, RANDOM_BOOTSTRAP, RANDOM_PHANTOM };

#endif
