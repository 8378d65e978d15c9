/* Elaboration: from the tree to the forward graph with its loss.
 *
 *     param width = 32          -D width=48 replaces the default          -> globals
 *     fn module(x, ...) {...}   called, unrolled, inlined                  -> ops, parameters
 *     train { ... }             inputs, loss, settings                     -> the model
 *
 * Names are checked first, in the whole file; then the block `train` is evaluated from its first
 * statement to its last. Every op is appended with its shape, so that x.channels is a number.
 */
#include <math.h>
#include <string.h>

#include "elaborate.h"

#include "compiler/graph/graph.h"
#include "front.h"

/* ---- values in words ------------------------------------------------------------------------- */

bool is_whole(double number)
{
    return number == floor(number) && fabs(number) <= 9007199254740992.0; /* 2^53 */
}

const char *number_text(const Elaborator *e, double number)
{
    return arena_printf(e->arena, "%.15g", number == 0 ? 0.0 : number);
}

const char *describe(const Elaborator *e, Datum datum)
{
    switch (datum.kind) {
    case DATUM_number: return arena_printf(e->arena, "the number %s", number_text(e, datum.number));
    case DATUM_boolean: return datum.boolean ? "true" : "false";
    case DATUM_list:
        return datum.count == 0 ? "an empty list"
                                : arena_printf(e->arena, "a list of %u", datum.count);
    case DATUM_tensor: {
        const Value *value = &e->graph->values.items[datum.tensor.i];
        Shape s = value->shape;
        if (value->storage == STORAGE_input && value->input != INPUT_tensor)
            return arena_printf(e->arena, "the %s \"%s\"",
                                value->input == INPUT_picture ? "picture" : "landmarks",
                                value->name);
        return arena_printf(e->arena, "a tensor of %lldx%lldx%lldx%lld", (long long)s.n,
                            (long long)s.h, (long long)s.w, (long long)s.c);
    }
    case DATUM_target: return "a target";
    case DATUM_loss: return "a loss";
    default: BUG("what is unknown after an error is described");
    }
}

/* ---- the names of the file ------------------------------------------------------------------- */

static void add_builtins(Elaborator *e)
{
    for (uint32_t k = 0; k < builtin_count; k++) {
        Global *global = arena_new(e->arena, Global);
        *global = (Global){.kind = GLOBAL_builtin, .builtin = &builtins[k]};
        map_set(&e->globals, e->arena,
                intern(e->c->names, builtins[k].name, strlen(builtins[k].name)), global);
    }
}

static void add_global(Elaborator *e, GlobalKind kind, const Node *node)
{
    const Global *other = map_get(&e->globals, node->name);

    if (other != NULL && other->kind == GLOBAL_builtin) {
        error_at(e->diags, ERROR_E033, node->name_span, "\"%s\" is a builtin function", node->name);
        note(e->diags, "choose another name");
        return;
    }
    if (other != NULL) {
        error_at(e->diags, ERROR_E032, node->name_span, "\"%s\" is defined twice", node->name);
        note_at(e->diags, other->node->name_span, "the first time");
        return;
    }
    Global *global = arena_new(e->arena, Global);
    *global = (Global){.kind = kind, .node = node};
    map_set(&e->globals, e->arena, node->name, global);
}

static void add_train(Elaborator *e, const Node *node)
{
    if (e->train != NULL) {
        error_at(e->diags, ERROR_E081, node->span, "a second block `train`");
        note_at(e->diags, e->train->span, "the first");
        return;
    }
    e->train = node;
}

static void collect_names(Elaborator *e, const Node *tree)
{
    for (const Node *node = tree; node != NULL; node = node->next) {
        if (node->kind == NODE_function)
            add_global(e, GLOBAL_function, node);
        if (node->kind == NODE_train)
            add_train(e, node);
        if (node->kind == NODE_param)
            for (const Node *p = node->items; p != NULL; p = p->next)
                add_global(e, GLOBAL_param, p);
    }
    if (e->train == NULL) {
        error_at(e->diags, ERROR_E080, (Span){0}, "%s has no block `train`",
                 e->c->options.model_path);
        note(e->diags,
             "it declares the inputs and says what to minimize; a file of functions alone is "
             "for others to import");
    }
}

/* ---- -D, --batch_size, --image_size ---------------------------------------------------------- */

static Global *find_param(const Elaborator *e, const char *name)
{
    Global *global = map_get(&e->globals, intern(e->c->names, name, strlen(name)));

    return global != NULL && global->kind == GLOBAL_param ? global : NULL;
}

