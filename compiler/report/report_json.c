/* plan.json: the plan as data. The fields are explained in docs/memory-plans.md; a change of their
 * meaning raises `schema`.
 *
 * Buffers lie in the arena, whose first byte is offset 0. A buffer whose bytes are taken over in
 * place ends where the one that takes them begins, so that no two rows share a byte at a step and
 * the rows alive at a step add up to its load.
 */
#include "compiler/inspect/inspect.h"
#include "report.h"

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
    print_json_string(out, diagnostics_file(c->diags, source.file)->path);
    fprintf(out, ", \"line\": %u", span_line_column(c->diags, source).line);
}

/* ---- rows ------------------------------------------------------------------------------------ */

static void print_tensor(FILE *out, const BufferFacts *facts)
{
    const SnugArg *tensor = &facts->tensor;

    if (tensor->shape.n > 0)
        fprintf(out,
                ", \"type\": \"%s\", \"shape\": [%d, %d, %d, %d], \"pitch\": %d, "
                "\"padding\": %lld",
                type_name(tensor->type), tensor->shape.n, tensor->shape.h, tensor->shape.w,
                tensor->shape.c, tensor->pitch, (long long)facts->padding);
    fputs(", \"readers\": [", out);
    for (uint32_t r = 0; r < facts->reader_count; r++)
        fprintf(out, r == 0 ? "%u" : ", %u", facts->readers[r]);
    putc(']', out);
}

static void print_buffers(FILE *out, const Inspection *inspection, const char *indent)
{
    const Plan *plan = inspection->plan;
    uint32_t *row_of = arena_array(inspection->arena, uint32_t, plan->buffers.count);
    uint32_t rows = 0;

    for (uint32_t b = 0; b < plan->buffers.count; b++)
        if (plan->buffers.items[b].storage == STORAGE_arena)
            row_of[b] = rows++;
    for (uint32_t b = 0; b < plan->buffers.count; b++) {
        const Buffer *buffer = &plan->buffers.items[b];
        const BufferFacts *facts = &inspection->facts[b];
        if (buffer->storage != STORAGE_arena)
            continue;
        fprintf(out, "%s%s{\"name\": ", row_of[b] == 0 ? "\n" : ",\n", indent);
        print_json_string(out, buffer->name);
        fprintf(out,
                ", \"kind\": \"%s\", \"class\": \"%s\", \"instance\": %u, \"offset\": %lld, "
                "\"bytes\": %lld, \"first\": %u, \"last\": %u",
                buffer->value.i == 0 ? "workspace" : "tensor", class_names[facts->class],
                facts->instance, (long long)buffer->offset, (long long)buffer->bytes,
                buffer->life.first, facts->end);
        if (buffer->in_place_of.i != b)
            fprintf(out, ", \"in_place_of\": %u", row_of[buffer->in_place_of.i]);
        print_tensor(out, facts);
        print_source(out, inspection->c, buffer->source);
        putc('}', out);
    }
}

static void print_steps(FILE *out, const Inspection *inspection, const char *indent)
{
    const Plan *plan = inspection->plan;

    for (uint32_t s = 0; s < plan->steps.count; s++) {
        const Kernel *kernel = kernel_of(inspection, s);
        fprintf(out, "%s%s{\"kernel\": ", s == 0 ? "\n" : ",\n", indent);
        print_json_string(out, kernel->label);
        fprintf(out, ", \"code\": ");
        print_json_string(out, kernel->code.name);
        fprintf(out,
                ", \"backward\": %s, \"repeat\": %s, \"us\": %.2f, \"flops\": %lld, "
                "\"bytes\": %lld, \"live\": %lld",
                kernel->is_backward ? "true" : "false",
                plan->steps.items[s].is_repeat ? "true" : "false", kernel->time_us,
                (long long)kernel->flops, (long long)kernel->bytes,
                (long long)load_at(inspection, s));
        print_source(out, inspection->c, kernel->source);
        putc('}', out);
    }
}

/* ---- totals ---------------------------------------------------------------------------------- */

