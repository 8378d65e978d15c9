/* plan.json: the plan as data. The fields are explained in docs/memory-plans.md; a change of their
 * meaning raises `schema`.
 *
 * Buffers lie in the arena, whose first byte is offset 0. A buffer whose bytes are taken over in
 * place ends where the one that takes them begins, so that no two rows share a byte at a step and
 * the rows alive at a step add up to its load.
 */
#include <string.h>

#include "pipeline.h"

enum { PLAN_SCHEMA = 1 };

static void print_string(FILE *out, const char *text)
{
    putc('"', out);
    for (const unsigned char *byte = (const unsigned char *)text; *byte; byte++) {
        if (*byte == '"' || *byte == '\\')
            fprintf(out, "\\%c", *byte);
        else if (*byte < 0x20)
            fprintf(out, "\\u%04x", (unsigned)*byte);
        else
            putc(*byte, out);
    }
    putc('"', out);
}

static void print_bytes(FILE *out, const char *name, int64_t bytes)
{
    fprintf(out, "  \"%s\": %lld,\n", name, (long long)bytes);
}

/* "file": ..., "line": ...: where in the model; nothing for what stands nowhere. */
static void print_source(FILE *out, const Compilation *c, Span source)
{
    if (source.file == 0)
        return;
    fputs(", \"file\": ", out);
    print_string(out, diagnostics_file(c->diags, source.file)->path);
    fprintf(out, ", \"line\": %u", span_line_column(c->diags, source).line);
}

/* ---- rows ------------------------------------------------------------------------------------ */

static void print_buffers(FILE *out, const Compilation *c, const Plan *plan, const char *indent)
{
    uint32_t *ends = arena_array(c->scratch, uint32_t, plan->buffers.count);
    uint32_t *instances = arena_array(c->scratch, uint32_t, plan->buffers.count);
    uint32_t *row_of = arena_array(c->scratch, uint32_t, plan->buffers.count);
    Map seen = {0};
    uint32_t rows = 0;

    for (uint32_t b = 0; b < plan->buffers.count; b++) {
        const Buffer *buffer = &plan->buffers.items[b];
        ends[b] = buffer->life.last;
        if (buffer->storage == STORAGE_arena)
            row_of[b] = rows++;
        if (buffer->in_place_of.i != b)
            ends[buffer->in_place_of.i] = buffer->life.first;
        const char *key = intern(c->names, buffer->name, strlen(buffer->name));
        uint32_t *count = map_get(&seen, key);
        if (count == NULL) {
            count = arena_new(c->scratch, uint32_t);
            map_set(&seen, c->scratch, key, count);
        }
        instances[b] = (*count)++;
    }
    for (uint32_t b = 0; b < plan->buffers.count; b++) {
        const Buffer *buffer = &plan->buffers.items[b];
        if (buffer->storage != STORAGE_arena)
            continue;
        fprintf(out, "%s%s{\"name\": ", row_of[b] == 0 ? "\n" : ",\n", indent);
        print_string(out, buffer->name);
        fprintf(out, ", \"kind\": \"%s\", \"instance\": %u, \"offset\": %lld, \"bytes\": %lld, "
                     "\"first\": %u, \"last\": %u",
                buffer->value.i == 0 ? "workspace" : "tensor", instances[b],
                (long long)buffer->offset, (long long)buffer->bytes, buffer->life.first, ends[b]);
        if (buffer->in_place_of.i != b)
            fprintf(out, ", \"in_place_of\": %u", row_of[buffer->in_place_of.i]);
        print_source(out, c, buffer->source);
        putc('}', out);
    }
}

static void print_steps(FILE *out, const Compilation *c, SnugSegmentId segment, const char *indent)
{
    const Plan *plan = c->plans[segment];

    for (uint32_t s = 0; s < plan->steps.count; s++) {
        const Step *step = &plan->steps.items[s];
        const Kernel *kernel = &c->kernels[segment]->kernels.items[step->kernel.i];
        fprintf(out, "%s%s{\"kernel\": ", s == 0 ? "\n" : ",\n", indent);
        print_string(out, kernel->label);
        fprintf(out, ", \"code\": ");
        print_string(out, kernel->code.name);
        fprintf(out, ", \"backward\": %s, \"repeat\": %s, \"us\": %.2f",
                kernel->is_backward ? "true" : "false", step->is_repeat ? "true" : "false",
                kernel->time_us);
        print_source(out, c, kernel->source);
        putc('}', out);
    }
}

/* ---- totals ---------------------------------------------------------------------------------- */

static int64_t trained_numbers(const Model *model)
{
    int64_t count = 0;

    for (uint32_t p = 1; p < model->params.count; p++) {
        const Param *param = &model->params.items[p];
        if (param->kind != SNUG_PARAM_running_mean && param->kind != SNUG_PARAM_running_var)
            count += param->shape.n * param->shape.h * param->shape.w * param->shape.c;
    }
    return count;
}

static double step_us(const Compilation *c, SnugSegmentId segment)
{
    const Plan *plan = c->plans[segment];
    double us = 0;

    for (uint32_t s = 0; s < plan->steps.count; s++)
        us += c->kernels[segment]->kernels.items[plan->steps.items[s].kernel.i].time_us;
    return us;
}