static void give(Elaborator *e, Global *param, double value)
{
    Override *given = arena_new(e->arena, Override);

    *given = (Override){.name = param->node->name, .value = value, .used = true};
    param->given = given;
}

static void apply_defines(Elaborator *e)
{
    for (uint32_t k = 0; k < e->c->options.override_count; k++) {
        Override *override = &e->c->options.overrides[k];
        Global *param = find_param(e, override->name);
        if (param != NULL) {
            override->used = true;
            param->given = override;
            continue;
        }
        ARRAY(const char *) known = {0};
        for (uint32_t g = 0; g < e->globals.entries.count; g++)
            if (((const Global *)e->globals.entries.items[g].value)->kind == GLOBAL_param)
                ARRAY_APPEND(e->arena, &known, e->globals.entries.items[g].key);
        const char *nearest = nearest_name(override->name, known.items, known.count);
        error_at(e->diags, ERROR_E035, (Span){0}, "-D %s=%s: the model has no param \"%s\"",
                 override->name, number_text(e, override->value), override->name);
        if (nearest != NULL)
            note(e->diags, "did you mean \"%s\"?", nearest);
        else if (known.count == 0)
            note(e->diags, "it declares none: param width = 32");
    }
}

/* A square size goes to image_size, and each side to image_height and image_width, as far as the
 * model declares them. */
static void apply_image_size(Elaborator *e, int64_t height, int64_t width)
{
    Global *size = find_param(e, "image_size");
    Global *sides[] = {find_param(e, "image_height"), find_param(e, "image_width")};
    bool has_sides = sides[0] != NULL && sides[1] != NULL;
    bool is_trial = e->trial_height != 0;

    if (!is_trial && size == NULL && !has_sides) {
        error_at(e->diags, ERROR_E036, (Span){0},
                 "--image_size %lld %lld: the model has no param \"image_size\"", (long long)height,
                 (long long)width);
        note(e->diags,
             "declare param image_size = %lld and use it in "
             "picture[batch_size, image_size, image_size, 3]",
             (long long)height);
        return;
    }
    if (!is_trial && height != width && !has_sides) {
        error_at(e->diags, ERROR_E036, (Span){0},
                 "--image_size %lld %lld: the model has square images", (long long)height,
                 (long long)width);
        note(e->diags,
             "declare param image_height = image_size, image_width = image_size and use them "
             "in picture[batch_size, image_height, image_width, 3]");
        return;
    }
    if (size != NULL && height == width)
        give(e, size, (double)height);
    if (has_sides) {
        give(e, sides[0], (double)height);
        give(e, sides[1], (double)width);
    }
}

static void apply_options(Elaborator *e)
{
    const CompileOptions *options = &e->c->options;
    Global *batch = find_param(e, "batch_size");

    apply_defines(e);
    if (options->batch_size != 0 && batch != NULL)
        give(e, batch, (double)options->batch_size);
    if (options->batch_size != 0 && batch == NULL) {
        error_at(e->diags, ERROR_E036, (Span){0},
                 "--batch_size %lld: the model has no param "
                 "\"batch_size\"",
                 (long long)options->batch_size);
        note(e->diags,
             "declare param batch_size = %lld and use it in "
             "picture[batch_size, image_size, image_size, 3]",
             (long long)options->batch_size);
    }
    if (e->trial_height != 0)
        apply_image_size(e, e->trial_height, e->trial_width);
    else if (options->image_height != 0)
        apply_image_size(e, options->image_height, options->image_width);
}

/* ---- params ---------------------------------------------------------------------------------- */

static void report_param_cycle(Elaborator *e, const Global *global, Span asked_at)
{
    Text chain = {.arena = e->arena};
    uint32_t first = 0;

    while (e->evaluating.items[first] != global)
        first++;
    for (uint32_t k = first; k < e->evaluating.count; k++)
        text_printf(&chain, "%s -> ", e->evaluating.items[k]->node->name);
    text_put(&chain, global->node->name);
    error_at(e->diags, ERROR_E071, asked_at, "params need each other: %s", chain.bytes);
    note_at(e->diags, global->node->span, "give one of them a number");
}

static Datum default_value(Elaborator *e, const Global *global)
{
    const Node *node = global->node;

    Datum value = evaluate(e, node->a);
    if (value.kind == DATUM_number || value.kind == DATUM_unknown)
        return value;
    error_at(e->diags, ERROR_E063, node->a->span, "param \"%s\" is %s", node->name,
             describe(e, value));
    note(e->diags, "a param is a number, so that -D can replace it");
    return unknown_datum();
}

