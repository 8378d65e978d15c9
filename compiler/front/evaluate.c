/* Evaluation: expressions and statements of the language. Calls are in evaluate_calls.c.
 *
 * A straight interpreter of the tree. A function call makes a frame; the variables of all frames
 * lie on one stack, those of the current frame on top:
 *
 *     variables   | train: image, points, x | module: branches, ys | basic: x, y |
 *     frames        ^ first of train          ^ first of module      ^ first of basic
 *
 * Everything is bounded: steps, ops, depth of calls, items of a list, variables of a frame.
 */
#include <math.h>
#include <string.h>

#include "compiler/ir/ir.h"
#include "elaborate.h"

enum {
    MAX_DEPTH = 3000,
    MAX_STEPS = 10 * 1000 * 1000,
    MAX_ITEMS = 100 * 1000,
    MAX_VARIABLES = 1000
};

/* ---- limits ---------------------------------------------------------------------------------- */

Datum give_up(Elaborator *e)
{
    e->is_exhausted = true;
    return unknown_datum();
}

/* Every node evaluated and every item of a list is a step. */
static bool take_steps(Elaborator *e, int64_t count, Span at)
{
    if (e->is_exhausted)
        return false;
    e->steps += count;
    if (e->steps <= MAX_STEPS)
        return true;
    error_at(e->diags, ERROR_E072, at, "the file takes more than %d steps to evaluate", MAX_STEPS);
    note(e->diags, "every expression and every item of a list is a step; HRNet takes 7000");
    note_calls(e);
    give_up(e);
    return false;
}

/* ---- variables ------------------------------------------------------------------------------- */

static Variable *find_variable(const Elaborator *e, const char *name)
{
    for (uint32_t k = e->variables.count; k > e->frame->first_variable; k--)
        if (e->variables.items[k - 1].name == name)
            return &e->variables.items[k - 1];
    return NULL;
}

/* A variable of a loop or comprehension: hides another of that name until drop_variable. */
static uint32_t push_variable(Elaborator *e, const char *name, Span at)
{
    if (e->variables.count - e->frame->first_variable >= MAX_VARIABLES && !e->is_exhausted) {
        error_at(e->diags, ERROR_E075, at, "more than %d variables in one function", MAX_VARIABLES);
        note(e->diags, "a list holds any number of values in one variable");
        give_up(e);
    }
    ARRAY_APPEND(e->arena, &e->variables, ((Variable){.name = name}));
    return e->variables.count - 1;
}

static void drop_variable(Elaborator *e, uint32_t index)
{
    e->variables.items[index].name = NULL;
    while (e->variables.count > e->frame->first_variable
           && e->variables.items[e->variables.count - 1].name == NULL)
        e->variables.count--;
}

void define_variable(Elaborator *e, const char *name, Datum value, Span at)
{
    Variable *variable = find_variable(e, name);

    if (variable == NULL)
        variable = find_variable(e, NULL); /* one that a loop has left */
    if (variable == NULL) {
        uint32_t index = push_variable(e, name, at);
        variable = &e->variables.items[index];
    }
    *variable = (Variable){name, value};
}

static Datum evaluate_name(Elaborator *e, const Node *node)
{
    const Variable *variable = find_variable(e, node->name);

    if (variable != NULL)
        return variable->value;
    Global *global = map_get(&e->globals, node->name);
    if (global != NULL && global->kind == GLOBAL_param)
        return param_value(e, global, node->span);
    if (e->frame->is_uncertain)
        return unknown_datum();
    error_at(e->diags, ERROR_E039, node->span, "\"%s\" has no value here", node->name);
    note(e->diags,
         "it is set elsewhere in this function: further down, in a branch that was not taken, or "
         "by a loop that has ended");
    note_calls(e);
    return unknown_datum();
}

/* ---- lists ----------------------------------------------------------------------------------- */

/* Room for `count` items; they cost a step each. NULL after an error. */
static Datum *new_items(Elaborator *e, double count, Span at)
{
    if (count > MAX_ITEMS) {
        error_at(e->diags, ERROR_E074, at, "a list of %s items", number_text(e, count));
        note(e->diags, "a list has at most %d", MAX_ITEMS);
        note_calls(e);
        return NULL;
    }
    return take_steps(e, (int64_t)count, at) ? arena_array(e->arena, Datum, (size_t)count) : NULL;
}

