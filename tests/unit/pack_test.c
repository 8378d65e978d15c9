/* The packer: valid always, and optimal where the optimum is known: by brute force for a few items,
 * by construction for rectangles cut into pieces, from the literature for MiniMalloc's problems. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/pack/cut.h"

enum { MAX_ITEMS = 2048 };

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static int64_t below(uint64_t *state, int64_t n)
{
    return (int64_t)(next_random(state) % (uint64_t)n);
}

static void assert_valid(const PackItem *items, uint32_t count, const PackResult *result)
{
    int64_t height = 0;

    for (uint32_t i = 0; i < count; i++) {
        int64_t top = result->offsets[i] + items[i].size;
        assert_true(result->offsets[i] >= 0);
        assert_int_equal(result->offsets[i] % items[i].align, 0);
        height = top > height ? top : height;
        for (uint32_t j = 0; j < i; j++) {
            bool together = items[i].first < items[j].last && items[j].first < items[i].last;
            bool touch =
                result->offsets[i] < result->offsets[j] + items[j].size && result->offsets[j] < top;
            assert_false(together && touch);
        }
    }
    assert_true(result->height == height);
    assert_true(result->height >= result->bound);
}

/* ---- brute force ----------------------------------------------------------------------------- */

/* Lowest height over all orders in which items are dropped, each at its lowest free offset above
 * those below it: some order gives the optimum. */
static void try_orders(const PackItem *items, uint32_t count, int64_t *offsets, uint32_t placed,
                       int64_t height, int64_t *best)
{
    if (placed == (1u << count) - 1) {
        *best = height < *best ? height : *best;
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        int64_t offset = 0;
        if (placed >> i & 1)
            continue;
        for (uint32_t j = 0; j < count; j++)
            if (placed >> j & 1 && items[i].first < items[j].last && items[j].first < items[i].last
                && offsets[j] + items[j].size > offset)
                offset = offsets[j] + items[j].size;
        offset = (offset + items[i].align - 1) / items[i].align * items[i].align;
        offsets[i] = offset;
        int64_t top = offset + items[i].size;
        if (top < *best)
            try_orders(items, count, offsets, placed | 1u << i, top > height ? top : height, best);
    }
}

static void matches_brute_force(void **state)
{
    uint64_t random = 1;
    (void)state;

    for (int problem = 0; problem < 4000; problem++) {
        uint32_t count = 1 + (uint32_t)below(&random, problem % 20 == 0 ? 8 : 6);
        int64_t align = problem % 3 == 0 ? 4 : 1, best = INT64_MAX, offsets[8];
        PackItem items[8];
        Arena *arena = arena_create();
        for (uint32_t i = 0; i < count; i++) {
            items[i].first = below(&random, 8);
            items[i].last = items[i].first + 1 + below(&random, 6);
            items[i].size = 1 + below(&random, 9);
            items[i].align = align;
        }
        PackResult result =
            pack(&(PackProblem){.items = items, .count = count, .node_limit = 100000}, arena);
        assert_valid(items, count, &result);
        try_orders(items, count, offsets, 0, 0, &best);
        assert_int_equal(result.height, best);
        arena_destroy(arena);
    }
}

/* The bound against a count at every moment. */
static void bound_is_the_load(void **state)
{
    uint64_t random = 2;
    (void)state;

    for (int problem = 0; problem < 1000; problem++) {
        PackItem items[40];
        int64_t most = 0;
        for (int i = 0; i < 40; i++)
            items[i] = (PackItem){1 + below(&random, 100), below(&random, 30), 0, 1};
        for (int i = 0; i < 40; i++)
            items[i].last = items[i].first + 1 + below(&random, 30);
        for (int64_t time = 0; time < 60; time++) {
            int64_t load = 0;
            for (int i = 0; i < 40; i++)
                load += items[i].first <= time && time < items[i].last ? items[i].size : 0;
            most = load > most ? load : most;
        }
        assert_int_equal(pack_bound(items, 40), most);
    }
}

/* ---- no slack -------------------------------------------------------------------------------- */

