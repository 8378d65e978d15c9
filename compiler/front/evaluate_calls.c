/* Calls: binding of arguments, frames, and the paths that `as` gives.
 *
 *     x = block(relu(x)) as layer[k]        relu is outside of the path, what block makes inside
 *
 *     scope ""                 train's frame
 *     scope "layer.0"          block's frame: conv(y, 8) as conv1 makes layer.0.conv1.weight
 */
#include <string.h>

#include "elaborate.h"

enum { MAX_CALL_DEPTH = 100 };

/* ---- where we are ---------------------------------------------------------------------------- */

void note_calls(Elaborator *e)
{
    int shown = 0;

    for (const Frame *frame = e->frame; frame != NULL && shown < 3; frame = frame->caller) {
        if (frame->function == NULL)
            return;
        const Global *function = map_get(&e->globals, frame->function->name);
        if (function->calls == 1 && frame->scope[0] == '\0')
            continue;
        note_at(e->diags, frame->call, "in the call of \"%s\"%s%s%s", frame->function->name,
                frame->scope[0] ? " as \"" : "", frame->scope, frame->scope[0] ? "\"" : "");
        shown++;
    }
}

/* The calls that led here, innermost last: "f -> g -> f", or NULL where no function is twice in
 * them. */
static const char *find_cycle(const Elaborator *e, const Node *callee)
{
    Text chain = {.arena = e->arena};
    const Frame *frame = e->frame;
    uint32_t count = 0;

    while (frame != NULL && frame->function != NULL && frame->function != callee) {
        frame = frame->caller;
        count++;
    }
    if (frame == NULL || frame->function == NULL)
        return NULL;
    text_put(&chain, callee->name);
    for (; count > 0; count--) { /* the frame that is `count - 1` calls outside of the innermost */
        frame = e->frame;
        for (uint32_t k = 1; k < count; k++)
            frame = frame->caller;
        text_printf(&chain, " -> %s", frame->function->name);
    }
    text_printf(&chain, " -> %s", callee->name);
    return chain.bytes;
}

static Datum calls_too_deep(Elaborator *e, const Node *call, const Node *callee)
{
    const char *cycle = find_cycle(e, callee);

    if (cycle != NULL) {
        error_at(e->diags, ERROR_E070, call->span, "calls without an end: %s", cycle);
        note(e->diags,
             "stopped at %d calls inside each other; a function that calls itself needs a "
             "condition under which it returns without",
             MAX_CALL_DEPTH);
    } else {
        error_at(e->diags, ERROR_E070, call->span, "more than %d calls inside each other",
                 MAX_CALL_DEPTH);
        note_calls(e);
    }
    return give_up(e);
}

/* ---- scopes ---------------------------------------------------------------------------------- */

const char *join_path(const Elaborator *e, const char *scope, const char *name)
{
    const char *path = scope[0] == '\0' ? name : arena_printf(e->arena, "%s.%s", scope, name);

    return intern(e->c->names, path, strlen(path));
}

/* The scope with the path of an `as` below it, or NULL after an error. */
static const char *evaluate_path(Elaborator *e, const Node *node)
{
    const char *path = e->frame->scope;

    for (const Node *part = node->items; part != NULL; part = part->next) {
        if (part->kind == NODE_name) {
            path = join_path(e, path, part->name);
            continue;
        }
        Datum index = evaluate(e, part->b);
        if (index.kind == DATUM_unknown)
            return NULL;
        if (index.kind != DATUM_number || !is_whole(index.number) || index.number < 0) {
            error_at(e->diags, ERROR_E062, part->b->span,
                     "a number in a path is whole and at least 0, not %s", describe(e, index));
            note_calls(e);
            return NULL;
        }
        path = join_path(e, path, number_text(e, index.number));
    }
    return path;
}

