#include "kernel_pool.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/floor/arena.h"
#include "compiler/floor/map.h"
#include "compiler/floor/text.h"

enum { MAX_HEADERS = 32, KERNELS_A_UNIT = 10 };

struct KernelPool {
    KernelPoolOptions options;
    Arena *arena;
    Interner *names;
    Map modules; /* by interned source: a SoftGpuModule */
    ARRAY(SoftGpuModule *) loaded;
    int64_t compiled, shared;
};

/* ---- units ----------------------------------------------------------------------------------- */

/* Each is a namespace that leaves no macro: together they are a unit. */
static const char *unit_source(KernelPool *pool, const char *const *sources, int32_t count)
{
    Text text = {.arena = pool->arena};

    for (int32_t k = 0; k < count; k++)
        text_put(&text, sources[k]);
    return text.bytes;
}

KernelPool *kernel_pool_create(const KernelPoolOptions *options)
{
    Arena *arena = arena_create();
    KernelPool *pool = arena_new(arena, KernelPool);

    pool->options = *options;
    pool->arena = arena;
    pool->names = interner_create(arena);
    return pool;
}

void kernel_pool_destroy(KernelPool *pool)
{
    for (uint32_t k = 0; k < pool->loaded.count; k++)
        softgpu_unload(pool->options.gpu, pool->loaded.items[k]);
    arena_destroy(pool->arena); /* the pool lies in it */
}

int64_t kernel_pool_compiled(const KernelPool *pool)
{
    return pool->compiled;
}

int64_t kernel_pool_shared(const KernelPool *pool)
{
    return pool->shared;
}

/* ---- loading --------------------------------------------------------------------------------- */

static bool compile_units(KernelPool *pool, KernelImage *units, int32_t count)
{
    const char *headers[MAX_HEADERS], *names[MAX_HEADERS];
    Error error = {0};

    for (int32_t h = 0; h < cuda_header_count && h < MAX_HEADERS; h++) {
        headers[h] = cuda_headers[h].text;
        names[h] = cuda_headers[h].name;
    }
    KernelCompile compile = {.api = pool->options.api,
                             .headers = headers,
                             .header_names = names,
                             .header_count = cuda_header_count,
                             .folder = pool->options.folder,
                             .threads = pool->options.threads,
                             .is_quiet = true};
    compile.capability = softgpu_capability(pool->options.gpu, &compile.is_ptx);
    compile.is_quick = pool->options.is_quick && compile.is_ptx;
    if (kernel_cache_compile(&compile, units, count, &error))
        return true;
    fprintf(stderr, "%s: %s\n", error.what, error.why);
    return false;
}

static bool is_launched(const SnugProgram *program, uint32_t segments, int32_t kernel)
{
    for (int s = 0; s < SNUG_SEGMENT_COUNT; s++)
        for (int32_t k = 0; (segments >> s & 1) != 0 && k < program->segments[s].launch_count; k++)
            if (program->segments[s].launches[k].kernel == kernel)
                return true;
    return false;
}

/* Sources that the pool does not have, each once, interned. Returns how many. */
static int32_t find_new(KernelPool *pool, const SnugProgram *program, uint32_t segments,
                        const char **sources)
{
    int32_t count = 0, wanted = 0;

    for (int32_t k = 0; k < program->kernel_count; k++) {
        if (!is_launched(program, segments, k))
            continue;
        wanted++;
        const char *source = program->cuda_kernels[k].source;
        const char *name = intern(pool->names, source, strlen(source));
        bool is_new = map_get(&pool->modules, name) == NULL;
        for (int32_t j = 0; is_new && j < count; j++)
            is_new = sources[j] != name;
        if (is_new)
            sources[count++] = name;
    }
    pool->compiled += count;
    pool->shared += wanted - count;
    return count;
}

/* Unit u has the sources from u * KERNELS_A_UNIT on. */
static bool load_units(KernelPool *pool, const char **sources, int32_t count, KernelImage *units)
{
    for (int32_t u = 0; u * KERNELS_A_UNIT < count; u++) {
        SoftGpuModule *module = softgpu_load(pool->options.gpu, units[u].image, units[u].name);
        if (module == NULL) {
            fprintf(stderr, "%s\n", softgpu_report(pool->options.gpu));
            return false;
        }
        ARRAY_APPEND(pool->arena, &pool->loaded, module);
        for (int32_t k = u * KERNELS_A_UNIT; k < count && k < (u + 1) * KERNELS_A_UNIT; k++)
            map_set(&pool->modules, pool->arena, sources[k], module);
    }
    return true;
}

SoftGpuModule **kernel_pool_load(KernelPool *pool, const SnugProgram *program, uint32_t segments)
{
    const char **sources = calloc((size_t)program->kernel_count, sizeof *sources);
    SoftGpuModule **modules = calloc((size_t)program->kernel_count, sizeof(SoftGpuModule *));
    int32_t count = find_new(pool, program, segments, sources);
    int32_t unit_count = (count + KERNELS_A_UNIT - 1) / KERNELS_A_UNIT;
    KernelImage *units = calloc((size_t)unit_count + 1, sizeof *units);

    for (int32_t u = 0; u < unit_count; u++) {
        int32_t first = u * KERNELS_A_UNIT, rest = count - first;
        units[u].name = arena_printf(pool->arena, "%s.%d", program->model, (int)u);
        units[u].source =
            unit_source(pool, sources + first, rest < KERNELS_A_UNIT ? rest : KERNELS_A_UNIT);
    }
    bool ok = compile_units(pool, units, unit_count) && load_units(pool, sources, count, units);
    for (int32_t k = 0; ok && k < program->kernel_count; k++) {
        const char *source = program->cuda_kernels[k].source;
        modules[k] = map_get(&pool->modules, intern(pool->names, source, strlen(source)));
    }
    for (int32_t u = 0; u < unit_count; u++)
        free(units[u].image);
    free(units);
    free(sources);
    if (ok)
        return modules;
    free(modules);
    return NULL;
}