static void packs_without_slack(void **state)
{
    static PackItem items[MAX_ITEMS];
    static const struct {
        uint32_t count;
        int64_t life;
        uint64_t seeds;
    } sizes[] = {{10, 64, 20},
                 {40, 1000, 20},
                 {100, 1 << 16, 10},
                 {250, 1000, 3},
                 {800, 1 << 16, 1}};
    uint32_t exact = 0, problems = 0;
    (void)state;

    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        for (uint64_t seed = 1; seed <= sizes[k].seeds * CUT_SHAPE_COUNT; seed++, problems++) {
            CutShape shape = (CutShape)(seed % CUT_SHAPE_COUNT);
            uint32_t count = sizes[k].count;
            Arena *arena = arena_create();
            cut_rectangle(items, count, shape, sizes[k].life, 1 << 20, seed);
            PackResult result =
                pack(&(PackProblem){.items = items, .count = count, .node_limit = 50000}, arena);
            assert_valid(items, count, &result);
            assert_int_equal(result.bound, 1 << 20);
            if (result.height > (1 << 20) + (1 << 20) / 100)
                fail_msg("%u pieces, %s, seed %llu: %lld", count, cut_shapes[shape],
                         (unsigned long long)seed, (long long)result.height);
            exact += result.height == result.bound;
            arena_destroy(arena);
        }
    }
    printf("%u of %u problems without slack packed exactly\n", exact, problems);
    assert_true(exact >= problems * 95 / 100);
}

/* Small sizes, so that many sums are equal by chance. */
static void packs_chances_closely(void **state)
{
    static PackItem items[MAX_ITEMS];
    Arena *arena = arena_create();
    (void)state;

    cut_rectangle(items, 400, CUT_ANY, 800, 800, 2);
    PackResult result =
        pack(&(PackProblem){.items = items, .count = 400, .node_limit = 400000}, arena);
    assert_valid(items, 400, &result);
    printf("400 pieces of 800 x 800: %lld\n", (long long)result.height);
    assert_true(result.height <= 808);
    arena_destroy(arena);
}

/* ---- what must not matter -------------------------------------------------------------------- */

static int64_t height_of(const PackItem *items, uint32_t count)
{
    Arena *arena = arena_create();
    PackResult result =
        pack(&(PackProblem){.items = items, .count = count, .node_limit = 20000}, arena);
    int64_t height = result.height;

    assert_valid(items, count, &result);
    arena_destroy(arena);
    return height;
}

/* The order of the items, when they live, and the unit of sizes change nothing. */
static void order_time_and_unit_do_not_matter(void **state)
{
    uint64_t random = 3;
    (void)state;

    for (int problem = 0; problem < 300; problem++) {
        PackItem items[30], others[30];
        uint32_t count = 2 + (uint32_t)below(&random, 29);
        for (uint32_t i = 0; i < count; i++) {
            items[i] = (PackItem){1 + below(&random, 50), below(&random, 20), 0, 1};
            items[i].last = items[i].first + 1 + below(&random, 12);
        }
        int64_t height = height_of(items, count);
        for (uint32_t i = 0; i < count; i++)
            others[(i * 7 + 3) % count] = items[i];
        if (count % 7 != 0)
            assert_int_equal(height_of(others, count), height);
        for (uint32_t i = 0; i < count; i++) {
            others[i] = items[i];
            others[i].first += 1000;
            others[i].last += 1000;
            others[i].size *= 256;
            others[i].align = 256;
        }
        assert_int_equal(height_of(others, count), 256 * height);
    }
}

/* Of few items, which are packed as low as can be: one less, or one byte less, is never higher; a
 * coarser alignment is never lower. */
static void less_is_never_higher(void **state)
{
    uint64_t random = 4;
    (void)state;

    for (int problem = 0; problem < 1000; problem++) {
        PackItem items[8];
        uint32_t count = 2 + (uint32_t)below(&random, 7), which = (uint32_t)below(&random, count);
        for (uint32_t i = 0; i < count; i++) {
            items[i] = (PackItem){2 + below(&random, 9), below(&random, 8), 0, 1};
            items[i].last = items[i].first + 1 + below(&random, 6);
        }
        int64_t height = height_of(items, count);
        items[which].align = 4;
        assert_true(height_of(items, count) >= height);
        items[which].align = 1;
        items[which].size--;
        assert_true(height_of(items, count) <= height);
        items[which] = items[count - 1];
        assert_true(height_of(items, count - 1) <= height);
    }
}

