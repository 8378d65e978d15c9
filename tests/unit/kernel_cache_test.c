/* The kernel cache with the real NVRTC; skipped where there is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "files.h"
#include "runtime/card/kernel_cache.h"

static CudaApi api;

static const char add_source[] = "#include \"size.cuh\"\n"
                                 "extern \"C\" void __global__ add(float *x)\n"
                                 "{ x[threadIdx.x] += SIZE; }\n";
static const char scale_source[] = "extern \"C\" void __global__ scale(float *x)\n"
                                   "{ x[threadIdx.x] *= 2; }\n";
static const char *const header_names[] = {"size.cuh"};

static KernelCompile request(const char *folder, const char *const *headers)
{
    return (KernelCompile){.api = &api,
                           .headers = headers,
                           .header_names = header_names,
                           .header_count = 1,
                           .capability = 86,
                           .folder = folder,
                           .threads = 2,
                           .is_quiet = true};
}

static void free_images(KernelImage *images, int32_t count)
{
    for (int32_t k = 0; k < count; k++)
        free(images[k].image);
}

/* Compiles both; returns how many came from the cache. */
static int compile_both(const KernelCompile *compile)
{
    KernelImage images[] = {{.name = "add", .source = add_source},
                            {.name = "scale", .source = scale_source},
                            {.name = "again", .source = add_source}};
    Error error = {0};
    int cached = 0;

    assert_true(kernel_cache_compile(compile, images, 3, &error));
    for (int k = 0; k < 3; k++) {
        assert_true(images[k].bytes > 100);
        if (compile->is_ptx)
            assert_non_null(strstr(images[k].image, ".entry"));
        else
            assert_memory_equal(images[k].image, "\177ELF", 4);
        cached += images[k].was_cached;
    }
    assert_int_equal(images[0].bytes, images[2].bytes);
    assert_memory_equal(images[0].image, images[2].image, (size_t)images[0].bytes);
    free_images(images, 3);
    return cached;
}

static void second_time_comes_from_the_disk(void **state)
{
    static const char *const one[] = {"#define SIZE 1\n"}, *const two[] = {"#define SIZE 2\n"};
    char *folder = make_folder();
    KernelCompile compile = request(folder, one);

    (void)state;
    assert_int_equal(compile_both(&compile), 0);
    assert_int_equal(compile_both(&compile), 3);
    compile.headers = two; /* a header is part of the key, and so are the options */
    assert_int_equal(compile_both(&compile), 0);
    compile.is_ptx = true;
    assert_int_equal(compile_both(&compile), 0);
    assert_int_equal(compile_both(&compile), 3);
    compile.folder = NULL;
    assert_int_equal(compile_both(&compile), 0);
    remove_folder(folder);
}

/* Every cached file is changed, cut short, and emptied: it is compiled again, and is whole after.
 */
static void broken_files_are_made_again(void **state)
{
    static const char *const headers[] = {"#define SIZE 1\n"};
    char *folder = make_folder();
    KernelCompile compile = request(folder, headers);
    static const int64_t keep[] = {-1, 40, 8, 0};

    (void)state;
    assert_int_equal(compile_both(&compile), 0);
    for (size_t damage = 0; damage < sizeof keep / sizeof *keep; damage++) {
        char **names;
        int64_t count;
        Error error = {0};
        assert_true(os_list_folder(folder, &names, &count, &error));
        assert_int_equal(count, 2);
        for (int64_t k = 0; k < count; k++) {
            char *path = os_join(folder, names[k]);
            uint8_t *bytes;
            int64_t size;
            assert_true(os_read_file(path, 1 << 20, &bytes, &size, &error));
            bytes[size - 100] ^= 1;
            write_file(folder, names[k], bytes, (size_t)(keep[damage] < 0 ? size : keep[damage]));
            free(bytes);
            free(path);
            free(names[k]);
        }
        free(names);
        assert_int_equal(compile_both(&compile), 0);
        assert_int_equal(compile_both(&compile), 3);
    }
    remove_folder(folder);
}

static void errors_name_the_kernel(void **state)
{
    static const char *const headers[] = {"#define SIZE 1\n"};
    KernelCompile compile = request(NULL, headers);
    KernelImage images[] = {{.name = "good", .source = scale_source},
                            {.name = "stem.conv",
                             .source = "#line 14 \"models/net.snug\"\n"
                                       "extern \"C\" void __global__ k()\n"
                                       "{ undeclared = 1; }\n"}};
    Error error = {0};

    (void)state;
    assert_false(kernel_cache_compile(&compile, images, 2, &error));
    assert_non_null(strstr(error.what, "stem.conv"));
    assert_non_null(strstr(error.why, "models/net.snug(15)"));
    assert_non_null(strstr(error.why, "undeclared"));
    assert_int_equal(error.status, ERROR_DEVICE);
    free_images(images, 2);
}

/* A folder that cannot be made costs the cache, not the kernels. */
static void cache_without_a_folder(void **state)
{
    static const char *const headers[] = {"#define SIZE 1\n"};
    KernelCompile compile = request("/dev/null/kernels", headers);

    (void)state;
    assert_int_equal(compile_both(&compile), 0);
}

static void capabilities(void **state)
{
    bool is_ptx;

    (void)state;
    assert_int_equal(kernel_cache_capability(&api, 86, &is_ptx), 86);
    assert_false(is_ptx);
    assert_int_equal(kernel_cache_capability(&api, 30, &is_ptx), 0);
    int32_t newest = kernel_cache_capability(&api, 9990, &is_ptx);
    assert_true(newest >= 90 && is_ptx); /* a card that this NVRTC has never heard of */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(second_time_comes_from_the_disk),
        cmocka_unit_test(broken_files_are_made_again),
        cmocka_unit_test(errors_name_the_kernel),
        cmocka_unit_test(cache_without_a_folder),
        cmocka_unit_test(capabilities),
    };
    Error error = {0};

    if (!cuda_api_open_nvrtc(&api, NULL, 0, &error)) {
        printf("skipped: %s\n", error.what);
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
