/* Each kernel is a program of its own, so that threads share the work and a change in one costs
 * one.
 *
 *     source, headers, options, NVRTC's version -> key -> FOLDER/KEY.cubin, or compile and keep it
 *
 * A cached file begins with the hash of what follows: one that was cut short, or written by two
 * processes at a time, does not match and is compiled again.
 */
#include "kernel_cache.h"

#include <stdlib.h>
#include <string.h>

#define XXH_STATIC_LINKING_ONLY
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { MOST_OPTIONS = 8, MOST_IMAGE_BYTES = 1 << 28, MOST_THREADS = 64 };

typedef struct Pool {
    const KernelCompile *compile;
    KernelImage *images;
    int32_t count;
    XXH128_hash_t *keys;
    int32_t *same_as; /* the first image with the same key */
    const char *options[MOST_OPTIONS];
    int32_t option_count;
    char arch[64];

    OsMutex *mutex; /* guards all below */
    int32_t next, done, compiled;
    bool has_failed;
    Error *error;
    double began, shown;
    bool is_terminal, has_line;
} Pool;

/* ---- keys ------------------------------------------------------------------------------------ */

static void set_options(Pool *pool)
{
    const KernelCompile *compile = pool->compile;

    snprintf(pool->arch, sizeof pool->arch, "--gpu-architecture=%s_%d",
             compile->is_ptx ? "compute" : "sm", compile->capability);
    pool->options[pool->option_count++] = pool->arch;
    pool->options[pool->option_count++] = "--std=c++17";
    pool->options[pool->option_count++] = "--generate-line-info";
    pool->options[pool->option_count++] = "--device-as-default-execution-space";
    if (compile->is_quick && compile->api->nvrtc_major >= 13)
        pool->options[pool->option_count++] = "--Ofast-compile=mid";
    if (compile->api->nvrtc_major >= 13) /* its own cache opens the driver's library by name */
        pool->options[pool->option_count++] = "--no-cache";
}

static void hash_text(XXH3_state_t *state, const char *text)
{
    XXH3_128bits_update(state, text, strlen(text) + 1);
}

static XXH128_hash_t source_key(const Pool *pool, const char *source)
{
    const KernelCompile *compile = pool->compile;
    int version[] = {compile->api->nvrtc_major, compile->api->nvrtc_minor};
    XXH3_state_t state;

    XXH3_128bits_reset(&state);
    XXH3_128bits_update(&state, version, sizeof version);
    for (int32_t k = 0; k < pool->option_count; k++)
        hash_text(&state, pool->options[k]);
    for (int32_t k = 0; k < compile->header_count; k++) {
        hash_text(&state, compile->header_names[k]);
        hash_text(&state, compile->headers[k]);
    }
    hash_text(&state, source);
    return XXH3_128bits_digest(&state);
}

static char *cache_path(const Pool *pool, int32_t k)
{
    char name[64];

    snprintf(name, sizeof name, "%016llx%016llx.%s", (unsigned long long)pool->keys[k].high64,
             (unsigned long long)pool->keys[k].low64, pool->compile->is_ptx ? "ptx" : "cubin");
    return os_join(pool->compile->folder, name);
}

/* ---- the disk -------------------------------------------------------------------------------- */

static bool write_image(FILE *file, void *context)
{
    const KernelImage *image = context;
    XXH128_hash_t hash = XXH3_128bits(image->image, (size_t)image->bytes);

    return fwrite(&hash, 1, sizeof hash, file) == sizeof hash
           && fwrite(image->image, 1, (size_t)image->bytes, file) == (size_t)image->bytes;
}

static void store(const Pool *pool, int32_t k)
{
    Error ignored = {0};
    char *path = cache_path(pool, k);

    if (path != NULL)
        os_write_atomically(path, write_image, &pool->images[k], &ignored);
    free(path);
}

static bool load(const Pool *pool, int32_t k)
{
    KernelImage *image = &pool->images[k];
    char *path = cache_path(pool, k);
    XXH128_hash_t hash, stated;
    uint8_t *bytes = NULL;
    int64_t size = 0;
    Error ignored = {0};
    bool ok = path != NULL && os_exists(path)
              && os_read_file(path, MOST_IMAGE_BYTES, &bytes, &size, &ignored)
              && size > (int64_t)sizeof stated;

    free(path);
    if (ok) {
        memcpy(&stated, bytes, sizeof stated);
        image->bytes = size - (int64_t)sizeof stated;
        hash = XXH3_128bits(bytes + sizeof stated, (size_t)image->bytes);
        ok = XXH128_isEqual(hash, stated) != 0;
    }
    if (!ok) {
        free(bytes);
        return false;
    }
    memmove(bytes, bytes + sizeof stated, (size_t)image->bytes + 1);
    image->image = bytes;
    image->was_cached = true;
    return true;
}

