/* Numbers out of nothing: the same in C and in tests/reference/make_hrnet_w18.py, so that weights
 * and inputs need not be stored. Number `index` of stream `stream` depends on nothing else. */
#ifndef SNUG_TESTS_HASH_H
#define SNUG_TESTS_HASH_H

#include <stdint.h>

/* The finaliser of splitmix64: every bit of the result depends on every bit of the argument. */
static inline uint64_t hash_mix(uint64_t z)
{
    z += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline uint64_t hash_number(uint64_t stream, uint64_t index)
{
    return hash_mix(hash_mix(stream) + index);
}

/* In [0, 1), a multiple of 2^-24: exact in fp32. */
static inline double hash_uniform(uint64_t stream, uint64_t index)
{
    return (double)(hash_number(stream, index) >> 40) * 0x1p-24;
}

#endif
