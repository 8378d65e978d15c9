/* snug: the commands. Results go to stdout, messages to stderr. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/command/card_choice.h"
#include "compiler/command/doctor.h"
#include "compiler/command/options.h"
#include "compiler/command/pack_command.h"
#include "compiler/command/plan_forms.h"
#include "compiler/command/remat.h"
#include "compiler/floor/system.h"
#include "compiler/pipeline/pipeline.h"
#include "compiler/trial/what_if.h"

static bool use_color(const Options *options, FILE *stream)
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

/* ---- outputs ---------------------------------------------------------------------------------------- */

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

/* Refuses an output that is an input, of another kind than its name says, or no file. */
static ExitStatus check_output(const Compilation *c, const char *flag, const char *path,
                               const char *own, const char *kind)
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

/* ---- options to compilations ------------------------------------------------------------------------ */

/* "-D width=48" into an override. */
static bool parse_define(const char *text, Override *override, Arena *arena)
{
    char *name = arena_strdup(arena, text);
    char *equals = strchr(name, '=');

    if (equals == NULL || equals == name || !parse_number(equals + 1, &override->value)) {
        fprintf(stderr, "snug: -D %s: a name and a number are needed, such as -D width=48\n", text);
        return false;
    }
    *equals = '\0';
    override->name = name;
    return true;
}

static RecomputeKind recompute_kind(const char *word)
{
    return word == NULL || strcmp(word, "all") == 0 ? RECOMPUTE_all
           : strcmp(word, "rebuild") == 0           ? RECOMPUTE_rebuild
                                                    : RECOMPUTE_none;
}

static bool compile_options(const Options *options, Arena *arena, CompileOptions *out)
{
    *out = (CompileOptions){
        .command = command_name(options->command),
        .model_path = options->operand,
        .overrides = arena_array(arena, Override, options->define.count),
        .override_count = options->define.count,
        .device = options->device != NULL
                      ? (strcmp(options->device, "cuda") == 0 ? DEVICE_cuda : DEVICE_host)
                  : options->command & (PLAN | FIT) ? DEVICE_cuda
                                                    : DEVICE_host,
        .card = options->card,
        .vram_bytes = max_i64(options->vram, 0),
        .reserve_bytes = options->reserve,
        .threads = (int32_t)options->threads,
        .full_precision = options->precision != NULL && strcmp(options->precision, "full") == 0,
        .gemm = options->gemm == NULL || strcmp(options->gemm, "auto") == 0 ? GEMM_auto
                : strcmp(options->gemm, "own") == 0                         ? GEMM_own
                                                                            : GEMM_cublas,
        .no_ema = options->flag_no_ema,
        .no_fusion = options->flag_no_fusion,
        .planner_effort = (uint64_t)options->effort * USUAL_EFFORT,
        .recompute = recompute_kind(options->recompute),
        .dump = options->dump,
        .time_stages = options->flag_time,
    };
    if (options->flag_headless && options->reserve < 0)
        out->reserve_bytes = HEADLESS_RESERVE;
    if (out->device == DEVICE_cuda)
        choose_card(out, arena);
    for (uint32_t k = 0; k < options->define.count; k++)
        if (!parse_define(options->define.items[k], &out->overrides[k], arena))
            return false;
    return true;
}

static void print_diagnostics(const Options *options, const Compilation *c)
{
    if (options->diagnostics != NULL && strcmp(options->diagnostics, "json") == 0)
        diagnostics_print_json(c->diags, stdout);
    else
        diagnostics_print(c->diags, stderr, use_color(options, stderr));
}

/* Runs the stages up to `last`; where the plan does not fit, what would is among the diagnostics. */
static ExitStatus compile_to(Compilation *c, const char *last)
{
    ExitStatus status = run_pipeline(c, last, stdout);

    if (status == EXIT_STATUS_memory)
        report_misfit(c);
    return status;
}

/* ---- check, plan --------------------------------------------------------------------------------------- */

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

/* ---- compile, train ---------------------------------------------------------------------------------------- */