Datum param_value(Elaborator *e, Global *global, Span asked_at)
{
    if (global->state == PARAM_evaluating) {
        report_param_cycle(e, global, asked_at);
        global->value = unknown_datum();
        global->state = PARAM_known;
    }
    if (global->state == PARAM_waiting && global->given != NULL) {
        global->value = number_datum(global->given->value);
    } else if (global->state == PARAM_waiting) {
        Frame outermost = {.scope = "", .first_variable = e->variables.count}, *caller = e->frame;
        global->state = PARAM_evaluating;
        ARRAY_APPEND(e->arena, &e->evaluating, global);
        e->frame = &outermost;
        Datum value = default_value(e, global);
        e->frame = caller;
        e->evaluating.count--;
        if (global->state == PARAM_evaluating)
            global->value = value;
    }
    global->state = PARAM_known;
    return global->value;
}

static void evaluate_params(Elaborator *e)
{
    for (uint32_t k = 0; k < e->globals.entries.count; k++) {
        Global *global = e->globals.entries.items[k].value;
        if (global->kind == GLOBAL_param)
            param_value(e, global, global->node->span);
    }
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* "models/hrnet_w32.snug" -> "hrnet_w32". It names files that C includes, and stands in JSON: what
 * neither can spell becomes '_'. */
static const char *model_name(Elaborator *e, const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path;
    const char *dot = strrchr(base, '.');
    size_t length = dot != NULL && dot != base ? (size_t)(dot - base) : strlen(base);
    char *name = arena_printf(e->arena, "%.*s", (int)length, base);

    for (size_t k = 0, step; k < length; k += step) {
        uint32_t point;
        step = utf8_decode(name + k, length - k, &point);
        unsigned byte = (unsigned char)name[k];
        if (step == 1 && (byte < ' ' || byte >= 0x7f || strchr("\"\\?*<>|:", name[k]) != NULL))
            name[k] = '_';
    }
    return intern(e->c->names, name, length);
}

static void elaborate_tree(Elaborator *e)
{
    Frame outermost = {.scope = ""};

    e->arena = e->c->arena;
    e->diags = e->c->diags;
    e->model = arena_new(e->arena, Model);
    e->model->name = model_name(e, e->c->options.model_path);
    (void)ARRAY_PUSH(e->arena, &e->model->params);
    e->graph = e->model->train = graph_create(e->arena, e->c->names);
    add_builtins(e);
    collect_names(e, e->c->tree);
    check_names(e, e->c->tree);
    apply_options(e);
    if (diagnostics_error_count(e->diags) > 0)
        return;
    evaluate_params(e);
    if (diagnostics_error_count(e->diags) > 0)
        return;
    e->frame = &outermost;
    elaborate_train(e);
}

bool elaborate(Compilation *c)
{
    Elaborator e = {.c = c};

    elaborate_tree(&e);
    c->model = e.model;
    return diagnostics_error_count(c->diags) == 0;
}

/* ---- other sizes ----------------------------------------------------------------------------- */

/* Elaborates the same tree once more, with images of this size, and looks whether that works. */
static bool size_works(const Elaborator *e, int64_t height, int64_t width)
{
    Compilation c = *e->c;
    Elaborator trial = {.c = &c, .trial_height = height, .trial_width = width};

    c.arena = arena_create();
    c.diags = diagnostics_create(c.arena);
    elaborate_tree(&trial);
    bool works = diagnostics_error_count(c.diags) == 0;
    arena_destroy(c.arena);
    return works;
}

/* Tries the nearest multiples of 2, 4, 8, ... until those above and below both work. Silent where
 * the mistake is not in the size. */
void note_sizes_that_work(Elaborator *e)
{
    int64_t height = e->model->image_height, width = e->model->image_width;

    if (e->trial_height != 0 || e->sizes_explained || height == 0)
        return;
    e->sizes_explained = true;
    for (int64_t step = 2; step <= 512; step *= 2) {
        int64_t below[] = {height / step * step, width / step * step};
        int64_t above[] = {align_up(height, step), align_up(width, step)};
        if ((above[0] == height && above[1] == width) || !size_works(e, above[0], above[1]))
            continue;
        bool has_below = below[0] > 0 && below[1] > 0;
        if (has_below && !size_works(e, below[0], below[1]))
            continue;
        if (has_below)
            note(e->diags, "images of %lldx%lld and %lldx%lld work: multiples of %lld",
                 (long long)below[0], (long long)below[1], (long long)above[0], (long long)above[1],
                 (long long)step);
        else
            note(e->diags, "images of %lldx%lld work: multiples of %lld", (long long)above[0],
                 (long long)above[1], (long long)step);
        return;
    }
}
