/* plan.json and plan.html beside the program; of several variants plan_b1_512x512_host.json and so
 * on. */
#include "compiler/floor/system.h"
#include "compiler/report/report.h"
#include "compiler/report/report_html.h"
#include "emit.h"

static bool write_json(FILE *file, void *c)
{
    report_json(file, c, false);
    return true;
}

static bool write_html(FILE *file, void *c)
{
    report_html(file, c, NULL);
    return true;
}

bool emit_plans(Compilation *const *variants, uint32_t count, const char *folder)
{
    for (uint32_t v = 0; v < count; v++) {
        Compilation *c = variants[v];
        const char *name = variant_name(variants, count, v);
        const char *path =
            arena_printf(c->arena, "%s/plan%s%s", folder, name[0] != '\0' ? "_" : "", name);
        if (!write_if_changed(c->arena, arena_printf(c->arena, "%s.json", path), write_json, c)
            || !write_if_changed(c->arena, arena_printf(c->arena, "%s.html", path), write_html, c))
            return false;
    }
    return true;
}