/* ---- NVRTC ----------------------------------------------------------------------------------- */

/* The first line of the log that says what is wrong. */
static void copy_first_error(const CudaApi *api, NvrtcProgram program, char *text, size_t size)
{
    size_t bytes = 0;
    char *log;

    text[0] = '\0';
    if (api->nvrtcGetProgramLogSize(program, &bytes) != 0 || (log = malloc(bytes + 1)) == NULL)
        return;
    log[0] = log[bytes] = '\0';
    api->nvrtcGetProgramLog(program, log);
    const char *at = strstr(log, "error");
    while (at != NULL && at > log && at[-1] != '\n')
        at--;
    if (at != NULL)
        snprintf(text, size, "%.*s", (int)strcspn(at, "\n"), at);
    free(log);
}

static bool take_image(const KernelCompile *compile, NvrtcProgram program, KernelImage *image)
{
    const CudaApi *api = compile->api;
    size_t bytes = 0;

    if ((compile->is_ptx ? api->nvrtcGetPTXSize : api->nvrtcGetCUBINSize)(program, &bytes) != 0)
        return false;
    image->image = calloc(1, bytes + 1);
    image->bytes = (int64_t)bytes;
    return image->image != NULL
           && (compile->is_ptx ? api->nvrtcGetPTX : api->nvrtcGetCUBIN)(program, image->image) == 0;
}

/* The source behind a #line, so that a message names the place where people read it. */
static char *placed_source(const KernelImage *image)
{
    size_t bytes = strlen(image->source) + 32;
    char *text = malloc(bytes);

    if (text != NULL)
        snprintf(text, bytes, "#line %d\n%s", image->line > 0 ? image->line : 1, image->source);
    return text;
}

/* why: 256 bytes. */
static bool compile_source(const Pool *pool, KernelImage *image, char *why)
{
    const KernelCompile *compile = pool->compile;
    const CudaApi *api = compile->api;
    NvrtcProgram program = NULL;
    char *source = placed_source(image);
    bool ok = source != NULL
              && api->nvrtcCreateProgram(
                     &program, source, image->file != NULL ? image->file : image->name,
                     compile->header_count, compile->headers, compile->header_names)
                     == 0;

    free(source);
    if (ok && api->nvrtcCompileProgram(program, pool->option_count, pool->options) != 0) {
        copy_first_error(api, program, why, 256);
        ok = false;
    }
    ok = ok && take_image(compile, program, image);
    if (program != NULL)
        api->nvrtcDestroyProgram(&program);
    return ok;
}

/* ---- the pool -------------------------------------------------------------------------------- */

/* Under the mutex. Only what takes a while is shown. */
static void show_progress(Pool *pool, bool is_end)
{
    double now = os_seconds();

    if (pool->compile->is_quiet || pool->compiled == 0)
        return;
    if (pool->is_terminal && (is_end || now - pool->shown > 0.1)) {
        fprintf(stderr, "\rcompiling kernels for compute capability %d.%d: %d of %d",
                pool->compile->capability / 10, pool->compile->capability % 10, pool->done,
                pool->count);
        pool->shown = now;
        pool->has_line = true;
    }
    if (is_end && pool->is_terminal)
        fputc('\n', stderr);
    else if (is_end)
        fprintf(stderr, "compiled %d of %d kernels for compute capability %d.%d in %.0f s\n",
                pool->compiled, pool->count, pool->compile->capability / 10,
                pool->compile->capability % 10, now - pool->began);
}

static void make_image(Pool *pool, int32_t k)
{
    KernelImage *image = &pool->images[k];
    char why[256] = "";
    bool has_cache = pool->compile->folder != NULL;
    bool ok = (has_cache && load(pool, k)) || compile_source(pool, image, why);

    if (ok && has_cache && !image->was_cached)
        store(pool, k);
    os_mutex_lock(pool->mutex);
    pool->done++;
    pool->compiled += ok && !image->was_cached;
    if (!ok) {
        pool->has_failed = true;
        error_set(pool->error, ERROR_DEVICE, "NVRTC %d.%d cannot compile kernel %s",
                  pool->compile->api->nvrtc_major, pool->compile->api->nvrtc_minor, image->name);
        error_why(pool->error, "%s", why);
    }
    show_progress(pool, false);
    os_mutex_unlock(pool->mutex);
}

