/* `snug fit`: which batch sizes fit a card, at what cost.
 *
 *     batch  accumulation  effective        MiB     left    added  ms/image  verdict
 *         1             8          8     1837.5   5330.5               13.3  fits
 *
 * A batch is planned once, whatever the accumulation: gradients are added to in place, so that
 * accumulation has no bytes of its own. It only spreads the time of the update.
 */
#include "compiler/inspect/inspect.h"
#include "compiler/ir/trial.h"
#include "compiler/pipeline/pipeline.h"
#include "what_if.h"

static const int64_t usual_batches[] = {1, 2, 3, 4, 6, 8, 12, 16, 24};

typedef struct Fit {
    const FitRequest *request;
    const Compilation *c;
    Trial *trials;
    uint32_t count;
    FILE *out;
    Arena *arena;
} Fit;

/* ---- pairs ----------------------------------------------------------------------------------- */

static void choose_batches(Fit *fit)
{
    const FitRequest *request = fit->request;
    const int64_t *batches = request->batch_count > 0 ? request->batches : usual_batches;

    fit->count = request->batch_count > 0 ? request->batch_count : COUNT_OF(usual_batches);
    fit->trials = arena_array(fit->arena, Trial, fit->count);
    for (uint32_t k = 0; k < fit->count; k++)
        fit->trials[k].batch_size = batches[k];
}

/* Not asked for: what makes the model file's own effective batch, or the next larger. */
static int64_t usual_accumulation(const Fit *fit, int64_t batch)
{
    const Model *model = fit->c->model;
    int64_t effective = model->batch_size * max_i64(model->defaults.accumulate, 1);

    return (effective + batch - 1) / batch;
}

typedef struct Pair {
    const Trial *trial;
    int64_t accumulation;
} Pair;

static Pair *list_pairs(const Fit *fit, uint32_t *count)
{
    const FitRequest *request = fit->request;
    uint32_t each = request->accumulation_count > 0 ? request->accumulation_count : 1;
    Pair *pairs = arena_array(fit->arena, Pair, (size_t)fit->count * each);

    *count = 0;
    for (uint32_t k = 0; k < fit->count; k++)
        for (uint32_t a = 0; a < each; a++)
            pairs[(*count)++] = (Pair){
                .trial = &fit->trials[k],
                .accumulation = request->accumulation_count > 0
                                    ? request->accumulations[a]
                                    : usual_accumulation(fit, fit->trials[k].batch_size),
            };
    return pairs;
}

static double image_ms(const Pair *pair)
{
    const Trial *trial = pair->trial;

    return (trial->step_us + trial->update_us / (double)pair->accumulation)
           / (double)trial->batch_size / 1e3;
}

static double added_percent(const Trial *trial)
{
    return trial->step_us > trial->added_us
               ? 100 * trial->added_us / (trial->step_us - trial->added_us)
               : 0;
}

/* ---- text ------------------------------------------------------------------------------------ */

static const char *signed_mib(const Fit *fit, int64_t bytes)
{
    return bytes < 0 ? arena_printf(fit->arena, "-%s", format_mib(fit->arena, -bytes))
                     : format_mib(fit->arena, bytes);
}

static void print_pair(const Fit *fit, const Pair *pair)
{
    const Trial *trial = pair->trial;
    bool color = fit->request->color, has_budget = fit->c->target.vram_bytes > 0;

    fprintf(fit->out, "%6lld %13lld %10lld ", (long long)trial->batch_size,
            (long long)pair->accumulation, (long long)(trial->batch_size * pair->accumulation));
    if (!trial->is_planned) {
        fputs("         -  the model cannot have this batch\n", fit->out);
        return;
    }
    fprintf(fit->out, "%9s %9s ", format_mib(fit->arena, trial->total_bytes),
            has_budget ? signed_mib(fit, fit->c->target.budget_bytes - trial->total_bytes) : "");
    if (!trial->fits) {
        fprintf(fit->out, "%8s %9s  %sdoes not fit%s\n", "", "", color ? "\033[31m" : "",
                color ? "\033[0m" : "");
        return;
    }
    fprintf(fit->out, "%8s %9.*f  %s%s%s\n",
            trial->added_us > 0 ? arena_printf(fit->arena, "+%.1f %%", added_percent(trial)) : "",
            image_ms(pair) < 10 ? 3 : 1, image_ms(pair), color ? "\033[32m" : "",
            trial->added_us > 0 ? "fits, computing again" : "fits", color ? "\033[0m" : "");
}