static Datum list_datum(const Datum *items, uint32_t count)
{
    return (Datum){.kind = DATUM_list, .count = count, .items = items};
}

static Datum evaluate_list(Elaborator *e, const Node *node)
{
    uint32_t count = 0, k = 0;

    for (const Node *item = node->items; item != NULL; item = item->next)
        count++;
    Datum *items = new_items(e, count, node->span);
    if (items == NULL)
        return unknown_datum();
    for (const Node *item = node->items; item != NULL; item = item->next)
        items[k++] = evaluate(e, item);
    return list_datum(items, count);
}

static Datum evaluate_range(Elaborator *e, const Node *node)
{
    Datum first = evaluate(e, node->a), last = evaluate(e, node->b);

    for (int end = 0; end < 2; end++) {
        const Datum *bound = end == 0 ? &first : &last;
        if (bound->kind == DATUM_unknown)
            return unknown_datum();
        if (bound->kind == DATUM_number && is_whole(bound->number))
            continue;
        error_at(e->diags, ERROR_E057, (end == 0 ? node->a : node->b)->span,
                 "a range ends in a whole number, not %s", describe(e, *bound));
        if (bound->kind == DATUM_number)
            note(e->diags, "floor(x) is the largest whole number up to x");
        note_calls(e);
        return unknown_datum();
    }
    double count = last.number < first.number ? 0 : last.number - first.number + 1;
    Datum *items = new_items(e, count, node->span);
    if (items == NULL)
        return unknown_datum();
    for (uint32_t k = 0; k < (uint32_t)count; k++)
        items[k] = number_datum(first.number + k);
    return list_datum(items, (uint32_t)count);
}

/* What a loop or a comprehension runs over. Returns false where it is no list. */
static bool evaluate_sequence(Elaborator *e, const Node *node, Datum *list)
{
    *list = evaluate(e, node);
    if (list->kind == DATUM_list || list->kind == DATUM_unknown)
        return list->kind == DATUM_list;
    error_at(e->diags, ERROR_E053, node->span, "a loop runs over a list, not over %s",
             describe(e, *list));
    if (list->kind == DATUM_number)
        note(e->diags, "for %s turns write 0 .. %s", number_text(e, list->number),
             number_text(e, list->number - 1));
    note_calls(e);
    return false;
}

/* Returns false where the condition is unknown. */
static bool evaluate_condition(Elaborator *e, const Node *node, bool *is_true)
{
    Datum condition = evaluate(e, node);

    if (condition.kind == DATUM_boolean) {
        *is_true = condition.boolean;
        return true;
    }
    if (condition.kind == DATUM_unknown)
        return false;
    error_at(e->diags, ERROR_E052, node->span, "a condition is true or false, not %s",
             describe(e, condition));
    if (condition.kind == DATUM_number)
        note(e->diags, "write a comparison: x != 0");
    note_calls(e);
    return false;
}

static Datum evaluate_comprehension(Elaborator *e, const Node *node)
{
    Datum sequence;
    uint32_t count = 0;
    bool is_known = evaluate_sequence(e, node->b, &sequence);
    Datum *items = is_known ? new_items(e, sequence.count, node->span) : NULL;

    if (items == NULL)
        return unknown_datum();
    uint32_t variable = push_variable(e, node->name, node->name_span);
    for (uint32_t k = 0; k < sequence.count && is_known && !e->is_exhausted; k++) {
        bool is_wanted = true;
        e->variables.items[variable].value = sequence.items[k];
        if (node->c != NULL)
            is_known = evaluate_condition(e, node->c, &is_wanted);
        if (is_known && is_wanted)
            items[count++] = evaluate(e, node->a);
    }
    drop_variable(e, variable);
    return is_known ? list_datum(items, count) : unknown_datum();
}

static Datum evaluate_index(Elaborator *e, const Node *node)
{
    Datum list = evaluate(e, node->a), index = evaluate(e, node->b);

    if (list.kind == DATUM_unknown || index.kind == DATUM_unknown)
        return unknown_datum();
    if (list.kind != DATUM_list) {
        error_at(e->diags, ERROR_E053, node->a->span, "only a list has items, and this is %s",
                 describe(e, list));
    } else if (index.kind != DATUM_number || !is_whole(index.number)) {
        error_at(e->diags, ERROR_E055, node->b->span, "an index is a whole number, not %s",
                 describe(e, index));
    } else if (index.number < 0 || index.number >= list.count) {
        error_at(e->diags, ERROR_E055, node->b->span, "index %s of a list of %u items",
                 number_text(e, index.number), list.count);
        if (list.count > 0)
            note(e->diags, "indices run from 0 to %u", list.count - 1);
    } else {
        return list.items[(uint32_t)index.number];
    }
    note_calls(e);
    return unknown_datum();
}

