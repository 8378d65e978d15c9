/* `snug compile` and `snug train`: one executable with a program for each size and each device that
 * it may find itself on.
 *
 *     --device auto     a card's programs, then the processor's: the trainer picks at its start
 *     --device cuda     the one alone; so is
 *     --device host     the other
 */
#include "compile_command.h"

#include <errno.h>
#include <string.h>

#include "check_output.h"
#include "compile_options.h"
#include "compile_to.h"
#include "compiler/floor/system.h"
#include "compiler/inspect/inspect.h"
#include "compiler/pipeline/pipeline.h"
#include "compiler/trial/what_if.h"

typedef struct Variants {
    Compilation *items[2 * OPTIONS_MAX_VARIANTS];
    uint32_t count;
} Variants;

static void variants_destroy(Variants *variants)
{
    while (variants->count > 0)
        compilation_destroy(variants->items[--variants->count]);
}

/* One compilation for each pair of batch size and image size. Stops at the first that fails: it is
 * the last of the variants then, and its diagnostics are not printed yet. */
static ExitStatus compile_sizes(const Options *options, CompileOptions compile, Variants *variants)
{
    uint32_t batches = options->batch_size.count, images = options->image_size.count / 2;

    for (uint32_t i = 0; i < (images ? images : 1); i++) {
        for (uint32_t b = 0; b < (batches ? batches : 1); b++) {
            compile.batch_size = batches ? options->batch_size.items[b] : 0;
            compile.image_height = images ? options->image_size.items[2 * i] : 0;
            compile.image_width = images ? options->image_size.items[2 * i + 1] : 0;
            Compilation *c = compilation_create(&compile);
            variants->items[variants->count++] = c;
            ExitStatus status = run_pipeline(c, "check", stdout);
            if (status != EXIT_STATUS_ok)
                return status;
        }
    }
    return EXIT_STATUS_ok;
}

/* Whether the card is nobody's: neither named nor in this machine. */
static bool is_default_card(const Options *options, const Compilation *c)
{
    return options->card == NULL && options->vram < 0 && c->options.is_card_assumed;
}

/* The programs of a card. Where both devices are asked for, a model that cannot run on a card, or
 * not on one that was only assumed, has none, and that is said. */
static ExitStatus compile_for_card(const Options *options, const CompileOptions *compile,
                                   bool is_optional, Variants *variants)
{
    ExitStatus status = compile_sizes(options, *compile, variants);
    Compilation *last = variants->items[variants->count - 1];
    bool is_full = status != EXIT_STATUS_diagnostics && last->target.half != SNUG_F16;
    bool is_too_large = status == EXIT_STATUS_memory && is_default_card(options, last);

    if (is_optional && (is_full || is_too_large)) {
        fprintf(stderr, "snug: no program for a card: %s\n",
                is_full ? "its kernels are in half precision, this model asks for full"
                        : arena_printf(last->arena,
                                       "the model does not fit the %s; --card or --vram "
                                       "names another",
                                       target_words(last, last->arena)));
        variants_destroy(variants);
        return EXIT_STATUS_ok;
    }
    if (status == EXIT_STATUS_memory)
        report_misfit(last);
    for (uint32_t k = 0; k < variants->count; k++)
        print_diagnostics(options, variants->items[k]);
    if (status == EXIT_STATUS_ok && is_full) {
        fprintf(stderr, "snug: the kernels of a card are in half precision\n"
                        "      note: leave out --precision full, or compile for --device host\n");
        return EXIT_STATUS_usage;
    }
    for (uint32_t k = 0; k < variants->count && status == EXIT_STATUS_ok; k++)
        plan_alternatives(variants->items[k]);
    return status;
}

/* --vram and --card are of the card where there is one. */
static ExitStatus compile_for_host(const Options *options, CompileOptions compile,
                                   bool is_beside_card, Variants *variants)
{
    uint32_t first = variants->count;

    compile.device = DEVICE_host;
    if (is_beside_card) {
        compile.card = NULL;
        compile.vram_bytes = 0;
        compile.dump = NULL;
    }
    ExitStatus status = compile_sizes(options, compile, variants);
    if (status == EXIT_STATUS_memory)
        report_misfit(variants->items[variants->count - 1]);
    /* what is said of the model was said already */
    for (uint32_t k = first; k < variants->count && (first == 0 || status != EXIT_STATUS_ok); k++)
        print_diagnostics(options, variants->items[k]);
    return status;
}

/* "for the RTX 3070 Ti (the card here), and for the host, 2 threads" */
static void say_devices(const Variants *variants)
{
    const Compilation *first = variants->items[0], *last = variants->items[variants->count - 1];
    Arena *arena = first->arena;

    fprintf(stderr, "snug: for the %s", target_words(first, arena));
    if (first->target.device != last->target.device)
        fprintf(stderr, ", and for the %s", target_words(last, arena));
    fputs("\n", stderr);
}

static ExitStatus compile_variants(const Options *options, Arena *arena, Variants *variants)
{
    uint32_t batches = options->batch_size.count, images = options->image_size.count / 2;
    bool is_auto = options->device == NULL || strcmp(options->device, "auto") == 0;
    CompileOptions compile;
    ExitStatus status = EXIT_STATUS_ok;

    if (!compile_options(options, arena, &compile))
        return EXIT_STATUS_usage;
    if ((batches ? batches : 1) * (images ? images : 1) > OPTIONS_MAX_VARIANTS) {
        fprintf(stderr, "snug: at most %d batch and image sizes go into one executable\n",
                OPTIONS_MAX_VARIANTS);
        return EXIT_STATUS_usage;
    }
    if (compile.device == DEVICE_cuda)
        status = compile_for_card(options, &compile, is_auto, variants);
    if (status == EXIT_STATUS_ok && (is_auto || compile.device == DEVICE_host))
        status = compile_for_host(options, compile, is_auto, variants);
    if (status == EXIT_STATUS_ok)
        say_devices(variants);
    return status;
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

ExitStatus command_compile(const Options *options, Arena *arena, Products *products)
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

int command_train(const Options *options, Arena *arena)
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