static void print_head(FILE *out, const Compilation *c)
{
    const Model *model = c->model;

    fprintf(out, "{\n  \"schema\": %d,\n  \"model\": ", PLAN_SCHEMA);
    print_json_string(out, model->name);
    fprintf(out, ",\n  \"parameters\": %lld,\n", (long long)trained_numbers(model));
    print_bytes(out, "batch_size", model->batch_size);
    fprintf(out, "  \"image_size\": [%lld, %lld],\n", (long long)model->image_height,
            (long long)model->image_width);
    fprintf(out, "  \"device\": \"%s\",\n", c->target.device == DEVICE_host ? "host" : "cuda");
    if (c->target.device == DEVICE_cuda) {
        fputs("  \"card\": ", out);
        print_json_string(out, c->target.card->name);
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
            "  \"persistent\": {\"weights\": %lld, \"state\": %lld, \"halves\": %lld, "
            "\"gradients\": %lld, \"moments\": %lld, \"ema\": %lld, \"inputs\": %lld},\n",
            (long long)layout->weights, (long long)layout->state, (long long)layout->halves,
            (long long)layout->grads, (long long)layout->moments, (long long)layout->ema,
            (long long)layout->inputs);
    print_bytes(out, "arena_bytes", layout->arena_bytes);
}

static void print_certificate(FILE *out, const Inspection *inspection)
{
    const Certificate *certificate = &inspection->plan->certificate;
    const Work *once = &inspection->once, *again = &inspection->again;
    double kept_us = once->time_us - certificate->rebuild_us;

    print_bytes(out, "live_bound_bytes", certificate->live_bound);
    fprintf(out, "  \"peak_step\": %u,\n", certificate->peak_step);
    print_bytes(out, "feasibility_floor_bytes", certificate->feasibility_floor);
    print_bytes(out, "keep_all_bytes", certificate->keep_all_bytes);
    fprintf(out, "  \"recompute_ms\": %.4f,\n", certificate->recompute_us / 1e3);
    fprintf(out, "  \"recompute_bound_ms\": %.4f,\n", certificate->recompute_bound_us / 1e3);
    fprintf(out, "  \"recompute_flops\": %lld,\n", (long long)again->flops);
    fprintf(out, "  \"recompute_traffic_bytes\": %lld,\n", (long long)again->bytes);
    fprintf(out, "  \"recomputed_kernels\": %u,\n", inspection->repeat_count);
    fprintf(out, "  \"flops\": %lld,\n", (long long)once->flops);
    fprintf(out, "  \"traffic_bytes\": %lld,\n", (long long)once->bytes);
    fprintf(out, "  \"step_ms\": %.4f,\n", (once->time_us + again->time_us) / 1e3);
    fprintf(out, "  \"overhead\": %.6f,\n",
            kept_us > 0 ? certificate->recompute_us / kept_us : 0.0);
    fprintf(out, "  \"kernels\": %u,\n", inspection->set->kernels.count);
}

static void print_evaluate(FILE *out, const Inspection *inspection)
{
    const Plan *plan = inspection->plan;

    fprintf(out,
            ",\n  \"evaluate\": {\n    \"arena_bytes\": %lld,\n    \"live_bound_bytes\": %lld,\n"
            "    \"step_ms\": %.4f,\n    \"kernels\": %u,\n    \"steps\": [",
            (long long)plan->arena_bytes, (long long)plan->certificate.live_bound,
            inspection->once.time_us / 1e3, inspection->set->kernels.count);
    print_steps(out, inspection, "      ");
    fputs("\n    ],\n    \"buffers\": [", out);
    print_buffers(out, inspection, "      ");
    fputs("\n    ]\n  }", out);
}

/* The top level is the micro-step, or where the model has no loss the evaluation. */
void report_json(FILE *out, const Compilation *c, bool is_timed)
{
    SnugSegmentId segment = main_segment(c);
    Arena *arena = arena_create();
    const Inspection *inspection = inspect_plan(c, segment, arena);

    print_head(out, c);
    print_memory(out, c);
    print_certificate(out, inspection);
    if (is_timed)
        fprintf(out, "  \"planner_seconds\": %.3f,\n", c->planner_seconds);
    else
        fputs("  \"planner_seconds\": null,\n", out);
    fputs("  \"steps\": [", out);
    print_steps(out, inspection, "    ");
    fputs("\n  ],\n  \"buffers\": [", out);
    print_buffers(out, inspection, "    ");
    fputs("\n  ]", out);
    if (c->plans[SNUG_SEGMENT_evaluate] != NULL && segment != SNUG_SEGMENT_evaluate)
        print_evaluate(out, inspect_plan(c, SNUG_SEGMENT_evaluate, arena));
    fputs("\n}\n", out);
    arena_destroy(arena);
}