typedef struct Variants {
    Compilation *items[OPTIONS_MAX_VARIANTS];
    uint32_t count;
} Variants;

static void variants_destroy(Variants *variants)
{
    for (uint32_t k = 0; k < variants->count; k++)
        compilation_destroy(variants->items[k]);
}

/* One compilation for each pair of batch size and image size. Stops at the first that fails. */
static ExitStatus compile_variants(const Options *options, Arena *arena, Variants *variants)
{
    uint32_t batches = options->batch_size.count, images = options->image_size.count / 2;
    CompileOptions compile;

    if (!compile_options(options, arena, &compile))
        return EXIT_STATUS_usage;
    if ((batches ? batches : 1) * (images ? images : 1) > OPTIONS_MAX_VARIANTS) {
        fprintf(stderr, "snug: at most %d batch and image sizes go into one executable\n",
                OPTIONS_MAX_VARIANTS);
        return EXIT_STATUS_usage;
    }
    for (uint32_t i = 0; i < (images ? images : 1); i++) {
        for (uint32_t b = 0; b < (batches ? batches : 1); b++) {
            compile.batch_size = batches ? options->batch_size.items[b] : 0;
            compile.image_height = images ? options->image_size.items[2 * i] : 0;
            compile.image_width = images ? options->image_size.items[2 * i + 1] : 0;
            Compilation *c = compilation_create(&compile);
            variants->items[variants->count++] = c;
            ExitStatus status = compile_to(c, "check");
            print_diagnostics(options, c);
            if (status != EXIT_STATUS_ok)
                return status;
            if (c->target.device == DEVICE_cuda && c->target.half != SNUG_F16) {
                fprintf(stderr, "snug: the kernels of a card are in half precision\n"
                                "      note: leave out --precision full, or compile for --device "
                                "host\n");
                return EXIT_STATUS_usage;
            }
            plan_alternatives(c);
        }
    }
    return EXIT_STATUS_ok;
}

static Products product_paths(const Options *options, Arena *arena, const char *name)
{
    const char *root = options->generated ? options->generated : "generated";
    const char *folder = arena_printf(arena, "%s/%s", root, name);

    return (Products){
        .folder = folder,
        .source = arena_printf(arena, "%s/%s.c", folder, name),
        .executable = options->output             ? options->output
                      : options->command == TRAIN ? arena_printf(arena, "%s/%s_train", folder, name)
                                                  : arena_printf(arena, "%s_train", name),
        .cc = options->cc ? options->cc : "cc",
        .is_kept = options->command == TRAIN,
    };
}

static ExitStatus command_compile(const Options *options, Arena *arena, Products *products)
{
    Variants variants = {0};
    ExitStatus status = compile_variants(options, arena, &variants);

    if (status == EXIT_STATUS_ok) {
        *products = product_paths(options, arena, variants.items[0]->model->name);
        status = check_output(variants.items[0], "-o", products->executable, NULL, "an executable");
    }
    if (status == EXIT_STATUS_ok) {
        status = make_products(variants.items, variants.count, products);
    }
    variants_destroy(&variants);
    return status;
}

static int command_train(const Options *options, Arena *arena)
{
    Products products;
    ARRAY(const char *) argv = {0};
    ExitStatus status = command_compile(options, arena, &products);

    if (status != EXIT_STATUS_ok)
        return (int)status;
    ARRAY_APPEND(arena, &argv,
                 strchr(products.executable, '/')
                     ? products.executable
                     : arena_printf(arena, "./%s", products.executable));
    for (uint32_t k = 0; k < options->passed_on.count; k++)
        ARRAY_APPEND(arena, &argv, options->passed_on.items[k]);
    ARRAY_APPEND(arena, &argv, NULL);
    int result = run_program(argv.items);
    if (result == -1) {
        fprintf(stderr, "snug: cannot run %s: %s\n", argv.items[0], strerror(errno));
        return EXIT_STATUS_device;
    }
    return result;
}

/* ---- main -------------------------------------------------------------------------------------------------- */

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
