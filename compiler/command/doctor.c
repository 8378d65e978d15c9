/* What this machine has. Every line is looked up when it is printed; nothing is assumed. */
#include "doctor.h"

#include <string.h>

#include "compiler/floor/system.h"
#include "compiler/floor/text.h"
#include "runtime/machine.h"
#include "runtime/program.h"

static void line(FILE *out, bool ok, const char *what, const char *finding, const char *cost)
{
    fprintf(out, "%-4s %-12s %s\n", ok ? "ok" : "--", what, finding);
    if (!ok && cost != NULL)
        fprintf(out, "     %-12s %s\n", "", cost);
}

static void report_processor(Arena *arena, FILE *out)
{
    line(out, true, "processors", arena_printf(arena, "%d", processor_count()), NULL);
    line(out, true, "memory", format_bytes(arena, physical_bytes()), NULL);
#if defined(__x86_64__) && defined(__GNUC__)
    bool bf16 = __builtin_cpu_supports("avx512bf16") != 0;
    line(out, bf16, "bf16", bf16 ? "AVX512_BF16" : "not in this processor",
         "mixed precision trains in fp32 here: twice the memory for activations");
#endif
}

static bool report_build_tools(Arena *arena, FILE *out)
{
    Runtime runtime;
    const char *missing;
    const char *cc = first_line_of(arena, "cc --version 2>&1");
    bool has_cc = cc[0] != '\0' && strstr(cc, "not found") == NULL;
    bool has_runtime = find_runtime(arena, &runtime, &missing);

    line(out, has_cc, "C compiler", has_cc ? cc : "cc was not found",
         "snug compile cannot build; Debian: apt-get install gcc");
    line(out, has_runtime, "runtime", has_runtime ? "complete" : missing,
         "a file is missing: build or install snug again");
    return has_cc && has_runtime;
}

/* "/usr/lib/libnvrtc.so.13, CUDA 13.0" */
static const char *with_version(Arena *arena, const char *path, int32_t version)
{
    return path[0] == '\0'
               ? "not found"
               : arena_printf(arena, "%s, CUDA %d.%d", path, version / 1000, version % 1000 / 10);
}

static void report_card(Arena *arena, FILE *out)
{
    SnugCudaParts parts;

    snug_find_cuda(NULL, &parts);
    line(out, parts.driver[0] != '\0', "driver",
         with_version(arena, parts.driver, parts.driver_version),
         "no NVIDIA card can be used; a card's memory can be planned for all the same");
    line(out, parts.nvrtc[0] != '\0', "NVRTC",
         with_version(arena, parts.nvrtc, parts.nvrtc_version),
         "kernels cannot be compiled: install the CUDA toolkit, or pip install nvidia-cuda-nvrtc");
    line(out, parts.card[0] != '\0', "card",
         parts.card[0] == '\0'
             ? "none"
             : arena_printf(arena, "%s, compute capability %d.%d, %s of %s free", parts.card,
                            parts.capability / 10, parts.capability % 10,
                            format_bytes(arena, parts.free_bytes),
                            format_bytes(arena, parts.card_bytes)),
         parts.problem[0] != '\0' ? parts.problem : "trainers for --device cuda do not run here");
}

ExitStatus doctor(Arena *arena, FILE *out)
{
    report_processor(arena, out);
    bool ok = report_build_tools(arena, out);
    report_card(arena, out);
    return ok ? EXIT_STATUS_ok : EXIT_STATUS_device;
}