const char *count_unnamed(Elaborator *e, const char *kind)
{
    const char *base = join_path(e, e->frame->scope, kind);
    uint32_t *count = map_get(&e->counters, base);

    if (count == NULL) {
        count = arena_new(e->arena, uint32_t);
        map_set(&e->counters, e->arena, base, count);
    }
    const char *name = arena_printf(e->arena, "%s_%u", base, ++*count);
    return intern(e->c->names, name, strlen(name));
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* Whether the value is of the parameter's kind and within its limits; says so if not. A boolean
 * given as a flag becomes a number. */
static bool argument_fits(Elaborator *e, const char *function, const BuiltinParameter *parameter,
                          Datum *value, Span at)
{
    static const char *const wanted[] = {
        [ARGUMENT_tensor] = "a tensor",      [ARGUMENT_number] = "a number",
        [ARGUMENT_whole] = "a whole number", [ARGUMENT_flag] = "0 or 1",
        [ARGUMENT_list] = "a list",          [ARGUMENT_target] = "a target",
    };
    static const DatumKind kinds[] = {
        [ARGUMENT_tensor] = DATUM_tensor, [ARGUMENT_number] = DATUM_number,
        [ARGUMENT_whole] = DATUM_number,  [ARGUMENT_flag] = DATUM_number,
        [ARGUMENT_list] = DATUM_list,     [ARGUMENT_target] = DATUM_target,
    };

    if (value->kind == DATUM_unknown)
        return false;
    if (parameter->kind == ARGUMENT_flag && value->kind == DATUM_boolean)
        *value = number_datum(value->boolean);
    if (value->kind != kinds[parameter->kind]) {
        error_at(e->diags, ERROR_E051, at, "%s takes %s as \"%s\", not %s", function,
                 wanted[parameter->kind], parameter->name, describe(e, *value));
        if (value->kind == DATUM_list && parameter->kind == ARGUMENT_tensor)
            note(e->diags, "for each item write [%s(x) for x in xs]", function);
        if (value->kind == DATUM_tensor && kinds[parameter->kind] == DATUM_number)
            note(e->diags, "the numbers of a tensor are x.batch, x.height, x.width, x.channels");
        if (parameter->kind == ARGUMENT_list)
            note(e->diags, "write [x] for a list of one");
        if (parameter->kind == ARGUMENT_target)
            note(e->diags, "a target is drawn from landmarks: gaussian(points, sigma = 2)");
        note_calls(e);
        return false;
    }
    if (value->kind != DATUM_number)
        return true;
    bool must_be_whole = parameter->kind != ARGUMENT_number;
    if (value->number >= parameter->least && value->number <= parameter->most
        && (!must_be_whole || is_whole(value->number)))
        return true;
    error_at(e->diags, ERROR_E058, at, "%s of %s is %s", parameter->name, function,
             number_text(e, value->number));
    note(e->diags, "it must be %s from %s to %s", must_be_whole ? "a whole number" : "a number",
         number_text(e, parameter->least), number_text(e, parameter->most));
    note_calls(e);
    return false;
}

/* Requires: check_names, so that every argument has a parameter and every parameter a value. */
static Datum call_builtin(Elaborator *e, const Node *node, const Builtin *builtin, const char *path)
{
    BuiltinCall call = {.node = node, .path = path};
    uint32_t position = 0;
    bool is_given[BUILTIN_MAX_PARAMETERS] = {false}, fits = true;

    for (const Node *argument = node->items; argument != NULL; argument = argument->next) {
        uint32_t k = argument->name == NULL
                         ? position++
                         : (uint32_t)(find_parameter(builtin->parameters, argument->name)
                                      - builtin->parameters);
        call.arguments[k] = evaluate(e, argument->a);
        is_given[k] = true;
        fits &= argument_fits(e, builtin->name, &builtin->parameters[k], &call.arguments[k],
                              argument->a->span);
    }
    if (!fits || e->is_exhausted)
        return unknown_datum();
    for (uint32_t k = 0; builtin->parameters[k].kind != ARGUMENT_none; k++)
        if (!is_given[k])
            call.arguments[k] = builtin->parameters[k].kind == ARGUMENT_list
                                    ? (Datum){.kind = DATUM_list}
                                    : number_datum(builtin->parameters[k].preset);
    if (builtin->is_op && path == NULL)
        call.path = count_unnamed(e, builtin->name);
    return builtin->build(e, &call);
}

static Datum run_body(Elaborator *e, const Node *function)
{
    if (function->b->kind != NODE_block)
        return evaluate(e, function->b);
    execute(e, function->b);
    if (e->frame->has_result)
        return e->frame->result;
    if (!e->frame->is_uncertain && !e->is_exhausted) {
        error_at(e->diags, ERROR_E045, function->name_span, "\"%s\" ends without a return",
                 function->name);
        note(e->diags, "the last statement of a function is `return` and its value");
        note_calls(e);
    }
    return unknown_datum();
}

/* Defaults are evaluated inside the function, so that they may read the parameters before them. */
static Datum call_function(Elaborator *e, const Node *node, const Node *function, const char *path)
{
    Frame frame = {.function = function,
                   .call = node->span,
                   .caller = e->frame,
                   .scope = path != NULL ? path : e->frame->scope};
    Datum given[FUNCTION_MAX_PARAMETERS];
    uint32_t count = 0;

    if (e->call_depth == MAX_CALL_DEPTH)
        return calls_too_deep(e, node, function);
    for (const Node *argument = node->items; argument != NULL; argument = argument->next)
        given[count++] = evaluate(e, argument->a);
    frame.first_variable = e->variables.count;
    e->frame = &frame;
    e->call_depth++;

    const Node *by_position = node->items;
    uint32_t position = 0;
    for (const Node *p = function->items; p != NULL; p = p->next) {
        if (by_position != NULL && by_position->name == NULL) {
            define_variable(e, p->name, given[position++], p->span);
            by_position = by_position->next;
            continue;
        }
        const Node *argument = by_position;
        uint32_t k = position;
        for (; argument != NULL && argument->name != p->name; argument = argument->next)
            k++;
        define_variable(e, p->name, argument != NULL ? given[k] : evaluate(e, p->a), p->span);
    }
    Datum result = run_body(e, function);
    e->call_depth--;
    e->variables.count = frame.first_variable;
    e->frame = frame.caller;
    return result;
}

Datum evaluate_call(Elaborator *e, const Node *node, const char *path)
{
    const Global *global = map_get(&e->globals, node->name);

    if (global == NULL || global->kind == GLOBAL_param)
        BUG("the call of \"%s\" was not checked", node->name);
    if (global->kind == GLOBAL_builtin)
        return call_builtin(e, node, global->builtin, path);
    return call_function(e, node, global->node, path);
}

Datum evaluate_as(Elaborator *e, const Node *node)
{
    const char *outside = e->frame->scope, *path = evaluate_path(e, node);

    if (path == NULL)
        return unknown_datum();
    if (node->a->kind == NODE_call)
        return evaluate_call(e, node->a, path);
    e->frame->scope = path;
    Datum result = evaluate(e, node->a);
    e->frame->scope = outside;
    return result;
}