/* The search ends at the deadline, with what it has. */
static void late_is_late(void **state)
{
    static PackItem items[MAX_ITEMS];
    Arena *arena = arena_create();
    (void)state;

    cut_rectangle(items, 400, CUT_ANY, 1000, 1 << 20, 5);
    PackResult result = pack(&(PackProblem){.items = items,
                                            .count = 400,
                                            .capacity = 1,
                                            .node_limit = UINT64_MAX / 2,
                                            .deadline = 1e-9},
                             arena);
    assert_valid(items, 400, &result);
    assert_true(result.nodes <= 2 * 4096);
    arena_destroy(arena);
}

/* The same problem gives the same offsets. */
static void is_deterministic(void **state)
{
    static PackItem items[MAX_ITEMS];
    Arena *arena = arena_create();
    (void)state;

    cut_rectangle(items, 80, CUT_ANY, 1000, 1 << 20, 7);
    PackProblem problem = {.items = items, .count = 80, .node_limit = 20000};
    PackResult a = pack(&problem, arena), b = pack(&problem, arena);
    assert_memory_equal(a.offsets, b.offsets, 80 * sizeof *a.offsets);
    arena_destroy(arena);
}

/* ---- MiniMalloc's ---------------------------------------------------------------------------- */

static uint32_t read_problem(const char *name, PackItem *items)
{
    char line[256];
    uint32_t count = 0;
    FILE *file;

    snprintf(line, sizeof line, "%s/tests/pack/%s", SOURCE_DIR, name);
    file = fopen(line, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    while (fgets(line, sizeof line, file)) {
        long long first, last, size;
        assert_int_equal(sscanf(strchr(line, ','), ",%lld,%lld,%lld", &first, &last, &size), 3);
        items[count++] = (PackItem){size, first, last, 1};
    }
    fclose(file);
    return count;
}

static void packs_minimalloc(void **state)
{
    static const struct {
        const char *name;
        int64_t capacity;
    } problems[] = {
        {"input.12.csv", 12},       {"A.1048576.csv", 1 << 20}, {"B.1048576.csv", 1 << 20},
        {"C.1048576.csv", 1 << 20}, {"D.1048576.csv", 1 << 20}, {"E.1048576.csv", 1 << 20},
        {"F.1048576.csv", 1 << 20}, {"G.1048576.csv", 1 << 20}, {"H.1048576.csv", 1 << 20},
        {"I.1048576.csv", 1 << 20}, {"J.1048576.csv", 1 << 20}, {"K.1048576.csv", 1 << 20},
    };
    static PackItem items[MAX_ITEMS];
    (void)state;

    for (size_t k = 0; k < sizeof problems / sizeof *problems; k++) {
        Arena *arena = arena_create();
        uint32_t count = read_problem(problems[k].name, items);
        PackResult result = pack(&(PackProblem){.items = items,
                                                .count = count,
                                                .capacity = problems[k].capacity,
                                                .node_limit = 4000000},
                                 arena);
        assert_valid(items, count, &result);
        printf("%s: %lld with %llu placements\n", problems[k].name, (long long)result.height,
               (unsigned long long)result.nodes);
        assert_true(result.height <= problems[k].capacity);
        arena_destroy(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_brute_force),
        cmocka_unit_test(bound_is_the_load),
        cmocka_unit_test(packs_without_slack),
        cmocka_unit_test(is_deterministic),
        cmocka_unit_test(packs_minimalloc),
        cmocka_unit_test(order_time_and_unit_do_not_matter),
        cmocka_unit_test(less_is_never_higher),
        cmocka_unit_test(late_is_late),
        cmocka_unit_test(packs_chances_closely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
