/* `snug plan --trace FILE`: the step as a trace for chrome://tracing and ui.perfetto.dev.
 *
 *     one track      every step in order, as long as the cost model says (microseconds)
 *     a counter      bytes alive, by class
 *     args           source line, whether it runs again, and each buffer with its address and bytes
 *
 * Times are estimates for the card that the plan was made for; nothing here was measured.
 */
#include "compiler/inspect/inspect.h"
#include "report.h"

static void print_name(FILE *out, const char *name, const char *label)
{
    fprintf(
        out,
        ",\n{\"ph\": \"M\", \"pid\": 1, \"tid\": 1, \"name\": \"%s\", \"args\": {\"name\": ", name);
    print_json_string(out, label);
    fputs("}}", out);
}

/* "2 write": "conv1: 33554432 bytes @ 1048576": an offset of the arena, or of the whole. */
static void print_operands(FILE *out, const Inspection *inspection, uint32_t s)
{
    static const char *const verbs[] = {"read", "write", "add to"};
    const Step *step = &inspection->plan->steps.items[s];
    const SnugKernel *code = &kernel_of(inspection, s)->code;

    for (uint32_t a = 0; a < step->buffer_count; a++) {
        uint32_t b = step->buffers[a].i;
        if (b >= inspection->plan->buffers.count)
            continue;
        const Buffer *buffer = &inspection->plan->buffers.items[b];
        bool is_arg = a < (uint32_t)code->arg_count;
        fprintf(out, ", \"%u %s\": ", a, is_arg ? verbs[code->args[a].access] : "workspace");
        print_json_string(out, arena_printf(inspection->arena, "%s: %lld bytes @ %s%lld",
                                            buffer->name, (long long)buffer->bytes,
                                            buffer->storage == STORAGE_arena ? "" : "persistent ",
                                            (long long)buffer->offset));
    }
}

static void print_step(FILE *out, const Inspection *inspection, uint32_t s, double at)
{
    const Kernel *kernel = kernel_of(inspection, s);
    bool again = inspection->plan->steps.items[s].is_repeat;

    fputs(",\n{\"ph\": \"X\", \"pid\": 1, \"tid\": 1, \"name\": ", out);
    print_json_string(out, kernel->label);
    fprintf(out,
            ", \"cat\": \"%s\", \"ts\": %.3f, \"dur\": %.3f, \"args\": {\"step\": %u, "
            "\"kernel\": ",
            again                 ? "again"
            : kernel->is_backward ? "backward"
                                  : "forward",
            at, kernel->time_us, s);
    print_json_string(out, kernel->code.name);
    fputs(", \"source\": ", out);
    print_json_string(out, source_place(inspection->c, kernel->source, inspection->arena));
    print_operands(out, inspection, s);
    fputs("}}", out);
    fprintf(out,
            ",\n{\"ph\": \"C\", \"pid\": 1, \"name\": \"bytes alive\", \"ts\": %.3f, \"args\": {",
            at);
    for (int k = 0; k < CLASS_COUNT; k++)
        fprintf(out, "%s\"%s\": %lld", k == 0 ? "" : ", ", class_names[k],
                (long long)inspection->load[s][k]);
    fputs("}}", out);
}

void report_trace(FILE *out, const Compilation *c)
{
    Arena *arena = arena_create();
    const Inspection *inspection = inspect_plan(c, main_segment(c), arena);
    double at = 0;

    fputs("{\"displayTimeUnit\": \"ms\", \"traceEvents\": [\n"
          "{\"ph\": \"M\", \"pid\": 1, \"name\": \"process_sort_index\", "
          "\"args\": {\"sort_index\": 0}}",
          out);
    print_name(out, "process_name",
               arena_printf(arena, "snug plan: %s, batch %lld, %lld x %lld", c->model->name,
                            (long long)c->model->batch_size, (long long)c->model->image_height,
                            (long long)c->model->image_width));
    print_name(out, "thread_name",
               arena_printf(arena, "%s, estimated",
                            c->target.device == DEVICE_host ? "host" : c->target.card->name));
    for (uint32_t s = 0; s < inspection->plan->steps.count; s++) {
        print_step(out, inspection, s, at);
        at += kernel_of(inspection, s)->time_us;
    }
    fputs("\n]}\n", out);
    arena_destroy(arena);
}
