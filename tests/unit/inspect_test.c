/* What the reports say of a plan: each form is what it claims to be, and what dropping a tensor
 * would save and cost is what happens to the sequence when it is dropped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/inspect/inspect.h"
#include "compiler/pipeline/pipeline.h"
#include "compiler/plan/planner.h"
#include "compiler/report/report.h"
#include "compiler/report/report_html.h"

static const char *const models[] = {
    SOURCE_DIR "/tests/golden/plan/residual.snug",
    SOURCE_DIR "/tests/golden/plan/report.snug",
    SOURCE_DIR "/models/unet.snug",
};

static Compilation *compile(const char *path)
{
    CompileOptions options = {.model_path = path,
                              .device = DEVICE_cuda,
                              .vram_bytes = 8LL << 30,
                              .reserve_bytes = 0};
    Compilation *c = compilation_create(&options);

    assert_int_equal(run_pipeline(c, "check", stdout), EXIT_STATUS_ok);
    return c;
}

/* ---- forms ----------------------------------------------------------------------------------- */

static json_t *parse(const char *text, size_t length, const char *what)
{
    json_error_t error;
    json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);

    if (json == NULL)
        fail_msg("%s is no JSON: line %d: %s", what, error.line, error.text);
    return json;
}

/* Readable at 80 columns, whatever the names; paths are not cut. */
static void text_is_80_columns_wide(void **state)
{
    (void)state;
    for (size_t m = 0; m < COUNT_OF(models); m++) {
        Compilation *c = compile(models[m]);
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        report_text(out, c, NULL, false);
        fclose(out);
        for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1)
            if (strcspn(line, "\n") > 80 && strncmp(line + 2, SOURCE_DIR, strlen(SOURCE_DIR)) != 0)
                fail_msg("wider than 80 columns: %.*s", (int)strcspn(line, "\n"), line);
        free(text);
        compilation_destroy(c);
    }
}

static void json_and_trace_parse(void **state)
{
    (void)state;
    for (size_t m = 0; m < COUNT_OF(models); m++) {
        Compilation *c = compile(models[m]);
        uint32_t step_count = c->plans[SNUG_SEGMENT_micro_step]->steps.count;
        char *text = NULL;
        size_t size = 0, durations = 0;
        FILE *out = open_memstream(&text, &size);
        report_json(out, c, true);
        fclose(out);
        json_t *json = parse(text, size, "plan.json");
        assert_int_equal(json_array_size(json_object_get(json, "steps")), step_count);
        json_decref(json);
        free(text);

        out = open_memstream(&text, &size);
        report_trace(out, c);
        fclose(out);
        json = parse(text, size, "the trace");
        const json_t *events = json_object_get(json, "traceEvents");
        double end = 0;
        for (size_t k = 0; k < json_array_size(events); k++) {
            const json_t *event = json_array_get(events, k);
            if (strcmp(json_string_value(json_object_get(event, "ph")), "X") != 0)
                continue;
            double begin = json_number_value(json_object_get(event, "ts"));
            assert_true(fabs(begin - end) < 0.01); /* one after the other, without gaps */
            end = begin + json_number_value(json_object_get(event, "dur"));
            durations++;
        }
        assert_int_equal(durations, step_count);
        json_decref(json);
        free(text);
        compilation_destroy(c);
    }
}

/* The loads of the lines add up to the bound, and the arena packs them. */
static void csv_is_the_packing_problem(void **state)
{
    (void)state;
    for (size_t m = 0; m < COUNT_OF(models); m++) {
        Compilation *c = compile(models[m]);
        const Plan *plan = c->plans[SNUG_SEGMENT_micro_step];
        int64_t *load = calloc(plan->steps.count, sizeof *load), most = 0;
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        report_csv(out, c);
        fclose(out);
        char *line = strchr(text, '\n') + 1;
        assert_int_equal(strncmp(text, "id,lower,upper,size\n", 20), 0);
        while (*line != '\0') {
            unsigned lower, upper;
            long long bytes;
            assert_int_equal(sscanf(line, "%*[^,],%u,%u,%lld\n", &lower, &upper, &bytes), 3);
            assert_true(lower < upper && upper <= plan->steps.count && bytes > 0);
            for (unsigned s = lower; s < upper; s++)
                load[s] += bytes;
            line = strchr(line, '\n') + 1;
        }
        for (uint32_t s = 0; s < plan->steps.count; s++)
            most = max_i64(most, load[s]);
        assert_int_equal(most, plan->certificate.live_bound);
        free(load);
        free(text);
        compilation_destroy(c);
    }
}

