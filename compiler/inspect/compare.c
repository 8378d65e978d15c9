/* Compares a plan with one that was written as plan.json.
 *
 * Tensors are matched by name. What counts of each is how many of its bytes are alive at the peak
 * of its plan: these add up to the two peaks, so the changes add up to what one plan needs more.
 */
#include "compare.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "inspect.h"

enum { TENSORS_SHOWN = 20 };

/* What one plan does with the tensors of one name. */
typedef struct Fate {
    bool exists, is_kept, is_recomputed;
    int64_t bytes, at_peak;
} Fate;

typedef struct Fates {
    Fate there, here;
} Fates;

typedef struct Comparison {
    const Compilation *c;
    Arena *arena;
    Difference *difference;
    Map by_name; /* Fates * */
} Comparison;

static Fates *fates_of(Comparison *comparison, const char *name)
{
    const char *key = intern(comparison->c->names, name, strlen(name));
    Fates *fates = map_get(&comparison->by_name, key);

    if (fates == NULL) {
        fates = arena_new(comparison->arena, Fates);
        map_set(&comparison->by_name, comparison->arena, key, fates);
    }
    return fates;
}

static void add_instance(Fate *fate, const char *class, int64_t bytes, bool at_peak)
{
    fate->exists = true;
    fate->is_kept |= strcmp(class, class_names[CLASS_kept]) == 0;
    fate->is_recomputed |= strcmp(class, class_names[CLASS_recomputed]) == 0;
    fate->bytes = max_i64(fate->bytes, bytes);
    fate->at_peak += at_peak ? bytes : 0;
}

/* ---- the other plan -------------------------------------------------------------------------- */

static bool is_count(const json_t *value)
{
    return json_is_integer(value) && json_integer_value(value) >= 0;
}

static bool read_buffers(Comparison *comparison, const json_t *plan)
{
    const json_t *rows = json_object_get(plan, "buffers");
    int64_t peak = json_integer_value(json_object_get(plan, "peak_step"));

    for (size_t k = 0; k < json_array_size(rows); k++) {
        const json_t *row = json_array_get(rows, k);
        const char *name = json_string_value(json_object_get(row, "name"));
        const char *class = json_string_value(json_object_get(row, "class"));
        const json_t *first = json_object_get(row, "first"), *last = json_object_get(row, "last");
        const json_t *bytes = json_object_get(row, "bytes");
        if (name == NULL || class == NULL || !is_count(first) || !is_count(last)
            || !is_count(bytes))
            return false;
        add_instance(&fates_of(comparison, name)->there, class, json_integer_value(bytes),
                     json_integer_value(first) <= peak && peak < json_integer_value(last));
    }
    return json_is_array(rows) && is_count(json_object_get(plan, "peak_step"));
}

static bool add_total(Comparison *comparison, const char *name, Unit unit, const json_t *there,
                      double here)
{
    if (!json_is_number(there))
        return false;
    ARRAY_APPEND(comparison->arena, &comparison->difference->totals,
                 ((TotalChange){name, unit, json_number_value(there), here}));
    return true;
}

