/* snug: the commands. Results go to stdout, messages to stderr. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/command/check_output.h"
#include "compiler/command/compile_command.h"
#include "compiler/command/compile_options.h"
#include "compiler/command/compile_to.h"
#include "compiler/command/doctor.h"
#include "compiler/command/options.h"
#include "compiler/command/pack_command.h"
#include "compiler/command/plan_forms.h"
#include "compiler/command/remat.h"
#include "compiler/floor/system.h"
#include "compiler/pipeline/pipeline.h"
#include "compiler/trial/what_if.h"

/* ---- check, plan ----------------------------------------------------------------------------- */

static ExitStatus one_compilation(const Options *options, Arena *arena, const char *last,
                                  Compilation **result)
{
    CompileOptions compile;

    if (!compile_options(options, arena, &compile))
        return EXIT_STATUS_usage;
    if (options->batch_size.count > 1 || options->image_size.count > 2) {
        fprintf(stderr, "snug: one batch size and one image size are taken here; "
                        "`snug compile` takes several\n");
        return EXIT_STATUS_usage;
    }
    if (options->batch_size.count > 0)
        compile.batch_size = options->batch_size.items[0];
    if (options->image_size.count > 0) {
        compile.image_height = options->image_size.items[0];
        compile.image_width = options->image_size.items[1];
    }
    *result = compilation_create(&compile);
    return compile_to(*result, last);
}

static ExitStatus command_check(const Options *options, Arena *arena)
{
    Compilation *c = NULL;
    ExitStatus status = one_compilation(options, arena, "simplify", &c);

    if (c != NULL)
        print_diagnostics(options, c);
    compilation_destroy(c);
    return status;
}

static ExitStatus command_plan(const Options *options, Arena *arena)
{
    Compilation *c = NULL;
    ExitStatus status = one_compilation(options, arena, "check", &c);
    bool has_plan = c != NULL && c->plans[SNUG_SEGMENT_evaluate] != NULL;

    if (c != NULL)
        print_diagnostics(options, c);
    if (has_plan && options->dump == NULL) {
        ExitStatus outputs = check_output(c, "--html", options->html, ".html", "a page of HTML");
        if (outputs == EXIT_STATUS_ok)
            outputs = check_output(c, "--trace", options->trace, ".json", "a trace in JSON");
        if (outputs != EXIT_STATUS_ok) {
            compilation_destroy(c);
            return outputs;
        }
        PlanForms forms = {
            .json = options->flag_json,
            .csv = options->flag_csv,
            .html = options->html,
            .trace = options->trace,
            .compare = options->compare,
            .color = use_color(options, stdout),
        };
        ExitStatus printed = print_plan_forms(c, &forms, stdout);
        status = printed == EXIT_STATUS_ok ? status : printed;
    }
    compilation_destroy(c);
    return status;
}

static ExitStatus command_fit(const Options *options, Arena *arena)
{
    CompileOptions compile;

    if (!compile_options(options, arena, &compile))
        return EXIT_STATUS_usage;
    if (options->image_size.count > 2) {
        fprintf(stderr, "snug: one image size is taken here\n");
        return EXIT_STATUS_usage;
    }
    if (options->image_size.count > 0) {
        compile.image_height = options->image_size.items[0];
        compile.image_width = options->image_size.items[1];
    }
    FitRequest request = {
        .options = &compile,
        .batches = options->batch_size.items,
        .batch_count = options->batch_size.count,
        .accumulations = options->accumulation.items,
        .accumulation_count = options->accumulation.count,
        .json = options->flag_json,
        .color = use_color(options, stdout),
    };
    Compilation *c = NULL;
    ExitStatus status = fit_table(&request, stdout, &c);
    print_diagnostics(options, c);
    compilation_destroy(c);
    return status;
}

/* ---- main ------------------------------------------------------------------------------------ */

static int command_explain(const Options *options)
{
    if (explain_error(stdout, options->operand))
        return EXIT_STATUS_ok;
    fprintf(stderr, "snug: there is no error code %s; codes look like E012\n", options->operand);
    return EXIT_STATUS_usage;
}

static ExitStatus command_pack(const Options *options, Arena *arena)
{
    PackRequest request = {
        .path = options->operand,
        .capacity = options->capacity,
        .time_limit = options->time_limit,
        .json = options->flag_json,
    };

    return pack_command(&request, arena, stdout);
}

static ExitStatus command_remat(const Options *options)
{
    RematRequest request = {options->operand, options->budget, options->time_limit,
                            options->flag_json};

    if (options->budget == NULL) {
        fprintf(stderr, "snug: --budget is needed: bytes such as 8GiB, or a share of the given "
                        "order's peak such as 0.8\n");
        return EXIT_STATUS_usage;
    }
    return remat(&request, stdout);
}

static int run_command(const Options *options, Arena *arena)
{
    Products products;

    switch (options->command) {
    case CHECK: return (int)command_check(options, arena);
    case PLAN: return (int)command_plan(options, arena);
    case FIT: return (int)command_fit(options, arena);
    case PACK: return (int)command_pack(options, arena);
    case COMPILE: return (int)command_compile(options, arena, &products);
    case TRAIN: return command_train(options, arena);
    case REMAT: return (int)command_remat(options);
    case DOCTOR: return (int)doctor(arena, stdout);
    case EXPLAIN: return command_explain(options);
    default: BUG("no command %d", (int)options->command);
    }
}

int main(int argc, char **argv)
{
    keep_standard_streams();
    Arena *arena = arena_create();
    Options options;
    int status = EXIT_STATUS_usage;

    if (parse_options(&options, arena, argc, argv)) {
        status = EXIT_STATUS_ok;
        if (options.flag_version)
            printf("snug %s, program format %d\n", SNUG_VERSION, SNUG_PROGRAM_VERSION);
        else if (options.flag_help)
            print_usage(stdout, &options);
        else
            status = run_command(&options, arena);
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "snug: cannot write to stdout: %s\n", strerror(errno));
        status = status == EXIT_STATUS_ok ? EXIT_STATUS_files : status;
    }
    arena_destroy(arena);
    return status;
}
