/* Random numbers without state: Philox 4x32-10, ten rounds of multiply and xor on a counter
 * (J. Salmon, M. Moraes, R. Dror, D. Shaw: Parallel random numbers: as easy as 1, 2, 3. SC 2011).
 *
 * A worker that draws number 17 of item 5 in epoch 3 gets the same bits whatever others have drawn,
 * so the order of the workers shows in no result, and a resumed run needs no saved state.
 */
#include "random.h"

#include <math.h>

/* Constants of the paper: two multipliers, and the Weyl sequence of the key (golden ratio,
 * sqrt(3) - 1). */
enum { ROUNDS = 10 };
static const uint32_t multiplier[2] = {0xD2511F53u, 0xCD9E8D57u};
static const uint32_t weyl[2] = {0x9E3779B9u, 0xBB67AE85u};

void random_philox(RandomKey key, const uint32_t counter[4], uint32_t bits[4])
{
    uint32_t k0 = key.key[0], k1 = key.key[1];
    uint32_t x0 = counter[0], x1 = counter[1], x2 = counter[2], x3 = counter[3];
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t a = (uint64_t)multiplier[0] * x0;
        uint64_t b = (uint64_t)multiplier[1] * x2;
        x0 = (uint32_t)(b >> 32) ^ x1 ^ k0;
        x1 = (uint32_t)b;
        x2 = (uint32_t)(a >> 32) ^ x3 ^ k1;
        x3 = (uint32_t)a;
        k0 += weyl[0];
        k1 += weyl[1];
    }
    bits[0] = x0;
    bits[1] = x1;
    bits[2] = x2;
    bits[3] = x3;
}

static void block(RandomKey key, uint64_t counter, uint32_t bits[4])
{
    uint32_t words[4] = {(uint32_t)counter, (uint32_t)(counter >> 32), 0, 0};
    random_philox(key, words, bits);
}

RandomKey random_key(uint64_t seed, uint32_t purpose, uint64_t a, uint64_t b)
{
    uint32_t mixed[4], result[4];
    RandomKey first = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    random_philox(first, (uint32_t[4]){purpose, (uint32_t)a, (uint32_t)(a >> 32), 1}, mixed);
    RandomKey second = {{mixed[0], mixed[1]}};
    random_philox(second, (uint32_t[4]){(uint32_t)b, (uint32_t)(b >> 32), mixed[2], mixed[3]},
                  result);
    return (RandomKey){{result[0], result[1]}};
}

uint32_t random_bits(RandomKey key, uint64_t counter)
{
    uint32_t bits[4];
    block(key, counter, bits);
    return bits[0];
}

float random_uniform(RandomKey key, uint64_t counter)
{
    return (float)(random_bits(key, counter) >> 8) * 0x1p-24f;
}

/* Box and Muller. The first uniform is in (0, 1], so the logarithm is finite. */
float random_normal(RandomKey key, uint64_t counter)
{
    uint32_t bits[4];
    block(key, counter, bits);
    double u = ((double)bits[0] + 1.0) * 0x1p-32;
    double v = (double)bits[1] * 0x1p-32;
    return (float)(sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v));
}

/* Fisher and Yates; scaling 32 bits to i + 1 values is uneven by less than i / 2^32. */
void random_permutation(RandomKey key, int32_t *order, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        order[i] = i;
    for (int32_t i = count - 1; i > 0; i--) {
        int32_t j = (int32_t)((uint64_t)random_bits(key, (uint64_t)i) * (uint64_t)(i + 1) >> 32);
        int32_t other = order[j];
        order[j] = order[i];
        order[i] = other;
    }
}
