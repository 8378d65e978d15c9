#include "compile_to.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/floor/system.h"
#include "compiler/pipeline/pipeline.h"
#include "compiler/trial/what_if.h"

bool use_color(const Options *options, FILE *stream)
{
    if (options->color != NULL && strcmp(options->color, "auto") != 0)
        return strcmp(options->color, "always") == 0;
    const char *no_color = getenv("NO_COLOR"), *force = getenv("CLICOLOR_FORCE");
    if (no_color != NULL && *no_color)
        return false;
    if (force != NULL && *force && strcmp(force, "0") != 0)
        return true;
    return is_terminal(stream);
}

void print_diagnostics(const Options *options, const Compilation *c)
{
    if (options->diagnostics != NULL && strcmp(options->diagnostics, "json") == 0)
        diagnostics_print_json(c->diags, stdout);
    else
        diagnostics_print(c->diags, stderr, use_color(options, stderr));
}

ExitStatus compile_to(Compilation *c, const char *last)
{
    ExitStatus status = run_pipeline(c, last, stdout);

    if (status == EXIT_STATUS_memory)
        report_misfit(c);
    return status;
}
