/* The emitted program: the same bytes from two compilations, and clean C. Each file holds two
 * variants: the model in full precision and in mixed.
 *
 *     emit_test [CC]
 */
#include <stdlib.h>
#include <string.h>

#include "compiler/emit/emit.h"
#include "compiler/fuse/estimate.h"
#include "compiler/fuse/fuse.h"
#include "compiler/graph/graph.h"
#include "loose_plan.h"
#include "random_graph.h"

enum { MODELS = 6, PATH_BYTES = 64 };

static Compilation *compile(uint64_t seed, int64_t batch_size)
{
    Compilation *c = random_model(&(RandomOptions){.seed = seed, .mixed = batch_size == 2});

    if (!differentiate(c) || !simplify(c))
        BUG("seed %llu cannot be differentiated", (unsigned long long)seed);
    arena_reset(c->scratch);
    c->target = (Target){.device = DEVICE_host,
                         .half = SNUG_F32,
                         .pitch_multiple = 1,
                         .threads = 2,
                         .budget_bytes = INT64_MAX};
    c->options.model_path = "folder \"with\" */ odd ?\?/ characters";
    c->model->name = "random";
    c->model->batch_size = batch_size; /* names the variant; the buffers are what they are */
    if (!fuse(c) || !estimate_costs(c))
        BUG("seed %llu cannot be fused", (unsigned long long)seed);
    make_loose_plans(c, seed);
    return c;
}

static char *read_whole(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = calloc(1, 8 << 20);

    if (file == NULL || fread(text, 1, (8 << 20) - 1, file) == 0)
        BUG("cannot read %s", path);
    fclose(file);
    return text;
}

static char *emit(uint64_t seed, const char *folder)
{
    Compilation *variants[] = {compile(seed, 1), compile(seed, 2)};
    char path[PATH_BYTES];

    if (!emit_program(variants, COUNT_OF(variants), folder))
        BUG("cannot write into %s", folder);
    snprintf(path, sizeof path, "%s/random.c", folder);
    for (size_t k = 0; k < COUNT_OF(variants); k++)
        random_model_destroy(variants[k]);
    return read_whole(path);
}

static bool is_clean(const char *cc, const char *folder)
{
    char command[512];

    snprintf(command, sizeof command,
             "%s -std=c11 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -fsyntax-only "
             "-I%s %s/random.c",
             cc, SOURCE_DIR, folder);
    return system(command) == 0;
}

int main(int argc, char **argv)
{
    const char *cc = argc > 1 ? argv[1] : "cc";
    char folders[2][PATH_BYTES] = {"emit_test_a_XXXXXX", "emit_test_b_XXXXXX"};
    int failures = 0;

    if (mkdtemp(folders[0]) == NULL || mkdtemp(folders[1]) == NULL)
        BUG("no folder for the test");
    for (uint64_t seed = 1; seed <= MODELS; seed++) {
        char *first = emit(seed, folders[0]), *second = emit(seed, folders[1]);
        if (strcmp(first, second) != 0) {
            failures++;
            fprintf(stderr, "seed %llu: two compilations differ\n", (unsigned long long)seed);
        }
        if (strstr(first, SOURCE_DIR) != NULL) {
            failures++;
            fprintf(stderr, "seed %llu: a path of this machine\n", (unsigned long long)seed);
        }
        failures += !is_clean(cc, folders[0]);
        free(first);
        free(second);
    }
    for (int k = 0; k < 2; k++) {
        char path[PATH_BYTES];
        snprintf(path, sizeof path, "%s/random.c", folders[k]);
        remove(path);
        remove(folders[k]);
    }
    return failures > 0;
}