static void page_holds_the_plan(void **state)
{
    (void)state;
    for (size_t m = 0; m < COUNT_OF(models); m++) {
        static const char begin_mark[] = "id=\"data\">", end_mark[] = "\n</script>";
        Compilation *c = compile(models[m]);
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        report_html(out, c, NULL);
        fclose(out);
        const char *begin = strstr(text, begin_mark) + strlen(begin_mark);
        json_t *json = parse(begin, (size_t)(strstr(begin, end_mark) - begin), "the page's data");
        assert_int_equal(json_integer_value(json_object_get(json, "total")), c->layout.total_bytes);
        assert_null(json_object_get(json, "curve")); /* plans of other sizes were not asked for */
        assert_null(strstr(text, "http://www.w3.org/1999")); /* nothing from elsewhere */
        assert_null(strstr(text, "src="));
        json_decref(json);
        free(text);
        compilation_destroy(c);
    }
}

/* ---- dropping -------------------------------------------------------------------------------- */

typedef struct Order {
    TaskGraph graph;
    Sequence sequence;
    int64_t *load;
} Order;

static Sequence sequence_of(const Plan *plan, Arena *arena)
{
    Sequence sequence = {.tasks = arena_array(arena, uint32_t, plan->steps.count),
                         .count = plan->steps.count};

    for (uint32_t s = 0; s < sequence.count; s++)
        sequence.tasks[s] = plan->steps.items[s].kernel.i;
    return sequence;
}

/* The sequence with the drop's kernels before step `to`. */
static Sequence insert_drop(const Sequence *sequence, const Drop *drop, Arena *arena)
{
    Sequence longer = {
        .tasks = arena_array(arena, uint32_t, (size_t)sequence->count + drop->kernel_count)};

    for (uint32_t s = 0; s < sequence->count; s++) {
        for (uint32_t k = 0; s == drop->to && k < drop->kernel_count; k++)
            longer.tasks[longer.count++] = drop->kernels[k];
        longer.tasks[longer.count++] = sequence->tasks[s];
    }
    return longer;
}

/* Returns whether the drop was possible. */
static bool check_drop(const Inspection *inspection, const Order *order, uint32_t b, Arena *arena)
{
    const Buffer *buffer = &inspection->plan->buffers.items[b];
    Drop drop = price_drop(inspection, b);

    assert_true(drop.from <= drop.to && drop.to < inspection->plan->steps.count);
    if (!drop.is_possible)
        return false;
    Sequence longer = insert_drop(&order->sequence, &drop, arena);
    int64_t *load = arena_array(arena, int64_t, longer.count);
    sequence_peak(&order->graph, &longer, load); /* BUG where the chain reads what is gone */
    assert_true(fabs(sequence_added_cost(&order->graph, &longer)
                     - sequence_added_cost(&order->graph, &order->sequence) - drop.time_us)
                < 1e-6 * (1 + drop.time_us));
    for (uint32_t s = drop.from; s < drop.to; s++)
        if (load[s] != order->load[s] - buffer->bytes)
            fail_msg("without %s step %u has %lld bytes, expected %lld - %lld", buffer->name, s,
                     (long long)load[s], (long long)order->load[s], (long long)buffer->bytes);
    return true;
}

static void dropping_does_what_is_said(void **state)
{
    (void)state;
    for (size_t m = 0; m < COUNT_OF(models); m++) {
        Compilation *c = compile(models[m]);
        Arena *arena = arena_create();
        const Inspection *inspection = inspect_plan(c, SNUG_SEGMENT_micro_step, arena);
        Order order = {.graph = kernel_tasks(inspection->set, arena, arena),
                       .sequence = sequence_of(inspection->plan, arena)};
        uint32_t possible = 0;
        order.load = arena_array(arena, int64_t, order.sequence.count);
        sequence_peak(&order.graph, &order.sequence, order.load);
        for (uint32_t s = 0; s < order.sequence.count; s++)
            assert_int_equal(order.load[s], load_at(inspection, s));
        for (uint32_t b = 0; b < inspection->plan->buffers.count; b++)
            if (inspection->plan->buffers.items[b].storage == STORAGE_arena
                && inspection->facts[b].class == CLASS_kept)
                possible += check_drop(inspection, &order, b, arena);
        assert_true(possible > 0);
        arena_destroy(arena);
        compilation_destroy(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_80_columns_wide),    cmocka_unit_test(json_and_trace_parse),
        cmocka_unit_test(csv_is_the_packing_problem), cmocka_unit_test(page_holds_the_plan),
        cmocka_unit_test(dropping_does_what_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
