/* The block `train`: inputs, statements, what is computed and minimised, and the settings.
 *
 *     image : picture[...]      an input of the graph
 *     heat = net(...)           a statement like any other
 *     output heat               model->heat
 *     minimize mse(...)         model->loss
 *     optimize adamw(...)       model->defaults, which flags of the trainer override
 */
#include <string.h>

#include "compiler/graph/graph.h"
#include "elaborate.h"

/* ---- settings -------------------------------------------------------------------------------- */

typedef struct Setting {
    const char *owner, *name;
    size_t offset; /* in SnugDefaults */
    bool is_whole;
    double preset, least, most;
} Setting;

#define NUMBER(owner, name, field, preset, least, most)                                            \
    {                                                                                              \
        owner, name, offsetof(SnugDefaults, field), false, preset, least, most                     \
    }
#define WHOLE(owner, name, field, preset, least, most)                                             \
    {                                                                                              \
        owner, name, offsetof(SnugDefaults, field), true, preset, least, most                      \
    }

/* Floats just below 1 must not round to 1. */
#define BELOW_1 0.9999999

static const Setting settings[] = {
    NUMBER("adamw", "lr", lr, 3e-4, 1e-12, 10),
    NUMBER("adamw", "beta1", beta1, 0.9, 0, BELOW_1),
    NUMBER("adamw", "beta2", beta2, 0.999, 0, BELOW_1),
    NUMBER("adamw", "eps", eps, 1e-8, 1e-30, 1),
    NUMBER("adamw", "weight_decay", weight_decay, 1e-4, 0, 1),
    NUMBER("adamw", "clip", clip, 1, 0, 1e6),
    WHOLE("schedule", "warmup", warmup_epochs, 0, 0, 1e6),
    NUMBER("schedule", "cosine_to", min_lr, 1e-6, 0, 10),
    WHOLE("schedule", "epochs", epochs, 100, 1, 1e6),
    WHOLE("accumulate", NULL, accumulate, 1, 1, 65536),
    NUMBER("ema", NULL, ema_decay, 0.9999, 1e-6, BELOW_1),
};

static void store_setting(SnugDefaults *defaults, const Setting *setting, double number)
{
    char *field = (char *)defaults + setting->offset;

    if (setting->is_whole)
        *(int32_t *)(void *)field = (int32_t)number;
    else
        *(float *)(void *)field = (float)number;
}

static void store_presets(SnugDefaults *defaults)
{
    for (uint32_t k = 0; k < COUNT_OF(settings); k++)
        store_setting(defaults, &settings[k], settings[k].preset);
    defaults->mixed_precision = 1;
}

static void set_from(Elaborator *e, const Setting *setting, const Node *expression)
{
    const char *name = setting->name != NULL ? setting->name : setting->owner;
    Datum value = evaluate(e, expression);

    if (value.kind == DATUM_unknown)
        return;
    if (value.kind == DATUM_number && value.number >= setting->least
        && value.number <= setting->most && (!setting->is_whole || is_whole(value.number))) {
        store_setting(&e->model->defaults, setting, value.number);
        return;
    }
    error_at(e->diags, ERROR_E083, expression->span, "%s is %s", name,
             value.kind == DATUM_number ? number_text(e, value.number) : describe(e, value));
    note(e->diags, "it must be a %s from %s to %s", setting->is_whole ? "whole number" : "number",
         number_text(e, setting->least), number_text(e, setting->most));
}

/* The arguments of adamw(...) or of `schedule`: all by name. */
static void set_all(Elaborator *e, const char *owner, const Node *arguments)
{
    const Node *seen[COUNT_OF(settings)] = {NULL};
    const char *known[COUNT_OF(settings)];
    uint32_t known_count = 0;

    for (uint32_t k = 0; k < COUNT_OF(settings); k++)
        if (strcmp(settings[k].owner, owner) == 0)
            known[known_count++] = settings[k].name;
    for (const Node *argument = arguments; argument != NULL; argument = argument->next) {
        uint32_t k = 0;
        if (argument->name == NULL) {
            error_at(e->diags, ERROR_E092, argument->span, "a setting of %s without its name",
                     owner);
            note(e->diags, "write the name before the value: %s = %s", known[0],
                 strcmp(owner, "adamw") == 0 ? "3e-4" : "10");
            continue;
        }
        while (k < COUNT_OF(settings)
               && (strcmp(settings[k].owner, owner) != 0
                   || strcmp(settings[k].name, argument->name) != 0))
            k++;
        if (k == COUNT_OF(settings)) {
            const char *nearest = nearest_name(argument->name, known, known_count);
            error_at(e->diags, ERROR_E092, argument->name_span, "%s has no setting \"%s\"", owner,
                     argument->name);
            if (nearest != NULL)
                note(e->diags, "did you mean \"%s\"?", nearest);
        } else if (seen[k] != NULL) {
            error_at(e->diags, ERROR_E082, argument->span, "%s is set twice", argument->name);
            note_at(e->diags, seen[k]->span, "the first time");
        } else {
            seen[k] = argument;
            set_from(e, &settings[k], argument->a);
        }
    }
}

