/* plan.json and plan.html beside the program; of several variants plan_1x512x512.json and so on. */
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
        const Model *model = c->model;
        const char *path =
            count == 1 ? arena_printf(c->arena, "%s/plan", folder)
                       : arena_printf(c->arena, "%s/plan_%lldx%lldx%lld", folder,
                                      (long long)model->batch_size, (long long)model->image_height,
                                      (long long)model->image_width);
        if (!write_if_changed(c->arena, arena_printf(c->arena, "%s.json", path), write_json, c)
            || !write_if_changed(c->arena, arena_printf(c->arena, "%s.html", path), write_html, c))
            return false;
    }
    return true;
}