/* ---- operators ------------------------------------------------------------------------------- */

static const char *const operator_text[] = {
    [OPERATOR_add] = "+",
    [OPERATOR_subtract] = "-",
    [OPERATOR_multiply] = "*",
    [OPERATOR_divide] = "/",
    [OPERATOR_remainder] = "%",
    [OPERATOR_power] = "^",
    [OPERATOR_negate] = "-",
    [OPERATOR_equal] = "==",
    [OPERATOR_not_equal] = "!=",
    [OPERATOR_less] = "<",
    [OPERATOR_less_equal] = "<=",
    [OPERATOR_greater] = ">",
    [OPERATOR_greater_equal] = ">=",
    [OPERATOR_and] = "and",
    [OPERATOR_or] = "or",
    [OPERATOR_not] = "not",
};

static Datum finite_number(Elaborator *e, const Node *node, double number)
{
    if (isfinite(number))
        return number_datum(number);
    error_at(e->diags, ERROR_E059, node->span, "the result of %s is not a finite number",
             operator_text[node->op]);
    note_calls(e);
    return unknown_datum();
}

/* +, -, *, /, %, ^ of numbers; the remainder has the sign of the divisor, so that -1 % 4 is 3. */
static Datum evaluate_arithmetic(Elaborator *e, const Node *node, double a, double b)
{
    switch (node->op) {
    case OPERATOR_add: return finite_number(e, node, a + b);
    case OPERATOR_subtract: return finite_number(e, node, a - b);
    case OPERATOR_multiply: return finite_number(e, node, a * b);
    case OPERATOR_power: return finite_number(e, node, pow(a, b));
    case OPERATOR_divide:
    case OPERATOR_remainder:
        if (b != 0)
            return finite_number(e, node,
                                 node->op == OPERATOR_divide ? a / b : a - b * floor(a / b));
        error_at(e->diags, ERROR_E059, node->span, "%s divided by 0", number_text(e, a));
        note_calls(e);
        return unknown_datum();
    case OPERATOR_less: return (Datum){.kind = DATUM_boolean, .boolean = a < b};
    case OPERATOR_less_equal: return (Datum){.kind = DATUM_boolean, .boolean = a <= b};
    case OPERATOR_greater: return (Datum){.kind = DATUM_boolean, .boolean = a > b};
    case OPERATOR_greater_equal: return (Datum){.kind = DATUM_boolean, .boolean = a >= b};
    case OPERATOR_equal: return (Datum){.kind = DATUM_boolean, .boolean = a == b};
    case OPERATOR_not_equal: return (Datum){.kind = DATUM_boolean, .boolean = a != b};
    default: BUG("%s is no operator of two numbers", operator_text[node->op]);
    }
}

static Datum concatenate_lists(Elaborator *e, const Node *node, Datum a, Datum b)
{
    Datum *items = new_items(e, (double)a.count + b.count, node->span);

    if (items == NULL)
        return unknown_datum();
    for (uint32_t k = 0; k < a.count; k++)
        items[k] = a.items[k];
    for (uint32_t k = 0; k < b.count; k++)
        items[a.count + k] = b.items[k];
    return list_datum(items, a.count + b.count);
}

static Datum wrong_operands(Elaborator *e, const Node *node, Datum a, Datum b)
{
    bool has_tensor = a.kind == DATUM_tensor || b.kind == DATUM_tensor;
    bool compares = node->op >= OPERATOR_equal && node->op <= OPERATOR_greater_equal;

    error_at(e->diags, ERROR_E050, node->span, "%s of %s and %s", operator_text[node->op],
             describe(e, a), describe(e, b));
    if (compares)
        note(e->diags, "only numbers are compared, as in x.channels == 64%s",
             node->op <= OPERATOR_not_equal ? ", or true and false" : "");
    else if (has_tensor && (a.kind == DATUM_list || b.kind == DATUM_list))
        note(e->diags, "a list is joined with a list: write [x] for a list of one");
    else if (has_tensor)
        note(e->diags, "tensors are added to tensors, and multiplied or divided by numbers");
    else if (a.kind == DATUM_list || b.kind == DATUM_list)
        note(e->diags, "+ joins two lists; for each item write [f(x) for x in xs]");
    note_calls(e);
    return unknown_datum();
}

