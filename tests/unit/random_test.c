/* The generator against its published vectors, and what the samplers promise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "runtime/system/random.h"

/* philox4x32-10 of the kat_vectors file of Random123, the library of the paper's authors. */
static const struct {
    uint32_t counter[4], key[2], bits[4];
} known[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

static void test_known_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        uint32_t bits[4];
        RandomKey key = {{known[i].key[0], known[i].key[1]}};
        random_philox(key, known[i].counter, bits);
        assert_memory_equal(bits, known[i].bits, sizeof bits);
    }
}

static void test_uniform_moments(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    RandomKey key = random_key(1, RANDOM_AUGMENT, 2, 3);
    double sum = 0, squares = 0;
    for (int i = 0; i < COUNT; i++) {
        float u = random_uniform(key, (uint64_t)i);
        assert_true(u >= 0.0f && u < 1.0f);
        sum += u;
        squares += (double)u * u;
    }
    assert_true(fabs(sum / COUNT - 0.5) < 0.005);
    assert_true(fabs(squares / COUNT - 1.0 / 3) < 0.005);
}

static void test_normal_moments(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    RandomKey key = random_key(1, RANDOM_INIT, 0, 0);
    double sum = 0, squares = 0, fourth = 0;
    for (int i = 0; i < COUNT; i++) {
        double z = random_normal(key, (uint64_t)i);
        sum += z;
        squares += z * z;
        fourth += z * z * z * z;
    }
    assert_true(fabs(sum / COUNT) < 0.015);
    assert_true(fabs(squares / COUNT - 1) < 0.02);
    assert_true(fabs(fourth / COUNT - 3) < 0.15);
}

static void test_permutation(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    int32_t order[COUNT], again[COUNT], other[COUNT];
    char seen[COUNT] = {0};
    random_permutation(random_key(1, RANDOM_SHUFFLE, 0, 0), order, COUNT);
    random_permutation(random_key(1, RANDOM_SHUFFLE, 0, 0), again, COUNT);
    random_permutation(random_key(1, RANDOM_SHUFFLE, 1, 0), other, COUNT);
    assert_memory_equal(order, again, sizeof order);
    assert_memory_not_equal(order, other, sizeof order);
    int32_t fixed = 0;
    for (int i = 0; i < COUNT; i++) {
        assert_in_range(order[i], 0, COUNT - 1);
        assert_false(seen[order[i]]);
        seen[order[i]] = 1;
        fixed += order[i] == i;
    }
    assert_true(fixed < 10);
}

/* Each of four positions is reached by each of four numbers equally often. */
static void test_permutation_is_even(void **state)
{
    (void)state;
    int counts[4][4] = {{0}};
    for (uint64_t k = 0; k < 4000; k++) {
        int32_t order[4];
        random_permutation(random_key(7, RANDOM_SHUFFLE, k, 0), order, 4);
        for (int i = 0; i < 4; i++)
            counts[i][order[i]]++;
    }
    for (int i = 0; i < 16; i++)
        assert_in_range(counts[i / 4][i % 4], 880, 1120);
}

static void test_keys_differ(void **state)
{
    (void)state;
    RandomKey keys[] = {
        random_key(0, 1, 0, 0),          random_key(1, 1, 0, 0),
        random_key(0, 2, 0, 0),          random_key(0, 1, 1, 0),
        random_key(0, 1, 0, 1),          random_key(1ull << 32, 1, 0, 0),
        random_key(0, 1, 1ull << 32, 0), random_key(0, 1, 0, 1ull << 32),
    };
    for (size_t i = 0; i < 8; i++)
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(&keys[i], &keys[j], sizeof keys[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),       cmocka_unit_test(test_uniform_moments),
        cmocka_unit_test(test_normal_moments),      cmocka_unit_test(test_permutation),
        cmocka_unit_test(test_permutation_is_even), cmocka_unit_test(test_keys_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