static void work(void *context)
{
    Pool *pool = context;

    for (;;) {
        os_mutex_lock(pool->mutex);
        while (pool->next < pool->count && pool->same_as[pool->next] != pool->next)
            pool->next++, pool->done++;
        int32_t k = pool->has_failed ? pool->count : pool->next++;
        os_mutex_unlock(pool->mutex);
        if (k >= pool->count)
            return;
        make_image(pool, k);
    }
}

static void run_pool(Pool *pool)
{
    OsThread *threads[MOST_THREADS];
    int32_t count = pool->compile->threads > 0 ? pool->compile->threads : os_processor_count();
    int32_t started = 0;

    if (count > MOST_THREADS)
        count = MOST_THREADS;
    while (started < count - 1 && (threads[started] = os_thread_start(work, pool)) != NULL)
        started++;
    work(pool);
    while (started > 0)
        os_thread_join(threads[--started]);
    show_progress(pool, true);
}

/* Images with the key of an earlier one get a copy of it. */
static bool copy_same(Pool *pool, Error *error)
{
    for (int32_t k = 0; k < pool->count; k++) {
        const KernelImage *first = &pool->images[pool->same_as[k]];
        if (pool->same_as[k] == k)
            continue;
        pool->images[k].image = malloc((size_t)first->bytes + 1);
        if (pool->images[k].image == NULL)
            return error_set(error, ERROR_MEMORY, "no memory for kernel %s", first->name);
        memcpy(pool->images[k].image, first->image, (size_t)first->bytes + 1);
        pool->images[k].bytes = first->bytes;
        pool->images[k].was_cached = first->was_cached;
    }
    return true;
}

static void find_same(Pool *pool)
{
    for (int32_t k = 0; k < pool->count; k++) {
        pool->keys[k] = source_key(pool, pool->images[k].source);
        pool->same_as[k] = k;
        for (int32_t j = 0; j < k && pool->same_as[k] == k; j++)
            if (XXH128_isEqual(pool->keys[j], pool->keys[k]))
                pool->same_as[k] = j;
    }
}

bool kernel_cache_compile(const KernelCompile *compile, KernelImage *images, int32_t count,
                          Error *error)
{
    Pool pool = {
        .compile = compile,
        .images = images,
        .count = count,
        .keys = calloc((size_t)count + 1, sizeof *pool.keys),
        .same_as = calloc((size_t)count + 1, sizeof *pool.same_as),
        .mutex = os_mutex_create(),
        .error = error,
        .began = os_seconds(),
        .is_terminal = os_is_terminal(stderr),
    };
    KernelCompile without_cache;
    Error ignored = {0};
    bool ok = pool.keys != NULL && pool.same_as != NULL && pool.mutex != NULL;

    if (compile->folder != NULL && !os_make_folders(compile->folder, &ignored)) {
        without_cache = *compile;
        without_cache.folder = NULL;
        pool.compile = &without_cache;
    }
    if (ok) {
        set_options(&pool);
        find_same(&pool);
        run_pool(&pool);
        ok = !pool.has_failed && copy_same(&pool, error);
    } else {
        error_set(error, ERROR_MEMORY, "no memory to compile kernels");
    }
    if (pool.mutex != NULL)
        os_mutex_destroy(pool.mutex);
    free(pool.same_as);
    free(pool.keys);
    return ok;
}

int32_t kernel_cache_capability(const CudaApi *api, int32_t capability, bool *is_ptx)
{
    int archs[256], count = 0;
    int32_t best = 0;

    *is_ptx = false;
    if (api->nvrtcGetNumSupportedArchs(&count) != 0 || count > 256
        || api->nvrtcGetSupportedArchs(archs) != 0)
        return 0;
    for (int k = 0; k < count; k++)
        if (archs[k] <= capability && archs[k] > best)
            best = archs[k];
    /* machine code of a lower minor version runs within a major version; PTX on anything newer */
    *is_ptx = best / 10 != capability / 10;
    return best;
}