static Datum evaluate_logic(Elaborator *e, const Node *node)
{
    bool left, right;

    if (!evaluate_condition(e, node->a, &left))
        return unknown_datum();
    if (left == (node->op == OPERATOR_or))
        return (Datum){.kind = DATUM_boolean, .boolean = left};
    if (!evaluate_condition(e, node->b, &right))
        return unknown_datum();
    return (Datum){.kind = DATUM_boolean, .boolean = right};
}

static Datum evaluate_binary(Elaborator *e, const Node *node)
{
    if (node->op == OPERATOR_and || node->op == OPERATOR_or)
        return evaluate_logic(e, node);
    Datum a = evaluate(e, node->a), b = evaluate(e, node->b);
    if (a.kind == DATUM_unknown || b.kind == DATUM_unknown)
        return unknown_datum();
    if (a.kind == DATUM_number && b.kind == DATUM_number)
        return evaluate_arithmetic(e, node, a.number, b.number);
    if (a.kind == DATUM_boolean && b.kind == DATUM_boolean
        && (node->op == OPERATOR_equal || node->op == OPERATOR_not_equal))
        return (Datum){.kind = DATUM_boolean,
                       .boolean = (a.boolean == b.boolean) == (node->op == OPERATOR_equal)};
    if (a.kind == DATUM_list && b.kind == DATUM_list && node->op == OPERATOR_add)
        return concatenate_lists(e, node, a, b);
    if (a.kind == DATUM_tensor && b.kind == DATUM_tensor && node->op == OPERATOR_add)
        return add_tensors(e, node, a, b);
    if (a.kind == DATUM_tensor && b.kind == DATUM_number && node->op == OPERATOR_multiply)
        return scale_tensor(e, node, a, b.number);
    if (a.kind == DATUM_number && b.kind == DATUM_tensor && node->op == OPERATOR_multiply)
        return scale_tensor(e, node, b, a.number);
    if (a.kind == DATUM_tensor && b.kind == DATUM_number && node->op == OPERATOR_divide) {
        Datum factor = evaluate_arithmetic(e, node, 1, b.number);
        return factor.kind == DATUM_number ? scale_tensor(e, node, a, factor.number) : factor;
    }
    return wrong_operands(e, node, a, b);
}

static Datum evaluate_unary(Elaborator *e, const Node *node)
{
    bool is_true;

    if (node->op == OPERATOR_not) {
        if (!evaluate_condition(e, node->a, &is_true))
            return unknown_datum();
        return (Datum){.kind = DATUM_boolean, .boolean = !is_true};
    }
    Datum a = evaluate(e, node->a);
    if (a.kind == DATUM_number)
        return number_datum(-a.number);
    if (a.kind == DATUM_tensor)
        return scale_tensor(e, node, a, -1);
    if (a.kind != DATUM_unknown) {
        error_at(e->diags, ERROR_E050, node->span, "- of %s", describe(e, a));
        note_calls(e);
    }
    return unknown_datum();
}

static Datum evaluate_conditional(Elaborator *e, const Node *node)
{
    bool is_true;

    if (!evaluate_condition(e, node->a, &is_true))
        return unknown_datum();
    return evaluate(e, is_true ? node->b : node->c);
}

static Datum evaluate_member(Elaborator *e, const Node *node)
{
    static const char *const members[] = {"batch", "height", "width", "channels"};
    Datum a = evaluate(e, node->a);

    if (a.kind == DATUM_unknown)
        return a;
    if (a.kind != DATUM_tensor) {
        error_at(e->diags, ERROR_E054, node->span, "%s has no \"%s\"", describe(e, a), node->name);
        note(e->diags,
             a.kind == DATUM_list ? "a list has length(xs), its items have members: xs[0].%s"
                                  : "only tensors have members: x.channels",
             node->name);
        note_calls(e);
        return unknown_datum();
    }
    Shape shape = e->graph->values.items[a.tensor.i].shape;
    int64_t sizes[] = {shape.n, shape.h, shape.w, shape.c};
    for (uint32_t k = 0; k < COUNT_OF(members); k++)
        if (strcmp(node->name, members[k]) == 0)
            return number_datum((double)sizes[k]);
    const char *nearest = nearest_name(node->name, members, COUNT_OF(members));
    error_at(e->diags, ERROR_E054, node->span, "a tensor has no \"%s\"", node->name);
    note(e->diags,
         nearest != NULL ? "there is \"%s\"" : "there are x.batch, x.height, x.width, x.channels",
         nearest);
    note_calls(e);
    return unknown_datum();
}

