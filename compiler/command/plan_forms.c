#include "plan_forms.h"

#include <errno.h>
#include <string.h>

#include "compiler/floor/system.h"
#include "compiler/inspect/inspect.h"
#include "compiler/ir/trial.h"
#include "compiler/report/report.h"
#include "compiler/report/report_html.h"
#include "compiler/trial/what_if.h"

typedef struct Page {
    const Compilation *c;
    const PageExtras *extras;
} Page;

static bool write_html(FILE *file, void *context)
{
    const Page *page = context;

    report_html(file, page->c, page->extras);
    return true;
}

static bool write_trace(FILE *file, void *context)
{
    const Page *page = context;

    report_trace(file, page->c);
    return true;
}

static bool is_stdout(const char *path)
{
    return path != NULL && strcmp(path, "-") == 0;
}

/* A file, whole or not at all. */
static bool write_form(Arena *arena, FILE *out, const char *path, Page *page,
                       bool (*write)(FILE *file, void *context))
{
    if (path == NULL)
        return true;
    if (is_stdout(path))
        return write(out, page);
    if (write_if_changed(arena, path, write, page))
        return true;
    fprintf(stderr, "snug: cannot write %s: %s\n", path, strerror(errno));
    return false;
}

static void print_form(const Compilation *c, const PlanForms *forms, const Difference *difference,
                       FILE *out)
{
    if (is_stdout(forms->html) || is_stdout(forms->trace))
        return;
    if (forms->json) {
        report_json(out, c, true);
    } else if (forms->csv) {
        report_csv(out, c);
    } else {
        Trial next = {0};
        if (main_segment(c) == SNUG_SEGMENT_micro_step)
            next = plan_next_batch(c);
        report_text(out, c, &next, forms->color);
        if (difference != NULL)
            difference_text(out, difference);
    }
}

ExitStatus print_plan_forms(const Compilation *c, const PlanForms *forms, FILE *out)
{
    Arena *arena = arena_create();
    PageExtras extras = {0};
    Page page = {.c = c, .extras = &extras};
    bool ok = true;

    if (forms->compare != NULL) {
        extras.difference = compare_plans(c, forms->compare, arena);
        ok = extras.difference != NULL;
    }
    if (ok && forms->html != NULL)
        extras.other_plans = plan_others(c, arena);
    if (ok)
        print_form(c, forms, extras.difference, out);
    ok = ok && write_form(arena, out, forms->trace, &page, write_trace)
         && write_form(arena, out, forms->html, &page, write_html);
    arena_destroy(arena);
    return ok ? EXIT_STATUS_ok : EXIT_STATUS_files;
}
