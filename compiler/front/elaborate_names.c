/* Names and calls, checked before anything is evaluated.
 *
 * The language is static enough to know every callee: functions are no values. So unknown names and
 * wrong arguments are found in all functions at once, called or not, and evaluation can bind
 * without a question. What depends on the order of execution (a name that is set in a branch) is
 * left to it.
 */
#include <string.h>

#include "elaborate.h"

typedef struct Names {
    Elaborator *e;
    const Node *function;      /* NULL: the train block, or a param */
    Map declared;              /* name -> the node that declares it */
    ARRAY(const char *) bound; /* variables of the comprehensions around, innermost last */
} Names;

typedef ARRAY(const char *) NameList;

/* ---- what is known --------------------------------------------------------------------------- */

static bool is_bound(const Names *names, const char *name)
{
    for (uint32_t k = 0; k < names->bound.count; k++)
        if (names->bound.items[k] == name)
            return true;
    return map_get(&names->declared, name) != NULL;
}

static void add_globals(const Elaborator *e, NameList *list, bool functions)
{
    for (uint32_t k = 0; k < e->globals.entries.count; k++) {
        const Global *global = e->globals.entries.items[k].value;
        if ((global->kind != GLOBAL_param) == functions)
            ARRAY_APPEND(e->arena, list, e->globals.entries.items[k].key);
    }
}

const BuiltinParameter *find_parameter(const BuiltinParameter *parameters, const char *name)
{
    for (; parameters->kind != ARGUMENT_none; parameters++)
        if (strcmp(parameters->name, name) == 0)
            return parameters;
    return NULL;
}

static void put_preset(Text *text, const Elaborator *e, const BuiltinParameter *parameter)
{
    if (parameter->is_optional && parameter->kind != ARGUMENT_list)
        text_printf(text, " = %s", number_text(e, parameter->preset));
    else if (parameter->is_optional)
        text_put(text, " = [...]");
}

/* "conv(x, channels, kernel = 3, stride = 1, bias = 0)"; a default of the file's own functions is
 * written "= ...". */
static const char *signature(const Elaborator *e, const char *name, const Global *global)
{
    Text text = {.arena = e->arena};
    bool is_first = true;

    text_printf(&text, "%s(", name);
    if (global->kind == GLOBAL_builtin) {
        for (const BuiltinParameter *p = global->builtin->parameters; p->kind != ARGUMENT_none;
             p++) {
            text_printf(&text, "%s%s", is_first ? "" : ", ", p->name);
            put_preset(&text, e, p);
            is_first = false;
        }
    } else {
        for (const Node *p = global->node->items; p != NULL; p = p->next) {
            text_printf(&text, "%s%s%s", is_first ? "" : ", ", p->name,
                        p->a != NULL ? " = ..." : "");
            is_first = false;
        }
    }
    text_put(&text, ")");
    return text.bytes;
}

