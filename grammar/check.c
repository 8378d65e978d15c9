/* What the grammar alone cannot say: before the parse, whether the file is text at all; after it,
 * whether each statement stands where it may, and names are given once. */
#include <string.h>

#include "parser.h"

/* ---- the text -------------------------------------------------------------------------------- */

bool check_text(Parser *p)
{
    Span place = {.file = p->file};
    uint32_t c;

    for (uint32_t at = 0, bytes; at < p->length; at += bytes) {
        bytes = (uint32_t)utf8_decode(p->text + at, p->length - at, &c);
        place.begin = at;
        place.end = at + 1;
        if (c == 0) {
            error_at(p->diags, ERROR_E001, place, "the file is no text: byte %u is 0", at);
            if (at < 4)
                note(p->diags, "it may be UTF-16: save it as UTF-8");
            return false;
        }
        if (c == 0xFFFD && bytes == 1) {
            error_at(p->diags, ERROR_E001, place, "the file is not UTF-8: byte %u is 0x%02X", at,
                     (unsigned)(unsigned char)p->text[at]);
            note(p->diags, "save the file as UTF-8 in the editor");
            return at >= 2; /* UTF-16 begins with two such bytes */
        }
    }
    return true;
}

/* ---- statements in their places -------------------------------------------------------------- */

typedef enum Place { PLACE_file, PLACE_function, PLACE_train, PLACE_block_in_train } Place;

/* The kinds' first words, for messages; NULL: not a statement. */
static const char *const words[NODE_KIND_COUNT] = {
    [NODE_assign] = "an assignment",
    [NODE_return] = "`return`",
    [NODE_if] = "`if`",
    [NODE_for] = "`for`",
    [NODE_evaluate] = "an expression",
    [NODE_import] = "`import`",
    [NODE_param] = "`param`",
    [NODE_function] = "`fn`",
    [NODE_train] = "`train`",
    [NODE_input] = "an input",
    [NODE_output] = "`output`",
    [NODE_minimize] = "`minimize`",
    [NODE_precision] = "`precision`",
    [NODE_accumulate] = "`accumulate`",
    [NODE_optimize] = "`optimize`",
    [NODE_schedule] = "`schedule`",
    [NODE_ema] = "`ema`",
};

static bool is_top_level(NodeKind kind)
{
    return kind == NODE_import || kind == NODE_param || kind == NODE_function || kind == NODE_train;
}

static bool is_setting(NodeKind kind)
{
    return kind >= NODE_input && kind <= NODE_ema;
}

static bool may_stand(NodeKind kind, Place place)
{
    switch (place) {
    case PLACE_file: return is_top_level(kind);
    case PLACE_function: return !is_top_level(kind) && !is_setting(kind);
    case PLACE_train: return !is_top_level(kind) && kind != NODE_return;
    default: return !is_top_level(kind) && !is_setting(kind) && kind != NODE_return;
    }
}

static void report_misplaced(Parser *p, const Node *node, Place place)
{
    static const char *const places[] = {[PLACE_file] = "at the top of a file",
                                         [PLACE_function] = "in a function",
                                         [PLACE_train] = "in `train`",
                                         [PLACE_block_in_train] = "in a block of `train`"};
    Span span = node->span;

    if (node->kind == NODE_function || node->kind == NODE_train || node->kind == NODE_if
        || node->kind == NODE_for)
        span.end = node->b != NULL ? node->b->span.begin : span.begin + 5; /* its head */
    error_at(p->diags, ERROR_E014, span, "%s cannot stand %s", words[node->kind], places[place]);
    if (is_top_level(node->kind))
        note(p->diags, "it stands at the top of a file, outside of every { }");
    else if (is_setting(node->kind))
        note(p->diags, "it stands directly in train { }");
    else if (node->kind == NODE_return)
        note(p->diags, place == PLACE_file ? "it ends a function: fn f(x) { return x }"
                                           : "the network's value is given by: output heat");
    else if (node->kind == NODE_assign)
        note(p->diags, "a number that the command line may change is a param: param width = 32");
    else
        note(p->diags, "at the top of a file stand import, param, fn and train");
}