static void set_single(Elaborator *e, const char *owner, const Node *expression)
{
    for (uint32_t k = 0; k < COUNT_OF(settings); k++)
        if (strcmp(settings[k].owner, owner) == 0)
            set_from(e, &settings[k], expression);
}

static void set_precision(Elaborator *e, const Node *node)
{
    e->model->defaults.mixed_precision = strcmp(node->name, "mixed") == 0;
}

static void set_optimizer(Elaborator *e, const Node *node)
{
    if (strcmp(node->a->name, "adamw") == 0) {
        set_all(e, "adamw", node->a->items);
        return;
    }
    error_at(e->diags, ERROR_E084, node->a->name_span, "there is no optimizer \"%s\"",
             node->a->name);
    note(e->diags, "there is adamw(lr = 3e-4, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, "
                   "weight_decay = 1e-4, clip = 1); with weight_decay = 0 it is Adam");
}

static void check_settings(Elaborator *e)
{
    const SnugDefaults *defaults = &e->model->defaults;
    const Node *schedule = NULL;

    for (const Node *node = e->train->items; node != NULL; node = node->next)
        if (node->kind == NODE_schedule)
            schedule = node;
    if (schedule == NULL)
        return;
    if (defaults->warmup_epochs >= defaults->epochs) {
        error_at(e->diags, ERROR_E083, schedule->span, "warmup takes %d of %d epochs",
                 (int)defaults->warmup_epochs, (int)defaults->epochs);
        note(e->diags, "at least one epoch must be left for the rest of the schedule");
    } else if (defaults->min_lr > defaults->lr) {
        error_at(e->diags, ERROR_E083, schedule->span,
                 "cosine_to is %g, above the learning rate %g", (double)defaults->min_lr,
                 (double)defaults->lr);
        note(e->diags, "the cosine falls from lr to cosine_to");
    }
}

/* ---- inputs ---------------------------------------------------------------------------------- */

typedef struct InputForm {
    const char *name;
    InputKind kind;
    uint32_t size_count;
    const char *sizes[4];
    const char *example;
} InputForm;

static const InputForm forms[] = {
    {"picture",
     INPUT_picture,
     4,
     {"batch", "height", "width", "channels"},
     "image : picture[batch_size, image_size, image_size, 3]"},
    {"landmarks",
     INPUT_landmarks,
     2,
     {"batch", "number of landmarks"},
     "points : landmarks[batch_size, landmarks]"},
    {"tensor",
     INPUT_tensor,
     4,
     {"batch", "height", "width", "channels"},
     "x : tensor[batch_size, 64, 64, 16]"},
};

static const InputForm *find_form(const Node *node)
{
    for (uint32_t k = 0; k < COUNT_OF(forms); k++)
        if (strcmp(forms[k].name, node->kind_name) == 0)
            return &forms[k];
    BUG("the parser let the kind of input %s pass", node->kind_name);
}

static bool evaluate_sizes(Elaborator *e, const Node *node, const InputForm *form, int64_t *sizes)
{
    uint32_t count = 0;
    bool ok = true;

    for (const Node *item = node->items; item != NULL; item = item->next, count++) {
        Datum size = evaluate(e, item);
        if (size.kind == DATUM_number && is_whole(size.number) && size.number >= 1
            && size.number <= INT32_MAX && count < 4) {
            sizes[count] = (int64_t)size.number;
            continue;
        }
        ok = false;
        if (size.kind == DATUM_unknown || count >= form->size_count)
            continue;
        error_at(e->diags, ERROR_E091, item->span, "the %s of \"%s\" is %s", form->sizes[count],
                 node->name,
                 size.kind == DATUM_number ? number_text(e, size.number) : describe(e, size));
        note(e->diags, "it must be a whole number from 1 to %d", INT32_MAX);
    }
    if (count == form->size_count)
        return ok;
    error_at(e->diags, ERROR_E085, node->span, "%s has %u sizes, not %u", form->name,
             form->size_count, count);
    note(e->diags, "as in %s", form->example);
    return false;
}

