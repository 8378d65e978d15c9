/* A file in CUDA C of this folder through NVRTC, for tests. */
#ifndef SNUG_TESTS_NVRTC_TEXT_H
#define SNUG_TESTS_NVRTC_TEXT_H

#include <stdio.h>
#include <stdlib.h>

#include "runtime/card/cuda_api.h"

/* Of at most 64 KiB; free it. Ends the program where it cannot be read. */
static inline char *read_cuda_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = calloc(1, 1 << 16);

    if (!file || !text || fread(text, 1, (1 << 16) - 1, file) == 0)
        exit(1);
    fclose(file);
    return text;
}

/* PTX of the text; free it. Messages of NVRTC fail the test. */
static inline char *compile_cuda_text(const CudaApi *api, const char *text, const char *name,
                                      const char *const *options, int option_count)
{
    NvrtcProgram program;
    size_t size = 0;

    assert_int_equal(api->nvrtcCreateProgram(&program, text, name, 0, NULL, NULL), 0);
    if (api->nvrtcCompileProgram(program, option_count, options) != 0) {
        api->nvrtcGetProgramLogSize(program, &size);
        char *log = calloc(1, size + 1);
        api->nvrtcGetProgramLog(program, log);
        fail_msg("%s", log);
    }
    assert_int_equal(api->nvrtcGetPTXSize(program, &size), 0);
    char *ptx = calloc(1, size + 1);
    assert_int_equal(api->nvrtcGetPTX(program, ptx), 0);
    api->nvrtcDestroyProgram(&program);
    return ptx;
}

#endif
