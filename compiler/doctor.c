/* What this machine has. Every line is looked up when it is printed; nothing is assumed. */
#include "doctor.h"

#include <string.h>

#include "system.h"
#include "text.h"

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

static void report_card(FILE *out)
{
    static const struct {
        const char *what, *names[4], *cost;
    } parts[] = {
        {"driver", {"libcuda.so.1", "nvcuda.dll"}, "no NVIDIA card can be used"},
        {"NVRTC",
         {"libnvrtc.so.13", "libnvrtc.so.12", "nvrtc64_130_0.dll", "nvrtc64_120_0.dll"},
         NULL},
        {"cuBLAS",
         {"libcublas.so.13", "libcublas.so.12", "cublas64_13.dll", "cublas64_12.dll"},
         NULL},
    };

    for (size_t k = 0; k < COUNT_OF(parts); k++) {
        const char *found = NULL;
        for (size_t n = 0; n < COUNT_OF(parts[k].names) && found == NULL; n++)
            if (parts[k].names[n] != NULL && can_open_library(parts[k].names[n]))
                found = parts[k].names[n];
        line(out, found != NULL, parts[k].what, found ? found : "not found", parts[k].cost);
    }
    fprintf(out, "\nThis version trains on the host; a card's memory can be planned for "
                 "(snug plan --vram 8GiB).\n");
}

ExitStatus doctor(Arena *arena, FILE *out)
{
    report_processor(arena, out);
    bool ok = report_build_tools(arena, out);
    report_card(out);
    return ok ? EXIT_STATUS_ok : EXIT_STATUS_device;
}