static bool read_totals(Comparison *comparison, const json_t *plan, const Inspection *inspection)
{
    const Layout *layout = &comparison->c->layout;
    const Certificate *certificate = &inspection->plan->certificate;
    const json_t *parts = json_object_get(plan, "persistent");
    const struct {
        const char *name;
        Unit unit;
        const json_t *there;
        double here;
    } totals[] = {
        {"batch", UNIT_count, json_object_get(plan, "batch_size"),
         (double)comparison->c->model->batch_size},
        {"total", UNIT_bytes, json_object_get(plan, "total_bytes"), (double)layout->total_bytes},
        {"weights", UNIT_bytes, json_object_get(parts, "weights"), (double)layout->weights},
        {"gradients", UNIT_bytes, json_object_get(parts, "gradients"), (double)layout->grads},
        {"optimiser", UNIT_bytes, json_object_get(parts, "moments"), (double)layout->moments},
        {"half copies", UNIT_bytes, json_object_get(parts, "halves"), (double)layout->halves},
        {"averages", UNIT_bytes, json_object_get(parts, "ema"), (double)layout->ema},
        {"staging", UNIT_bytes, json_object_get(parts, "inputs"), (double)layout->inputs},
        {"arena", UNIT_bytes, json_object_get(plan, "arena_bytes"), (double)layout->arena_bytes},
        {"most alive", UNIT_bytes, json_object_get(plan, "live_bound_bytes"),
         (double)certificate->live_bound},
        {"kernels again", UNIT_count, json_object_get(plan, "recomputed_kernels"),
         (double)inspection->repeat_count},
        {"added time", UNIT_ms, json_object_get(plan, "recompute_ms"),
         certificate->recompute_us / 1e3},
        {"step", UNIT_ms, json_object_get(plan, "step_ms"),
         (inspection->once.time_us + inspection->again.time_us) / 1e3},
    };

    for (size_t k = 0; k < COUNT_OF(totals); k++)
        if (!add_total(comparison, totals[k].name, totals[k].unit, totals[k].there, totals[k].here))
            return false;
    return true;
}

/* ---- the difference -------------------------------------------------------------------------- */

static const char *fate_name(const Fate *fate)
{
    return fate->is_recomputed ? "recomputed" : fate->is_kept ? "kept" : "transient";
}

static const char *change_name(const Fates *fates, Arena *arena)
{
    if (!fates->there.exists)
        return "new";
    if (!fates->here.exists)
        return "gone";
    if (fate_name(&fates->there) != fate_name(&fates->here))
        return arena_printf(arena, "%s -> %s", fate_name(&fates->there), fate_name(&fates->here));
    if (fates->there.bytes != fates->here.bytes)
        return fates->there.bytes < fates->here.bytes ? "larger" : "smaller";
    if (fates->there.at_peak != fates->here.at_peak)
        return fates->here.at_peak > 0 ? "now at the peak" : "no longer at the peak";
    return NULL;
}

static int64_t size_of_change(const TensorChange *change)
{
    return change->here > change->there ? change->here - change->there
                                        : change->there - change->here;
}

static int compare_changes(const void *left, const void *right)
{
    const TensorChange *a = left, *b = right;

    if (size_of_change(a) != size_of_change(b))
        return size_of_change(a) > size_of_change(b) ? -1 : 1;
    return strcmp(a->name, b->name);
}

static void find_changes(Comparison *comparison, const Inspection *inspection)
{
    const Plan *plan = inspection->plan;
    Difference *difference = comparison->difference;

    for (uint32_t b = 0; b < plan->buffers.count; b++) {
        const Buffer *buffer = &plan->buffers.items[b];
        const BufferFacts *facts = &inspection->facts[b];
        if (buffer->storage == STORAGE_arena)
            add_instance(&fates_of(comparison, buffer->name)->here, class_names[facts->class],
                         buffer->bytes,
                         buffer->life.first <= plan->certificate.peak_step
                             && plan->certificate.peak_step < facts->end);
    }
    for (uint32_t k = 0; k < comparison->by_name.entries.count; k++) {
        const MapEntry *entry = &comparison->by_name.entries.items[k];
        const Fates *fates = entry->value;
        const char *what = change_name(fates, comparison->arena);
        if (what != NULL)
            ARRAY_APPEND(
                comparison->arena, &difference->tensors,
                ((TensorChange){entry->key, what, fates->there.at_peak, fates->here.at_peak}));
    }
    if (difference->tensors.count > 0)
        qsort(difference->tensors.items, difference->tensors.count,
              sizeof *difference->tensors.items, compare_changes);
}