static ValueId append_input(Elaborator *e, const Node *node, const char *name, InputKind kind,
                            Shape shape)
{
    OpId id = graph_append(e->graph, OP_input, NULL, 0, name, node->span);
    ValueId value = graph_output(e->graph, id, 0);
    Value *v = &e->graph->values.items[value.i];

    v->input = kind;
    v->shape = shape;
    v->type = kind == INPUT_picture ? SNUG_U8 : SNUG_F32;
    return infer_op(e->graph, id, e->diags, true) ? value : (ValueId){0};
}

static bool is_second(Elaborator *e, const Node *node, const InputForm *form, ValueId first)
{
    if (first.i == 0)
        return false;
    error_at(e->diags, ERROR_E086, node->span, "\"%s\" is a second %s", node->name,
             form->kind == INPUT_landmarks ? "set of landmarks" : form->name);
    note_at(e->diags, e->graph->values.items[first.i].source, "the first: a batch has one");
    return true;
}

/* A trial gives pictures and tensors its own size. */
static Shape input_shape(const Elaborator *e, InputKind kind, const int64_t *sizes)
{
    if (kind == INPUT_landmarks)
        return (Shape){1, sizes[0], sizes[1], 3};
    if (e->trial_height != 0)
        return (Shape){sizes[0], e->trial_height, e->trial_width, sizes[3]};
    return (Shape){sizes[0], sizes[1], sizes[2], sizes[3]};
}

static void declare_input(Elaborator *e, const Node *node)
{
    Model *model = e->model;
    const InputForm *form = find_form(node);
    int64_t sizes[4] = {0};
    ValueId value = {0};

    if (evaluate_sizes(e, node, form, sizes)
        && !(form->kind == INPUT_picture && is_second(e, node, form, model->image))
        && !(form->kind == INPUT_landmarks && is_second(e, node, form, model->points)))
        value = append_input(e, node, node->name, form->kind, input_shape(e, form->kind, sizes));
    define_variable(e, node->name,
                    value.i == 0 ? unknown_datum() : (Datum){.kind = DATUM_tensor, .tensor = value},
                    node->name_span);
    if (value.i == 0)
        return;
    Shape shape = e->graph->values.items[value.i].shape;
    if (form->kind == INPUT_landmarks) {
        model->points = value;
        model->landmarks = sizes[1];
    } else if (form->kind == INPUT_picture || model->image_height == 0) {
        model->image = form->kind == INPUT_picture ? value : (ValueId){0};
        model->batch_size = shape.n;
        model->image_height = shape.h;
        model->image_width = shape.w;
    }
}

/* ---- output and loss ------------------------------------------------------------------------- */

static void set_output(Elaborator *e, const Node *node)
{
    Datum heat = evaluate(e, node->a);

    if (heat.kind == DATUM_unknown)
        return;
    if (heat.kind == DATUM_tensor
        && e->graph->values.items[heat.tensor.i].storage == STORAGE_arena) {
        e->model->heat = heat.tensor;
        return;
    }
    error_at(e->diags, ERROR_E089, node->a->span, "the output is %s",
             heat.kind == DATUM_tensor ? "an input as it came" : describe(e, heat));
    note(e->diags, "it must be a tensor that the network computes: output heat");
}

static void set_loss(Elaborator *e, const Node *node)
{
    Model *model = e->model;
    Datum maps = evaluate(e, node->a);

    if (maps.kind == DATUM_unknown)
        return;
    if (maps.kind != DATUM_loss) {
        error_at(e->diags, ERROR_E087, node->a->span, "minimize is given %s", describe(e, maps));
        note(e->diags, "it needs a loss: mse(heat, target), adaptive_wing(heat, target) or "
                       "ohkm(heat, target)");
        return;
    }
    const Op *made = &e->graph->ops.items[e->graph->values.items[maps.tensor.i].maker.i];
    ValueId heat = made->inputs[0], points = made->inputs[1];
    int64_t batch = e->graph->values.items[maps.tensor.i].shape.w;

    model->loss_attributes = made->loss;
    model->image_weights =
        append_input(e, node, "image_weights", INPUT_image_weights, (Shape){1, 1, 1, batch});
    Datum loss =
        append_op(e, node, OP_loss_combine, (ValueId[]){maps.tensor, points, model->image_weights},
                  3, "loss", &(Op){.loss = model->loss_attributes});
    model->loss = loss.tensor;
    if (model->heat.i == 0)
        model->heat = heat;
}