/* ---- expressions ----------------------------------------------------------------------------- */

static Datum evaluate_kind(Elaborator *e, const Node *node)
{
    switch (node->kind) {
    case NODE_number: return number_datum(node->number);
    case NODE_name: return evaluate_name(e, node);
    case NODE_list: return evaluate_list(e, node);
    case NODE_comprehension: return evaluate_comprehension(e, node);
    case NODE_range: return evaluate_range(e, node);
    case NODE_unary: return evaluate_unary(e, node);
    case NODE_binary: return evaluate_binary(e, node);
    case NODE_conditional: return evaluate_conditional(e, node);
    case NODE_call: return evaluate_call(e, node, NULL);
    case NODE_index: return evaluate_index(e, node);
    case NODE_member: return evaluate_member(e, node);
    case NODE_as: return evaluate_as(e, node);
    default: BUG("node kind %d is no expression", (int)node->kind);
    }
}

/* A step deeper into the tree, on our own stack too. */
static bool enter(Elaborator *e, const Node *node)
{
    if (!take_steps(e, 1, node->span))
        return false;
    if (e->depth < MAX_DEPTH) {
        e->depth++;
        return true;
    }
    error_at(e->diags, ERROR_E070, node->span, "expressions and calls nest deeper than %d",
             MAX_DEPTH);
    note_calls(e);
    give_up(e);
    return false;
}

Datum evaluate(Elaborator *e, const Node *node)
{
    if (!enter(e, node))
        return unknown_datum();
    Datum result = evaluate_kind(e, node);
    e->depth--;
    return e->is_exhausted ? unknown_datum() : result;
}

/* ---- statements ------------------------------------------------------------------------------ */

static void execute_assign(Elaborator *e, const Node *node)
{
    Datum value = evaluate(e, node->b);
    uint32_t count = 0, k = 0;

    for (const Node *target = node->items; target != NULL; target = target->next)
        count++;
    if (count > 1 && value.kind != DATUM_unknown
        && (value.kind != DATUM_list || value.count != count)) {
        error_at(e->diags, ERROR_E056, node->span, "%u names are set to %s", count,
                 describe(e, value));
        note(e->diags, "the right side must be a list of %u items", count);
        note_calls(e);
        value = unknown_datum();
    }
    for (const Node *target = node->items; target != NULL; target = target->next, k++)
        define_variable(e, target->name,
                        count > 1 && value.kind == DATUM_list ? value.items[k] : value,
                        target->span);
}

static void execute_if(Elaborator *e, const Node *node)
{
    bool is_true;

    if (!evaluate_condition(e, node->a, &is_true))
        e->frame->is_uncertain = true;
    else if (is_true)
        execute(e, node->b);
    else if (node->c != NULL)
        execute(e, node->c);
}

static void execute_for(Elaborator *e, const Node *node)
{
    Datum sequence;

    if (!evaluate_sequence(e, node->a, &sequence)) {
        e->frame->is_uncertain = true;
        return;
    }
    uint32_t variable = push_variable(e, node->name, node->name_span);
    for (uint32_t k = 0; k < sequence.count && !e->frame->has_result && !e->is_exhausted; k++) {
        e->variables.items[variable].value = sequence.items[k];
        execute(e, node->b);
    }
    drop_variable(e, variable);
}

void execute(Elaborator *e, const Node *node)
{
    if (!enter(e, node))
        return;
    switch (node->kind) {
    case NODE_assign: execute_assign(e, node); break;
    case NODE_return:
        e->frame->result = evaluate(e, node->a);
        e->frame->has_result = true;
        break;
    case NODE_if: execute_if(e, node); break;
    case NODE_for: execute_for(e, node); break;
    case NODE_block:
        for (const Node *s = node->items; s != NULL && !e->frame->has_result; s = s->next)
            execute(e, s);
        break;
    case NODE_evaluate: evaluate(e, node->a); break;
    default: BUG("node kind %d is no statement", (int)node->kind);
    }
    e->depth--;
}