static void print_head(FILE *out, const Compilation *c)
{
    const Model *model = c->model;

    fprintf(out, "{\n  \"schema\": %d,\n  \"model\": ", PLAN_SCHEMA);
    print_string(out, model->name);
    fprintf(out, ",\n  \"parameters\": %lld,\n", (long long)trained_numbers(model));
    print_bytes(out, "batch_size", model->batch_size);
    fprintf(out, "  \"image_size\": [%lld, %lld],\n", (long long)model->image_height,
            (long long)model->image_width);
    fprintf(out, "  \"device\": \"%s\",\n", c->target.device == DEVICE_host ? "host" : "cuda");
    if (c->target.device == DEVICE_cuda) {
        fputs("  \"card\": ", out);
        print_string(out, c->target.card->name);
        fputs(",\n", out);
    }
    fprintf(out, "  \"storage\": \"%s\",\n", type_name(c->target.half));
}

static void print_memory(FILE *out, const Compilation *c)
{
    const Layout *layout = &c->layout;

    if (c->target.vram_bytes > 0) {
        print_bytes(out, "vram_bytes", c->target.vram_bytes);
        print_bytes(out, "reserve_bytes", c->target.reserve_bytes);
        print_bytes(out, "budget_bytes", c->target.budget_bytes);
    } else {
        fputs("  \"vram_bytes\": null,\n  \"reserve_bytes\": null,\n  \"budget_bytes\": null,\n",
              out);
    }
    fprintf(out, "  \"fits\": %s,\n", c->fits ? "true" : "false");
    print_bytes(out, "total_bytes", layout->total_bytes);
    print_bytes(out, "persistent_bytes", layout->persistent_bytes);
    fprintf(out,
            "  \"persistent\": {\"weights\": %lld, \"state\": %lld, \"gradients\": %lld, "
            "\"moments\": %lld, \"ema\": %lld, \"inputs\": %lld},\n",
            (long long)layout->weights, (long long)layout->state, (long long)layout->grads,
            (long long)layout->moments, (long long)layout->ema, (long long)layout->inputs);
    print_bytes(out, "arena_bytes", layout->arena_bytes);
}

static void print_certificate(FILE *out, const Compilation *c, SnugSegmentId segment)
{
    const Certificate *certificate = &c->plans[segment]->certificate;
    double total = step_us(c, segment), once = total - certificate->recompute_us;

    print_bytes(out, "live_bound_bytes", certificate->live_bound);
    fprintf(out, "  \"peak_step\": %u,\n", certificate->peak_step);
    print_bytes(out, "feasibility_floor_bytes", certificate->feasibility_floor);
    print_bytes(out, "keep_all_bytes", certificate->keep_all_bytes);
    fprintf(out, "  \"recompute_ms\": %.4f,\n", certificate->recompute_us / 1e3);
    fprintf(out, "  \"recompute_bound_ms\": %.4f,\n", certificate->recompute_bound_us / 1e3);
    fprintf(out, "  \"step_ms\": %.4f,\n", total / 1e3);
    fprintf(out, "  \"overhead\": %.6f,\n", once > 0 ? certificate->recompute_us / once : 0.0);
    fprintf(out, "  \"kernels\": %u,\n", c->kernels[segment]->kernels.count);
}

/* The top level is the micro-step, or where the model has no loss the evaluation. */
void report_json(FILE *out, const Compilation *c, bool is_timed)
{
    SnugSegmentId main_segment = c->plans[SNUG_SEGMENT_micro_step] != NULL
                                     ? SNUG_SEGMENT_micro_step
                                     : SNUG_SEGMENT_evaluate;
    const Plan *evaluate = c->plans[SNUG_SEGMENT_evaluate];

    print_head(out, c);
    print_memory(out, c);
    print_certificate(out, c, main_segment);
    if (is_timed)
        fprintf(out, "  \"planner_seconds\": %.3f,\n", c->planner_seconds);
    else
        fputs("  \"planner_seconds\": null,\n", out);
    fputs("  \"steps\": [", out);
    print_steps(out, c, main_segment, "    ");
    fputs("\n  ],\n  \"buffers\": [", out);
    print_buffers(out, c, c->plans[main_segment], "    ");
    fputs("\n  ]", out);
    if (evaluate != NULL && main_segment != SNUG_SEGMENT_evaluate) {
        fprintf(out, ",\n  \"evaluate\": {\n    \"arena_bytes\": %lld,\n"
                     "    \"live_bound_bytes\": %lld,\n    \"step_ms\": %.4f,\n"
                     "    \"kernels\": %u,\n    \"steps\": [",
                (long long)evaluate->arena_bytes, (long long)evaluate->certificate.live_bound,
                step_us(c, SNUG_SEGMENT_evaluate) / 1e3,
                c->kernels[SNUG_SEGMENT_evaluate]->kernels.count);
        print_steps(out, c, SNUG_SEGMENT_evaluate, "      ");
        fputs("\n    ],\n    \"buffers\": [", out);
        print_buffers(out, c, evaluate, "      ");
        fputs("\n    ]\n  }", out);
    }
    fputs("\n}\n", out);
}