static void print_table(const Fit *fit)
{
    const Compilation *c = fit->c;
    const Target *target = &c->target;
    uint32_t count;
    const Pair *pairs = list_pairs(fit, &count);

    fprintf(fit->out, "%s  %lld x %lld, %s, %s", c->model->name, (long long)c->model->image_height,
            (long long)c->model->image_width, type_name(target->half), target_words(c, fit->arena));
    if (target->vram_bytes > 0)
        fprintf(fit->out, "\n%s MiB - %s reserve = %s", format_mib(fit->arena, target->vram_bytes),
                format_mib(fit->arena, target->reserve_bytes),
                format_mib(fit->arena, target->budget_bytes));
    fprintf(fit->out, "\n\n%6s %13s %10s %9s %9s %8s %9s\n", "batch", "accumulation", "effective",
            "MiB", target->vram_bytes > 0 ? "left" : "", "added", "ms/image");
    for (uint32_t k = 0; k < count; k++)
        print_pair(fit, &pairs[k]);
    fputs("\nmemory: planned and checked; accumulation adds to gradients in place and needs none\n"
          "time: estimated, a roofline of the card; added: by computing kernels again\n",
          fit->out);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void print_json_pair(const Fit *fit, const Pair *pair, bool is_first)
{
    const Trial *trial = pair->trial;

    fprintf(fit->out,
            "%s\n    {\"batch_size\": %lld, \"gradient_accumulation_steps\": %lld, "
            "\"effective\": %lld, \"planned\": %s",
            is_first ? "" : ",", (long long)trial->batch_size, (long long)pair->accumulation,
            (long long)(trial->batch_size * pair->accumulation),
            trial->is_planned ? "true" : "false");
    if (trial->is_planned)
        fprintf(fit->out,
                ", \"total_bytes\": %lld, \"persistent_bytes\": %lld, \"arena_bytes\": "
                "%lld, \"fits\": %s, \"overhead\": %.6f, \"step_ms\": %.4f, "
                "\"image_ms\": %.4f, \"recomputed_kernels\": %u",
                (long long)trial->total_bytes, (long long)trial->persistent_bytes,
                (long long)trial->arena_bytes, trial->fits ? "true" : "false",
                added_percent(trial) / 100, trial->step_us / 1e3, image_ms(pair),
                trial->repeat_count);
    putc('}', fit->out);
}

static void print_json(const Fit *fit)
{
    const Compilation *c = fit->c;
    const Target *target = &c->target;
    uint32_t count;
    const Pair *pairs = list_pairs(fit, &count);

    fputs("{\n  \"schema\": 1,\n  \"model\": ", fit->out);
    print_json_string(fit->out, c->model->name);
    fprintf(fit->out, ",\n  \"image_size\": [%lld, %lld],\n  \"device\": \"%s\",\n",
            (long long)c->model->image_height, (long long)c->model->image_width,
            target->device == DEVICE_host ? "host" : "cuda");
    if (target->device == DEVICE_cuda) {
        fputs("  \"card\": ", fit->out);
        print_json_string(fit->out, target->card->name);
        fputs(",\n", fit->out);
    }
    if (target->vram_bytes > 0)
        fprintf(fit->out,
                "  \"vram_bytes\": %lld,\n  \"reserve_bytes\": %lld,\n"
                "  \"budget_bytes\": %lld,\n",
                (long long)target->vram_bytes, (long long)target->reserve_bytes,
                (long long)target->budget_bytes);
    else
        fputs("  \"vram_bytes\": null,\n  \"reserve_bytes\": null,\n  \"budget_bytes\": null,\n",
              fit->out);
    fputs("  \"pairs\": [", fit->out);
    for (uint32_t k = 0; k < count; k++)
        print_json_pair(fit, &pairs[k], k == 0);
    fputs("\n  ]\n}\n", fit->out);
}

/* ---- the command ----------------------------------------------------------------------------- */

ExitStatus fit_table(const FitRequest *request, FILE *out, Compilation **c)
{
    CompileOptions options = *request->options;
    Fit fit = {.request = request, .out = out, .arena = arena_create()};
    bool any_fits = false;

    *c = compilation_create(&options);
    ExitStatus status = run_pipeline(*c, "target", stdout);
    fit.c = *c;
    if (status == EXIT_STATUS_ok) {
        choose_batches(&fit);
        run_trials(&options, fit.trials, fit.count);
        if (request->json)
            print_json(&fit);
        else
            print_table(&fit);
        for (uint32_t k = 0; k < fit.count; k++)
            any_fits |= fit.trials[k].is_planned && fit.trials[k].fits;
        status = any_fits ? EXIT_STATUS_ok : EXIT_STATUS_memory;
    }
    arena_destroy(fit.arena);
    return status;
}