const Difference *compare_plans(const Compilation *c, const char *path, Arena *arena)
{
    json_error_t error;
    FILE *file = fopen(path, "rb");

    if (file == NULL) {
        fprintf(stderr, "snug: cannot read %s: %s\n", path, strerror(errno));
        return NULL;
    }
    json_t *plan = json_loadf(file, JSON_REJECT_DUPLICATES, &error);
    fclose(file);
    if (plan == NULL) {
        fprintf(stderr, "snug: %s:%d:%d: no JSON: %s\n", path, error.line, error.column,
                error.text);
        return NULL;
    }
    Comparison comparison = {.c = c, .arena = arena, .difference = arena_new(arena, Difference)};
    const Inspection *inspection = inspect_plan(c, main_segment(c), arena);
    comparison.difference->with = path;
    bool ok = json_integer_value(json_object_get(plan, "schema")) == PLAN_SCHEMA
              && read_totals(&comparison, plan, inspection) && read_buffers(&comparison, plan);
    json_decref(plan);
    if (!ok) {
        fprintf(stderr,
                "snug: %s is no plan of this version of snug\n"
                "      note: `snug plan --json` writes one, `snug compile` too\n",
                path);
        return NULL;
    }
    find_changes(&comparison, inspection);
    return comparison.difference;
}

/* ---- forms ----------------------------------------------------------------------------------- */

/* In MiB, ms or as it is, 13 wide. */
static void print_cell(FILE *out, Unit unit, double number, const char *sign)
{
    char cell[64];
    double shown = unit == UNIT_bytes ? number / 1048576 : number;

    snprintf(cell, sizeof cell, "%s%.*f", number > 0 ? sign : "",
             unit == UNIT_count ? 0
             : unit == UNIT_ms  ? 2
                                : 1,
             shown);
    fprintf(out, " %12s", cell);
}

void difference_text(FILE *out, const Difference *difference)
{
    static const char *const units[] = {"MiB", "ms", ""};
    uint32_t shown = 0;

    fprintf(out, "\ncompared with %s\n  %-19s %12s %12s %12s\n", difference->with, "", "there",
            "here", "change");
    for (uint32_t k = 0; k < difference->totals.count; k++) {
        const TotalChange *total = &difference->totals.items[k];
        fprintf(out, "  %-19s", total->name);
        print_cell(out, total->unit, total->there, "");
        print_cell(out, total->unit, total->here, "");
        print_cell(out, total->unit, total->here - total->there, "+");
        fprintf(out, *units[total->unit] ? "  %s\n" : "%s\n", units[total->unit]);
    }
    if (difference->tensors.count == 0) {
        fputs("  every tensor is as it is there\n", out);
        return;
    }
    fputs("  MiB at the peak\n", out);
    for (; shown < difference->tensors.count && shown < TENSORS_SHOWN; shown++) {
        const TensorChange *change = &difference->tensors.items[shown];
        size_t length = strlen(change->name);
        fprintf(out, "  %s%-*s", length > 33 ? ".." : "", length > 33 ? 31 : 33,
                length > 33 ? change->name + length - 31 : change->name);
        fprintf(out, " %8.1f %8.1f  %s\n", (double)change->there / 1048576,
                (double)change->here / 1048576, change->what);
    }
    if (difference->tensors.count > shown)
        fprintf(out, "  %u others\n", difference->tensors.count - shown);
}

void difference_json(FILE *out, const Difference *difference)
{
    static const char *const units[] = {"bytes", "ms", "count"};

    fputs("{\"with\":", out);
    print_json_string(out, difference->with);
    fputs(",\"totals\":[", out);
    for (uint32_t k = 0; k < difference->totals.count; k++) {
        const TotalChange *total = &difference->totals.items[k];
        fprintf(out, "%s{\"name\":\"%s\",\"unit\":\"%s\",\"there\":%.4f,\"here\":%.4f}",
                k == 0 ? "" : ",", total->name, units[total->unit], total->there, total->here);
    }
    fputs("],\"tensors\":[", out);
    for (uint32_t k = 0; k < difference->tensors.count; k++) {
        const TensorChange *change = &difference->tensors.items[k];
        fputs(k == 0 ? "{\"name\":" : ",{\"name\":", out);
        print_json_string(out, change->name);
        fprintf(out, ",\"what\":\"%s\",\"there\":%lld,\"here\":%lld}", change->what,
                (long long)change->there, (long long)change->here);
    }
    fputs("]}", out);
}