static void check_statements(Parser *p, const Node *first, Place place, bool is_reported)
{
    /* A row of misplaced statements is one mistake. */

    for (const Node *node = first; node != NULL; node = node->next) {
        bool may = may_stand(node->kind, place);
        if (!may && !is_reported)
            report_misplaced(p, node, place);
        is_reported = !may || (place == PLACE_file && is_reported);
        if (!may)
            continue;
        Place inner = node->kind == NODE_function ? PLACE_function
                      : place == PLACE_train      ? PLACE_block_in_train
                                                  : place;
        if (node->kind == NODE_train)
            check_statements(p, node->items, PLACE_train, false);
        if (node->b != NULL && node->b->kind == NODE_block)
            check_statements(p, node->b->items, inner, false);
        for (const Node *c = node->kind == NODE_if ? node->c : NULL; c != NULL;
             c = c->kind == NODE_if ? c->c : NULL) {
            const Node *block = c->kind == NODE_if ? c->b : c;
            if (block != NULL)
                check_statements(p, block->items, inner, false);
        }
    }
}

/* ---- names and settings ---------------------------------------------------------------------- */

/* In a chain of parameters or arguments no name comes twice. Of each pair, for chains are short:
 * one that is longer than any function's has errors enough. */
static void check_repeated(Parser *p, const Node *first, const char *what)
{
    enum { CHECKED_MAX = 100 };
    int checked = 0;

    for (const Node *node = first; node != NULL && checked < CHECKED_MAX;
         node = node->next, checked++)
        for (const Node *other = first; other != node; other = other->next)
            if (node->name != NULL && node->name == other->name && strcmp(node->name, "_") != 0) {
                error_at(p->diags, ERROR_E017, node->name_span, "the %s `%s` is given twice", what,
                         node->name);
                note_at(p->diags, other->name_span, "first here");
                break;
            }
}

static void check_arguments(Parser *p, const Node *first)
{
    const Node *keyword = NULL;

    for (const Node *node = first; node != NULL; node = node->next) {
        if (node->name != NULL) {
            keyword = node;
        } else if (keyword != NULL) {
            error_at(p->diags, ERROR_E018, node->span,
                     "an argument without a name follows one with a name");
            note(p->diags, "arguments by position come first: conv(x, 64, stride = 2)");
            break;
        }
    }
    check_repeated(p, first, "argument");
}

static void check_setting(Parser *p, const Node *node)
{
    bool is_call = node->a != NULL && node->a->kind == NODE_call;

    if (node->kind == NODE_precision && strcmp(node->name, "mixed") != 0
        && strcmp(node->name, "full") != 0) {
        error_at(p->diags, ERROR_E022, node->name_span, "there is no precision `%s`", node->name);
        note(p->diags, "write `precision mixed` (16 bits where it is safe) or `precision full`");
    }
    if (node->kind == NODE_optimize && node->a != NULL && !is_call) {
        error_at(p->diags, ERROR_E023, node->a->span, "`optimize` needs an optimizer");
        note(p->diags, "write: optimize adamw(lr = 3e-4, weight_decay = 1e-4, clip = 1.0)");
    }
    for (const Node *item = node->kind == NODE_schedule ? node->items : NULL; item != NULL;
         item = item->next)
        if (item->name == NULL) {
            error_at(p->diags, ERROR_E023, item->span, "a part of `schedule` needs its name");
            note(p->diags, "write: schedule warmup = 10, cosine_to = 1e-6, epochs = 200");
        }
}

static void check_node(Parser *p, const Node *node)
{
    const Node *const children[] = {node->a, node->b, node->c};

    if (node->kind == NODE_call || node->kind == NODE_schedule)
        check_arguments(p, node->items);
    if (node->kind == NODE_function || node->kind == NODE_param)
        check_repeated(p, node->items, "parameter");
    for (const Node *item = node->kind == NODE_param ? node->items : NULL; item != NULL;
         item = item->next)
        if (item->a == NULL) {
            error_at(p->diags, ERROR_E016, item->name_span, "the param `%s` has no value",
                     item->name);
            note(p->diags, "write: param %s = 1; the command line overrides it by -D %s=...",
                 item->name, item->name);
        }
    if (is_setting(node->kind))
        check_setting(p, node);
    for (size_t k = 0; k < COUNT_OF(children); k++)
        if (children[k] != NULL)
            check_node(p, children[k]);
    for (const Node *item = node->items; item != NULL; item = item->next)
        check_node(p, item);
}

void check_tree(Parser *p, bool has_errors)
{
    check_statements(p, p->tree, PLACE_file, has_errors);
    for (const Node *node = p->tree; node != NULL; node = node->next)
        check_node(p, node);
}
