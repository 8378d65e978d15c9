/* The pipeline: every stage of the compiler, in order, one call a line.
 *
 * Between the stages stands stage_done, in one place for all of them: it stops after errors, prints
 * the dump that was asked for, runs the verifier and takes the time. A stage knows of none of it.
 */
#include "pipeline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/check/check_plans.h"
#include "compiler/emit/emit.h"
#include "compiler/floor/system.h"
#include "compiler/front/front.h"
#include "compiler/fuse/estimate.h"
#include "compiler/fuse/fuse.h"
#include "compiler/graph/graph.h"
#include "compiler/plan/plan.h"
#include "compiler/target/target.h"
#include "grammar/ast.h"

/* ---- the column ------------------------------------------------------------------------------ */

const char *const stage_names[] = {
#define STAGE(name) #name,
    SNUG_STAGES(STAGE)
#undef STAGE
};
const uint32_t stage_count = COUNT_OF(stage_names);

uint32_t find_stage(const char *name)
{
    uint32_t k = 0;

    while (k < stage_count && strcmp(stage_names[k], name) != 0)
        k++;
    return k;
}

typedef struct Progress {
    Compilation *c;
    uint32_t done;    /* stages */
    const char *last; /* stop after this stage */
    FILE *out;
    Text previous; /* --dump=all: the dump of the stage before, to say "unchanged" */
    double started;
    bool is_finished;
} Progress;

static void dump_segments(FILE *out, const Compilation *c, bool plans)
{
    static const char *const names[] = {"micro_step", "update", "evaluate"};

    for (int s = 0; s < SNUG_SEGMENT_COUNT; s++) {
        if (c->kernels[s] == NULL)
            continue;
        fprintf(out, "%s:\n", names[s]);
        if (plans)
            print_plan(out, c->plans[s], c->kernels[s]);
        else
            print_kernels(out, c->kernels[s], c->model);
    }
}

static void dump_stage(FILE *out, const Compilation *c, const char *stage)
{
    if (strcmp(stage, "tree") == 0)
        print_tree(out, c->tree);
    else if (c->plans[SNUG_SEGMENT_evaluate] != NULL)
        dump_segments(out, c, true);
    else if (c->kernels[SNUG_SEGMENT_evaluate] != NULL)
        dump_segments(out, c, false);
    else
        print_graph(out, c->model->train, c->model, c->diags);
}

static void verify_stage(const Compilation *c, const char *stage)
{
    if (c->kernels[SNUG_SEGMENT_evaluate] == NULL && c->model != NULL) {
        verify_graph(c->model->train, c->model, stage);
        if (c->model->evaluate != NULL)
            verify_graph(c->model->evaluate, c->model, stage);
    }
    for (int s = 0; s < SNUG_SEGMENT_COUNT; s++)
        if (c->kernels[s] != NULL && c->plans[s] == NULL)
            verify_kernels(c->kernels[s], c->model, stage);
}

/* --dump=all: the stage's dump under its name, or that it has changed nothing. */
static void dump_change(Progress *progress, const char *stage)
{
    Text text = {.arena = progress->c->arena};
    FILE *file = tmpfile();
    int byte;

    if (file == NULL)
        BUG("no temporary file for the dump of stage %s", stage);
    dump_stage(file, progress->c, stage);
    rewind(file);
    while ((byte = getc(file)) != EOF)
        text_append(&text, &(char){(char)byte}, 1);
    fclose(file);
    bool is_same = text.length > 0 && text.length == progress->previous.length
                   && memcmp(text.bytes, progress->previous.bytes, text.length) == 0;
    fprintf(progress->out, "---- %s%s\n", stage, is_same ? ": unchanged" : "");
    if (!is_same && text.length > 0)
        fwrite(text.bytes, 1, text.length, progress->out);
    progress->previous = text;
}

/* Returns whether the next stage is to run. */
static bool stage_done(Progress *progress, const char *stage)
{
    Compilation *c = progress->c;

    if (find_stage(stage) != progress->done++)
        BUG("stage %s is out of order", stage);
    if (c->options.time_stages)
        fprintf(stderr, "%-10s %9.2f ms\n", stage, 1e3 * (monotonic_seconds() - progress->started));
    if (diagnostics_error_count(c->diags) > 0)
        return false;
    verify_stage(c, stage);
    if (c->options.dump != NULL && strcmp(c->options.dump, stage) == 0)
        dump_stage(progress->out, c, stage);
    if (c->options.dump != NULL && strcmp(c->options.dump, "all") == 0)
        dump_change(progress, stage);
    arena_reset(c->scratch);
    progress->is_finished = strcmp(progress->last, stage) == 0;
    progress->started = monotonic_seconds();
    return !progress->is_finished;
}

ExitStatus run_pipeline(Compilation *c, const char *last, FILE *dump_out)
{
    Progress progress = {.c = c, .last = last, .out = dump_out, .started = monotonic_seconds()};
    bool ok = true;

    ok = ok && parse_model(c) && stage_done(&progress, "tree");
    ok = ok && elaborate(c) && stage_done(&progress, "graph");
    ok = ok && infer_shapes(c) && stage_done(&progress, "shapes");
    ok = ok && differentiate(c) && stage_done(&progress, "autodiff");
    ok = ok && simplify(c) && stage_done(&progress, "simplify");
    ok = ok && choose_target(c) && stage_done(&progress, "target");
    ok = ok && fuse(c) && stage_done(&progress, "fuse");
    ok = ok && estimate_costs(c) && stage_done(&progress, "kernels");
    ok = ok && plan_memory(c) && stage_done(&progress, "plan");
    ok = ok && check_plans(c) && stage_done(&progress, "check");

    if (!ok && !progress.is_finished)
        return EXIT_STATUS_diagnostics;
    return c->plans[SNUG_SEGMENT_evaluate] != NULL && !c->fits ? EXIT_STATUS_memory
                                                               : EXIT_STATUS_ok;
}

/* ---- the products ---------------------------------------------------------------------------- */

static bool emit_kernels(Compilation *const *variants, uint32_t count, const char *folder)
{
    return variants[0]->target.device != DEVICE_cuda || emit_cuda(variants, count, folder);
}

static ExitStatus link_program(Arena *arena, const Products *products)
{
    const char *missing;
    Runtime runtime;

    if (!find_runtime(arena, &runtime, &missing)) {
        fprintf(stderr,
                "snug: the runtime is not complete: %s is missing\n"
                "      note: build or install snug again\n",
                missing);
        return EXIT_STATUS_device;
    }
    if (products->is_kept && is_newer(products->executable, products->source)
        && is_newer(products->executable, runtime.library))
        return EXIT_STATUS_ok;
    if (!compile_source(arena, products->cc, &runtime, products->source, products->executable))
        return EXIT_STATUS_device;
    fprintf(stderr, "snug: wrote %s\n", products->executable);
    return EXIT_STATUS_ok;
}

ExitStatus make_products(Compilation *const *variants, uint32_t count, const Products *products)
{
    Arena *arena = variants[0]->arena;
    bool ok = true;

    ok = ok && make_folders(arena, products->folder);
    ok = ok && emit_kernels(variants, count, products->folder);
    ok = ok && emit_program(variants, count, products->folder);
    ok = ok && emit_plans(variants, count, products->folder);
    if (ok)
        return link_program(arena, products);
    fprintf(stderr, "snug: cannot write into %s: %s\n", products->folder, strerror(errno));
    return EXIT_STATUS_files;
}