static void note_signature(const Elaborator *e, const char *name, const Global *global)
{
    if (global->kind == GLOBAL_function)
        note_at(e->diags, global->node->name_span, "it is %s", signature(e, name, global));
    else
        note(e->diags, "it is %s", signature(e, name, global));
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* The name of parameter k, or NULL past the last. */
static const char *parameter_name(const Global *global, uint32_t k, bool *is_optional)
{
    if (global->kind == GLOBAL_builtin) {
        const BuiltinParameter *p = &global->builtin->parameters[k];
        *is_optional = p->is_optional;
        return p->kind == ARGUMENT_none ? NULL : p->name;
    }
    const Node *p = global->node->items;
    for (; p != NULL && k > 0; k--)
        p = p->next;
    *is_optional = p != NULL && p->a != NULL;
    return p == NULL ? NULL : p->name;
}

static uint32_t parameter_count(const Global *global)
{
    bool is_optional;
    uint32_t count = 0;

    while (parameter_name(global, count, &is_optional) != NULL)
        count++;
    return count;
}

/* The parameter that the argument is for; `count` where there is none, which has been reported. */
static uint32_t find_place(const Elaborator *e, const Node *call, const Global *global,
                           const Node *argument, uint32_t position, uint32_t count)
{
    bool is_optional;

    if (argument->name == NULL && position < count)
        return position;
    if (argument->name == NULL) {
        error_at(e->diags, ERROR_E040, argument->span,
                 "\"%s\" takes %u argument%s, and this is number %u", call->name, count,
                 count == 1 ? "" : "s", position + 1);
        note_signature(e, call->name, global);
        return count;
    }
    NameList known = {0};
    for (uint32_t k = 0; k < count; k++) {
        const char *name = parameter_name(global, k, &is_optional);
        if (strcmp(name, argument->name) == 0)
            return k;
        ARRAY_APPEND(e->arena, &known, name);
    }
    const char *nearest = nearest_name(argument->name, known.items, known.count);
    error_at(e->diags, ERROR_E042, argument->name_span, "\"%s\" has no parameter \"%s\"",
             call->name, argument->name);
    if (nearest != NULL)
        note(e->diags, "did you mean \"%s\"?", nearest);
    note_signature(e, call->name, global);
    return count;
}

static void report_missing(const Elaborator *e, const Node *call, const Global *global,
                           const bool *is_given, uint32_t count)
{
    for (uint32_t k = 0; k < count; k++) {
        bool is_optional;
        const char *name = parameter_name(global, k, &is_optional);
        if (is_given[k] || is_optional)
            continue;
        error_at(e->diags, ERROR_E041, call->span, "\"%s\" lacks its argument \"%s\"", call->name,
                 name);
        note_signature(e, call->name, global);
        return;
    }
}

static void check_arguments(const Elaborator *e, const Node *call, const Global *global)
{
    bool is_given[FUNCTION_MAX_PARAMETERS + 1] = {false}, is_placed = true;
    uint32_t position = 0, count = parameter_count(global);

    if (count > FUNCTION_MAX_PARAMETERS)
        return; /* reported where it is defined */
    for (const Node *argument = call->items; argument != NULL; argument = argument->next) {
        uint32_t k = find_place(e, call, global, argument, position++, count);
        if (k == count) {
            is_placed = false;
            if (argument->name == NULL)
                break;
            continue;
        }
        if (is_given[k]) {
            error_at(e->diags, ERROR_E043, argument->span, "\"%s\" is given its \"%s\" twice",
                     call->name, argument->name);
            note_signature(e, call->name, global);
        }
        is_given[k] = true;
    }
    if (is_placed)
        report_missing(e, call, global, is_given, count);
}

static void check_call(Names *names, const Node *node)
{
    Elaborator *e = names->e;
    Global *global = map_get(&e->globals, node->name);
    NameList known = {0};

    if (global != NULL && global->kind != GLOBAL_param) {
        global->calls++;
        check_arguments(e, node, global);
        return;
    }
    if (global != NULL || is_bound(names, node->name)) {
        error_at(e->diags, ERROR_E038, node->span, "\"%s\" is called but is no function",
                 node->name);
        if (global != NULL)
            note_at(e->diags, global->node->span, "it is a param");
        return;
    }
    add_globals(e, &known, true);
    const char *nearest = nearest_name(node->name, known.items, known.count);
    error_at(e->diags, ERROR_E031, node->name_span, "there is no function \"%s\"", node->name);
    if (nearest != NULL)
        note(e->diags, "did you mean \"%s\"?", nearest);
}

/* ---- names ----------------------------------------------------------------------------------- */

/* The input or assignment of `train` by which the name gets its value, or NULL. */
static const Node *find_setter(const Node *train, const char *name)
{
    for (const Node *node = train != NULL ? train->items : NULL; node != NULL; node = node->next) {
        if (node->kind == NODE_input && node->name == name)
            return node;
        for (const Node *target = node->kind == NODE_assign ? node->items : NULL; target != NULL;
             target = target->next)
            if (target->name == name)
                return target;
    }
    return NULL;
}

static void check_name(Names *names, const Node *node)
{
    static const char *const members[] = {"batch", "height", "width", "channels"};
    Elaborator *e = names->e;
    const Global *global = map_get(&e->globals, node->name);
    NameList known = {0};

    if (is_bound(names, node->name) || (global != NULL && global->kind == GLOBAL_param))
        return;
    if (global != NULL) {
        error_at(e->diags, ERROR_E037, node->span, "the function \"%s\" is used as a value",
                 node->name);
        note(e->diags, "functions can only be called: %s", signature(e, node->name, global));
        return;
    }
    for (uint32_t k = 0; k < names->declared.entries.count; k++)
        ARRAY_APPEND(e->arena, &known, names->declared.entries.items[k].key);
    for (uint32_t k = 0; k < names->bound.count; k++)
        ARRAY_APPEND(e->arena, &known, names->bound.items[k]);
    add_globals(e, &known, false);
    const char *nearest = nearest_name(node->name, known.items, known.count);
    const char *member = nearest_name(node->name, members, COUNT_OF(members));
    const Node *setter = names->function != NULL ? find_setter(e->train, node->name) : NULL;
    error_at(e->diags, ERROR_E030, node->span, "there is no \"%s\" here", node->name);
    if (setter != NULL)
        note_at(e->diags, setter->name_span,
                "`train` sets it, which functions do not see: pass it as an argument");
    else if (nearest != NULL)
        note(e->diags, "did you mean \"%s\"?", nearest);
    else if (member != NULL)
        note(e->diags, "did you mean the member of a tensor, as in x.%s?", member);
    else
        note(e->diags, "known are the params of the file and what this %s sets",
             names->function != NULL ? "function" : "block");
}

static void check_all(Names *names, const Node *first);

static void check_node(Names *names, const Node *node)
{
    if (node == NULL)
        return;
    if (node->kind == NODE_name)
        check_name(names, node);
    if (node->kind == NODE_call)
        check_call(names, node);
    if (node->kind == NODE_optimize) { /* adamw is no function: elaborate_train.c knows it */
        check_all(names, node->a->items);
        return;
    }
    if (node->kind == NODE_comprehension) {
        check_node(names, node->b);
        ARRAY_APPEND(names->e->arena, &names->bound, node->name);
        check_node(names, node->a);
        check_node(names, node->c);
        names->bound.count--;
        return;
    }
    check_node(names, node->a);
    check_node(names, node->b);
    check_node(names, node->c);
    if (node->kind == NODE_as) { /* its path: names that stand for themselves */
        for (const Node *part = node->items; part != NULL; part = part->next)
            check_node(names, part->b);
    } else if (node->kind != NODE_assign) {
        check_all(names, node->items);
    }
}

static void check_all(Names *names, const Node *first)
{
    for (; first != NULL; first = first->next)
        check_node(names, first);
}

/* ---- what a function declares ---------------------------------------------------------------- */

static void declare(Names *names, const Node *node, const char *name, Span span)
{
    const Elaborator *e = names->e;
    const Global *global = map_get(&e->globals, name);

    if (map_get(&names->declared, name) != NULL)
        return;
    if (node->kind != NODE_for && global != NULL && global->kind == GLOBAL_param) {
        error_at(e->diags, ERROR_E034, span, "\"%s\" is a param of the file and cannot be set here",
                 name);
        note_at(e->diags, global->node->span, "its value comes from here or from -D %s=...", name);
    }
    map_set(&names->declared, e->arena, name, (void *)(uintptr_t)node);
}

/* Every name that a statement in here sets. */
static void declare_names(Names *names, const Node *node)
{
    for (; node != NULL; node = node->next) {
        if (node->kind == NODE_assign)
            for (const Node *target = node->items; target != NULL; target = target->next)
                declare(names, node, target->name, target->span);
        if (node->kind == NODE_for || node->kind == NODE_input)
            declare(names, node, node->name, node->name_span);
        if (node->kind == NODE_block)
            declare_names(names, node->items);
        if (node->kind == NODE_for || node->kind == NODE_if)
            declare_names(names, node->b);
        if (node->kind == NODE_if)
            declare_names(names, node->c);
    }
}

static void check_function(Elaborator *e, const Node *function)
{
    Names names = {.e = e, .function = function};
    uint32_t count = 0;

    for (const Node *p = function->items; p != NULL; p = p->next) {
        check_node(&names, p->a);
        map_set(&names.declared, e->arena, p->name, (void *)(uintptr_t)p);
        if (++count == FUNCTION_MAX_PARAMETERS + 1) {
            error_at(e->diags, ERROR_E044, p->span, "\"%s\" has more than %d parameters",
                     function->name, FUNCTION_MAX_PARAMETERS);
            note(e->diags, "a list holds any number of values in one parameter");
        }
    }
    if (function->b->kind == NODE_block)
        declare_names(&names, function->b);
    check_node(&names, function->b);
}

void check_names(Elaborator *e, const Node *tree)
{
    for (const Node *node = tree; node != NULL; node = node->next) {
        Names names = {.e = e};
        if (node->kind == NODE_function)
            check_function(e, node);
        if (node->kind == NODE_param)
            for (const Node *p = node->items; p != NULL; p = p->next)
                check_node(&names, p->a);
        if (node->kind == NODE_train) {
            declare_names(&names, node->items);
            check_all(&names, node->items);
        }
    }
}
