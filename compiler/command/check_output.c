#include "check_output.h"

#include <string.h>

#include "compiler/floor/system.h"

/* What a file of this ending is not: an executable, a page, a trace. `own` is the ending that it is
 * written with; NULL: none of the kinds that have one. */
static bool suits_ending(const char *path, const char *own)
{
    static const char *const kinds[] = {".snug", ".c",   ".h",  ".cu",   ".o",          ".a",
                                        ".so",   ".dll", ".py", ".json", ".html",       ".csv",
                                        ".onnx", ".zip", ".pt", ".pth",  ".safetensors"};
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash != NULL ? slash : path, '.');

    if (dot == NULL || (own != NULL && strcmp(dot, own) == 0))
        return true;
    for (size_t k = 0; k < COUNT_OF(kinds); k++)
        if (strcmp(dot, kinds[k]) == 0)
            return false;
    return true;
}

ExitStatus check_output(const Compilation *c, const char *flag, const char *path, const char *own,
                        const char *kind)
{
    const char *what = NULL;

    if (path == NULL || strcmp(path, "-") == 0)
        return EXIT_STATUS_ok;
    for (uint32_t k = 1; k <= diagnostics_file_count(c->diags); k++) {
        if (!is_same_file(path, diagnostics_file(c->diags, k)->path))
            continue;
        fprintf(stderr,
                "snug: %s %s is the model file that is read\n"
                "      note: name another one, it would be lost\n",
                flag, path);
        return EXIT_STATUS_usage;
    }
    if (!suits_ending(path, own)) {
        fprintf(stderr, "snug: %s %s: what is written is %s\n", flag, path, kind);
        return EXIT_STATUS_usage;
    }
    if (output_path(c->arena, path, &what) == NULL) {
        fprintf(stderr, "snug: cannot write %s: it is %s\n", path, what);
        return EXIT_STATUS_files;
    }
    return EXIT_STATUS_ok;
}