static bool same_size(Shape a, Shape b)
{
    return a.n == b.n && a.h == b.h && a.w == b.w && a.c == b.c;
}

/* What prediction decodes and what the loss reads must be maps of the same landmarks. */
static void check_result(Elaborator *e, const Node *output, const Node *minimize)
{
    const Graph *graph = e->graph;

    if (output == NULL && minimize == NULL) {
        error_at(e->diags, ERROR_E088,
                 (Span){e->train->span.file, e->train->span.begin, e->train->span.begin + 5},
                 "`train` says neither what to minimize nor what is the output");
        note(e->diags,
             "to train: minimize mse(heat, gaussian(points, sigma = 2)); only to predict: "
             "output heat");
    }
    if (output == NULL || minimize == NULL || e->model->heat.i == 0 || e->model->loss.i == 0)
        return;
    OpId combine = graph->values.items[e->model->loss.i].maker;
    ValueId maps = graph->ops.items[combine.i].inputs[0];
    ValueId heat = graph->ops.items[graph->values.items[maps.i].maker.i].inputs[0];
    Shape is = graph->values.items[e->model->heat.i].shape,
          loss = graph->values.items[heat.i].shape;
    if (same_size(is, loss))
        return;
    error_at(e->diags, ERROR_E089, output->span,
             "the output is %lldx%lldx%lldx%lld but the loss reads %lldx%lldx%lldx%lld",
             (long long)is.n, (long long)is.h, (long long)is.w, (long long)is.c, (long long)loss.n,
             (long long)loss.h, (long long)loss.w, (long long)loss.c);
    note_at(e->diags, minimize->span, "both must be heat maps of the same landmarks");
}

/* ---- the block ------------------------------------------------------------------------------- */

static void elaborate_item(Elaborator *e, const Node *node)
{
    switch (node->kind) {
    case NODE_input: declare_input(e, node); break;
    case NODE_output: set_output(e, node); break;
    case NODE_minimize: set_loss(e, node); break;
    case NODE_precision: break; /* already known: types depend on it from the first op on */
    case NODE_accumulate: set_single(e, "accumulate", node->a); break;
    case NODE_optimize: set_optimizer(e, node); break;
    case NODE_schedule: set_all(e, "schedule", node->items); break;
    case NODE_ema:
        e->model->defaults.use_ema = 1;
        set_single(e, "ema", node->a);
        break;
    default: execute(e, node);
    }
}

static bool may_be_repeated(NodeKind kind)
{
    return kind != NODE_output && kind != NODE_minimize && kind != NODE_precision
           && kind != NODE_accumulate && kind != NODE_optimize && kind != NODE_schedule
           && kind != NODE_ema;
}

void elaborate_train(Elaborator *e)
{
    static const char *const names[NODE_KIND_COUNT] = {
        [NODE_output] = "output",
        [NODE_minimize] = "minimize",
        [NODE_precision] = "precision",
        [NODE_accumulate] = "accumulate",
        [NODE_optimize] = "optimize",
        [NODE_schedule] = "schedule",
        [NODE_ema] = "ema",
    };
    const Node *first[NODE_KIND_COUNT] = {NULL};

    store_presets(&e->model->defaults);
    for (const Node *node = e->train->items; node != NULL; node = node->next)
        if (node->kind == NODE_precision)
            set_precision(e, node);
    if (e->c->options.full_precision)
        e->model->defaults.mixed_precision = 0;
    for (const Node *node = e->train->items; node != NULL && !e->is_exhausted; node = node->next) {
        if (first[node->kind] != NULL && !may_be_repeated(node->kind)) {
            error_at(e->diags, ERROR_E082, node->span, "`%s` is said twice", names[node->kind]);
            note_at(e->diags, first[node->kind]->span, "the first time");
            continue;
        }
        first[node->kind] = node;
        elaborate_item(e, node);
    }
    if (e->is_exhausted)
        return;
    check_result(e, first[NODE_output], first[NODE_minimize]);
    check_settings(e);
    if (e->model->heat.i != 0)
        e->graph->values.items[e->model->heat.i].type = SNUG_F32;
}
